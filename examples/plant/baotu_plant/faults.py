"""What can go wrong, with which machine, and how strongly: the switches of the plant.

A fault is named `kind:target`, as in `bearing_wear:pump-1`. A sensor fault may name the property:
`stuck_sensor:pump-1.flow`; without, it takes the main one of the type. It grows from nothing to
its severity within the kind's `ramp_s`, and heals at once when switched off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

from .catalogue import TYPES
from .points import Points


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """types: the asset types it can befall, none: all. sensor: it touches what is told only."""

    id: str
    title: str
    ramp_s: float
    types: tuple[str, ...] = ()
    sensor: bool = False


KINDS = MappingProxyType(
    {
        kind.id: kind
        for kind in (
            FaultKind(
                id="bearing_wear",
                title="轴承磨损 Bearing wear",
                ramp_s=60.0,
                types=("Pump", "Motor", "Compressor", "MachiningCentre"),
            ),
            FaultKind(id="cavitation", title="汽蚀 Cavitation", ramp_s=15.0, types=("Pump",)),
            FaultKind(
                id="leak",
                title="泄漏 Leak",
                ramp_s=20.0,
                types=("Pump", "Compressor", "Furnace"),
            ),
            FaultKind(
                id="sensor_drift", title="传感器漂移 Sensor drift", ramp_s=120.0, sensor=True
            ),
            FaultKind(id="stuck_sensor", title="传感器卡死 Stuck sensor", ramp_s=0.0, sensor=True),
            FaultKind(id="network_loss", title="网络中断 Network loss", ramp_s=0.0),
        )
    }
)


BOTH = re.compile(r"(.*[\u3400-\u9fff]\S*) (.+)")  # 中文 English


class UnknownFault(ValueError):
    """No such fault; the message says what there is."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One switch. since: simulated seconds at which it went on."""

    kind: FaultKind
    target: str
    title: str
    point: int = -1
    severity: float = 0.0
    since: float = 0.0
    on: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind.id}:{self.target}"

    def strength(self, now: float) -> float:
        """0 … severity, growing linearly along the ramp."""
        if not self.on:
            return 0.0
        grown = 1.0 if self.kind.ramp_s == 0 else min(1.0, (now - self.since) / self.kind.ramp_s)
        return self.severity * grown


class Faults:
    """All switches of a plant, and those that are on."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._all: dict[str, Fault] = {f.name: f for f in _switches(points)}
        self._on: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._all.values())

    def active(self, kind: str = "") -> list[Fault]:
        return [f for f in self._on if kind in ("", f.kind.id)]

    def on(self, name: str, severity: float = 1.0, now: float = 0.0) -> Fault:
        """Raises UnknownFault, ValueError for a severity outside 0 … 1."""
        if not 0.0 < severity <= 1.0:
            raise ValueError(f"severity {severity} is outside 0 … 1")
        fault = self.find(name)
        fault.on, fault.severity, fault.since = True, severity, now
        self._on = [f for f in self if f.on]
        return fault

    def off(self, name: str) -> Fault:
        fault = self.find(name)
        fault.on, fault.severity = False, 0.0
        self._on = [f for f in self if f.on]
        return fault

    def find(self, name: str) -> Fault:
        """The switch of this name; a sensor fault of another property is made on first use."""
        known = self._all.get(name) or self._made(name)
        if known is None:
            kind, _, target = name.partition(":")
            raise UnknownFault(
                f"no fault {name!r}: {kind!r} cannot befall {target!r}"
                if kind in KINDS
                else f"no fault {name!r}: kinds are {', '.join(KINDS)}"
            )
        return known

    def dead_devices(self, now: float) -> dict[str, float]:
        """Names of the controllers that do not answer now, with the strongest loss of each."""
        dead: dict[str, float] = {}
        for fault in self.active("network_loss"):
            machine = self._points.layout.machine(fault.target)
            name = machine.device if machine else fault.target
            dead[name] = max(dead.get(name, 0.0), fault.strength(now))
        return dead

    def _made(self, name: str) -> Fault | None:
        kind, _, target = name.partition(":")
        machine, _, property = target.partition(".")
        point = self._points.find(machine, property)
        if kind not in KINDS or not KINDS[kind].sensor or point is None:
            return None
        if point.property.kind != "number":
            return None
        title = joined(KINDS[kind].title, point.machine.title, point.property.title)
        made = Fault(kind=KINDS[kind], target=target, title=title, point=point.index)
        self._all[name] = made
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A fault from the command line: `kind:target[*severity][@seconds]`."""

    name: str
    severity: float
    at_s: float


_PLANNED = re.compile(r"(?P<name>[a-z_]+:[\w.-]+?)(\*(?P<severity>[0-9.]+))?(@(?P<at>[0-9.]+)s?)?$")


def planned(text: str) -> Planned:
    """Raises ValueError with what a right one looks like.

    >>> planned("bearing_wear:pump-1*0.5@60s").at_s
    60.0
    """
    found = _PLANNED.match(text)
    if not found:
        raise ValueError(f"{text!r} is no fault: write bearing_wear:pump-1*0.5@60s")
    return Planned(
        name=found["name"], severity=float(found["severity"] or 1), at_s=float(found["at"] or 0)
    )


def _switches(points: Points) -> Iterator[Fault]:
    for kind in KINDS.values():
        for machine in points.layout.machines:
            if kind.types and machine.type not in kind.types:
                continue
            point = points.find(machine.id, TYPES[machine.type].main) if kind.sensor else None
            yield Fault(
                kind=kind,
                target=machine.id,
                title=joined(kind.title, machine.title),
                point=point.index if point else -1,
            )
    for device in points.layout.devices:
        kind = KINDS["network_loss"]
        yield Fault(kind=kind, target=device.name, title=joined(kind.title, device.title))


def joined(*titles: str) -> str:
    """Several titles «中文 English» as one.

    >>> joined("轴承磨损 Bearing wear", "1号循环水泵 Cooling water pump 1")
    '轴承磨损 · 1号循环水泵 Bearing wear · Cooling water pump 1'
    """
    parts = [BOTH.fullmatch(title) for title in titles]
    return " ".join(" · ".join(part[n] for part in parts if part) for n in (1, 2))

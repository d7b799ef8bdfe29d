"""Where each point lies in a Modbus device's tables, and the tables themselves as numpy columns.

The same places give the addresses of the tag files and the bytes on the wire, so they agree.
Byte orders name the bytes of a value from the most significant one (A) as they stand in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .layout import Device
from .points import Point

TEXT_REGISTERS = 12  # 24 bytes
BLOCK = 200  # registers between the beginnings of two machines
WIDTHS = MappingProxyType({"int16": 1, "uint32": 2, "float32": 2, "float64": 4})
DTYPES = MappingProxyType({"int16": ">i2", "uint32": ">u4", "float32": ">f4", "float64": ">f8"})
BIT_TABLES = ("coil", "discrete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A point in a table of a unit. type: a row of DTYPES, "text" or "bit".

    bit: of a register, -1: none. raw value = engineering value / (scale × factor): `scale` is the
    tag file's, `factor` turns the device's `raw_unit` into ours.
    """

    point: Point
    unit: int
    table: str
    start: int
    width: int
    type: str
    order: str = "ABCD"
    bit: int = -1
    scale: float = 1.0
    raw_unit: str = ""

    @property
    def factor(self) -> float:
        return 0.01 if self.raw_unit == "kPa" else 1.0

    def address(self, first_unit: int) -> str:
        """As a tag file writes it; the unit is left out where it is the connection's."""
        text = f"{self.table}:{self.start}"
        if self.bit >= 0:
            text += f".{self.bit}"
        elif self.type == "text":
            text += f":string{2 * self.width}"
        elif self.type != "bit":
            text += f":{self.type}" + (f":{self.order}" if self.width > 1 else "")
        return text if self.unit == first_unit else f"{self.unit}/{text}"


def places(device: Device, points: Iterable[Point]) -> list[Place]:
    """Machine by machine: measured values, then set points, texts, bits."""
    found: list[Place] = []
    machines: dict[str, list[Point]] = {}
    for point in points:
        machines.setdefault(point.machine.id, []).append(point)
    for number, mine in enumerate(machines.values()):
        unit = device.unit + number if device.units else device.unit
        base = 0 if device.units else number * BLOCK
        found += _Machine(device, unit, base).lay(mine)
    return found


class _Machine:
    """Lays one machine's points; `_next` is the free register or bit of each table."""

    def __init__(self, device: Device, unit: int, base: int) -> None:
        self.device, self.unit = device, unit
        self._next = dict.fromkeys(("holding", "input", "coil", "discrete"), base)
        self._status = -1
        self._bits = 0

    def lay(self, points: list[Point]) -> Iterator[Place]:
        for point in sorted(points, key=_rank):
            prop = point.property
            if prop.kind == "boolean":
                yield self._bit(point)
            elif prop.kind == "text":
                yield self._registers(point, self.device.measured, "text", TEXT_REGISTERS)
            else:
                type = self.device.counter if prop.counter else self.device.number
                table = "holding" if prop.writable else self.device.measured
                yield self._registers(point, table, type, WIDTHS[type])

    def _registers(self, point: Point, table: str, type: str, width: int) -> Place:
        start = self._next[table]
        self._next[table] += width
        whole = type in ("int16", "uint32")
        return Place(
            point=point,
            unit=self.unit,
            table=table,
            start=start,
            width=width,
            type=type,
            order=self.device.order,
            scale=_scale(point, type) if whole else 1.0,
            raw_unit="kPa" if self.device.pressure_kpa and point.property.unit == "bar" else "",
        )

    def _bit(self, point: Point) -> Place:
        if self.device.booleans == "bits":
            if self._status < 0:
                self._status = self._next["holding"]
                self._next["holding"] += 1
            start, bit, table = self._status, self._bits, "holding"
            self._bits += 1
        else:
            table = "coil" if point.property.writable else "discrete"
            start, bit = self._next[table], -1
            self._next[table] += 1
        return Place(
            point=point, unit=self.unit, table=table, start=start, width=1, type="bit", bit=bit
        )


class Image:
    """The four tables of one unit, filled from the flat column of told values."""

    def __init__(self, places: list[Place]) -> None:
        self.places = places
        self.tables = {
            table: np.zeros(
                max((p.start + p.width for p in places if p.table == table), default=0),
                np.uint8 if table in BIT_TABLES else np.uint16,
            )
            for table in ("coil", "discrete", "holding", "input")
        }
        self._fills = list(self._plan())

    def fill(self, told: np.ndarray) -> None:
        for fill in self._fills:
            fill(told)

    def touched(self, table: str, start: int, count: int) -> list[Place]:
        """Places that share a register or bit with start … start + count."""
        return [
            p
            for p in self.places
            if p.table == table and p.start < start + count and start < p.start + p.width
        ]

    def _plan(self) -> Iterator[Callable[[np.ndarray], None]]:
        kinds = sorted({(p.table, p.type, p.bit >= 0) for p in self.places})
        for table, type, packed in kinds:
            mine = [
                p for p in self.places if (p.table, p.type, p.bit >= 0) == (table, type, packed)
            ]
            store = self.tables[table]
            if type == "text":
                yield from (_text_filler(store, p) for p in mine)
            elif packed:
                yield _packed_filler(store, mine)
            elif type == "bit":
                yield _bit_filler(store, mine)
            else:
                yield _number_filler(store, mine)


def decoded(place: Place, table: np.ndarray) -> float:
    """The engineering value that stands in a table."""
    words = table[place.start : place.start + place.width]
    if place.type == "bit":
        return float(words[0] >> max(place.bit, 0) & 1)
    raw = ordered(words.reshape(1, -1), place.order).astype(">u2").view(DTYPES[place.type])
    return float(raw[0, 0]) * place.scale * place.factor


def ordered(words: np.ndarray, order: str) -> np.ndarray:
    """Rows of registers, most significant first, in a device's order (and back: it is its own
    inverse). Single registers are never swapped."""
    if words.shape[1] == 1:
        return words
    if order in ("CDAB", "DCBA"):
        words = words[:, ::-1]
    if order in ("BADC", "DCBA"):
        words = words.astype(np.uint16).byteswap()
    return words


def _number_filler(store: np.ndarray, places: list[Place]) -> Callable[[np.ndarray], None]:
    first = places[0]
    source = np.array([p.point.index for p in places])
    scale = np.array([p.scale * p.factor for p in places])
    target = np.array([range(p.start, p.start + p.width) for p in places])
    dtype = np.dtype(DTYPES[first.type])

    def fill(told: np.ndarray) -> None:
        raw = told[source] / scale
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            raw = np.clip(np.round(raw), limits.min, limits.max)
        words = raw.astype(dtype).view(">u2").reshape(len(source), -1).astype(np.uint16)
        store[target] = ordered(words, first.order)

    return fill


def _text_filler(store: np.ndarray, place: Place) -> Callable[[np.ndarray], None]:
    rows = [
        np.frombuffer(word.encode().ljust(2 * place.width, b"\0"), ">u2").astype(np.uint16)
        for word in place.point.words
    ]

    def fill(told: np.ndarray) -> None:
        store[place.start : place.start + place.width] = rows[int(told[place.point.index])]

    return fill


def _bit_filler(store: np.ndarray, places: list[Place]) -> Callable[[np.ndarray], None]:
    source = np.array([p.point.index for p in places])
    target = np.array([p.start for p in places])

    def fill(told: np.ndarray) -> None:
        store[target] = told[source] != 0

    return fill


def _packed_filler(store: np.ndarray, places: list[Place]) -> Callable[[np.ndarray], None]:
    source = np.array([p.point.index for p in places])
    target = np.array([p.start for p in places])
    shift = np.array([p.bit for p in places], np.uint16)

    def fill(told: np.ndarray) -> None:
        store[target] = 0
        np.bitwise_or.at(store, target, (told[source] != 0).astype(np.uint16) << shift)

    return fill


def _rank(point: Point) -> tuple[int, int]:
    prop = point.property
    kind = 3 if prop.kind == "boolean" else 2 if prop.kind == "text" else int(prop.writable)
    return kind, point.index


def _scale(point: Point, type: str) -> float:
    """The finest power of ten, not finer than the sensor, with which the range fits."""
    prop = point.property
    most = 4e8 if type == "uint32" else 32_000.0
    largest = max(abs(prop.low or 0.0), abs(prop.high or 0.0)) * 1.6 or 1.0
    if prop.counter:
        largest = 40_000.0
    digits = prop.digits
    while digits > -3 and largest * 10.0**digits > most:
        digits -= 1
    return float(f"1e{-digits}")

"""Sparkplug B edge nodes of the plant: one MQTT session each, every machine a device of it.

Births with names, aliases, units; data by exception with aliases; rebirth and writes on command;
death by will. Sparkplug 3.0, chapter 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from . import sparkplug as spb
from .layout import ENTERPRISE, Device
from .mqtt import Mqtt
from .points import Point
from .simulation import STEP_S, Refusal, Simulation

GROUP = ENTERPRISE
REBIRTH = "Node Control/Rebirth"
AGAIN_S = 1.0
PING_S = 5.0
TURNS = round(1.0 / STEP_S)


class EdgeNode:
    """`run` keeps the session for ever; `tell` publishes what changed once a second."""

    def __init__(
        self,
        device: Device,
        simulation: Simulation,
        time_ms: Callable[[], int],
        host: str,
        port: int,
    ) -> None:
        self.device, self._simulation, self._time_ms = device, simulation, time_ms
        self._host, self._port = host, port
        self._points = simulation.points.of_device(device)
        self._index = np.array([p.index for p in self._points])
        self._types = [datatype(device, p) for p in self._points]
        self._rows: dict[str, list[int]] = {}
        for alias, point in enumerate(self._points):
            self._rows.setdefault(point.machine.id, []).append(alias)
        self._last = np.full(len(self._points), np.nan)
        self._session: Mqtt | None = None
        self._seq = self._bdseq = 0
        self._stand = asyncio.Event()
        self._allowed = asyncio.Event()
        self._allowed.set()
        self.silent = False

    async def run(self) -> None:
        """Connect, be born, stay until the session ends; then again. Cancel to stop."""
        while True:
            await self._allowed.wait()
            try:
                await self._live()
            except (OSError, spb.Broken):
                await asyncio.sleep(AGAIN_S)

    async def born(self) -> None:
        """Wait until the node's births are sent."""
        await self._stand.wait()

    def vanish(self) -> None:
        """The cable is cut: no farewell, no return before `come_back`."""
        self._allowed.clear()
        if self._session is not None:
            self._session.abort()

    def come_back(self) -> None:
        self._allowed.set()

    def close(self) -> None:
        """An orderly end: death certificate, then farewell."""
        if self._session is not None and self._session.up:
            self._session.publish(self._topic("NDEATH"), self._death())
            self._session.close()

    def tell(self, told: np.ndarray, step: int) -> None:
        """A tenth of the machines in each step: changed points in one DDATA for each."""
        session = self._session
        if session is None or not self._stand.is_set() or self.silent:
            return
        if step % round(PING_S / STEP_S) == 0:
            session.ping()
        values = told[self._index]
        now = self._time_ms()
        for turn, (machine, aliases) in enumerate(self._rows.items()):
            if turn % TURNS == step % TURNS:
                self._data(session, machine, aliases, values, now)

    async def _live(self) -> None:
        base = f"spBv1.0/{GROUP}"
        name = self.device.name
        session = await Mqtt.open(
            self._host,
            self._port,
            f"{GROUP}-{name}",
            (self._topic("NDEATH"), self._death()),
            (f"{base}/NCMD/{name}", f"{base}/DCMD/{name}/#"),
            self._heard,
        )
        try:
            self._session = session
            self._birth()
            self._stand.set()
            await session.ended
        finally:
            self._stand.clear()
            self._session = None
            self._bdseq = (self._bdseq + 1) & 0xFF
            if session.up:
                session.close()

    def _birth(self) -> None:
        """NBIRTH with sequence 0, then one DBIRTH for each machine."""
        session, now = self._session, self._time_ms()
        if session is None:
            return
        self._seq = 0
        node = (
            spb.Metric(name="bdSeq", time_ms=now, datatype=spb.UINT64, value=self._bdseq),
            spb.Metric(name=REBIRTH, time_ms=now, datatype=spb.BOOLEAN, value=False),
            spb.Metric(
                name="Properties/Title", time_ms=now, datatype=spb.STRING, value=self.device.title
            ),
        )
        body = spb.payload(now, map(spb.encoded, node), self._next())
        session.publish(self._topic("NBIRTH"), body)
        values = self._simulation.told[self._index]
        for machine, aliases in self._rows.items():
            metrics = (self._born_metric(alias, values[alias], now) for alias in aliases)
            body = spb.payload(now, map(spb.encoded, metrics), self._next())
            session.publish(self._topic("DBIRTH", machine), body)
        self._last = values

    def _born_metric(self, alias: int, value: float, now: int) -> spb.Metric:
        point = self._points[alias]
        return spb.Metric(
            name=point.property.id,
            alias=alias,
            time_ms=now,
            datatype=self._types[alias],
            value=_told(point, value),
            unit=point.property.unit,
            low=point.property.low,
            high=point.property.high,
        )

    def _data(
        self, session: Mqtt, machine: str, aliases: list[int], values: np.ndarray, now: int
    ) -> None:
        changed = [alias for alias in aliases if values[alias] != self._last[alias]]
        if not changed:
            return
        metrics = (
            spb.Metric(
                alias=alias,
                time_ms=now,
                datatype=self._types[alias],
                value=_told(self._points[alias], values[alias]),
            )
            for alias in changed
        )
        body = spb.payload(now, map(spb.encoded, metrics), self._next())
        session.publish(self._topic("DDATA", machine), body)
        self._last[changed] = values[changed]

    def _heard(self, topic: str, body: bytes) -> None:
        try:
            metrics = spb.commands(body)
        except spb.Broken:
            return
        parts = topic.split("/")
        if len(parts) == 4 and any(m.name == REBIRTH and m.value for m in metrics):
            self._birth()
        elif len(parts) == 5 and parts[4] in self._rows:
            for metric in metrics:
                self._obey(parts[4], metric)

    def _obey(self, machine: str, metric: spb.Metric) -> None:
        """Set a point, and tell the machine's state at once, taken or not."""
        aliases = self._rows[machine]
        found = [
            a for a in aliases if a == metric.alias or self._points[a].property.id == metric.name
        ]
        if not found or self.silent:
            return
        alias = found[0]
        if isinstance(metric.value, int | float):
            try:
                self._simulation.command(self._points[alias], float(metric.value))
            except Refusal:
                self._last[alias] = np.nan  # the old value is told again
        if self._session is not None:
            values = self._simulation.told[self._index]
            self._last[alias] = np.nan
            self._data(self._session, machine, [alias], values, self._time_ms())

    def _death(self) -> bytes:
        now = self._time_ms()
        metric = spb.Metric(name="bdSeq", time_ms=now, datatype=spb.UINT64, value=self._bdseq)
        return spb.payload(now, [spb.encoded(metric)], None)

    def _next(self) -> int:
        seq = self._seq
        self._seq = (seq + 1) & 0xFF
        return seq

    def _topic(self, verb: str, machine: str = "") -> str:
        tail = f"/{machine}" if machine else ""
        return f"spBv1.0/{GROUP}/{verb}/{self.device.name}{tail}"


def datatype(device: Device, point: Point) -> int:
    prop = point.property
    if prop.kind == "text":
        return spb.STRING
    if prop.kind == "boolean":
        return spb.BOOLEAN
    if prop.counter:
        return spb.INT64 if prop.digits == 0 else spb.DOUBLE
    return spb.DOUBLE if device.number == "float64" else spb.FLOAT


def address(device: Device, point: Point) -> str:
    """As a tag file writes it: group/node/device/metric."""
    return f"{GROUP}/{device.name}/{point.machine.id}/{point.property.id}"


def _told(point: Point, value: float) -> spb.Value:
    if point.property.kind == "text":
        return point.words[int(value)]
    if point.property.kind == "boolean":
        return bool(value)
    return float(value)

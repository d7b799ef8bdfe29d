"""The edge: acquires from devices, makes facts of raw values, hands them on. Needs no hub.

Everything here runs in one asyncio loop, that of `start()`. `tags()` may be read from any thread;
all else is called in the loop (from outside: `asyncio.run_coroutine_threadsafe`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np

from baotu.sdk import (
    ConfigError,
    Found,
    Invalid,
    PolledDriver,
    Quality,
    Samples,
    Tag,
    Unreachable,
)
from baotu.sdk.clock import Clock
from baotu.sdk.health import Health, State
from baotu.sdk.ports import Board, Past, Reply
from baotu.sdk.tags import ById, Tags

from .crew import Crew, supervise
from .device import Device, Ground
from .differ import by_name, difference
from .feeds import CLOSED, EdgeFeed, Outside
from .flow import Flow, Sink
from .gate import Gate
from .polling import PolledDevice
from .recordings import Recordings
from .registry import TagRegistry
from .serving import Server
from .session import SessionDevice
from .spec import DeviceSpec, EdgeSettings, ServerSpec
from .status import StatusPage
from .tagtable import TagTable, moved
from .ticks import Wall
from .waits import within
from .writing import carry_out, refusal

SETTLE_S, REPORT_S, BROWSE_S = 0.25, 2.0, 30.0


class Edge:
    """Devices in, `sink` out."""

    def __init__(
        self,
        *,
        name: str,
        folder: Path,
        sink: Sink,
        board: Board,
        clock: Clock,
        settings: EdgeSettings | None = None,
        ask: Outside | None = None,
        on_tags: Callable[[Sequence[Tag]], None] | None = None,
        jitter: Callable[[], float] = random.random,
        past: Past | None = None,
    ) -> None:
        """folder: for the tag registry and recordings. sink: takes samples in engineering units,
        quickly; a BaotuError of it means they are lost. ask: carries writes of outside clients
        through the platform's chain; None: they are denied. on_tags: told the whole tag table
        whenever it changed. past: the log behind the sink, for servers. Made in the loop in which it will run."""
        self.name, self.clock, self.settings = name, clock, settings or EdgeSettings()
        self.devices: dict[str, Device] = {}
        self.servers: dict[str, Server] = {}
        self.table = TagTable(TagRegistry(folder / "tags.registry"))
        self._board, self._ask, self._on_tags = board, ask, on_tags
        self._past, self._books = past, folder / "servers"
        self._wall, self._crew = Wall(clock), Crew()
        self.flow = Flow(sink, clock, self._wall, self.settings.linger_ms / 1000)
        self.flow.devices = self.devices
        listen = self.settings.status
        self.status = StatusPage(self, listen, clock) if listen else None
        self._specs: dict[str, DeviceSpec] = {}
        self._state: State = "off"
        self._since, self._lag_s = clock.now(), 0.0
        self._ground = Ground(
            node=name, clock=clock, wall=self._wall, board=board, settings=self.settings,
            recordings=Recordings(
                folder / "recordings", self.settings.recordings, self.settings.recording_bytes
            ),
            jitter=jitter, arrived=self.flow.arrived.set, voids=self.flow.pipeline.voids,
            discover=self._discover, last_time=self._last_time,
        )  # fmt: skip

    async def start(
        self,
        devices: Sequence[DeviceSpec] = (),
        derived: Sequence[Tag] = (),
        servers: Sequence[ServerSpec] = (),
    ) -> None:
        """Raises ConfigError when the configuration is wrong; then nothing runs."""
        try:
            await self.apply(devices, derived, servers)
        except ConfigError:
            self.table.close()
            raise
        self._crew.own("edge/drain", self.flow.drain())
        self._crew.own("edge/keep", self._keep())
        if self.status is not None:
            self._crew.own("edge/status", self.status.run())
        self._report()

    async def stop(self, deadline_s: float = 5.0) -> None:
        """Servers first, then devices; what was acquired is handed on before it returns."""
        for kind in ("server/", "device/", "edge/"):
            await self._crew.end_all(kind, deadline_s)
        self.flow.flush()
        self._enter("off")
        self.table.close()

    async def apply(
        self,
        devices: Sequence[DeviceSpec],
        derived: Sequence[Tag] = (),
        servers: Sequence[ServerSpec] = (),
    ) -> list[str]:
        """Start, stop and change what differs, leave the rest alone; what was done, line by line.

        Raises ConfigError, with nothing changed, when it does not hold together.
        """
        wanted, ways = by_name(devices, "device"), by_name(servers, "server")
        self.flow.flush()
        wanted = self._renumber(wanted, derived)
        told = difference({n: d.spec for n, d in self.devices.items()}, wanted)
        out = difference({n: s.spec for n, s in self.servers.items()}, ways)
        await self._end_servers((*out.stop, *out.renew))
        await self._end_devices((*told.stop, *told.renew))
        for name in told.stop:
            self.table.forget(name)
        for name in told.retag:
            self.devices[name].change(wanted[name], self._tags_of(wanted[name]))
        for name in (*told.start, *told.renew):
            self._start_device(wanted[name])
        for name in (*out.start, *out.renew):
            self._start_server(ways[name])
        return told.lines("device") + out.lines("server")

    def tags(self) -> Tags:
        """The whole table: configured, derived, discovered. The same one until it changes."""
        return self.table.by_id.tags

    def now(self) -> int:
        return self.clock.now()

    def healths(self) -> Sequence[Health]:
        """How the edge, its link, its devices and servers fare, as last told to the board."""
        parts = {
            "edge": (self.name,),
            "link": (self.name,),
            "device": self.devices,
            "server": self.servers,
        }
        mine = [h for h in self._board.healths() if h.node in ("", self.name)]
        known = {(health.kind, health.name): health for health in mine}
        keys = [(kind, name) for kind, names in parts.items() for name in names]
        return [known[key] for key in keys if key in known]

    def latest(self, ids: np.ndarray | None = None) -> list[Samples]:
        """The newest sample of each tag that has one, in engineering units: numbers, texts."""
        if ids is None:
            ids = self.tags().id.astype("i8")
        return self.flow.pipeline.columns.latest(ids)

    def feed(self, under: Sequence[str] = (), name: str = "feed", gate: Gate = CLOSED) -> EdgeFeed:
        """What somebody is fed with who serves tags below these paths; `drop_feed` ends it."""
        book = self._books / f"{quote(name, safe=' ')}.json"
        most = self.settings.feed_samples
        feed = EdgeFeed(self, under, most, self._ask, self._past, book, name, gate)
        self.flow.feeds.append(feed)
        return feed

    def drop_feed(self, feed: EdgeFeed) -> None:
        feed.close()
        self.flow.feeds.remove(feed)

    async def write(self, tag_id: int, value: float | str, deadline: int) -> Reply:
        """An engineering value, decided elsewhere; deadline: ns UTC. Refusals are in the reply."""
        tag = self.table.by_id.get(tag_id)
        device = self.devices.get(tag.device) if tag is not None else None
        if tag is None or device is None:
            return Reply(done=False, why=f"tag {tag_id} belongs to no device of {self.name}")
        if why := refusal(tag, value):
            return Reply(done=False, why=why)
        return await carry_out(device, tag, value, deadline, self.clock)

    async def browse(self, device: str, under: str = "") -> list[Found]:
        """What lies below an address. Raises Invalid, Refused, Unreachable."""
        try:
            return await within(self.clock, BROWSE_S, self._device(device).browse(under))
        except TimeoutError:
            raise Unreachable(f"{device}: no answer to browsing in {BROWSE_S:g} s") from None

    async def restart(self, device: str) -> None:
        """Once more, after its plugin failed. Raises Invalid."""
        spec = self._device(device).spec
        await self._end_devices((device,))
        self._start_device(spec)

    def _device(self, name: str) -> Device:
        if name not in self.devices:
            known = ", ".join(self.devices) or "none"
            raise Invalid("device", f"{name!r} is not there; known: {known}")
        return self.devices[name]

    def _renumber(
        self, wanted: dict[str, DeviceSpec], derived: Sequence[Tag]
    ) -> dict[str, DeviceSpec]:
        """Number all tags, check that they hold together, and only then make them the table."""
        given = [Tags.of(s.tags).all_with("device", n) for n, s in wanted.items()]
        numbered = self.table.numbered(Tags.concat([*given, Tags.of(derived)]))
        specs, at = {}, 0
        for name, spec in wanted.items():
            specs[name] = replace(spec, tags=numbered[at : at + len(spec.tags)])
            at += len(spec.tags)
        taken = ById(numbered)
        met = [t for n in wanted for t in self.table.discovered(n) if t.id not in taken]
        after = ById(Tags.concat([numbered, Tags.of(met)]))
        pipeline = self.flow.pipeline
        put, gone = moved(self.table.by_id, after)
        last = pipeline.voids(gone, self.clock.now(), Quality.BAD_OUT_OF_SERVICE)
        pipeline.change(put, gone)
        self.flow.hand_on(last)
        self._specs = specs
        if len(put) or len(gone):
            self._publish(after)
        return specs

    def _publish(self, table: ById) -> None:
        self.table.by_id = table
        if self._on_tags is not None:
            self._on_tags(table.tags)

    def _discover(self, spec: DeviceSpec, found: Sequence[Found]) -> list[Tag]:
        if self._specs.get(spec.name) != spec:  # on its way out
            spec = replace(spec, discover=())
        pipeline = self.flow.pipeline
        tags, new = self.table.wanted(spec, found, pipeline.names)
        if new:
            pipeline.change(new)
            known = self.tags()
            fresh = ById(Tags.of(new))
            known = known.pick(fresh.places(known.id) < 0)
            self._publish(ById(Tags.concat([known, fresh.tags])))
        return tags

    def _last_time(self, tag: int) -> int | None:
        """Of a value: that nobody answered since then is what makes the gap, not its end."""
        heard = int(self.flow.pipeline.columns.heard[tag]) if tag in self.table.by_id else 0
        return heard or None

    def _tags_of(self, spec: DeviceSpec) -> Tags:
        own = Tags.of(spec.tags)
        read = own.pick(~own.mask("expression", bool))
        return Tags.concat([read, Tags.of(self.table.discovered(spec.name))])

    def _start_device(self, spec: DeviceSpec) -> None:
        kind = spec.entry.client
        polled = kind is not None and issubclass(kind, PolledDriver)
        make = PolledDevice if polled else SessionDevice
        device = self.devices[spec.name] = make(spec, self._tags_of(spec), self._ground)
        device.report()
        self._crew.own(f"device/{spec.name}", supervise(device))

    def _start_server(self, spec: ServerSpec) -> None:
        server = self.servers[spec.name] = Server(
            spec, self.feed(spec.under, spec.name, spec.gate), self._ground
        )
        server.report()
        self._crew.own(f"server/{spec.name}", supervise(server))

    async def _end_devices(self, names: Sequence[str]) -> None:
        await self._crew.end(f"device/{name}" for name in names)
        self.flow.flush()
        for name in names:
            self.devices.pop(name).enter("off", "stopped by the configuration")

    async def _end_servers(self, names: Sequence[str]) -> None:
        await self._crew.end(f"server/{name}" for name in names)
        for name in names:
            server = self.servers.pop(name)
            self.drop_feed(server.feed)
            server.enter("off", "stopped by the configuration")

    async def _keep(self) -> None:
        """Every quarter of a second what waits long enough, every two seconds how all fare."""
        clock, reported = self.clock, self.clock.monotonic()
        while True:
            before = clock.monotonic()
            await clock.sleep(SETTLE_S)
            self._lag_s = max(self._lag_s, clock.monotonic() - before - SETTLE_S)
            self._wall.now()
            self.flow.settle()
            if clock.monotonic() - reported >= REPORT_S:
                reported = clock.monotonic()
                for device in self.devices.values():
                    device.report()
                for server in self.servers.values():
                    server.report()
                self._report()

    def _report(self) -> None:
        if self._crew.broken:
            part, error = next(iter(self._crew.broken.items()))
            self._enter("down", f"{part} failed: {error}")
        elif self.flow.why:
            self._enter("degraded", f"samples are lost: {self.flow.why}")
        else:
            self._enter("up")

    def _enter(self, state: State, why: str = "") -> None:
        if state != self._state:
            self._state, self._since = state, self.clock.now()
        flow = self.flow
        figures: dict[str, float | str] = {
            "tags": len(self.tags()), "devices": len(self.devices), "samples_in": flow.taken,
            "samples_out": flow.told, "samples_lost": flow.refused,
            "strangers": flow.pipeline.stranger, "clock_jumps": self._wall.jumps,
            "lag_ms": round(self._lag_s * 1000, 1),
        }  # fmt: skip
        self._lag_s = 0.0
        self._board.put(
            Health(
                kind="edge", name=self.name, state=state, since=self._since, why=why,
                node=self.name, figures=figures,
            )
        )  # fmt: skip

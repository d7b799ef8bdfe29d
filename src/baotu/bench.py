"""A platform in memory for the tests of apps: no server, no thread, no sleep, no mock.

`Bench(App())`: `do` a command, `ask` a query, `see` a page, `feed` samples, `say` what another app
would, `wait` a time, `work` off the jobs; `facts` is all that was yielded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from baotu.kernel.alarm_app import Alarms, unshelve_due
from baotu.kernel.effects import Chain, Deed
from baotu.kernel.facts import Reach
from baotu.kernel.jobs import Jobs, run_inline
from baotu.kernel.schedule import Schedule
from baotu.kernel.streams import Streams
from baotu.records.sqlite import SqliteStore, SqliteWire
from baotu.records.wire import PlainWire
from baotu.sdk import App, Asset, AssetType, Caller, Fact, Samples, Tag, derived
from baotu.sdk.app import seconds
from baotu.sdk.door import Change, Verb
from baotu.sdk.errors import Invalid
from baotu.sdk.link import Batch
from baotu.sdk.ports import Actuators, Arrival, Board, Buckets, Format, Place, Stop, TagPage
from baotu.sdk.records import Records, Row, Wire
from baotu.sdk.testing.business import Fault
from baotu.sdk.trust import Policy
from baotu.sdk.view import View

MORNING = 1_780_300_800_000_000_000  # 2026-06-01 08:00 UTC
OTHERS = 1_000_000  # tags that apps derive are numbered from here
NEIGHBOUR = 100_000


class BenchClock:
    """Implements `sdk.clock.Clock`; stands still until it is moved."""

    def __init__(self, now: int) -> None:
        self.time, self._began = now, now

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return (self.time - self._began) / 1e9

    async def sleep(self, seconds: float) -> None:
        self.time += int(seconds * 1e9)


class BenchPlant:
    """Implements `sdk.ports.Plant`: assets appear when they are fed.

    The first tag number fed for a property belongs to the first asset of the type, and so on.
    """

    def __init__(self, organisation: str) -> None:
        self.organisation = organisation
        self._assets: dict[str, Asset] = {}
        self._tags: dict[int, Tag] = {}
        self._version = 0

    def know(self, type: str, property: str, tags: Sequence[int]) -> None:
        for id in tags:
            if id in self._tags:
                continue
            mine = [self._assets[t.asset] for t in self._tags.values() if t.property == property]
            here = [a for a in mine if (a.type, a.organisation) == (type, self.organisation)]
            number = len(here) + 1
            self._add(id, self._asset(type, number), property)

    def allot(self, app: str, one: derived, asset: str) -> int:
        for tag in self._tags.values():
            if (tag.asset, tag.property) == (asset, one.property):
                return tag.id
        id = max((i for i in self._tags if i >= OTHERS), default=OTHERS - 1) + 1
        self._add(id, asset, one.property)
        return id

    def _asset(self, type: str, number: int) -> str:
        path = f"{self.organisation}/{type.lower()}-{number}"
        self._assets.setdefault(path, Asset(path=path, type=type, organisation=self.organisation))
        return path

    def _add(self, id: int, asset: str, property: str) -> None:
        self._tags[id] = Tag(id=id, asset=asset, property=property, writable=True)
        self._version += 1

    def tags(
        self, search: str = "", limit: int = 100, cursor: str = "", under: str = ""
    ) -> TagPage:
        found = [t for t in self._tags.values() if search in t.name and t.name.startswith(under)]
        return TagPage(tags=tuple(found[:limit]), total=len(found))

    def tag(self, name: str) -> Tag:
        for tag in self._tags.values():
            if name in (tag.name, str(tag.id)):
                return tag
        raise Invalid("tag", f"{name} was not fed; feed it first")

    def by_id(self, id: int) -> Tag | None:
        return self._tags.get(id)

    def all_tags(self) -> Sequence[Tag]:
        return list(self._tags.values())

    def ids(self, asset_type: str, property: str) -> np.ndarray:
        found = [
            t.id
            for t in self._tags.values()
            if t.property == property and self._assets[t.asset].type == asset_type
        ]
        return np.array(found, "i4")

    def assets(self, under: str = "") -> Sequence[Asset]:
        return [a for a in self._assets.values() if a.path.startswith(under)]

    def asset(self, path: str) -> Asset | None:
        return self._assets.get(path)

    def types(self) -> Mapping[str, AssetType]:
        return {a.type: AssetType(id_short=a.type) for a in self._assets.values()}

    def version(self) -> int:
        return self._version


class BenchHistory:
    """Implements `sdk.ports.History` as far as apps and the kernel look at it, `Live`, `Journal`."""

    def __init__(self) -> None:
        self._parts: list[Samples] = []
        self._watchers: list[Callable[[Samples], None]] = []
        self._followers: list[Callable[[Arrival], None]] = []

    def add(self, samples: Samples) -> None:
        start = self.place()
        self._parts.append(samples)
        for tell in tuple(self._watchers):
            tell(samples)
        for follow in tuple(self._followers):
            follow(Arrival(start=start, end=self.place(), live=(samples,)))

    def derive(self, samples: Samples) -> None:
        """Samples that an app derived: the last one of a (tag, time) counts."""
        for tag, time in zip(samples.tag.tolist(), samples.time.tolist(), strict=True):
            self._parts = [p.where((p.tag != tag) | (p.time != time)) for p in self._parts]
        self.add(samples)

    def place(self) -> Place:
        return (len(self._parts),)

    def after(self, place: Place, limit: int) -> Arrival:
        first, end = (place or (0,))[0], len(self._parts)
        return Arrival(start=place, end=(end,), live=tuple(self._parts[first:end]))

    def follow(self, tell: Callable[[Arrival], None]) -> Stop:
        self._followers.append(tell)
        return lambda: self._followers.remove(tell)

    def hold(self, place: Place) -> None:
        """Nothing is ever sealed here."""

    def watch(self, tell: Callable[[Samples], None]) -> Stop:
        self._watchers.append(tell)
        return lambda: self._watchers.remove(tell)

    def append(self, batches: Sequence[Batch]) -> list[bool]:
        for batch in batches:
            for samples in batch.samples:
                self.add(samples)
        return [True] * len(batches)

    def _of(self, tag: int) -> Samples:
        mine = [p.where(p.tag == tag) for p in self._parts]
        whole = Samples.concat([p for p in mine if len(p)])
        return whole.where(np.argsort(whole.time, kind="stable"))

    def latest(self, tags: np.ndarray) -> list[Samples]:
        newest = [one.where(slice(-1, None)) for t in tags if len(one := self._of(int(t)))]
        kinds = ([p for p in newest if not p.is_text], [p for p in newest if p.is_text])
        return [Samples.concat(kind) for kind in kinds if kind]

    def read(self, tag: int, start: int, end: int, limit: int | None = None) -> Samples:
        one = self._of(tag)
        return one.where(np.flatnonzero((one.time >= start) & (one.time < end))[:limit])

    def window(self, tag: int, start: int, end: int, points: int) -> Samples:
        return self.read(tag, start, end, points)

    def aggregate(self, tag: int, start: int, end: int, bucket_ns: int) -> Buckets:
        raise Invalid("aggregate", "the bench has no rollups; read() and count yourself")

    def spans(self, log: str) -> list[tuple[int, int]]:
        return []

    def export(self, path: Path, tags: Sequence[int], start: int, end: int, format: Format) -> int:
        raise Invalid("export", "the bench writes no files")

    def retain(self, before: int) -> int:
        return 0

    def figures(self) -> Mapping[str, float]:
        return {"samples": float(sum(len(p) for p in self._parts))}


class BreakableRecords(Records):
    """When armed, the first row that is written is followed by an accident."""

    def put(self, row: Row) -> Row:
        super().put(row)
        accident(self._wire)
        return row

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        wrote = bool(self.new or self.dirty or self.deleted)
        super().flush(objects)
        if wrote:
            accident(self._wire)


class BreakableWire(SqliteWire):
    armed = False

    def records(self, organisation: str) -> Records:
        return BreakableRecords(self, organisation)

    def keep(self) -> None:
        accident(self)  # it wrote nothing but facts
        super().keep()


def accident(wire: Wire) -> None:
    if isinstance(wire, BreakableWire) and wire.armed:
        wire.armed = False
        raise Fault("after writing")


class BreakableStore(SqliteStore):
    """In memory, and it can be made to fail once."""

    wire: type[PlainWire] = BreakableWire

    def arm(self, on: bool) -> None:
        if isinstance(self._writer, BreakableWire):
            self._writer.armed = on


class Bench:
    """Implements `sdk.testing.Bench`. `as_other()` is the neighbour organisation, same platform."""

    def __init__(
        self,
        *apps: App,
        now: int = MORNING,
        policy: Policy | None = None,
        board: Board | None = None,
        actuators: Actuators | None = None,
        grants: Mapping[str, frozenset[str]] | None = None,
        after: Bench | None = None,
    ) -> None:
        """after: the platform fell and starts again, with the records, plant and past of that."""
        self.apps = apps
        self.clock: BenchClock = after.clock if after else BenchClock(now)
        self.plant: BenchPlant = after.plant if after else BenchPlant("spring")
        self.past: BenchHistory = after.past if after else BenchHistory()
        self.store: BreakableStore = after.store if after else BreakableStore()
        reach = Reach(
            emit=self._derive,
            history=self.past,
            plant=self.plant,
            board=board,
            actuators=actuators,
            grants=grants or {},
        )
        extra = [a for a in (Alarms(), Jobs()) if a.name() not in {b.name() for b in apps}]
        self.chain = Chain(self.store, self.clock, [*apps, *extra], policy=policy, reach=reach)
        self.streams = Streams(self.chain, self.plant, self.past)
        self.schedule = Schedule(self.chain, self.plant, self.past, self.plant.allot, lateness_s=0)
        self.app = apps[0].name()
        everything = frozenset(v.permission for v in self.chain.verbs())
        self.caller = Caller("li", "spring", everything)
        self.facts: list[Fact] = []
        self.chain.watch(self._hear)
        if after:
            self.streams.resume()

    def _derive(self, samples: Samples) -> None:
        self.past.derive(samples)
        self.schedule.marks.see(self.schedule.marks.extents([samples]))

    def _hear(self, change: Change) -> None:
        self.facts.extend(change.facts)

    def do(self, name: str, /, _key: str = "", **arguments: Any) -> Any:
        reply = self.chain.call(self.app, name, arguments, self.caller, _key)
        return self.chain.handlers[self.app, name].signature.answer.validate_python(reply)

    ask = do

    def see(self, name: str, /, **arguments: Any) -> View:
        return self.chain.look(self.app, name, arguments, self.caller).view

    def feed(self, asset: str, property: str, samples: Samples, until: int = 0) -> None:
        """Samples of assets of this type arrive; the clock never runs behind them (or `until`).

        A neighbour's tags are other tags: they get numbers of their own.
        """
        if not len(samples):
            return
        if self.caller.organisation != "spring":
            samples = samples.renamed(np.arange(OTHERS) + NEIGHBOUR)
        self.plant.organisation = self.caller.organisation
        self.plant.know(asset, property, sorted(set(samples.tag.tolist())))
        self._arrive(samples)
        self.clock.time = max(self.clock.time, until, int(samples.time.max()))
        self.streams.run(samples)
        self._raise()

    def hold(self, asset: str, property: str, samples: Samples) -> None:
        """These samples exist, and time goes on, but they do not arrive; see `late`."""
        self.plant.know(asset, property, sorted(set(samples.tag.tolist())))
        self.clock.time = max(self.clock.time, int(samples.time.max(initial=0)))

    def derived(self) -> Mapping[tuple[str, int], tuple[float, int]]:
        """(name, time) → value and quality of every sample that an app derived."""
        return {
            (tag.name, time): (value, quality)
            for tag in self.plant.all_tags()
            if OTHERS <= tag.id < OTHERS + NEIGHBOUR
            for one in [self.past.read(tag.id, 0, 2**62)]
            for time, value, quality in zip(
                one.time.tolist(), one.value.tolist(), one.quality.tolist(), strict=True
            )
        }

    def late(self, asset: str, property: str, samples: Samples) -> None:
        """What came from the backlog of an edge: history has it now, nobody is told."""
        self.plant.know(asset, property, sorted(set(samples.tag.tolist())))
        self.schedule.duties()
        self._arrive(samples)

    def _arrive(self, samples: Samples) -> None:
        self.past.add(samples)
        self.schedule.marks.see(self.schedule.marks.extents([samples]))

    def say(self, *facts: Fact) -> None:
        """Another app yields these facts."""
        who = Caller("app:other", self.caller.organisation, frozenset())
        self.chain.submit(
            Deed(app="other", name="say", caller=who, body=lambda _: (None, facts), audited=False)
        )

    def wait(self, period: str) -> None:
        """Time passes, and what is due in it is done."""
        self.clock.time += round(seconds(period) * 1e9)
        self.plant.organisation = self.caller.organisation
        while self.schedule.tick() == 0.0:
            self._raise()
        unshelve_due(self.chain)

    def work(self) -> None:
        """Run every queued job, in this process."""
        run_inline(self.chain)

    def verbs(self) -> list[Verb]:
        return self.chain.verbs()

    def _raise(self) -> None:
        """An error of the app is the test's error."""
        errors = list(self.chain.blame.errors)
        self.chain.blame.errors.clear()
        if errors:
            raise errors[0]

    @contextmanager
    def broken(self) -> Iterator[None]:
        """The next rows that are written are followed by an accident."""
        self.store.arm(True)
        try:
            yield
        finally:
            self.store.arm(False)

    def as_other(self, **change: Any) -> Bench:
        other = object.__new__(Bench)
        caller = replace(self.caller, **(change or {"organisation": "brook"}))
        other.__dict__ = {**self.__dict__, "caller": caller}
        return other

    def dump(self, *but: str) -> Mapping[str, list[tuple[Any, ...]]]:
        return {name: rows for name, rows in self.store.dump().items() if name not in but}

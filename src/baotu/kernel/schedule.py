"""`@every`: windows of history on whole multiples of the period, each done exactly once.

How far each asset has come rests in records, in the transaction of the window's facts. Samples
that a window computed rest there too until history has them, so a fall in between loses none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from baotu.sdk import App, Asset, Call, Caller, Fact, Records, Samples, Window, derived
from baotu.sdk.ports import History, Plant
from baotu.sdk.tags import Tags

from .effects import Chain, Deed
from .handlers import Handler
from .ledger import Rows

SECOND = 1_000_000_000
Allot = Callable[[str, derived, str], int]
"""(app, what it derives, path of the asset) → the tag of that property; the same every time."""
Pending = tuple[int, int, int, float, int]  # id, tag, time, value, quality
AT_ONCE = 32  # windows in one transaction
HOUR_S = 3600.0
CONFIRM_S, AGAIN_S = 5.0, 60.0
READ = "SELECT organisation, app, handler, asset, done FROM ledger_position"
PENDING = "SELECT id, tag, time, value, quality FROM ledger_computed ORDER BY id LIMIT 5000"


@dataclass(frozen=True, slots=True, eq=False)
class Duty:
    """One handler for one asset: its inputs by property, its outputs by property."""

    handler: Handler
    asset: Asset
    organisation: str
    inputs: dict[str, int]
    out: dict[str, int]

    @property
    def key(self) -> tuple[str, str, str, str]:
        verb = self.handler.verb
        return self.organisation, verb.app, verb.name, self.asset.path

    @property
    def period(self) -> int:
        return round(self.handler.mark.every_s * SECOND)


class Schedule:
    """`tick` does what is due, a little at a time; call it from one thread (see `Streams`).

    lateness_s: how long after its end a window waits for samples that are still on their way.
    settle_s: how long after a start computed samples may be on their way before they are sent
    again. budget_s: how long one tick may take before others get their turn.
    """

    def __init__(
        self,
        chain: Chain,
        plant: Plant,
        history: History,
        allot: Allot,
        *,
        organisation: str = "",
        lateness_s: float = 2.0,
        settle_s: float = 5.0,
        budget_s: float = 0.1,
    ) -> None:
        self.chain, self.plant, self.history, self.allot = chain, plant, history, allot
        self.organisation, self.budget_s = organisation, budget_s
        self.lateness, self.settle = round(lateness_s * SECOND), round(settle_s * SECOND)
        self.handlers = [h for h in chain.handlers.values() if h.mark.kind == "every"]
        self._done = {tuple(row[:4]): int(row[4]) for row in chain.store.ask(READ)}
        self._version: int | None = None
        self._duties: list[Duty] = []
        self._tidy = chain.clock.monotonic()  # when the chain is tidied next
        self._began = chain.clock.now()
        self._confirmed = self._began
        # row of a computed sample → when this process sent it, ns; 0: a former process did
        self._sent = {int(row[0]): 0 for row in chain.store.ask(PENDING)}

    def tick(self) -> float:
        """Do what is due; in how many seconds there is something to do again."""
        if self.chain.clock.monotonic() >= self._tidy:
            self._tidy = self.chain.clock.monotonic() + HOUR_S
            self.chain.tidy()
        if not self.handlers:
            return 1.0
        until = time.monotonic() + self.budget_s
        waiting: list[tuple[Duty, int]] = []
        did = False
        for due in self._due():
            waiting.append(due)
            did = True
            if len(waiting) == AT_ONCE:
                self._run(waiting)
                waiting = []
                if time.monotonic() > until:
                    break
        self._run(waiting)
        self._confirm()
        return 0.0 if did else 0.5

    def _due(self) -> Iterator[tuple[Duty, int]]:
        """Windows that have ended, for each asset in order of time."""
        now = self.chain.clock.now() - self.lateness
        for duty in self.duties():
            if self.chain.blame.stopped(duty.handler.verb.app):
                continue
            end = self._done[duty.key] + duty.period
            if end <= now:
                yield duty, end

    def _run(self, waiting: Sequence[tuple[Duty, int]]) -> None:
        """These windows in one transaction, each with its position and what it computed."""
        if not waiting:
            return
        deeds = [self._deed(duty, end) for duty, end in waiting]
        replies = self.chain.submit_all(deeds)
        for (duty, end), reply in zip(waiting, replies, strict=True):
            if not isinstance(reply, Exception):
                self._done[duty.key] = end

    def _deed(self, duty: Duty, end: int) -> Deed:
        handler, start = duty.handler, end - duty.period
        app = handler.verb.app
        granted = self.chain.reach.grants.get(app, frozenset())
        who = Caller(f"app:{app}", duty.organisation, granted)
        samples = {
            name: self.history.read(tag, start, end) if tag >= 0 else Samples.empty()
            for name, tag in duty.inputs.items()
        }
        rows = Rows()

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            rows.of.clear()
            rows.add("position", *duty.key, end)
            if not any(len(part) for part in samples.values()):
                return None, ()  # it said nothing
            window = Window(
                asset=duty.asset.path, start=start, end=end, samples=samples, out=duty.out
            )
            gifts = {Window: window, Records: records, Call: self.chain.call_of(who)}
            _, facts = handler.run({}, gifts)
            for fact in facts:
                if isinstance(fact, Samples) and not fact.is_text:
                    for row in zip(*columns(fact), strict=True):
                        rows.add("computed", duty.organisation, *row)
            return None, facts

        return Deed(
            app=app,
            name=handler.verb.name,
            caller=who,
            body=body,
            audited=False,
            streaming=True,
            rows=rows,
        )

    # -- what was computed and is not yet seen in history ---------------------------------------
    def _confirm(self) -> None:
        """Forget what history has; send again what it should have by now and has not."""
        now = self.chain.clock.now()
        if now - self._confirmed < CONFIRM_S * SECOND:
            return
        self._confirmed = now
        rows = self.chain.store.ask(PENDING)
        if not rows:
            self._sent.clear()
            return
        seen = self._seen(rows)
        if seen:
            with self.chain.store.writing() as writer:
                writer.many("DELETE FROM ledger_computed WHERE id = ?", [(id,) for id in seen])
            for id in seen:
                self._sent.pop(id, None)
        done = set(seen)
        self._again([row for row in rows if row[0] not in done], now)

    def _seen(self, rows: Sequence[Pending]) -> list[int]:
        """Those that history has: the newest of a tag is known at once; an older one is looked
        for, because a newer one may have come although it has not."""
        newest: dict[int, int] = {}
        for part in self.history.latest(np.unique(np.array([row[1] for row in rows], "i4"))):
            newest.update(zip(part.tag.tolist(), part.time.tolist(), strict=True))
        return [
            id
            for id, tag, when, *_ in rows
            if newest.get(tag, -1) == when
            or (newest.get(tag, -1) > when and len(self.history.read(tag, when, when + 1)))
        ]

    def _again(self, rows: Sequence[Pending], now: int) -> None:
        if self.chain.reach.emit is None or now - self._began < self.settle:
            return
        late = []
        for row in rows:
            sent = self._sent.setdefault(row[0], now)
            if now - sent > AGAIN_S * SECOND:
                late.append(row)
                self._sent[row[0]] = now
        if late:
            _, tag, when, value, quality = zip(*late, strict=True)
            self.chain.reach.emit(Samples.of(tag, when, value, quality))

    # -- who has what to do ---------------------------------------------------------------------
    def duties(self) -> list[Duty]:
        """Rebuilt when the tag table has changed."""
        version = self.plant.version()
        if self.handlers and version != self._version:
            tags = Tags.of(self.plant.all_tags())
            assets = self.plant.assets()
            self._duties = [
                duty
                for handler in self.handlers
                for asset in assets
                if asset.type == handler.mark.asset
                for duty in self._duty(handler, asset, tags)
            ]
            self._version = self.plant.version()  # allotting tags may have changed it
            self._begin()
        return self._duties

    def _begin(self) -> None:
        """A new asset begins with the window that is open; that rests in records at once."""
        now = self.chain.clock.now() - self.lateness
        rows = Rows()
        for duty in self._duties:
            if duty.key not in self._done:
                self._done[duty.key] = now // duty.period * duty.period
                rows.add("position", *duty.key, self._done[duty.key])
        if rows.of:
            with self.chain.store.writing() as writer:
                rows.write(writer)

    def _duty(self, handler: Handler, asset: Asset, tags: Tags) -> Iterator[Duty]:
        places = tags.places(f"{asset.path}/{name}" for name in handler.mark.inputs)
        ids = np.where(places < 0, -1, tags.id[places]) if len(tags) else places
        inputs = dict(zip(handler.mark.inputs, ids.tolist(), strict=True))
        if all(tag < 0 for tag in inputs.values()):
            return  # this asset has none of what the app looks at
        app = handler.verb.app
        out = {
            one.property: self.allot(app, one, asset.path)
            for one in type(handler.app).derives().values()
            if one.asset == asset.type
        }
        whose = asset.organisation or self.organisation
        yield Duty(handler, asset, whose, inputs, out)


def columns(samples: Samples) -> tuple[list[int], list[int], list[float], list[int]]:
    return (
        samples.tag.tolist(),
        samples.time.tolist(),
        samples.value.tolist(),
        samples.quality.tolist(),
    )


def positions(chain: Chain, app: type[App]) -> dict[str, int]:
    """How far the windows of an app have come, by asset; for its page and for tests."""
    rows = chain.store.ask(READ)
    return {asset: done for _, name, _, asset, done in rows if name == app.name()}

"""`@every`: windows of history on whole multiples of the period, each done exactly once.

How far each asset has come rests in records, in the transaction of the window's facts. Samples
that a window computed rest there too until history has them, so a fall in between loses none.
Windows that got samples after they were done are computed again: see `marks` and `again`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from baotu.sdk import App, Asset, Call, Caller, Fact, Records, Samples, Window, derived
from baotu.sdk.ports import History, Plant
from baotu.sdk.tags import Tags

from .again import AT_ONCE, Again
from .duty import SECOND, Duty
from .effects import Chain, Deed
from .handlers import Handler, beforehand
from .ledger import Rows
from .marks import NEVER, Key, Listener, Marks

Allot = Callable[[str, derived, str], int]
"""(app, what it derives, path of the asset) → the tag of that property; the same every time."""
Pending = tuple[int, int, int, float, int]  # id, tag, time, value, quality
HOUR_S, DAY_S = 3600.0, 86_400.0
CONFIRM_S, AGAIN_S = 5.0, 60.0
READ = "SELECT organisation, app, handler, asset, done FROM ledger_position"
PENDING = "SELECT id, tag, time, value, quality FROM ledger_computed ORDER BY id LIMIT 5000"


class Schedule:
    """`tick` does what is due, a little at a time; call it from one thread (see `Streams`).

    lateness_s: how long after its end a window waits for samples that are still on their way.
    settle_s: how long after a start computed samples may be on their way before they are sent
    again. budget_s: how long one tick may take before others get their turn. rest_s, patience_s:
    when windows that got late samples are computed again, see `Again`; horizon_s: not those that
    are older.
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
        rest_s: float = 10.0,
        patience_s: float = 600.0,
        horizon_s: float = 30 * DAY_S,
    ) -> None:
        self.chain, self.plant, self.history, self.allot = chain, plant, history, allot
        self.organisation, self.budget_s = organisation, budget_s
        self.lateness, self.settle = round(lateness_s * SECOND), round(settle_s * SECOND)
        self.marks = Marks(chain.store, chain.clock, round(horizon_s * SECOND))
        self.marks.learn = self.duties
        self.again = Again(chain, history, self.marks, rest_s, patience_s)
        self.handlers = [h for h in chain.handlers.values() if h.mark.kind == "every"]
        self._done = {tuple(row[:4]): int(row[4]) for row in chain.store.ask(READ)}
        self._version: int | None = None
        self._duties: list[Duty] = []
        self._by_key: dict[Key, Duty] = {}
        self._listeners: dict[tuple[str, str], Listener] = {}
        self._tidy = chain.clock.monotonic()  # when the chain is tidied next
        self._began = chain.clock.now()
        self._confirmed = self._began
        # row of a computed sample → when this process sent it, ns; 0: a former process did
        pending = chain.store.ask(PENDING)
        self._sent = {int(row[0]): 0 for row in pending}
        self._old = [samples_of(pending)] if pending else []  # may have replaced something

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
        while time.monotonic() < until and self.again.run(self._find, self._make_again):
            did = True
        self.again.tell()
        self._confirm()
        return 0.0 if did else 0.5

    def _find(self, key: Key) -> tuple[Duty, int] | None:
        duty = self._by_key.get(key)
        if duty is None or self.chain.blame.stopped(duty.handler.verb.app) or duty.handler.rests():
            return None
        return duty, self._done[key]

    def _make_again(self, duty: Duty, end: int) -> Deed:
        return self._deed(duty, end, again=True)

    def _due(self) -> Iterator[tuple[Duty, int]]:
        """Windows that have ended, for each asset in order of time."""
        now = self.chain.clock.now() - self.lateness
        for duty in self.duties():
            if self.chain.blame.stopped(duty.handler.verb.app) or duty.handler.rests():
                continue
            end = self._done[duty.key] + duty.period
            if end <= now:
                yield duty, end

    def _run(self, waiting: Sequence[tuple[Duty, int]]) -> None:
        """These windows in one transaction, each with its position and what it computed."""
        if not waiting:
            return
        for duty, end in waiting:
            listener = self._listeners[duty.key[1:3]]
            self.marks.claim(listener, list(duty.inputs.values()), end)
        deeds = [self._deed(duty, end) for duty, end in waiting]
        replies = self.chain.submit_all(deeds)
        for (duty, end), reply in zip(waiting, replies, strict=True):
            if not isinstance(reply, Exception):
                self._done[duty.key] = end

    def _window(self, duty: Duty, end: int, again: bool) -> Window:
        start = end - duty.period
        samples = {
            name: self.history.read(tag, start, end) if tag >= 0 else Samples.empty()
            for name, tag in duty.inputs.items()
        }
        return Window(
            asset=duty.asset.path, start=start, end=end, samples=samples, out=duty.out, again=again
        )

    def _deed(self, duty: Duty, end: int, again: bool = False) -> Deed:
        handler, app = duty.handler, duty.handler.verb.app
        granted = self.chain.reach.grants.get(app, frozenset())
        who = Caller(f"app:{app}", duty.organisation, granted, kind="app")
        window, rows = self._window(duty, end, again), Rows()
        told = any(len(part) for part in window.samples.values())
        came: Callable[[], tuple[Any, Sequence[Fact]]] | None = None
        if handler.apart and told:
            came = beforehand(handler, {}, {Window: window, Call: self.chain.call_of(who)})

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            rows.of.clear()
            if again:
                self.again.rows(rows, duty, window.start, end)
            else:
                rows.add("position", *duty.key, end)
            if not told:
                return None, ()  # it said nothing
            gifts = {Window: window, Records: records, Call: self.chain.call_of(who)}
            _, facts = came() if came is not None else handler.run({}, gifts)
            if again:
                facts = self.again.taken(facts, rows)
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
        """Those that history has, or that a later one took the place of: the newest of a tag is
        known at once; an older one is looked for, because a newer one may have come although it
        has not."""
        newest: dict[int, tuple[int, float, int]] = {}
        for part in self.history.latest(np.unique(np.array([row[1] for row in rows], "i4"))):
            for tag, when, value, quality in zip(*columns(part), strict=True):
                newest[tag] = when, value, quality
        last = {(tag, when): id for id, tag, when, *_ in rows}
        seen = []
        for id, tag, when, value, quality in rows:
            known = newest.get(tag, (-1, 0.0, 0))
            if known[0] > when and last[tag, when] == id:
                found = self.history.read(tag, when, when + 1).where(slice(-1, None))
                known = next(zip(*columns(found)[1:], strict=True), (-1, 0.0, 0))
            if last[tag, when] != id or known == (when, value, quality):
                seen.append(id)
        return seen

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
            samples = samples_of(late)
            self.chain.reach.emit(samples)
            self.marks.see(self.marks.extents([samples]))

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
            self._listen()
        return self._duties

    def _listen(self) -> None:
        """Tell the marks which tags are looked at, and how far their windows are done."""
        self._by_key = {duty.key: duty for duty in self._duties}
        self._listeners.clear()
        for handler in self.handlers:
            mine = [duty for duty in self._duties if duty.handler is handler]
            keys = {tag: d.key for d in mine for tag in d.inputs.values() if tag >= 0}
            claimed = np.full(max(keys, default=0) + 2, NEVER)
            for tag, key in keys.items():
                claimed[tag] = self._done[key]
            period = round(handler.mark.every_s * SECOND)
            one = Listener(period=period, keys=keys, claimed=claimed)
            self._listeners[handler.verb.app, handler.verb.name] = one
        self.marks.listen(list(self._listeners.values()))
        self.marks.version = self._version
        old, self._old = self._old, []
        self.marks.see(self.marks.extents(old))

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


def samples_of(rows: Sequence[Pending]) -> Samples:
    _, tag, when, value, quality = zip(*rows, strict=True)
    return Samples.of(tag, when, value, quality)


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

"""Committed samples to the apps that listen: selected in columns, run on one thread of their own.

Never blocks the hub, misses nothing and repeats nothing, over any fall: see `intake`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog

from baotu.sdk import Alarm, Call, Caller, Fact, Records, Samples, Unreachable, Write
from baotu.sdk.ports import Arrival, Plant

from .effects import Chain, Deed
from .handlers import Handler
from .intake import Intake, Item, PastAndJournal
from .marks import Marks

log = structlog.get_logger("baotu.apps")
SECOND = 10**9
HOUR = 3600 * SECOND
LATE = 60 * SECOND  # a replayed sample of that age is told as late
RETRY_S = 1.0  # between two tries while the records are away
AT_ONCE = 50_000  # samples of one tag read from history at a time
ACTIVE = "SELECT organisation, app, tag, kind FROM alarms_alarm_row WHERE active = TRUE ORDER BY id"


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Who listens to which tags of one organisation: `wanted[tag]` is True for them."""

    organisation: str
    wanted: np.ndarray
    handlers: tuple[Handler, ...]

    def of(self, samples: Samples) -> Samples | None:
        mask = chosen(self.wanted, samples.tag)
        if mask.all():
            return samples
        return samples.where(mask) if mask.any() else None


class Streams:
    """Runs `@stream` handlers. `take` is called by the one who commits; all else happens on the
    thread `apps`.

    ticks: other work of that thread; each is called often and tells in how many seconds again.
    capacity: how many samples may wait. organisation: for assets that name none. marks: hears of
    samples that came late for a window. replay_s: samples that are older are not replayed to
    handlers after a fall, only counted.
    """

    def __init__(
        self,
        chain: Chain,
        plant: Plant,
        history: PastAndJournal,
        *,
        organisation: str = "",
        capacity: int = 200_000,
        ticks: Sequence[Callable[[], float]] = (),
        marks: Marks | None = None,
        replay_s: float = 24 * 3600.0,
    ) -> None:
        self.chain, self.plant, self.history, self.marks = chain, plant, history, marks
        self.organisation, self.ticks = organisation, tuple(ticks)
        self.handlers = [h for h in chain.handlers.values() if h.mark.kind == "stream"]
        self._version: int | None = None
        self._selections: list[Selection] = []
        self._any = np.zeros(1, "?")
        self._ready = threading.Event()
        self._forget: Callable[[], None] = lambda: None
        self.intake = Intake(chain, history, self._pick, capacity, self._ready)
        self._ended = self._away = False
        self._pause = threading.Event()  # set by `stop`
        self._thread: threading.Thread | None = None
        self._replay = round(replay_s * SECOND)
        self.replayed = self.passed = self.missing = 0  # samples after a fall: run, and not
        self._told = 0
        self.unseen: dict[str, int] = {}  # samples that an app missed while it was stopped
        self._expired: list[tuple[Caller, str, Write]] = []

    # -- life -----------------------------------------------------------------------------------
    def start(self) -> None:
        self._ended = False
        self._pause.clear()
        self.chain.blame.begin(self.chain.apps)
        if self._interested():
            self.intake.save(None)  # the very first place too: before anything can arrive
            self._forget = self.history.follow(self.take)
        self._thread = threading.Thread(target=self._loop, name="apps", daemon=True)
        self._thread.start()

    def stop(self, deadline_s: float = 5.0) -> None:
        """What waits is run first, as far as the deadline allows."""
        if self._thread is None:
            return
        self._forget()
        self._ended = True
        self._pause.set()
        self._ready.set()
        self._thread.join(deadline_s)
        self._thread = None

    def take(self, arrival: Arrival) -> None:
        """Called by the one who commits: look, keep or leave for later; never wait."""
        version = self.plant.version()
        known = version == self._version and (self.marks is None or self.marks.version == version)
        self.intake.take(arrival, known)

    def _pick(self, arrival: Arrival) -> Item:
        """What handlers want of it, and which windows it is late for."""
        found = []
        for samples in arrival.live:
            mask = chosen(self._any, samples.tag)
            if mask.any():
                found.append(samples if mask.all() else samples.where(mask))
        extents = self.marks.extents((*arrival.live, *arrival.late)) if self.marks else []
        return Item(
            start=arrival.start, end=arrival.end, samples=tuple(found), extents=tuple(extents)
        )

    def _loop(self) -> None:
        self.resume()
        while not self._ended:
            self.pump()
            self._ready.wait(min(max(self._tick(), 0.0), 1.0))
            self._ready.clear()
        self.pump()
        if self._interested():
            self.intake.save(self.marks)

    def _tick(self) -> float:
        """In how many seconds again. While the records are away nothing is due: it is done late."""
        try:
            return min((tick() for tick in self.ticks), default=1.0)
        except Unreachable as away:
            self._note(str(away))
            return RETRY_S

    def _note(self, away: str) -> None:
        """Once lost, once back."""
        if bool(away) != self._away:
            self._away = bool(away)
            if away:
                log.warning("apps wait for the records", why=away)
            else:
                log.info("the records are back for the apps")

    def _interested(self) -> bool:
        return bool(self.handlers) or self.marks is not None

    def pump(self) -> None:
        """Run all that waits; what did not fit is read again from history, in its place."""
        if not self._interested():
            return
        self._learn()
        while (item := self.intake.next()) is not None:
            if self.marks is not None:
                self.marks.see(item.extents)
            if item.replayed:
                item = self._again(item)
            late = item.replayed
            deeds = [deed for samples in item.samples for deed in self._deeds(samples, late)]
            while refused := self.intake.stand(item.end, deeds, self.marks):
                self._note(refused)
                if self._ended or self._thread is None:
                    return
                self._pause.wait(RETRY_S)  # nothing goes on before the store takes it
            self._note_expired()
            self._learn()
        self._say()
        if self.intake.due():
            self._note(self.intake.save(self.marks))

    def _learn(self) -> None:
        """Who listens to what; the schedule first, because allotting tags changes the table."""
        if self.marks is not None:
            self.marks.learn()
        self.selections()

    def _again(self, item: Item) -> Item:
        """Replayed samples that are not older than allowed; all are counted."""
        oldest = self.chain.clock.now() - self._replay
        parts = [samples.where(samples.time >= oldest) for samples in item.samples]
        fit = tuple(samples for samples in parts if len(samples))
        self.replayed += (count := sum(map(len, fit)))
        self.passed += sum(map(len, item.samples)) - count
        self.missing += item.missing
        return replace(item, samples=fit)

    def _say(self) -> None:
        """What no app will see is in the audit, once."""
        if (lost := self.passed + self.missing) > self._told:
            self._told = lost
            why = (
                f"{self.passed} samples older than {self._replay / HOUR:g} h and {self.missing} that "
                f"are no longer in the order of arrival were not replayed, {self.replayed} were"
            )
            who = Caller("platform", self.organisation, frozenset(), kind="platform")
            self.chain.note("apps", "replay", who, "noted", why)

    # -- one part -------------------------------------------------------------------------------
    def run(self, samples: Samples) -> None:
        """Every handler that wants some of it; what they yield is one transaction."""
        deeds = list(self._deeds(samples))
        if deeds:
            self.chain.submit_all(deeds)

    def _deeds(self, samples: Samples, late: bool = False) -> Iterator[Deed]:
        for selection in self.selections():
            part = selection.of(samples)
            if part is None:
                continue
            for handler in selection.handlers:
                deed = self._deed(handler, selection.organisation, part, late)
                if deed is not None:
                    yield deed

    def _deed(
        self, handler: Handler, organisation: str, part: Samples, late: bool = False
    ) -> Deed | None:
        """What is to be committed; None when a handler had nothing to say."""
        app = handler.verb.app
        if self.chain.blame.stopped(app) or handler.rests():
            self.unseen[app] = self.unseen.get(app, 0) + len(part)
            return None
        who = Caller(
            f"app:{app}",
            organisation,
            self.chain.reach.grants.get(app, frozenset()),
            kind="app",
        )
        facts: Sequence[Fact] = ()
        age = self.chain.clock.now() - int(part.time.max()) if late else 0
        call = replace(self.chain.call_of(who), late=age > LATE)
        if not handler.takes(Records):
            try:
                facts = self._fit(handler.run({}, {Samples: part, Call: call})[1], who, app, age)
            except Exception as error:  # noqa: BLE001 - that app's bug, the others go on
                self.chain.blame.bug(app, error, streaming=True)
                return None
            if not facts:
                self.chain.blame.fine(app, streaming=True)
                return None

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            if not handler.takes(Records):
                return None, facts
            gifts = {Samples: part, Records: records, Call: call}
            return None, self._fit(handler.run({}, gifts)[1], who, app, age)

        return Deed(
            app=app, name=handler.verb.name, caller=who, body=body, audited=False, streaming=True
        )

    def _fit(self, facts: list[Fact], who: Caller, app: str, age: int) -> list[Fact]:
        """Without writes whose time was over before anybody could decide them."""
        over = [f for f in facts if isinstance(f, Write) and age > f.expires_s * SECOND]
        self._expired += [(who, app, write) for write in over]
        return [f for f in facts if f not in over] if over else facts

    def _note_expired(self) -> None:
        expired, self._expired = self._expired, []
        for who, app, write in expired:
            why = f"tag {write.tag} = {write.value}: {write.reason}; its samples were replayed"
            self.chain.note(app, "write", who, "expired", why, "tags.write")

    def selections(self) -> list[Selection]:
        """Rebuilt when the tag table has changed."""
        version = self.plant.version()
        if version != self._version:
            self._selections = self._select()
            size = max((len(s.wanted) for s in self._selections), default=1)
            every = np.zeros(size, "?")
            for selection in self._selections:
                every[: len(selection.wanted)] |= selection.wanted
            self._any, self._version = every, version
        return self._selections

    def _select(self) -> list[Selection]:
        places = {asset.path: asset.organisation for asset in self.plant.assets()}
        found: dict[tuple[str, str, str], tuple[np.ndarray, list[Handler]]] = {}
        for handler in self.handlers:
            key = handler.mark.asset, handler.mark.property
            whose: dict[str, list[int]] = {}
            for id in self.plant.ids(*key).tolist():
                tag = self.plant.by_id(id)
                own = places.get(tag.asset, "") if tag else ""
                whose.setdefault(own or self.organisation, []).append(id)
            for organisation, ids in whose.items():
                wanted = np.zeros(max(ids) + 1, "?")
                wanted[ids] = True
                _, handlers = found.setdefault((organisation, *key), (wanted, []))
                handlers.append(handler)
        return [
            Selection(organisation, wanted, tuple(handlers))
            for (organisation, *_), (wanted, handlers) in found.items()
        ]

    # -- after a fall ---------------------------------------------------------------------------
    def resume(self) -> None:
        """Alarms that were active when the platform went down are told again, or are over.

        The last hour of their tags before what is replayed runs through the app, whose state begins
        anew.
        """
        apps = {handler.verb.app for handler in self.handlers}
        active = [row for row in self.chain.store.ask(ACTIVE) if row[1] in apps]
        now = self.chain.clock.now()
        unseen = self.intake.first_times(row[2] for row in active)
        for organisation, app, tag, kind in active:
            if not self.chain.blame.stopped(app):
                self._resume(organisation, app, tag, kind, unseen.get(tag, now))

    def warm(self, app: str) -> None:
        """The state of an app began anew: as after a fall, for its active alarms. On our thread."""
        now = self.chain.clock.now()
        for organisation, name, tag, kind in self.chain.store.ask(ACTIVE):
            if name == app:
                self._resume(organisation, app, tag, kind, now)

    def _resume(self, organisation: str, app: str, tag: int, kind: str, end: int) -> None:
        said, newest = None, 0
        facts: list[Fact] = []
        who = Caller(f"app:{app}", organisation, frozenset(), kind="app")
        for samples in self._read(tag, end - HOUR, end):
            newest = max(newest, int(samples.time.max()))
            for selection in self.selections():
                part = selection.of(samples)
                for handler in selection.handlers if part is not None else ():
                    if handler.verb.app != app or handler.takes(Records) or handler.rests():
                        continue
                    gifts = {Samples: part, Call: self.chain.call_of(who)}
                    try:
                        facts += handler.run({}, gifts)[1]
                    except Exception as error:  # noqa: BLE001 - that app's bug
                        self.chain.blame.bug(app, error, streaming=True)
                        return
        alarms = [f for f in facts if isinstance(f, Alarm) and (f.tag, f.kind) == (tag, kind)]
        said = alarms[-1].active if alarms else None
        if newest and not said:
            message = alarms[-1].message if alarms else "条件已不成立 The condition is over"
            over = Alarm(tag, newest, active=False, message=message, kind=kind)
            deed = Deed(
                app=app, name="resume", caller=who, body=lambda _: (None, [over]), audited=False
            )
            self.chain.submit_all([deed])

    def _read(self, tag: int, start: int, end: int) -> Sequence[Samples]:
        parts: list[Samples] = []
        while start < end:
            part = self.history.read(tag, start, end, AT_ONCE)
            if not len(part):
                break
            parts.append(part)
            if len(part) < AT_ONCE:
                break
            start = int(part.time[-1]) + 1
        return parts


def chosen(wanted: np.ndarray, tags: np.ndarray) -> np.ndarray:
    """Which of these tags are wanted; a tag beyond the table is not."""
    beyond = tags >= len(wanted)
    if beyond.any():
        return wanted[np.where(beyond, 0, tags)] & ~beyond
    return wanted[tags]

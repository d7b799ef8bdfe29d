"""Committed samples to the apps that listen: selected in columns, run on one thread of their own.

Never blocks the hub: when apps are slower than the plant, what does not fit is read again from
history, in its place, before anything newer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from baotu.sdk import Alarm, Call, Caller, Fact, Records, Samples, Unreachable
from baotu.sdk.ports import History, Live, Plant

from .effects import Chain, Deed
from .handlers import Handler

HOUR = 3600 * 10**9
NEVER = np.iinfo("i8").max
AWAY_S = 1.0  # between two tries while the records are away
AT_ONCE = 50_000  # samples of one tag read from history at a time
ACTIVE = "SELECT organisation, app, tag, kind FROM alarms_alarm_row WHERE active = TRUE ORDER BY id"

log = structlog.get_logger("baotu.streams")


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
    """Runs `@stream` handlers. `take` is called by the hub; all else happens on the thread `apps`.

    ticks: other work of that thread; each is called often and tells in how many seconds again.
    capacity: how many samples may wait. organisation: for assets that name none.
    """

    def __init__(
        self,
        chain: Chain,
        plant: Plant,
        live: Live,
        history: History,
        *,
        organisation: str = "",
        capacity: int = 200_000,
        ticks: Sequence[Callable[[], float]] = (),
    ) -> None:
        self.chain, self.plant, self.live, self.history = chain, plant, live, history
        self.organisation, self.capacity, self.ticks = organisation, capacity, tuple(ticks)
        self.handlers = [h for h in chain.handlers.values() if h.mark.kind == "stream"]
        self.overflows = 0
        self._version: int | None = None
        self._selections: list[Selection] = []
        self._any = np.zeros(1, "?")
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._queue: deque[Samples] = deque()
        self._waiting = 0  # samples in the queue
        self._missed: dict[int, tuple[int, int]] = {}  # tag → first, last time not taken
        self._behind = False
        self._ended = self._away = False
        self._pause = threading.Event()  # set by `stop`
        self._thread: threading.Thread | None = None

    # -- life -----------------------------------------------------------------------------------
    def start(self) -> None:
        self._ended = False
        self._pause.clear()
        self.chain.blame.begin(self.chain.apps)
        self._forget = self.live.watch(self.take)
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

    def take(self, samples: Samples) -> None:
        """Called on the hub's commit thread: look, keep or note as missed; never wait."""
        if self.plant.version() == self._version:
            mask = chosen(self._any, samples.tag)
            if not mask.any():
                return
            if not mask.all():
                samples = samples.where(mask)
        with self._lock:
            if self._behind or self._waiting >= self.capacity:
                self._behind = True
                self._miss(samples)
            else:
                self._queue.append(samples)
                self._waiting += len(samples)
        self._ready.set()

    def _miss(self, samples: Samples) -> None:
        self.overflows += 1
        tags, place = np.unique(samples.tag, return_inverse=True)
        first, last = np.full(len(tags), NEVER), np.full(len(tags), -NEVER)
        np.minimum.at(first, place, samples.time)
        np.maximum.at(last, place, samples.time)
        for tag, a, b in zip(tags.tolist(), first.tolist(), last.tolist(), strict=True):
            known = self._missed.get(tag, (a, b))
            self._missed[tag] = min(a, known[0]), max(b, known[1])

    def _loop(self) -> None:
        self.resume()
        while not self._ended:
            self.pump()
            self._ready.wait(min(max(self._tick(), 0.0), 1.0))
            self._ready.clear()
        self.pump()

    def _tick(self) -> float:
        """In how many seconds again. While the records are away nothing is due: it is done late."""
        try:
            return min((tick() for tick in self.ticks), default=1.0)
        except Unreachable as away:
            self._note(str(away))
            return AWAY_S

    def _note(self, away: str) -> None:
        """Once lost, once back."""
        if bool(away) != self._away:
            self._away = bool(away)
            if away:
                log.warning("apps wait for the records", why=away)
            else:
                log.info("the records are back for the apps")

    def pump(self) -> None:
        """Run all that waits: the queue first, then what was missed, then what came meanwhile."""
        while True:
            with self._lock:
                samples = self._queue.popleft() if self._queue else None
                missed: dict[int, tuple[int, int]] = {}
                if samples is not None:
                    self._waiting -= len(samples)
                else:
                    missed, self._missed, self._behind = self._missed, {}, False
            if samples is not None:
                self.run(samples)
            elif missed:
                for tag, (first, last) in missed.items():
                    for part in self._read(tag, first, last + 1):
                        self.run(part)
            else:
                return

    # -- one part -------------------------------------------------------------------------------
    def run(self, samples: Samples) -> None:
        """Every handler that wants some of it; what they yield is one transaction."""
        deeds: list[Deed] = []
        for selection in self.selections():
            part = selection.of(samples)
            if part is None:
                continue
            for handler in selection.handlers:
                deed = self._deed(handler, selection.organisation, part)
                if deed is not None:
                    deeds.append(deed)
        while deeds:
            replies = self.chain.submit_all(deeds)
            lost = replies[0] if all(reply is replies[0] for reply in replies) else None
            if not isinstance(lost, Unreachable) or self._ended:
                self._note("")
                return
            self._note(str(lost))  # nothing stands: again, while newer samples wait their turn
            self._pause.wait(AWAY_S)

    def _deed(self, handler: Handler, organisation: str, part: Samples) -> Deed | None:
        """What is to be committed; None when a handler had nothing to say."""
        app = handler.verb.app
        if self.chain.blame.stopped(app):
            return None
        who = Caller(f"app:{app}", organisation, self.chain.reach.grants.get(app, frozenset()))
        facts: Sequence[Fact] = ()
        if not handler.takes(Records):
            try:
                _, facts = handler.run({}, {Samples: part, Call: self.chain.call_of(who)})
            except Exception as error:  # noqa: BLE001 - that app's bug, the others go on
                self.chain.blame.bug(app, error, streaming=True)
                return None
            if not facts:
                self.chain.blame.fine(app, streaming=True)
                return None

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            if not handler.takes(Records):
                return None, facts
            gifts = {Samples: part, Records: records, Call: self.chain.call_of(who)}
            return None, handler.run({}, gifts)[1]

        return Deed(
            app=app, name=handler.verb.name, caller=who, body=body, audited=False, streaming=True
        )

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

        The last hour of their tags runs through the app, whose state begins anew.
        """
        apps = {handler.verb.app for handler in self.handlers}
        for organisation, app, tag, kind in self.chain.store.ask(ACTIVE):
            if app in apps and not self.chain.blame.stopped(app):
                self._resume(organisation, app, tag, kind)

    def _resume(self, organisation: str, app: str, tag: int, kind: str) -> None:
        now, said, newest = self.chain.clock.now(), None, 0
        facts: list[Fact] = []
        who = Caller(f"app:{app}", organisation, frozenset())
        for samples in self._read(tag, now - HOUR, now):
            newest = max(newest, int(samples.time.max()))
            for selection in self.selections():
                part = selection.of(samples)
                for handler in selection.handlers if part is not None else ():
                    if handler.verb.app != app or handler.takes(Records):
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

"""What history commits, on its way to the apps: in its order, each commit once, over any fall.

How far the apps have come rests in records, in the transaction of the facts that came of it; where
nothing came of it, once a second. What is behind that place is read again from the journal, and so
is what did not fit into memory while the apps were slower than the plant.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from baotu.sdk import Caller, Samples
from baotu.sdk.ports import Arrival, History, Journal, Place

from .effects import Chain, Deed
from .ledger import Rows
from .marks import Extent, Marks

AT_ONCE = 50_000  # samples read from the journal at a time
SAVE_S = 1.0
READER = "apps"
READ = "SELECT place FROM ledger_place WHERE reader = ?"
PLATFORM = Caller("platform", "", frozenset(), kind="platform")


class PastAndJournal(History, Journal, Protocol):
    """A history that also tells in which order it was committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """samples: what handlers want of a commit. extents: windows it is late for. replayed: read
    from the journal. missing: samples that the journal could not tell any more."""

    start: Place
    end: Place
    samples: tuple[Samples, ...]
    extents: tuple[Extent, ...] = ()
    replayed: bool = False
    missing: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.samples)) + len(self.extents)


class Intake:
    """`take` is called by the one who commits, all else by the thread of the apps.

    pick: what of an arrival is wanted. capacity: samples that may wait in memory.
    """

    def __init__(
        self,
        chain: Chain,
        journal: Journal,
        pick: Callable[[Arrival], Item],
        capacity: int,
        ready: threading.Event,
    ) -> None:
        self.chain, self.journal, self.pick = chain, journal, pick
        self.capacity, self.ready = capacity, ready
        self.overflows = 0
        self._lock = threading.Lock()
        self._queue: deque[Item] = deque()
        self._waiting = 0  # samples in the queue
        self._behind = True  # until what was committed before us is read
        kept = chain.store.ask(READ, (READER,))
        self._saved: Place = tuple(json.loads(kept[0][0])) if kept else ()
        self.place = self._saved or journal.place()
        self._next_save = 0.0
        journal.hold(self.place)

    def take(self, arrival: Arrival, known: bool) -> None:
        """known: its tags are in the tables that `pick` uses."""
        with self._lock:
            if self._behind or self._waiting >= self.capacity or not known:
                self.overflows += 1
                self._behind = True
            else:
                item = self.pick(arrival)
                if not len(item) and self._queue and not len(self._queue[-1]):
                    self._queue[-1] = replace(self._queue[-1], end=item.end)
                    return
                self._queue.append(item)
                self._waiting += len(item)
                if not len(item):
                    return  # nobody need wake up for it
        self.ready.set()

    def next(self) -> Item | None:
        """What follows `place`; None when there is nothing."""
        while True:
            with self._lock:
                reached = self.place
                while self._queue and self._queue[0].start != self.place:
                    gone = self._queue.popleft()  # read from the journal already, or a hole
                    self._waiting -= len(gone)
                    reached = gone.end
                if self._queue:
                    item = self._queue.popleft()
                    self._waiting -= len(item)
                    return item
                if not self._behind and reached == self.place:
                    return None
                self._behind = False  # what comes from now on is queued
            arrival = self.journal.after(self.place, AT_ONCE)
            if len(arrival) >= AT_ONCE:
                with self._lock:
                    self._behind = True
            if len(arrival) or arrival.missing:
                return replace(self.pick(arrival), replayed=True, missing=arrival.missing)
            self.place = arrival.end

    def first_times(self, tags: Iterable[int]) -> dict[int, int]:
        """Of these tags, when the first sample is from that has not been seen, ns."""
        wanted, found, place = np.array(sorted(set(tags)), "i4"), dict[int, int](), self.place
        while len(wanted) and len(arrival := self.journal.after(place, AT_ONCE)):
            place = arrival.end
            for samples in arrival.live:
                some = samples.where(np.isin(samples.tag, wanted))
                for tag, one in some.by_tag():
                    found[tag] = min(found.get(tag, int(one.time[0])), int(one.time.min()))
        return found

    # -- how far ----------------------------------------------------------------------------------
    def stand(self, end: Place, deeds: Sequence[Deed], marks: Marks | None) -> str:
        """Go on to `end`, with the deeds in one transaction; why the store refused, "" if not."""
        refused = self._keep(end, deeds, marks) if deeds else ""
        if not refused:
            self.place = end
        return refused

    def due(self) -> bool:
        return self.place != self._saved and time.monotonic() >= self._next_save

    def save(self, marks: Marks | None) -> str:
        """Keep the place; why the store refused, "" if it did not."""
        return self._keep(self.place, (), marks) if self.place != self._saved else ""

    def _keep(self, end: Place, deeds: Sequence[Deed], marks: Marks | None) -> str:
        rows = Rows()
        if marks is not None:
            marks.add_changes(rows)
        rows.add("place", "", READER, json.dumps(end))
        last = Deed(
            app=READER,
            name="place",
            caller=PLATFORM,
            body=lambda _: (None, ()),
            audited=False,
            rows=rows,
        )
        reply = self.chain.submit_all([*deeds, last])[-1]
        if isinstance(reply, Exception):
            return str(reply) or type(reply).__name__
        if marks is not None:
            marks.kept()
        self._saved, self._next_save = end, time.monotonic() + SAVE_S
        self.journal.hold(end)
        return ""

"""Windows of `@every` that late samples fall into: marked, kept in records, computed again later.

A mark is an interval of whole windows of one handler and asset. Marks are found on the thread that
commits (columns only) and kept, with the place in the journal, by the thread of the apps: a fall in
between loses none, because what arrived behind that place is read again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from baotu.sdk import Samples
from baotu.sdk.clock import Clock

from .ledger import Rows
from .store import Store

NEVER = np.iinfo("i8").min
SPANS = 64  # intervals of one mark; the nearest two become one above that
READ = "SELECT organisation, app, handler, asset, first, until FROM ledger_mark ORDER BY first"
Key = tuple[str, str, str, str]  # organisation, app, handler, path of the asset
Span = tuple[int, int]


@dataclass(slots=True)
class Mark:
    """spans: disjoint, in order, [first, until). since, touched: when it began and grew, ns."""

    since: int
    touched: int
    spans: list[Span] = field(default_factory=list)

    def add(self, first: int, until: int) -> None:
        spans = self.spans
        at = bisect_left(spans, first, key=lambda span: span[1])
        end = at
        while end < len(spans) and spans[end][0] <= until:
            first, until = min(first, spans[end][0]), max(until, spans[end][1])
            end += 1
        spans[at:end] = [(first, until)]
        if len(spans) > SPANS:  # some windows too many: computed again, they give the same
            gaps = [b[0] - a[1] for a, b in pairwise(spans)]
            near = gaps.index(min(gaps))
            spans[near : near + 2] = [(spans[near][0], spans[near + 1][1])]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Listener:
    """One handler: which tags it looks at, and up to where their windows are done.

    claimed: int64 for each tag, ns; NEVER for other tags, and once more at the end of the array.
    """

    period: int
    keys: Mapping[int, Key]  # by tag
    claimed: np.ndarray


@dataclass(frozen=True, slots=True)
class Extent:
    """Windows of one tag and handler, [first, until), which samples fell into."""

    key: Key
    first: int
    until: int


class Marks:
    """`extents` on any thread; all else on the thread of the apps. horizon: ns; see `Again`."""

    def __init__(self, store: Store, clock: Clock, horizon: int) -> None:
        self.clock, self.horizon = clock, horizon
        self.version: int | None = None  # of the tag table that the listeners were made from
        self.learn: Callable[[], object] = lambda: None  # set by the schedule: make them anew
        self.too_old = 0  # windows that were not marked, because they lie behind the horizon
        self.of: dict[Key, Mark] = {}
        self._listeners: tuple[Listener, ...] = ()
        self._any = np.full(1, NEVER)
        self._changed: set[Key] = set()
        for *key, first, until in store.ask(READ):
            self._mark(tuple(key)).add(first, until)

    def listen(self, listeners: Sequence[Listener]) -> None:
        size = max((len(one.claimed) for one in listeners), default=1)
        every = np.full(size, NEVER)
        for one in listeners:
            np.maximum(every[: len(one.claimed)], one.claimed, out=every[: len(one.claimed)])
        self._listeners, self._any = tuple(listeners), every

    def claim(self, listener: Listener, tags: Sequence[int], until: int) -> None:
        """Windows up to `until` are read from now on: what arrives after this is late for them."""
        for tag in tags:
            if tag >= 0:
                listener.claimed[tag] = until
                self._any[tag] = max(int(self._any[tag]), until)

    # -- on the thread that commits -------------------------------------------------------------
    def extents(self, parts: Sequence[Samples]) -> list[Extent]:
        """Windows that were claimed already and have got samples now."""
        found: list[Extent] = []
        for samples in parts:
            late = samples.time < self._any[np.minimum(samples.tag, len(self._any) - 1)]
            if late.any():
                some = samples.where(late)
                for one in self._listeners:
                    found += self._of_one(one, some)
        return found

    def _of_one(self, one: Listener, samples: Samples) -> Iterator[Extent]:
        late = samples.time < one.claimed[np.minimum(samples.tag, len(one.claimed) - 1)]
        if not late.any():
            return
        tag = samples.tag[late]
        start = samples.time[late] // one.period * one.period
        order = np.lexsort((start, tag))
        tag, start = tag[order], start[order]
        new = np.r_[True, (tag[1:] != tag[:-1]) | (start[1:] != start[:-1])]
        tag, start = tag[new], start[new]  # each window of each tag once
        fit = start >= self.clock.now() - self.horizon
        self.too_old += int((~fit).sum())
        tag, start = tag[fit], start[fit]
        cut = np.flatnonzero((tag[1:] != tag[:-1]) | (start[1:] - start[:-1] > one.period)) + 1
        firsts = np.r_[0, cut] if len(tag) else cut
        lasts = np.r_[cut, len(tag)][: len(firsts)] - 1
        for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True):
            yield Extent(one.keys[int(tag[a])], int(start[a]), int(start[b]) + one.period)

    # -- on the thread of the apps --------------------------------------------------------------
    def see(self, extents: Sequence[Extent]) -> None:
        now = self.clock.now()
        for extent in extents:
            mark = self._mark(extent.key)
            mark.touched = now
            mark.add(extent.first, extent.until)
            self._changed.add(extent.key)

    def done(self, key: Key, until: int) -> None:
        """The first window of the first interval is computed again; records know it already."""
        mark = self.of[key]
        _, last = mark.spans[0]
        mark.spans[:1] = [(until, last)] if until < last else []
        if not mark.spans:
            del self.of[key]

    def add_changes(self, rows: Rows) -> None:
        """What is to be kept in the transaction that keeps the place behind it."""
        for key in self._changed:
            rows.add("unmark", *key)
        for key in self._changed:
            for first, until in self.of[key].spans if key in self.of else ():
                rows.add("mark", *key, first, until)

    def kept(self) -> None:
        self._changed.clear()

    def _mark(self, key: Key) -> Mark:
        now = self.clock.now()
        return self.of.setdefault(key, Mark(now, now))

"""What one connection learned from refusals: how much a unit tells at once and what it keeps apart.

A refused read is cut in two, and its parts again, until each is answered or is a single place.
From which parts were answered follows the cause:
- all parts of a cut, and nothing that contained them was answered in part: it was too much at once;
- else, the cut lies between places that the unit does not tell together: a gap that does not exist,
  or the border of two memories (a gap of no width);
- a single place that is refused is asked alone from then on, so that it spoils no other.
`Failures` tells a device that fails from one that fails only at some places.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

ENOUGH = 3  # failures of the same read, after which it is cut


@dataclass(slots=True)
class Limits:
    """Of one table of one unit. most: registers or bits in one read; lowered, never raised."""

    most: int
    holes: list[tuple[int, int]] = field(default_factory=list)  # sorted by start
    alone: set[tuple[int, int]] = field(default_factory=set)  # start and end of single places

    def apart(self, end: int, start: int) -> bool:
        """Whether what ends at `end` and what starts at `start` cannot be read together."""
        at = bisect_left(self.holes, (end, 0))
        while at < len(self.holes) and self.holes[at][0] <= start:
            if self.holes[at][1] <= start:
                return True
            at += 1
        return False

    def keep_apart(self, end: int, start: int) -> None:
        if not self.apart(end, start):
            insort(self.holes, (end, start))


@dataclass(slots=True, eq=False)
class Cut:
    """A refused read in two parts. size_told: the unit said that it was too much."""

    limits: Limits
    end: int  # of the first part
    start: int  # of the second
    size_told: bool
    within: Part | None
    answered: dict[int, int] = field(default_factory=dict)  # part: its count
    settled: bool = False

    def above(self) -> Iterator[Cut]:
        part = self.within
        while part is not None:
            yield part.cut
            part = part.cut.within


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One of the two parts of a cut: 0 or 1."""

    cut: Cut
    number: int

    def was_answered(self, count: int) -> None:
        """Remember it; once both parts were answered, learn why the whole was not."""
        cut = self.cut
        if cut.settled:
            return
        cut.answered[self.number] = count
        if len(cut.answered) < 2:
            return
        cut.settled = True
        others = [size for above in cut.above() for size in above.answered.values()]
        gap = cut.start > cut.end
        if cut.size_told or not (others or gap):
            known = max([*cut.answered.values(), *(others if cut.size_told else ())])
            cut.limits.most = min(cut.limits.most, known)
        else:
            cut.limits.keep_apart(cut.end, cut.start)


class Failures:
    """Reads at which a unit failed again and again while it answered other ones."""

    def __init__(self) -> None:
        self._times: dict[object, int] = {}
        self._alive: set[int] = set()

    def answered(self, read: object, unit: int) -> None:
        if self._times:
            self._times.pop(read, None)
            self._alive.add(unit)
            if not self._times:
                self._alive.clear()

    def lasting(self, read: object, unit: int) -> bool:
        """Count one more failure; True when it is this read that fails, not the unit."""
        times = self._times.pop(read, 0) + 1
        if times >= ENOUGH and unit in self._alive:
            return True
        self._times[read] = times
        return False

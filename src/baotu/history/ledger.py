"""Which sequences of each log are in history: disjoint closed intervals, saved with the samples.

A ledger never changes once others may see it: `add` is called on a copy that replaces it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

Span = tuple[int, int]


class Ledger:
    def __init__(self, rows: Iterable[tuple[str, int, int]] = ()) -> None:
        self._spans: dict[str, tuple[Span, ...]] = {}
        for log, first, last in rows:
            self.add(log, first, last)

    def spans(self, log: str) -> list[Span]:
        return list(self._spans.get(log, ()))

    def rows(self) -> list[tuple[str, int, int]]:
        return [(log, a, b) for log, spans in self._spans.items() for a, b in spans]

    def has(self, log: str, sequence: int) -> bool:
        spans = self._spans.get(log, ())
        at = bisect_right(spans, sequence, key=lambda span: span[0]) - 1
        return at >= 0 and sequence <= spans[at][1]

    def missing(self, log: str, first: int, last: int) -> list[Span]:
        """The parts of [first, last] that are not in history, in order."""
        holes, at = [], first
        for a, b in self._spans.get(log, ()):
            if b < at:
                continue
            if a > last:
                break
            if at < a:
                holes.append((at, a - 1))
            at = b + 1
        return [*holes, (at, last)] if at <= last else holes

    def add(self, log: str, first: int, last: int) -> None:
        spans = self._spans.get(log, ())
        if spans and spans[-1][0] <= first <= spans[-1][1] + 1:  # the usual case: the next ones
            self._spans[log] = (*spans[:-1], (spans[-1][0], max(last, spans[-1][1])))
            return
        merged: list[Span] = []
        for a, b in sorted((*spans, (first, last))):
            if merged and a <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
            else:
                merged.append((a, b))
        self._spans[log] = tuple(merged)

    def copy(self) -> Ledger:
        twin = Ledger()
        twin._spans = dict(self._spans)
        return twin

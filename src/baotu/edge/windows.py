"""Aggregates over tumbling windows: mean, min, max, count, std and integral of one signal.

Windows start at whole multiples of their length since 1970-01-01 UTC; the result is stamped with
the window's end. A window closes when a sample of a later one comes, or a grace after its end by
the wall clock. Only good and uncertain samples count: some bad make the result uncertain, none
usable make it bad. A window without any sample says nothing. What comes after the close is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np

from baotu.sdk import Quality
from baotu.sdk.samples import SECOND

from .streams import TIMELESS, Events


@dataclass(slots=True)
class Sum:
    """What is known of the window that is open. Sums run in order of arrival, so that where the
    stream is cut changes not even the last bit."""

    seen: int = 0
    count: int = 0
    worst: int = 0
    shift: float = 0.0  # first value: squares of differences to it keep their digits
    total: float = 0.0
    squares: float = 0.0
    low: float = inf
    high: float = -inf
    area: float = 0.0  # value × s


class Aggregate:
    """Implements `Node` for one input."""

    def __init__(self, input: int, out: int, function: str, window_ns: int) -> None:
        self.inputs, self.out = (input,), out
        self._window, self._function = window_ns, function
        self._grace = min(window_ns, 5 * SECOND)
        self._open: int | None = None  # number of the open window
        self._least = -(1 << 62)  # windows before this one are closed for ever
        self._sum = Sum()
        self._held_since, self._held_value = TIMELESS, nan  # a value holds until the next one
        self.belated = 0

    def take(self, inputs: Sequence[Events], now: float) -> Events:
        (events,) = inputs
        if not len(events):
            return Events.of(())
        number = events.time // self._window
        newest = np.maximum.accumulate(np.maximum(number, self._least))
        if (late := number < newest).any():
            self.belated += int(late.sum())
            events, number = events.where(~late), number[~late]
        cuts = np.flatnonzero(np.r_[True, number[1:] != number[:-1]]) if len(number) else ()
        ends = np.r_[cuts[1:], len(number)] if len(number) else ()
        rows = []
        for start, end in zip(cuts, ends, strict=True):
            if self._open is not None and number[start] > self._open:
                rows += self._close(int(events.step[start]))
            if self._open is None:
                self._begin(int(number[start]))
            self._add(events.where(slice(int(start), int(end))))
        return Events.of(rows)

    def settle(self, now: float, wall: int) -> Events:
        if self._open is None or wall < (self._open + 1) * self._window + self._grace:
            return Events.of(())
        rows = self._close(0)
        return Events.of(rows)

    def rewind(self) -> None:
        self._open, self._least = None, -(1 << 62)
        self._held_since, self._held_value = TIMELESS, nan

    def _begin(self, number: int) -> None:
        self._open, self._least, self._sum = number, number, Sum()
        start = number * self._window
        if self._held_since < start - self._window:
            self._held_value = nan  # nothing for a whole window: no value is held that long
        self._held_since = max(self._held_since, start)

    def _add(self, events: Events) -> None:
        kept = self._sum
        usable = events.quality < Quality.BAD
        kept.seen += len(events)
        kept.worst = max(kept.worst, int(events.quality.max()))
        values = events.value[usable]
        if self._function == "integral":
            self._hold(events, usable)
        if not len(values):
            return
        if not kept.count:
            kept.shift = float(values[0])
        kept.count += len(values)
        kept.low, kept.high = (
            min(kept.low, float(values.min())),
            max(kept.high, float(values.max())),
        )
        moved = values - kept.shift
        kept.total = _running(kept.total, moved)
        kept.squares = _running(kept.squares, moved * moved)

    def _hold(self, events: Events, usable: np.ndarray) -> None:
        """Area under the stairs: each value holds until the next sample; a bad one ends it."""
        inside = events.time >= np.maximum.accumulate(np.r_[self._held_since, events.time[:-1]])
        times = np.r_[self._held_since, events.time[inside]]
        values = np.r_[self._held_value, np.where(usable, events.value, np.nan)[inside]]
        parts = values[:-1] * (np.diff(times) / SECOND)
        self._sum.area = _running(self._sum.area, np.where(np.isnan(parts), 0.0, parts))
        self._held_since, self._held_value = int(times[-1]), float(values[-1])

    def _close(self, step: int) -> list[tuple[int, int, float, int]]:
        if self._open is None:
            return []
        kept, end = self._sum, (self._open + 1) * self._window
        if self._function == "integral" and self._held_value == self._held_value:
            kept.area += self._held_value * ((end - self._held_since) / SECOND)
            self._held_since = end
        self._open, self._least = None, end // self._window
        value, quality = self._result(kept)
        return [(step, end, value, quality)]

    def _result(self, kept: Sum) -> tuple[float, int]:
        if self._function == "count":
            return float(kept.count), int(Quality.GOOD)
        if not kept.count:
            return nan, int(Quality.BAD_NO_DATA)
        mean = kept.total / kept.count
        spread = max(0.0, kept.squares / kept.count - mean * mean)
        value = {
            "mean": kept.shift + mean,
            "min": kept.low,
            "max": kept.high,
            "std": sqrt(spread),
            "integral": kept.area,
        }[self._function]
        if kept.count < kept.seen:
            return value, int(Quality.UNCERTAIN_SUB_NORMAL)
        return value, kept.worst


def _running(start: float, values: np.ndarray) -> float:
    """start + v0 + v1 + …, one after the other: numpy's own sum adds in pairs."""
    return float(np.add.accumulate(np.r_[start, values])[-1])

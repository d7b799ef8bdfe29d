"""A derived signal by expression: computed whenever an input changes, from the last values of all.

The inputs of one moment belong together: a result waits until every input has a sample of that
time, or a later sample comes, or `PATIENCE_S` has passed. So `flow * pressure` of one scan is
computed once, not once with the old pressure. An input older than what is known of it changes
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baotu.sdk import Quality

from .expression import Compute
from .streams import TIMELESS, Events

PATIENCE_S = 0.2


class Formula:
    """Implements `Node`."""

    def __init__(self, inputs: tuple[int, ...], out: int, compute: Compute) -> None:
        self.inputs, self.out, self._compute = inputs, out, compute
        count = len(inputs)
        self._value = np.full(count, np.nan)
        self._time = np.full(count, TIMELESS, "i8")
        self._quality = np.zeros(count, "u1")
        self._moment = TIMELESS  # the newest time among the inputs
        self._pending: float | None = None  # since when a result is held back, monotonic s

    def take(self, inputs: Sequence[Events], now: float) -> Events:
        if (at_once := self._scan(inputs)) is not None:
            return at_once
        merged = self._merged(inputs)
        if merged is None:
            return Events.of(())
        events, which = merged
        value, time, quality = self._carried(events, which)
        moment = np.maximum.accumulate(np.maximum(events.time, self._moment))
        ready = (time != TIMELESS).all(axis=0)
        whole = (time == moment).all(axis=0)
        later = np.r_[moment[1:] > moment[:-1], False]  # the next event is of a later moment
        first = self._overtaken(events, moment)
        chosen = ready & (whole | later)
        self._keep(value, time, quality, int(moment[-1]))
        waiting = self._pending if len(first) == 0 and not later.any() else None
        self._pending = None if chosen[-1] or not ready[-1] else (waiting or now)
        # what was overtaken is known only when the later event comes: it is of that event's step
        step = np.where(whole, events.step, np.r_[events.step[1:], events.step[-1]])
        rest = self._results(step[chosen], moment[chosen], value[:, chosen], quality[:, chosen])
        return Events.concat([first, rest])

    def _scan(self, inputs: Sequence[Events]) -> Events | None:
        """The common case, four times as fast: one new sample of every input, all of one time."""
        moment = int(inputs[0].time[0]) if len(inputs[0]) else TIMELESS
        if moment <= self._moment or self._pending is not None:
            return None
        if any(len(events) != 1 or events.time[0] != moment for events in inputs):
            return None
        step = max([int(events.step[0]) for events in inputs])
        self._value = np.array([events.value[0] for events in inputs])
        self._quality = np.array([events.quality[0] for events in inputs])
        self._time[:] = moment
        self._moment = moment
        return self._held_back(step)

    def settle(self, now: float, wall: int) -> Events:
        if self._pending is None or now - self._pending < PATIENCE_S:
            return Events.of(())
        return self._held_back(0)

    def rewind(self) -> None:
        self._moment, self._pending = TIMELESS, None
        self._time[self._time != TIMELESS] = TIMELESS + 1  # known, but older than anything new

    def _held_back(self, step: int) -> Events:
        self._pending = None
        return self._results(
            np.array([step], "i8"), np.array([self._moment], "i8"),
            self._value[:, None], self._quality[:, None],
        )  # fmt: skip

    def _overtaken(self, events: Events, moment: np.ndarray) -> Events:
        """A result held back from before, if the first event is of a later moment."""
        if self._pending is None or moment[0] <= self._moment:
            return Events.of(())
        return self._held_back(int(events.step[0]))

    def _merged(self, inputs: Sequence[Events]) -> tuple[Events, np.ndarray] | None:
        """All inputs in one order, with which input each event is of; without belated ones."""
        parts, which = [], []
        for place, events in enumerate(inputs):
            if not len(events):
                continue
            before = np.maximum.accumulate(np.r_[self._time[place], events.time[:-1]])
            if (events.time < before).any():
                events = events.where(events.time >= before)
            parts.append(events)
            which.append(np.full(len(events), place))
        if not parts:
            return None
        together, places = Events.concat(parts), np.concatenate(which)
        if len(parts) > 1:
            order = np.lexsort((places, together.time, together.step))
            together, places = together.where(order), places[order]
        return (together, places) if len(together) else None

    def _carried(
        self, events: Events, which: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(inputs × events): value, time and quality of every input after each event."""
        shape = (len(self.inputs), len(events))
        value, time, quality = np.empty(shape), np.empty(shape, "i8"), np.empty(shape, "u1")
        positions = np.arange(len(events))
        for place in range(len(self.inputs)):
            last = np.maximum.accumulate(np.where(which == place, positions, -1))
            old = last < 0
            value[place] = np.where(old, self._value[place], events.value[last])
            time[place] = np.where(old, self._time[place], events.time[last])
            quality[place] = np.where(old, self._quality[place], events.quality[last])
        return value, time, quality

    def _keep(self, value: np.ndarray, time: np.ndarray, quality: np.ndarray, moment: int) -> None:
        self._value, self._time = value[:, -1].copy(), time[:, -1].copy()
        self._quality, self._moment = quality[:, -1].copy(), moment

    def _results(
        self, step: np.ndarray, time: np.ndarray, value: np.ndarray, quality: np.ndarray
    ) -> Events:
        if not len(step):
            return Events.of(())
        worst = quality.max(axis=0)
        found = np.empty(len(step))
        with np.errstate(all="ignore"):
            found[:] = self._compute(value)  # its rows are the columns
        if (bad := worst >= Quality.BAD).any():
            found[bad] = np.nan
        if not np.isfinite(found).all():  # a division by zero, a root of less than nothing
            senseless = ~bad & ~np.isfinite(found)
            found[senseless] = np.nan
            worst = np.where(senseless, np.uint8(Quality.BAD_OUT_OF_RANGE), worst)
        return Events(step, time, found, worst)

"""Small stateful operators on signals. How a stream is cut never changes what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .samples import Samples


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of state: at this sample the signal became high, or low again."""

    tag: int
    time: int
    value: float
    high: bool


class Operator(Protocol):
    def edges(self, samples: Samples) -> Iterator[Edge]: ...


class per_tag:
    """One operator for each tag, made when the tag is first seen."""

    def __init__(self, kind: Callable[..., Operator], **settings: Any) -> None:
        self._make = lambda: kind(**settings)
        self._of: dict[int, Operator] = {}

    def of(self, tag: int) -> Operator:
        if tag not in self._of:
            self._of[tag] = self._make()
        return self._of[tag]

    def edges(self, samples: Samples) -> Iterator[Edge]:
        for tag, one in samples.by_tag():
            yield from self.of(tag).edges(one)


class Hysteresis:
    """High above `high`, low below `low`, unchanged in between. Starts low. Expects one tag."""

    def __init__(self, *, high: float, low: float) -> None:
        if low > high:
            raise ValueError(f"low {low} lies above high {high}")
        self.high, self.low, self.active = high, low, False

    def edges(self, samples: Samples) -> Iterator[Edge]:
        values = samples.value
        decided = np.flatnonzero((values > self.high) | (values < self.low))
        if not len(decided):
            return
        above = values[decided] > self.high
        changed = above != np.r_[self.active, above[:-1]]
        self.active = bool(above[-1])
        for i, high in zip(decided[changed], above[changed], strict=True):
            yield Edge(int(samples.tag[i]), int(samples.time[i]), float(values[i]), bool(high))

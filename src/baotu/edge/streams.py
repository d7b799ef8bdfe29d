"""Events of one signal inside the derivation, each with the step that caused it.

Steps are what makes derived tags of derived tags independent of how the stream is cut: whatever a
sample causes, directly or through other tags, carries the place of that sample in the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

TIMELESS = np.iinfo(np.int64).min  # before every time


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """step, time: int64. value: float64. quality: uint8. In order of the steps."""

    step: np.ndarray
    time: np.ndarray
    value: np.ndarray
    quality: np.ndarray

    def __len__(self) -> int:
        return len(self.step)

    def where(self, mask: np.ndarray | slice) -> Events:
        return Events(self.step[mask], self.time[mask], self.value[mask], self.quality[mask])

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, float, int]]) -> Events:
        """From (step, time, value, quality)."""
        step, time, value, quality = zip(*rows, strict=True) if rows else ((), (), (), ())
        return cls(
            np.array(step, "i8"), np.array(time, "i8"), np.array(value, "f8"),
            np.array(quality, "u1"),
        )  # fmt: skip

    @classmethod
    def concat(cls, parts: Sequence[Events]) -> Events:
        filled = [part for part in parts if len(part)]
        if len(filled) == 1:
            return filled[0]
        if not filled:
            return cls.of(())
        columns = zip(*((p.step, p.time, p.value, p.quality) for p in filled), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


class Node(Protocol):
    """One derived signal. inputs, out: numbers of signals; negative ones are inside only."""

    @property
    def inputs(self) -> tuple[int, ...]: ...

    @property
    def out(self) -> int: ...

    def take(self, inputs: Sequence[Events], now: float) -> Events:
        """What follows from these events, one `Events` for each of `inputs`. now: monotonic s."""

    def settle(self, now: float, wall: int) -> Events:
        """What was held back in hope of more, and will not wait any longer. wall: ns UTC."""

    def rewind(self) -> None:
        """The clock was set back: what comes is older than what was, and counts all the same."""

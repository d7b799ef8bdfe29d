"""What a device has delivered and the pipeline has not taken yet: bounded, the oldest go first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from baotu.sdk import Samples


class Intake:
    """One for each device, so that a flood from one fills only its own."""

    def __init__(self, most: int, arrived: Callable[[], None]) -> None:
        self._parts: deque[Samples] = deque()
        self._most, self._arrived = most, arrived
        self.waiting = 0
        self.dropped = 0

    def put(self, samples: Samples) -> None:
        """Never blocks; when too much waits, the oldest samples are dropped and counted."""
        if not len(samples):
            return
        self._parts.append(samples)
        self.waiting += len(samples)
        while self.waiting > self._most:
            self._shorten(self.waiting - self._most)
        self._arrived()

    def take(self, most: int) -> list[Samples]:
        """The oldest ones, at most this many samples, in their order."""
        taken = []
        while self._parts and most > 0:
            taken.append(self.take_one(most))
            most -= len(taken[-1])
        return taken

    def take_one(self, most: int) -> Samples:
        """The oldest part, at most this many samples of it. Raises IndexError when none waits."""
        part = self._parts.popleft()
        if len(part) > most:
            self._parts.appendleft(_from(part, most))
            part = part.where(np.arange(most))
        self.waiting -= len(part)
        return part

    def _shorten(self, by: int) -> None:
        part = self._parts.popleft()
        gone = min(by, len(part))
        if gone < len(part):
            self._parts.appendleft(_from(part, gone))
        self.waiting -= gone
        self.dropped += gone


def _from(samples: Samples, first: int) -> Samples:
    """Without the first ones, not copied."""
    return Samples(
        samples.tag[first:], samples.time[first:], samples.value[first:], samples.quality[first:]
    )

"""Questions take turns, so that many callers do not contend for the interpreter.

Everyone runs his own question, first come, first served, one at a time: a second one would only
wait for the interpreter at each row. A question that has run for longer than the patience counts
no more, and the next one begins beside it; so a slow report never holds up the quick questions.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
PATIENCE_S = 0.02


class Turn:
    """A question that waits or runs."""

    __slots__ = ("latch", "since")

    def __init__(self) -> None:
        self.since = 0.0  # when its turn came, s
        self.latch = threading.Lock()
        self.latch.acquire()


class Lanes:
    """Safe to call from any thread; has none of its own.

    most: questions under way at once, the slow ones among them. patience_s: how long one may
    take before another begins beside it. now: seconds that only rise.
    """

    def __init__(
        self,
        most: int,
        patience_s: float = PATIENCE_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most, self.patience_s, self.now = most, patience_s, now
        self._gate = threading.Lock()
        self._waiting: deque[Turn] = deque()
        self._running: list[Turn] = []

    def do(self, work: Callable[[], Answer]) -> Answer:
        """What `work` answers or raises, run on this thread when its turn has come."""
        turn = Turn()
        with self._gate:
            self._waiting.append(turn)
            self._admit()
        while not turn.latch.acquire(timeout=self.patience_s):
            with self._gate:
                self._admit()  # whoever is first, if those under way have become slow
        try:
            return work()
        finally:
            with self._gate:
                self._running.remove(turn)
                self._admit()

    def _admit(self) -> None:
        """Let the first begin, if there is room for it. The gate is held."""
        if not self._waiting or len(self._running) >= self.most:
            return
        now = self.now()
        if all(now - turn.since >= self.patience_s for turn in self._running):
            turn = self._waiting.popleft()
            turn.since = now
            self._running.append(turn)
            turn.latch.release()

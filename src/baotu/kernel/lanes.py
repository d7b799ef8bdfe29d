"""A few lanes for questions, so that many callers do not contend for the interpreter.

Who comes while a lane is free runs its own question, then those that have gathered meanwhile, and
hands the lane on. A slow question holds one lane; the others go on. First come, first served.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

Answer = TypeVar("Answer")
TURNS = 8  # questions of others that a caller answers before it goes home with its own


class Turn:
    __slots__ = ("error", "latch", "leads", "reply", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work, self.leads = work, False
        self.reply: Any = None
        self.error: BaseException | None = None
        self.latch = threading.Lock()
        self.latch.acquire()


class Lanes:
    """Safe to call from any thread; has none of its own."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self._used = 0
        self._gate = threading.Lock()
        self._waiting: deque[Turn] = deque()

    def do(self, work: Callable[[], Answer]) -> Answer:
        """What `work` answers or raises, run here or by the thread that has the lane."""
        turn: Turn | None = None
        with self._gate:
            if self._used < self.lanes:
                self._used += 1
            else:
                turn = Turn(work)
                self._waiting.append(turn)
        if turn is not None:
            turn.latch.acquire()
            if not turn.leads:
                if turn.error is not None:
                    raise turn.error
                return turn.reply
        try:
            return work()
        finally:
            self._serve()

    def _serve(self) -> None:
        for _ in range(TURNS):
            with self._gate:
                if not self._waiting:
                    self._used -= 1
                    return
                turn = self._waiting.popleft()
            try:
                turn.reply = turn.work()
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked
                turn.error = error
            turn.latch.release()
        with self._gate:
            if not self._waiting:
                self._used -= 1
                return
            heir = self._waiting.popleft()
        heir.leads = True
        heir.latch.release()

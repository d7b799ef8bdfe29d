"""The keeper of history: one niced thread that seals, merges and forgets, and nothing else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import duckdb

from baotu.sdk.errors import BaotuError
from baotu.sdk.health import Health

from .duck import RAW, DuckHistory
from .sql import DAY

CALM = 500_000  # samples/s: sorting takes 0.3 s of a core for a million, which a flood needs itself
NICE = 5  # a third of a full share: at 10 a busy machine starves it and hot tables pile up
TROUBLE = (duckdb.Error, OSError, BaotuError, RuntimeError)
RETRY_S = 30.0


class Keeper:
    """Started and stopped by its owner. A failure (a full disk) is told once and tried again.

    tell: the state whenever it changes, from the keeper's thread.
    """

    def __init__(self, history: DuckHistory, tell: Callable[[Health], None] | None = None) -> None:
        self.history, self._tell = history, tell
        self._stop = threading.Event()
        self._why: str | None = None
        self._seen = (time.monotonic(), history.appended)
        self.turns = self.sealed = self.merged = self.dropped = self.failures = 0
        self._thread = threading.Thread(target=self._run, name="history-keeper", daemon=True)

    def start(self) -> None:
        self._say()
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> bool:
        """True when the thread ended in time; a merge under way is given up after its file."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def turn(self) -> bool:
        """Seal, merge, forget, once; True when there was something to do."""
        self.turns += 1
        sealed = self.history.seal(sort=self._calm())
        began = time.monotonic()
        merged = self.history.merge(pause=lambda: self._rest(began))
        dropped = self._forget()
        self.sealed += sealed
        self.merged += merged
        self.dropped += dropped
        return bool(sealed or merged or dropped)

    def _calm(self) -> bool:
        """Whether appends leave time for sorting, since the last time this was asked."""
        (then, before), self._seen = self._seen, (time.monotonic(), self.history.appended)
        return self._seen[1] - before < CALM * (self._seen[0] - then)

    def _rest(self, began: float) -> bool:
        """After each merged file, let the others have the disk and the processor for a while."""
        if self.history.seal(
            sort=self._calm()
        ):  # a merge of minutes must not let hot tables pile up
            self.sealed += 1
        spent = min(time.monotonic() - began, 10.0)
        return self._stop.wait(min(spent * (1 / self.history.settings.duty - 1), 10.0))

    def _forget(self) -> int:
        settings, now = self.history.settings, self.history.now()
        rules = ((RAW, settings.raw_days), (("minute",), settings.minute_days),
                 (("hour",), settings.hour_days))  # fmt: skip
        return sum(
            self.history.retain(now - round(days * DAY), kinds) for kinds, days in rules if days
        )

    def _run(self) -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        except (OSError, AttributeError):
            pass  # not Linux, or not allowed: it works at the usual priority
        while not self._stop.is_set():
            wait = self.history.settings.keep_every_s
            try:
                if self.turn():
                    wait = 0.0
                self._say()
            except TROUBLE as error:
                self.failures += 1
                wait = min(RETRY_S, wait * 2 ** min(self.failures, 10))
                self._say(f"{str(error).splitlines()[0]}; it is tried again")
            self._stop.wait(wait)

    def _say(self, why: str = "") -> None:
        """Only a change is told."""
        if why == self._why:
            return
        self._why = why
        if self._tell:
            self._tell(
                Health(
                    kind="history",
                    name="keeper",
                    state="degraded" if why else "up",
                    since=self.history.now(),
                    why=why,
                )
            )

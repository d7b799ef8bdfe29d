"""Errors of apps: whose they are, how they are shown, when an app is stopped instead of the plant."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import baotu
from baotu.sdk import App
from baotu.sdk.clock import Clock
from baotu.sdk.health import Health
from baotu.sdk.ports import Board

HOUSE = str(Path(baotu.__file__).parent)
OURS = tuple(f"{HOUSE}/{room}/" for room in ("kernel", "records", "sdk"))


class Blame:
    """Counts the bugs of each app. Safe to call from any thread."""

    def __init__(self, clock: Clock, board: Board | None, limit: int = 5) -> None:
        self.clock, self.board, self.limit = clock, board, limit
        self._bugs: dict[tuple[str, bool], int] = {}  # in a row, in commands or in streams
        self._stopped: set[str] = set()
        self._held: dict[str, str] = {}  # not to run, and why: no fault of theirs
        self._since: dict[str, tuple[str, int]] = {}  # the state of each app, and since when
        self._lock = threading.Lock()
        self.errors: deque[Exception] = deque(maxlen=20)  # the newest

    def fine(self, app: str, streaming: bool = False) -> None:
        """It ran well: bugs in a row begin again at zero, and the app is up if it was not."""
        if (app, streaming) in self._bugs:
            with self._lock:
                self._bugs.pop((app, streaming), 0)
                if app not in self._stopped and (app, not streaming) not in self._bugs:
                    self._tell(app, "up", "", {})

    def bug(self, app: str, error: Exception, streaming: bool = False) -> bool:
        """Show it; True when the app is stopped now, after `limit` bugs in a row in streams.

        A command that fails has told its caller, so it stops nothing.
        """
        with self._lock:
            self.errors.append(error)
            count = self._bugs[app, streaming] = self._bugs.get((app, streaming), 0) + 1
            if stopped := streaming and count >= self.limit:
                self._stopped.add(app)
            why = f"{type(error).__name__}: {error}"
            if stopped:
                why = f"stopped after {count} errors in a row: {why}; mend it and restart"
            down = stopped or app in self._stopped
            figures: dict[str, float | str] = {"bugs": float(count), "traceback": frames(error)}
            self._tell(app, "down" if down else "degraded", why, figures)
        return stopped

    def stopped(self, app: str) -> bool:
        return app in self._stopped or app in self._held

    def halt(self, app: str, why: str) -> None:
        """Stop it for good, until the platform is begun anew."""
        with self._lock:
            if app not in self._stopped:
                self._stopped.add(app)
                self._tell(app, "down", why, {})

    def hold(self, app: str, why: str) -> None:
        """It does not run for now, such as for want of a grant."""
        with self._lock:
            if self._held.get(app) != why:
                self._held[app] = why
                self._tell(app, "off", why, {})

    def release(self, app: str) -> None:
        with self._lock:
            if self._held.pop(app, None) is not None and app not in self._stopped:
                self._tell(app, "up", "", {})

    def begin(self, apps: list[App]) -> None:
        for app in apps:
            if not self.stopped(app.name()):
                self._tell(app.name(), "up", "", {})

    def _tell(self, app: str, state: str, why: str, figures: Mapping[str, float | str]) -> None:
        if self.board is not None:
            if self._since.get(app, ("", 0))[0] != state:
                self._since[app] = state, self.clock.now()
            self.board.put(
                Health(
                    kind="app",
                    name=app,
                    state=state,  # type: ignore[arg-type] # one of two words, just above
                    since=self._since[app][1],
                    why=why,
                    figures=figures,
                )
            )


def frames(error: BaseException) -> str:
    """The traceback, cut to the frames of the author: those of the kernel and of libraries go."""
    if told := getattr(error, "trace", ""):  # of an app in another process
        return str(told)
    every = traceback.extract_tb(error.__traceback__)
    own = [
        f for f in every if not f.filename.startswith(OURS) and "site-packages" not in f.filename
    ]
    lines = traceback.format_list(own or every[-1:])
    return "".join((*lines, *traceback.format_exception_only(error)))

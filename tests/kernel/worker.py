"""A script in a process of its own, to be killed: it says `ready` and, if it lives so long, `done`."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Worker:
    """Begins at once and returns when the script is ready."""

    def __init__(self, script: str, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._says("ready")

    def killed(self, after_s: float) -> None:
        """Let it work for this long, then kill -9."""
        threading.Event().wait(after_s)
        self.process.kill()
        self.process.wait(30)

    def done(self) -> None:
        """Wait until it has done all it had to do."""
        self._says("done")
        self.process.wait(60)

    def _says(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{word}\n"

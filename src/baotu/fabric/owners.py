"""Whose log is whose: an id belongs to the edge that first used it, for ever.

Sequences of a log are taken once. Who knew another edge's id could fill its next ones, and what that
edge really measured would count as there already; or close its gaps. The name of the edge is proved by
its certificate and stands in the key, so the pair (log, edge) is what is kept. First on the disk, then
in use: a crash between the two leaves an owner without frames, never frames without an owner.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


class Owners:
    """file: a line «log edge» each, only ever appended; None: kept in memory. Thread-safe."""

    def __init__(self, file: Path | None = None) -> None:
        self._file, self._lock = file, threading.Lock()
        self._of: dict[str, str] = {}
        if file is not None and file.exists():
            for line in file.read_text(encoding="utf-8").split("\n")[:-1]:  # the last may be torn
                log, _, edge = line.partition(" ")
                self._of.setdefault(log, edge)

    def own(self, log: str, edge: str) -> bool:
        """Whether the log is this edge's, which it becomes when nobody had it. Raises OSError."""
        known = self._of.get(log)
        if known is not None:
            return known == edge
        if not log.isalnum():
            return False
        with self._lock:
            if log not in self._of:
                self._keep(f"{log} {edge}\n")
                self._of[log] = edge
            return self._of[log] == edge

    def owner(self, log: str) -> str:
        return self._of.get(log, "")

    def _keep(self, line: str) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            if file.tell() and not self._whole():
                file.write(b"\n")
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def _whole(self) -> bool:
        assert self._file is not None
        with self._file.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

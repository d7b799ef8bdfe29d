"""A solver of a third-party app at work: the worker of its job, confined like the app itself.

To the runner of jobs it is process, pipe and wish to stop in one. Unlike the pipes of our own workers
it carries no pickles: what comes is a frame, taken as it arrives, so a half one holds nobody up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from . import frames
from .port import Launcher, Process
from .source import Source


class Told(msgspec.Struct, array_like=True):
    kind: str
    value: Any


class Solving:
    """Used on the thread `jobs` alone."""

    def __init__(self, process: Process) -> None:
        self._process, self._line = process, process.line
        self._line.setblocking(False)
        self._heard = bytearray()
        self._wished = self._ended = False
        self.exitcode: int | str | None = None

    # as a pipe
    def fileno(self) -> int:
        return self._line.fileno()

    def recv(self) -> tuple[str, Any]:
        """("", None) while a frame is not whole. Raises EOFError at the end, OSError, both final."""
        if (whole := self._whole()) is not None:
            return self._judged(whole)
        with contextlib.suppress(BlockingIOError):
            part = self._line.recv(1 << 20)
            if not part:
                raise EOFError
            self._heard += part
        whole = self._whole()
        return self._judged(whole) if whole is not None else ("", None)

    def _whole(self) -> Told | None:
        """The next frame, if all of it is here."""
        if len(self._heard) < frames.LENGTHS.size:
            return None
        head, body = frames.LENGTHS.unpack_from(self._heard)
        if head > frames.HEAD_MOST or body:
            raise EOFError  # not the protocol: it is ended like one that fell
        end = frames.LENGTHS.size + head
        if len(self._heard) < end:
            return None
        text = bytes(self._heard[frames.LENGTHS.size : end])
        del self._heard[:end]
        try:
            told: Told = frames.decoded(text, Told)
        except frames.Broken:
            raise EOFError from None
        return told

    def _judged(self, told: Told) -> tuple[str, Any]:
        if told.kind == "progress" and isinstance(told.value, float) and np.isfinite(told.value):
            return "progress", min(max(told.value, 0.0), 1.0)
        if told.kind == "failed":
            return "failed", str(told.value)[:2000]
        if told.kind == "done":
            return "done", told.value
        raise EOFError

    def close(self) -> None:
        self.kill()
        self._process.kill()

    # as a wish to stop
    def set(self) -> None:
        if not self._wished:
            self._wished = True
            with contextlib.suppress(OSError):
                self._line.send(b"!")

    def is_set(self) -> bool:
        return self._wished

    # as a process
    def kill(self) -> None:
        if not self._ended:
            self._ended = True
            self.exitcode = self._process.end()

    def join(self, timeout: float | None = None) -> None:
        """`kill` waits for it."""


def solving(
    launcher: Launcher, sources: Callable[[str], Source | None], memory_mb: int, threads: int
) -> Callable[[str, str, str, int], Solving | None]:
    """How the runner begins the solver of an app. sources: None for an app of ours."""

    def begin(app: str, solve: str, problem: str, seed: int) -> Solving | None:
        source = sources(app)
        if source is None:
            return None
        spec = source.spec("solve", solve=solve, problem=problem, seed=seed)
        process = launcher.start(
            spec, source.readable(), memory_mb=memory_mb, scratch_mb=64, threads=threads
        )
        return Solving(process)

    return begin

"""What the kernel asks of whoever starts processes for apps; `trust.sandbox` answers."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class Gone(Exception):
    """The process of an app has ended, was ended, or cannot be had; says why."""


class Process(Protocol):
    """line: a stream; whatever comes out of it was written by somebody who may lie."""

    pid: int
    line: socket.socket

    def end(self) -> str:
        """End it; how it ended: a signal's name or an exit code. The line says so too."""

    def kill(self) -> str:
        """The same, and close the line."""

    def figures(self) -> Mapping[str, float]:
        """cpu_s, private_mb, rss_mb of now; empty when it has gone."""


class Launcher(Protocol):
    def confined(self) -> tuple[str, ...]:
        """What confines an app on this machine, in words; empty: nothing."""

    def start(
        self,
        spec: Mapping[str, Any],
        readable: Sequence[Path],
        *,
        memory_mb: int = ...,
        scratch_mb: int = ...,
        threads: int = ...,
    ) -> Process:
        """A process that loads `spec` and then answers. Raises ConfigError, Gone."""

    def stop(self) -> None: ...

"""`baotu run` as a process of its own, a Modbus device for it, and waiting for what it does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pymodbus import FramerType

from baotu.kernel.lifecycle import LoopThread
from tests.drivers.modbus.test_peer_pymodbus import peer

Found = TypeVar("Found")


class Node:
    """Begins at once and returns when the node has begun; what it logs is in `log`."""

    def __init__(self, config: Path, log: Path, **environment: str) -> None:
        with log.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "baotu.cli", "run", "--config", str(config)],
                stdout=subprocess.PIPE, stderr=file, text=True,
                env=os.environ | environment,
            )  # fmt: skip
        assert self.process.stdout is not None
        assert re.search("Baotu", self.process.stdout.readline()), log.read_text()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def served(first: int, second: int) -> Iterator[int]:
    """The port of a Modbus device whose first two holding registers are these."""
    loop, device = LoopThread("device"), peer({0: [first, second]}, FramerType.SOCKET)

    async def begin() -> int:
        return await device.__aenter__()

    async def end() -> None:
        await device.__aexit__(None, None, None)

    yield loop.call(begin())
    loop.call(end())
    loop.stop()


def until(what: str, look: Callable[[], Found], deadline_s: float = 120) -> Found:
    """What `look` finds at last; a node that does not answer yet is asked again."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"did not happen in {deadline_s} s: {what}")

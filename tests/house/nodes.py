"""`baotu run` as a process of its own, a Modbus device for it, and waiting for what it does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pymodbus import FramerType

from baotu.house.control import ask
from baotu.kernel.lifecycle import LoopThread
from baotu.sdk import Unreachable
from tests.drivers.modbus.test_peer_pymodbus import peer

Found = TypeVar("Found")
TESTER = "tester"  # an account that may look at everything, and operate


@cache
def token(data: Path) -> str:
    """An API token of the node that works in this data folder, by its control socket. One for each
    folder: the node keeps it when it is killed. Raises OSError while no node works there."""
    try:
        if all(row["name"] != TESTER for row in ask(data, "account_list")):
            ask(data, "account_create", name=TESTER, roles=["engineer", "audit_admin"])
        return str(ask(data, "token_create", account=TESTER, scope=["*"], days=1))
    except Unreachable as away:
        raise ConnectionError(str(away)) from away


def asking(
    data: Path, address: str, body: bytes | None = None, **headers: str
) -> urllib.request.Request:
    """A request that this token comes with."""
    return urllib.request.Request(
        address, body, {"Authorization": f"Bearer {token(data)}"} | headers
    )


def get(address: str, data: Path | None = None) -> Any:
    """The JSON at an address; data: of the node whose console it is."""
    request = asking(data, address) if data is not None else address
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


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

"""Brokers for tests, on a free port of ::1: mosquitto as an independent peer, amqtt embedded."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from amqtt.broker import Broker as Amqtt

from tests.peers import need


def free_port() -> int:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A mosquitto process; `extra` are lines of its configuration."""

    def __init__(self, folder: Path, extra: Sequence[str] = ()) -> None:
        self.port = free_port()
        self._program = need("mosquitto")
        self._config = folder / f"mosquitto-{self.port}.conf"
        lines = [f"listener {self.port} ::1", "allow_anonymous true", "persistence false"]
        if os.geteuid() == 0:
            lines.append("user root")  # or it could not read what the test wrote
        self._config.write_text("\n".join([*lines, "max_queued_messages 0", *extra]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: ASYNC220 # it returns at once
            [self._program, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await answers(self.port)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            await asyncio.to_thread(self._process.wait, 5)
            self._process = None


async def answers(port: int) -> None:
    for _ in range(200):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("::1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"no broker on port {port}")


@asynccontextmanager
async def mosquitto(folder: Path, extra: Sequence[str] = ()) -> AsyncIterator[Mosquitto]:
    broker = Mosquitto(folder, extra)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@asynccontextmanager
async def embedded() -> AsyncIterator[int]:
    """The port of an amqtt broker in this loop, as the demo starts it without mosquitto."""
    port = free_port()
    broker = Amqtt(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"::1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {}},
        }
    )
    await broker.start()
    try:
        yield port
    finally:
        await broker.shutdown()

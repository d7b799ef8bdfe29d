"""The MQTT broker of the demo: mosquitto where it is installed, else the embedded amqtt.

Both listen on the loopback only and let everybody in; a broker for real use is configured otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import shutil
import signal
from pathlib import Path
from typing import Literal, Protocol

PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/sbin")
UP_S, DOWN_S = 10.0, 3.0
PARENT_DEATH = 1  # prctl: PR_SET_PDEATHSIG
Kind = Literal["auto", "mosquitto", "amqtt"]


class BrokerError(RuntimeError):
    """The broker cannot be had; the message says why and what to do."""


class Broker(Protocol):
    """A running broker."""

    kind: str
    port: int

    async def stop(self) -> None: ...


async def start(port: int, folder: Path, host: str = "::1", kind: Kind = "auto") -> Broker:
    """A broker that accepts connections. port 0: a free one. folder: for its configuration.

    Raises BrokerError.
    """
    program = find_mosquitto() if kind in ("auto", "mosquitto") else None
    if kind == "mosquitto" and program is None:
        raise BrokerError("mosquitto is not installed: install it or choose --broker amqtt")
    port = port or await free_port(host)
    broker = Mosquitto(port) if program else Amqtt(port)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(broker, Mosquitto):
        await broker.start(str(program), folder, host)
    else:
        await broker.start(host)
    return broker


def find_mosquitto() -> str | None:
    search = os.pathsep.join((os.environ.get("PATH", ""), *PLACES))
    return shutil.which("mosquitto", path=search)


async def free_port(host: str) -> int:
    """A port that was free a moment ago."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return int(port)


class Mosquitto:
    """mosquitto as a child process with a configuration of its own; it dies with its parent."""

    kind = "mosquitto"

    def __init__(self, port: int) -> None:
        self.port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, program: str, folder: Path, host: str) -> None:
        path = folder / "mosquitto.conf"
        path.write_text(
            f"listener {self.port} {host}\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n"
            "log_type error\nmax_queued_messages 1000\n"
            # started by root it would change to a user who may not read this folder
            f"user {'root' if os.geteuid() == 0 else _user()}\n"
        )
        self._process = await asyncio.create_subprocess_exec(
            program,
            "-c",
            str(path),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        await self._reached(host)

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), DOWN_S)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _reached(self, host: str) -> None:
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + UP_S
        while asyncio.get_running_loop().time() < deadline:
            if self._process.returncode is not None:
                raise BrokerError(
                    f"mosquitto ended with {self._process.returncode}: is port {self.port} taken?"
                )
            try:
                _, writer = await asyncio.open_connection(host, self.port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
        raise BrokerError(f"mosquitto does not answer on [{host}]:{self.port}")


class Amqtt:
    """amqtt in this process: slower, but pure Python and always there."""

    kind = "amqtt"

    def __init__(self, port: int) -> None:
        self.port = port
        self._broker: object | None = None

    async def start(self, host: str) -> None:
        from amqtt.broker import Broker as Embedded
        from amqtt.contexts import BrokerConfig, ListenerConfig
        from amqtt.errors import BrokerError as EmbeddedError

        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.ERROR)
        config = BrokerConfig(
            # without brackets: amqtt hands them on to the resolver, which does not know them
            listeners={"default": ListenerConfig(bind=f"{host}:{self.port}")},
            plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        )
        broker = Embedded(config)
        try:
            await asyncio.wait_for(broker.start(), UP_S)
        except (OSError, TimeoutError, EmbeddedError) as error:
            raise BrokerError(f"amqtt cannot listen on [{host}]:{self.port}: {error}") from error
        self._broker = broker

    async def stop(self) -> None:
        broker, self._broker = self._broker, None
        if broker is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(broker.shutdown(), DOWN_S)  # type: ignore[attr-defined]


def die_with_parent() -> None:
    """Linux: ask the kernel to end this process when its parent is gone, however it went."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGTERM)


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name

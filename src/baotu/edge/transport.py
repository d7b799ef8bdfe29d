"""TCP streams for polled devices: IPv6 first, a deadline on every wait, bytes and nothing else."""

from __future__ import annotations

import asyncio
import socket

from baotu.sdk import Endpoint, Malformed, Unreachable
from baotu.sdk.clock import Clock

from .waits import within

FULL = 1 << 20  # bytes of an answer that is not whole: no protocol here has such long ones


class Silent(Unreachable):
    """Somebody may be there, but no answer came in time."""


class Wire(asyncio.Protocol):
    """One connection. What comes in lies in `buffer` until somebody takes it."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._ended: str | None = None
        self._fresh = False  # bytes came that nobody has looked at

    async def more(self) -> None:
        """Return when bytes have come since. Raises Unreachable when the connection is over,
        Malformed when so much lies here that no answer can be meant.

        Has no deadline of its own: whoever asks counts the time since the question.
        """
        if self._ended is None and not self._fresh:
            if len(self.buffer) > FULL:
                raise Malformed(f"{len(self.buffer)} bytes and no end", bytes(self.buffer))
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        if self._ended is not None and not self._fresh:
            raise Unreachable(self._ended)
        self._fresh = False

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._fresh = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = f"connection lost: {error}" if error else "the device closed the connection"
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


async def dial(endpoint: Endpoint, clock: Clock) -> Wire:
    """Connect within the endpoint's time-out; every address of a name gets its share of it, IPv6
    ones first. Raises Unreachable."""
    where = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    place = f"{where}:{endpoint.port}"
    try:
        return await within(clock, endpoint.timeout_s, _dial(endpoint, clock))
    except TimeoutError:
        raise Silent(f"{place} does not answer within {endpoint.timeout_s:g} s") from None
    except socket.gaierror as error:
        raise Unreachable(f"{place}: the name is not known ({error.strerror})") from None
    except OSError as error:
        raise Unreachable(f"{place}: {error.strerror or error}") from None


async def _dial(endpoint: Endpoint, clock: Clock) -> Wire:
    found = await _found(endpoint.host, endpoint.port)
    found.sort(key=lambda row: row[0] != socket.AF_INET6)  # stable: else as the system says
    addresses = list(dict.fromkeys((row[0], row[4]) for row in found))
    failed: OSError | None = None
    for family, address in addresses:
        share = endpoint.timeout_s / len(addresses)
        try:
            return await within(clock, share, _connect(family, address))
        except OSError as error:  # a time-out is one, too
            failed = failed or error
    raise failed or OSError("no address")


async def _found(host: str, port: int) -> list[tuple]:
    """What a host means. A literal address asks nobody: the few threads of the resolver may all
    be waiting for the names of other devices."""
    kind = socket.SOCK_STREAM
    try:
        return list(socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST))
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)


async def _connect(family: int, address: tuple) -> Wire:
    loop = asyncio.get_running_loop()
    line = socket.socket(family, socket.SOCK_STREAM)
    wire: Wire | None = None
    try:
        line.setblocking(False)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await loop.sock_connect(line, address)
        _, wire = await loop.create_connection(Wire, sock=line)
    finally:
        if wire is None:
            line.close()
    return wire

"""A connection that goes wrong at one chosen message, once: a proxy between a client and a real peer.

What no peer does when asked: it resets, falls silent, cuts short, answers late or nonsense, at any
point of a conversation. `Fault.at` counts the peer's messages from 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

Whole = Callable[[bytes], int]
"""The length of the message that begins here; 0 while that is not known."""

ENDS = ("reset", "close", "silent", "short")  # after these nothing more comes
BYTES = ("ones", "zeros", "flipped", "header")  # a message whose bytes are wrong
KINDS = (*ENDS, *BYTES, "late", "twice")


@dataclass(frozen=True, kw_only=True)
class Fault:
    kind: str = ""  # one of KINDS, or none
    at: int = 0
    late_s: float = 1.0
    head: int = 8  # bytes of a header, which BYTES leave alone, except "header"


class BadLine:
    """`fault` happens on the first connection that comes so far; the later ones are sound."""

    def __init__(self, host: str, port: int, whole: Whole, fault: Fault) -> None:
        self.host, self.peer, self.whole, self.fault = host, port, whole, fault
        self.port = self.connections = 0
        self.happened = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            theirs, ours = await asyncio.open_connection(self.host, self.peer)
        except OSError:
            return writer.transport.abort()
        there = asyncio.create_task(self._pass_on(reader, ours))
        try:
            await self._answers(theirs, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            there.cancel()
            ours.transport.abort()
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while (data := await reader.read(65_536)) and not writer.is_closing():
                writer.write(data)
        writer.transport.abort()

    async def _answers(self, theirs: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault, buffer, count = self.fault, b"", 0
        while (data := await theirs.read(65_536)) and not writer.is_closing():
            buffer += data
            while (length := self.whole(buffer)) and length <= len(buffer):
                message, buffer = buffer[:length], buffer[length:]
                count += 1
                if count <= fault.at or self.happened or not fault.kind:
                    writer.write(message)
                    continue
                self.happened = True
                match fault.kind:
                    case "reset":
                        return
                    case "close":
                        writer.close()
                        return await writer.wait_closed()
                    case "silent":
                        return await self._swallow(theirs)
                    case "short":
                        writer.write(message[:-1])
                        return await self._swallow(theirs)
                    case "late":
                        await asyncio.sleep(fault.late_s)
                        writer.write(message)
                    case _:
                        writer.write(_spoilt(message, fault))

    async def _swallow(self, theirs: asyncio.StreamReader) -> None:
        while await theirs.read(65_536):
            pass


def _spoilt(message: bytes, fault: Fault) -> bytes:
    head, body = message[: fault.head], message[fault.head :]
    match fault.kind:
        case "ones":
            return head + b"\xff" * len(body)
        case "zeros":
            return head + bytes(len(body))
        case "flipped":
            return head + bytes(byte ^ 0x55 for byte in body)
        case "header":
            return bytes(byte ^ 0xFF for byte in head) + body
        case "twice":
            return message + message
    raise ValueError(fault.kind)


@asynccontextmanager
async def bad_line(
    port: int, whole: Whole, fault: Fault | None = None, host: str = "::1"
) -> AsyncIterator[BadLine]:
    """Listens on ::1; `port` of the line is where the client is to go."""
    line = BadLine(host, port, whole, fault or Fault())
    server = await asyncio.start_server(line.serve, "::1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()

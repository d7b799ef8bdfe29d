"""A small MQTT 3.1.1 client for the plant's gateways: connect with a will, subscribe, publish.

Own implementation (OASIS MQTT 3.1.1, quality of service 0, and 1 for what comes in), so that the
platform's client library has a counterpart that is not itself, and so that a gateway can vanish
without a farewell, which no library likes to do.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x40, 0x82, 0x90
PINGREQ, DISCONNECT = 0xC0, 0xE0
ANSWER_S = 5.0
Heard = Callable[[str, bytes], None]


class MqttError(ConnectionError):
    """The broker refused or is gone."""


def packet(kind: int, body: bytes) -> bytes:
    """Fixed header and body; the length takes seven bits a byte."""
    head, left = bytearray((kind,)), len(body)
    while True:
        left, digit = left >> 7, left & 0x7F
        head.append(digit | (0x80 if left else 0))
        if not left:
            return bytes(head) + body


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def connect(client: str, will: tuple[str, bytes], keepalive_s: int) -> bytes:
    """Clean session; the will is sent with quality of service 1, not retained."""
    flags = 0x02 | 0x04 | 1 << 3
    head = text("MQTT") + struct.pack(">BBH", 4, flags, keepalive_s)
    return packet(CONNECT, head + text(client) + text(will[0]) + text(will[1]))


def packets(buffer: bytearray) -> list[tuple[int, bytes]]:
    """Take all whole packets out of a buffer: (first byte, body). Raises MqttError."""
    found: list[tuple[int, bytes]] = []
    while len(buffer) >= 2:
        size, place = 0, 1
        while True:
            if place >= len(buffer):
                return found
            size |= (buffer[place] & 0x7F) << 7 * (place - 1)
            place += 1
            if not buffer[place - 1] & 0x80:
                break
            if place > 4:
                raise MqttError("a packet without end")
        if len(buffer) < place + size:
            return found
        found.append((buffer[0], bytes(buffer[place : place + size])))
        del buffer[: place + size]
    return found


class Mqtt(asyncio.Protocol):
    """One session. `ended` is done when it is over, whatever the reason."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self._accepted: asyncio.Future[None] = loop.create_future()
        self._subscribed: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        client: str,
        will: tuple[str, bytes],
        topics: Sequence[str],
        heard: Heard,
        keepalive_s: int = 10,
    ) -> Mqtt:
        """A session that stands, with its subscriptions. Raises MqttError, OSError."""
        loop = asyncio.get_running_loop()
        transport, session = await loop.create_connection(lambda: cls(heard), host, port)
        try:
            transport.write(connect(client, will, keepalive_s))
            await asyncio.wait_for(asyncio.shield(session._accepted), ANSWER_S)
            body = b"".join(text(topic) + b"\x01" for topic in topics)
            transport.write(packet(SUBSCRIBE, struct.pack(">H", 1) + body))
            await asyncio.wait_for(asyncio.shield(session._subscribed), ANSWER_S)
        except TimeoutError:
            transport.abort()
            raise MqttError(f"the broker on [{host}]:{port} does not answer") from None
        except BaseException:
            transport.abort()
            raise
        return session

    @property
    def up(self) -> bool:
        return not self.ended.done()

    def publish(self, topic: str, payload: bytes) -> None:
        if self._transport is not None and self.up:
            self._transport.write(packet(PUBLISH, text(topic) + payload))

    def ping(self) -> None:
        if self._transport is not None and self.up:
            self._transport.write(packet(PINGREQ, b""))

    def close(self) -> None:
        """With a farewell: the broker forgets the will."""
        if self._transport is not None:
            self._transport.write(packet(DISCONNECT, b""))
            self._transport.close()

    def abort(self) -> None:
        """As if the cable were cut: the broker sends the will."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        for waiting in (self._accepted, self._subscribed):
            if not waiting.done():
                waiting.set_exception(MqttError("the broker closed the connection"))
                waiting.exception()  # looked at: nobody may be waiting any more
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            for kind, body in packets(self._buffer):
                self._take(kind, body)
        except (MqttError, struct.error, UnicodeDecodeError):
            self.abort()

    def _take(self, kind: int, body: bytes) -> None:
        if kind == CONNACK and not self._accepted.done():
            if len(body) == 2 and body[1] == 0:
                self._accepted.set_result(None)
            else:
                self._accepted.set_exception(
                    MqttError(f"connection refused, code {body[-1:].hex()}")
                )
        elif kind == SUBACK and not self._subscribed.done():
            self._subscribed.set_result(None)
        elif kind & 0xF0 == PUBLISH:
            size = struct.unpack_from(">H", body)[0]
            topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
            if kind >> 1 & 3:
                if self._transport is not None:
                    self._transport.write(packet(PUBACK, rest[:2]))
                rest = rest[2:]
            self._heard(topic, rest)

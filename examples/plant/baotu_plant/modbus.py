"""A Modbus server for the plant: frames in, frames out; sockets only in `Listener`.

Own implementation after the MODBUS Application Protocol 1.1b3 (functions 1 to 6, 15, 16, 22, 23),
the Messaging on TCP/IP Guide (MBAP header) and, for the serial gateway, RTU frames with CRC-16.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Protocol

import numpy as np

from .layout import Device
from .points import Point
from .registers import BIT_TABLES, Image, Place, decoded, places
from .simulation import Refusal

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_TARGET = 1, 2, 3, 0x0B
MBAP = 7  # bytes before the function code
LONGEST = 260
READS = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


class Commands(Protocol):
    """Where writes go. Both raise Refusal."""

    def check(self, point: Point, value: float) -> float: ...

    def command(self, point: Point, value: float) -> None: ...


class Rejected(Exception):
    """An exception response, by its code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Bank:
    """All units of a device: answers PDUs. told: the flat column, replaced at each step."""

    def __init__(self, device: Device, points: list[Point], commands: Commands) -> None:
        self.device, self._commands = device, commands
        self.places = places(device, points)
        units = sorted({p.unit for p in self.places})
        self.units = {u: Image([p for p in self.places if p.unit == u]) for u in units}
        self._fresh: np.ndarray | None = None

    def answer(self, unit: int, pdu: bytes, told: np.ndarray) -> bytes:
        """The response PDU to a request PDU; an exception response where it is wrong."""
        try:
            if unit not in self.units:
                raise Rejected(NO_TARGET)
            if told is not self._fresh:
                for image in self.units.values():
                    image.fill(told)
                self._fresh = told
            return self._answer(self.units[unit], pdu)
        except Rejected as no:
            return bytes((pdu[0] | 0x80 if pdu else 0x80, no.code))
        except (struct.error, IndexError):
            return bytes((pdu[0] | 0x80 if pdu else 0x80, ILLEGAL_VALUE))

    def _answer(self, image: Image, pdu: bytes) -> bytes:
        code = pdu[0]
        if code in READS:
            start, count = struct.unpack(">HH", pdu[1:])
            return bytes((code,)) + self._read(image, READS[code], start, count)
        if code in (5, 6):
            start, value = struct.unpack(">HH", pdu[1:])
            if code == 5 and value not in (0, 0xFF00):
                raise Rejected(ILLEGAL_VALUE)
            table = "coil" if code == 5 else "holding"
            self._write(image, table, start, np.array([value if code == 6 else value != 0]))
            return pdu
        if code in (15, 16):
            start, count, size = struct.unpack(">HHB", pdu[1:6])
            self._write(image, *_many(code, start, count, size, pdu[6:]))
            return pdu[:5]
        if code == 22:
            start, keep, put = struct.unpack(">HHH", pdu[1:])
            old = self._held(image, start)
            self._write(image, "holding", start, np.array([(old & keep) | (put & ~keep & 0xFFFF)]))
            return pdu
        if code == 23:
            start, count, to, number, size = struct.unpack(">HHHHB", pdu[1:10])
            self._write(image, *_many(16, to, number, size, pdu[10:]))
            return bytes((code,)) + self._read(image, "holding", start, count)
        raise Rejected(ILLEGAL_FUNCTION)

    def _read(self, image: Image, table: str, start: int, count: int) -> bytes:
        store, bits = image.tables[table], table in BIT_TABLES
        limit = 2000 if bits else 125
        if not 1 <= count <= limit:
            raise Rejected(ILLEGAL_VALUE)
        # this maker reports a question that is too long as an illegal address
        if start + count > len(store) or (not bits and count > self.device.read_limit):
            raise Rejected(ILLEGAL_ADDRESS)
        part = store[start : start + count]
        data = np.packbits(part, bitorder="little") if bits else part.astype(">u2")
        return bytes((data.nbytes,)) + data.tobytes()

    def _held(self, image: Image, start: int) -> int:
        if start >= len(image.tables["holding"]):
            raise Rejected(ILLEGAL_ADDRESS)
        return int(image.tables["holding"][start])

    def _write(self, image: Image, table: str, start: int, values: np.ndarray) -> None:
        """All or nothing: refused values and read-only places change no register."""
        store = image.tables[table]
        touched = image.touched(table, start, len(values))
        if start + len(values) > len(store) or not touched:
            raise Rejected(ILLEGAL_ADDRESS)
        changed = store.copy()
        changed[start : start + len(values)] = values
        news = [p for p in touched if self._differs(p, store, changed)]
        if any(not p.point.property.writable for p in touched if p in news or p.bit < 0):
            raise Rejected(ILLEGAL_ADDRESS)
        try:
            orders = [(p.point, decoded(p, changed)) for p in news]
            for point, value in orders:
                self._commands.check(point, value)
            for point, value in orders:
                self._commands.command(point, value)
        except Refusal:
            raise Rejected(ILLEGAL_VALUE) from None
        store[:] = changed

    def _differs(self, place: Place, old: np.ndarray, new: np.ndarray) -> bool:
        end = place.start + place.width
        if place.type == "text" or place.bit < 0:
            return not np.array_equal(old[place.start : end], new[place.start : end])
        return decoded(place, old) != decoded(place, new)


def _many(code: int, start: int, count: int, size: int, data: bytes) -> tuple[str, int, np.ndarray]:
    wanted = (count + 7) // 8 if code == 15 else 2 * count
    if not count or size != wanted or len(data) != wanted:
        raise Rejected(ILLEGAL_VALUE)
    if code == 15:
        bits = np.unpackbits(np.frombuffer(data, "u1"), bitorder="little")[:count]
        return "coil", start, bits
    return "holding", start, np.frombuffer(data, ">u2")


class Stream:
    """The framing of one connection: bytes in, answers out. Never raises; `broken` ends it."""

    def __init__(self, bank: Bank, told: Callable[[], np.ndarray]) -> None:
        self._bank, self._told = bank, told
        self._buffer = bytearray()
        self.broken = False

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        out = bytearray()
        take = self._tcp if self._bank.device.framing == "tcp" else self._rtu
        while not self.broken and (answer := take()) is not None:
            out += answer
        return bytes(out)

    def _tcp(self) -> bytes | None:
        if len(self._buffer) < MBAP + 1:
            return None
        number, protocol, length, unit = struct.unpack_from(">HHHB", self._buffer)
        if protocol != 0 or not 2 <= length <= LONGEST - 6:
            self.broken = True
            return None
        if len(self._buffer) < 6 + length:
            return None
        pdu = bytes(self._buffer[MBAP : 6 + length])
        del self._buffer[: 6 + length]
        answer = self._bank.answer(unit, pdu, self._told())
        return struct.pack(">HHHB", number, 0, len(answer) + 1, unit) + answer

    def _rtu(self) -> bytes | None:
        size = rtu_length(self._buffer)
        if size == 0 or len(self._buffer) < size:
            return None
        frame = bytes(self._buffer[:size])
        if size < 0 or crc(frame[:-2]) != frame[-2:]:
            self._buffer.clear()  # a serial line knows no other way to find the next frame
            return None
        del self._buffer[:size]
        if frame[0] not in self._bank.units:
            return b""  # not for us: silence
        answer = frame[:1] + self._bank.answer(frame[0], frame[1:-2], self._told())
        return answer + crc(answer)


def rtu_length(buffer: bytes | bytearray) -> int:
    """Bytes of the request that begins here; 0: not known yet, -1: no function of ours."""
    if len(buffer) < 2:
        return 0
    code = buffer[1]
    if 1 <= code <= 6:
        return 8
    if code == 22:
        return 10
    place = {15: 6, 16: 6, 23: 10}.get(code)
    if place is None:
        return -1
    return place + 3 + buffer[place] if len(buffer) > place else 0


def crc(frame: bytes) -> bytes:
    """CRC-16 of the serial line specification: polynomial 0xA001, low byte first.

    >>> crc(bytes.fromhex("010300000001")).hex()
    '840a'
    """
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


class Listener:
    """The sockets of one device. It can fall silent (power is on, the processor hangs) or vanish
    (no listener, all connections reset), which is how a network loss looks from outside."""

    def __init__(self, bank: Bank, told: Callable[[], np.ndarray], host: str, port: int) -> None:
        self._bank, self._told, self._host, self.port = bank, told, host, port
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self.silent = False

    async def start(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: _Connection(self), self._host, self.port
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in list(self._open):
            connection.abort()
        await server.wait_closed()

    def stream(self) -> Stream:
        return Stream(self._bank, self._told)

    def admit(self, connection: _Connection) -> bool:
        """False when the device has as many connections as it bears."""
        if len(self._open) >= self._bank.device.connections:
            return False
        self._open.add(connection)
        return True

    def left(self, connection: _Connection) -> None:
        self._open.discard(connection)


class _Connection(asyncio.Protocol):
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._stream = listener.stream()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._listener.admit(self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.left(self)

    def data_received(self, data: bytes) -> None:
        if self._listener.silent or self._transport is None:
            return
        self._transport.write(self._stream.feed(data))
        if self._stream.broken:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

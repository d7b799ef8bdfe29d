"""Frames of Modbus: MBAP over TCP, and RTU with its CRC through a serial server. No socket here.

MODBUS Messaging on TCP/IP 1.0b, 3.1.3 (MBAP); MODBUS over Serial Line 1.02, 2.5.1 (RTU) and
6.2.2 (CRC); MODBUS Application Protocol 1.1b3, 6 (functions) and 7 (exceptions).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from baotu.sdk import Malformed, Quality

Bytes = bytes | bytearray
ECHOES = MappingProxyType({5: 5, 6: 5, 15: 5, 16: 5, 22: 7})  # function: length of its answer
READS = frozenset({1, 2, 3, 4, 23})  # the answer tells how many bytes follow
LONGEST_PDU = 253
REFUSED = 0x80  # set in the function of an answer that says no


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """An exception code. quality: what a read gets when the code is `passing`: ask again later."""

    name: str
    next_step: str
    passing: bool = False
    quality: Quality = Quality.BAD


EXCEPTIONS = MappingProxyType(
    {
        1: No(
            name="illegal function",
            next_step="the unit lacks this function; try the other table (holding, input)",
        ),
        2: No(
            name="illegal data address",
            next_step="check the address against the device's register list (offsets count from 0)",
        ),
        3: No(
            name="illegal data value",
            next_step="the unit takes fewer registers at once or not this value; see max_registers",
        ),
        4: No(
            name="server device failure",
            next_step="look at the device: it failed while it carried this out",
            passing=True,
            quality=Quality.BAD_DEVICE_FAILURE,
        ),
        5: No(
            name="acknowledge",
            next_step="the device works on it and needs long; read again later",
            passing=True,
            quality=Quality.BAD_WAITING,
        ),
        6: No(
            name="server device busy",
            next_step="ask less often or with pipeline = 1",
            passing=True,
            quality=Quality.BAD_WAITING,
        ),
        8: No(
            name="memory parity error",
            next_step="the device's memory is damaged; have it serviced",
            passing=True,
            quality=Quality.BAD_DEVICE_FAILURE,
        ),
        10: No(
            name="gateway path unavailable",
            next_step="check the gateway: it has no way to this unit",
            passing=True,
            quality=Quality.BAD_NO_COMMUNICATION,
        ),
        11: No(
            name="gateway target device failed to respond",
            next_step="check power, wiring and unit number behind the gateway",
            passing=True,
            quality=Quality.BAD_NO_COMMUNICATION,
        ),
    }
)
UNKNOWN = No(name="unknown exception", next_step="look the code up in the device's manual")


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """head: bytes before the function, the last is the unit. tail: bytes after the data.

    wrap: (unit, pdu) → frame. whole: as `PolledDriver.whole`. sound: raises Malformed when the
    envelope (protocol, length or checksum) of one frame is wrong.
    """

    name: str
    head: int
    tail: int
    wrap: Callable[[int, bytes], bytes]
    whole: Callable[[Bytes], tuple[int, int | None]]
    sound: Callable[[bytes], None]


def tcp_wrap(unit: int, pdu: bytes, number: int = 0) -> bytes:
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu


def tcp_whole(buffer: Bytes) -> tuple[int, int | None]:
    """Raises Malformed as soon as protocol, length or function are impossible."""
    have = len(buffer)
    if have < 8:
        if have > 3 and (buffer[2] or buffer[3]):
            raise Malformed("MBAP: protocol is not 0; is this Modbus TCP?", bytes(buffer))
        return 0, None
    number, protocol, length = struct.unpack_from(">HHH", buffer)
    if protocol or not 3 <= length <= LONGEST_PDU + 1:
        raise Malformed(
            f"MBAP: protocol {protocol}, length {length}; is this Modbus TCP, or rtu?",
            bytes(buffer[:260]),
        )
    _known(buffer[7], buffer)
    return (6 + length, number) if have >= 6 + length else (0, None)


def tcp_sound(frame: bytes) -> None:
    if len(frame) < 9 or frame[2:4] != b"\0\0" or len(frame) != 6 + (frame[4] << 8 | frame[5]):
        raise Malformed(f"MBAP: the length is not that of {len(frame)} bytes", frame)


def rtu_wrap(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


def rtu_whole(buffer: Bytes) -> tuple[int, int | None]:
    """The length follows from the function; the checksum must agree. Never a number."""
    if len(buffer) < 3:
        if len(buffer) == 2:
            _known(buffer[1], buffer)
        return 0, None
    length = _rtu_length(buffer)
    if len(buffer) < length:
        return 0, None
    rtu_sound(bytes(buffer[:length]))
    return length, None


def rtu_sound(frame: bytes) -> None:
    if len(frame) < 5 or len(frame) != _rtu_length(frame):
        raise Malformed(f"RTU: {len(frame)} bytes are not the length of this answer", frame)
    if crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
        raise Malformed("RTU: wrong checksum; check the serial line, baud rate and parity", frame)


def _rtu_length(buffer: Bytes) -> int:
    function = buffer[1]
    _known(function, buffer)
    if function & REFUSED:
        return 5
    if function in READS:
        return 5 + buffer[2]
    return 3 + ECHOES[function]


def _known(function: int, buffer: Bytes) -> None:
    plain = function & ~REFUSED
    if plain not in READS and plain not in ECHOES:
        raise Malformed(f"function {function} was never asked for", bytes(buffer[:260]))


@cache
def _crc_table() -> tuple[int, ...]:
    def row(byte: int) -> int:
        for _ in range(8):
            byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
        return byte

    return tuple(row(byte) for byte in range(256))


def crc16(data: bytes) -> int:
    """The checksum of an RTU frame, sent low byte first.

    >>> hex(crc16(bytes.fromhex("010300000001")))
    '0xa84'
    """
    table, crc = _crc_table(), 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


TCP = Framing(name="tcp", head=7, tail=0, wrap=tcp_wrap, whole=tcp_whole, sound=tcp_sound)
RTU = Framing(name="rtu", head=1, tail=2, wrap=rtu_wrap, whole=rtu_whole, sound=rtu_sound)
FRAMINGS = MappingProxyType({framing.name: framing for framing in (TCP, RTU)})

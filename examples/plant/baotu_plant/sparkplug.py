"""Sparkplug B payloads for the plant: a small encoder of births and data, a decoder of commands.

Field numbers of the payload's protocol buffers: Sparkplug 3.0, 6.4. Nothing of a protobuf library.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

INT64, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING = 4, 8, 9, 10, 11, 12
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Value = float | int | bool | str


class Broken(ValueError):
    """Bytes that are no payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """name: in births and commands. alias: -1 for none. unit, low, high: properties of a birth."""

    name: str = ""
    alias: int = -1
    time_ms: int = 0
    datatype: int = 0
    value: Value | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None


def varint(value: int) -> bytes:
    """Seven bits a byte; a negative number is its two's complement in 64 bits."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while True:
        value, part = value >> 7, value & 0x7F
        out.append(part | (0x80 if value else 0))
        if not value:
            return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3 | VARINT) + varint(value)


def chunk(field: int, data: bytes) -> bytes:
    return varint(field << 3 | BYTES) + varint(len(data)) + data


def payload(time_ms: int, metrics: Iterable[bytes], seq: int | None) -> bytes:
    """timestamp, metrics already encoded, and the sequence number, which a death has not."""
    body = number(1, time_ms) + b"".join(chunk(2, metric) for metric in metrics)
    return body if seq is None else body + number(3, seq)


def encoded(metric: Metric) -> bytes:
    out = chunk(1, metric.name.encode()) if metric.name else b""
    if metric.alias >= 0:
        out += number(2, metric.alias)
    out += number(3, metric.time_ms) + number(4, metric.datatype)
    if metric.unit:
        out += chunk(9, _properties(metric))
    return out + _value(metric.datatype, metric.value)


def _value(datatype: int, value: Value | None) -> bytes:
    if value is None:
        return number(7, 1)  # is_null
    if isinstance(value, str):
        return chunk(15, value.encode())
    if datatype == FLOAT:
        return varint(12 << 3 | FIXED32) + struct.pack("<f", value)
    if datatype == DOUBLE:
        return varint(13 << 3 | FIXED64) + struct.pack("<d", value)
    if datatype == BOOLEAN:
        return number(14, int(value))
    return number(11, int(value))


def _properties(metric: Metric) -> bytes:
    """PropertySet: keys in field 1, values in field 2, in the same order."""
    rows: list[tuple[str, bytes]] = [
        ("engUnit", number(1, STRING) + chunk(8, metric.unit.encode()))
    ]
    for key, value in (("engLow", metric.low), ("engHigh", metric.high)):
        if value is not None:
            double = varint(6 << 3 | FIXED64) + struct.pack("<d", value)
            rows.append((key, number(1, DOUBLE) + double))
    return b"".join(chunk(1, key.encode()) for key, _ in rows) + b"".join(
        chunk(2, value) for _, value in rows
    )


def commands(data: bytes) -> list[Metric]:
    """The metrics of an NCMD or DCMD. Raises Broken."""
    return [
        _metric(body) for field, body in _fields(data) if field == 2 and isinstance(body, bytes)
    ]


def _metric(data: bytes) -> Metric:
    name, alias, datatype = "", -1, 0
    value: Value | None = None
    for field, body in _fields(data):
        if field == 1 and isinstance(body, bytes):
            name = body.decode("utf-8", "replace")
        elif field == 2 and isinstance(body, int):
            alias = body
        elif field == 4 and isinstance(body, int):
            datatype = body
        elif field in (10, 11, 14) and isinstance(body, int):
            value = body
        elif field == 12 and isinstance(body, bytes) and len(body) == 4:
            value = struct.unpack("<f", body)[0]
        elif field == 13 and isinstance(body, bytes) and len(body) == 8:
            value = struct.unpack("<d", body)[0]
        elif field == 15 and isinstance(body, bytes):
            value = body.decode("utf-8", "replace")
    return Metric(name=name, alias=alias, datatype=datatype, value=value)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        wire = key & 7
        if wire == VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if wire == BYTES:
            size, place = _varint(data, place)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise Broken(f"wire type {wire}")
        if place + size > len(data):
            raise Broken("a field ends beyond the payload")
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return value, place
    raise Broken("a number without end")

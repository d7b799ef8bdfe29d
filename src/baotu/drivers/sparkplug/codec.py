"""The Sparkplug B payload as bytes: protobuf in and out, in columns. It never touches a socket.

Field numbers: sparkplug_b.proto, Payload and Payload.Metric; wire format: protobuf encoding.
A payload's metrics are read by one loop; where many metrics in a row have the very same shape
(the usual data message) the rest of the row is taken by numpy at once, see `runs.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from baotu.sdk import Malformed

from .runs import LEAST, Run, take_run

LIMIT = 16 << 20  # bytes of one payload: 200 000 named metrics in a birth
LATEST_MS = 9_000_000_000_000  # year 2255; beyond it nanoseconds leave 64 bits
HISTORICAL, TRANSIENT, NULL, LONG = 1, 2, 4, 8
_MASK = (1 << 64) - 1

Scalar = int | float | str | bool | None


@dataclass(slots=True, kw_only=True, eq=False)
class Payload:
    """One message. The lists are aligned, one entry a metric, except those taken as `runs`.

    timestamp: ms UTC or -1. seq: 0..255 or -1. name: UTF-8 or None. alias, time (ms UTC): or -1.
    datatype: 0 when left out. value: raw bits of a number, bytes of a text, None for what is no
    scalar. flags: HISTORICAL | TRANSIENT | NULL | LONG (a whole number sent in the long field).
    properties: by index of the metric.
    runs: (number of list entries before it, the run), in order.
    """

    timestamp: int = -1
    seq: int = -1
    name: list[bytes | None] = field(default_factory=list)
    alias: list[int] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    datatype: list[int] = field(default_factory=list)
    value: list[int | bytes | None] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    properties: dict[int, dict[str, Scalar]] = field(default_factory=dict)
    runs: list[tuple[int, Run]] = field(default_factory=list)
    stamp: bytes = b"?"  # the six bytes of a time stamp read before: most metrics share one
    stamp_ms: int = 0

    def __len__(self) -> int:
        return len(self.alias) + sum(len(run) for _, run in self.runs)


def decode(data: bytes, limit: int = LIMIT) -> Payload:
    """Raises Malformed, with the frame, for anything that is no Sparkplug B payload."""
    if len(data) > limit:
        raise Malformed(f"payload of {len(data)} bytes; at most {limit} are taken", data[:256])
    payload = Payload()
    try:
        _payload(data, payload)
    except IndexError:
        raise Malformed("payload ends in the middle of a field", data) from None
    except struct.error:
        raise Malformed("payload ends in the middle of a number", data) from None
    except ValueError as wrong:
        raise Malformed(f"not a Sparkplug B payload: {wrong}", data) from None
    return payload


def _payload(data: bytes, payload: Payload) -> None:
    p, end = 0, len(data)
    tries = 2  # how often a run is looked for in vain before we stop looking
    while p < end:
        key = data[p]
        if key == 0x12:  # metrics = 2
            start = p
            p = _metric(data, p + 1, end, payload)
            size = p - start
            if tries and end - p >= LEAST * size and data[p : p + 2] == data[start : start + 2]:
                run = take_run(data, start, size, end)
                if run is None:
                    tries -= 1
                else:
                    _drop_last(payload)
                    payload.runs.append((len(payload.alias), run))
                    p = start + size * len(run)
        elif key == 0x08:
            payload.timestamp, p = _stamp(data, p + 1, payload)
            payload.timestamp = payload.timestamp if payload.timestamp <= LATEST_MS else -1
        elif key == 0x18:
            payload.seq, p = varint(data, p + 1)
            payload.seq &= 0xFF
        else:
            p = _skip(data, p)
    if p > end:
        raise ValueError("a field is longer than the payload")


def _drop_last(payload: Payload) -> None:
    """The metric that turned out to be the first of a run."""
    for column in (payload.name, payload.alias, payload.time, payload.datatype):
        column.pop()
    payload.value.pop()
    payload.flags.pop()


def _metric(data: bytes, p: int, end: int, payload: Payload) -> int:
    """Read one metric whose length starts at `p`; where it ends. A switch, for speed in one."""
    size = data[p]
    p += 1
    if size > 127:
        size, p = varint(data, p - 1)
    stop = p + size
    if stop > end:
        raise ValueError("a metric is longer than the payload")
    name: bytes | None = None
    alias = time = -1
    datatype = flags = 0
    value: int | bytes | None = None
    while p < stop:
        key = data[p]
        p += 1
        if key == 0x10:
            alias = data[p]
            p += 1
            if alias > 127:
                alias, p = varint(data, p - 1)
        elif key == 0x18:
            if data[p : p + 6] == payload.stamp:
                time, p = payload.stamp_ms, p + 6
            else:
                time, p = _stamp(data, p, payload)
        elif key == 0x20:
            datatype = data[p]
            p += 1
            if datatype > 127:
                datatype, p = varint(data, p - 1)
        elif key == 0x69:  # double
            value = int.from_bytes(data[p : p + 8], "little")
            p += 8
        elif key == 0x65:  # float
            value = int.from_bytes(data[p : p + 4], "little")
            p += 4
        elif key in (0x50, 0x58, 0x70):  # int, long, boolean
            if key == 0x58:
                flags |= LONG
            value = data[p]
            p += 1
            if value > 127:
                value, p = varint(data, p - 1)
        elif key == 0x0A:
            name, p = _piece(data, p)
        elif key == 0x7A:
            value, p = _piece(data, p)
        else:
            told, p = _seldom(data, p, key, payload)
            flags |= told
    if p != stop:
        raise ValueError("a field is longer than its metric")
    if name is None and alias < 0:
        raise ValueError("a metric has neither name nor alias")
    payload.name.append(name)
    payload.alias.append(alias)
    payload.time.append(time if time <= LATEST_MS else -1)
    payload.datatype.append(datatype if datatype < 256 else 0)
    payload.value.append(value)
    payload.flags.append(flags)
    return p


def _seldom(data: bytes, p: int, key: int, payload: Payload) -> tuple[int, int]:
    """The fields few metrics have: (flags, where it ends); properties go to the payload."""
    if key in _FLAGS:
        one, p = varint(data, p)
        return _FLAGS[key] if one else 0, p
    if key == 0x4A:
        piece, p = _piece(data, p)
        payload.properties[len(payload.alias)] = _properties(piece)
        return 0, p
    return 0, _skip(data, p - 1)


def _stamp(data: bytes, p: int, payload: Payload) -> tuple[int, int]:
    """A time in ms, which has six bytes until 2109; remembered as the next is likely the same."""
    value, end = varint(data, p)
    if end - p == 6:
        payload.stamp, payload.stamp_ms = data[p:end], value
    return value, end


_FLAGS: Mapping[int, int] = {0x28: HISTORICAL, 0x30: TRANSIENT, 0x38: NULL}


def varint(data: bytes, p: int) -> tuple[int, int]:
    """The number at `p`, cut to 64 bits, and where it ends."""
    value = shift = 0
    while True:
        byte = data[p]
        p += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, p
        shift += 7
        if shift > 63:
            raise ValueError("a number has more than ten bytes")


def _piece(data: bytes, p: int) -> tuple[bytes, int]:
    size, p = varint(data, p)
    if p + size > len(data):
        raise ValueError("a text is longer than the payload")
    return data[p : p + size], p + size


def _skip(data: bytes, p: int) -> int:
    """Past the field at `p`, which nobody here needs."""
    key, p = varint(data, p)
    kind = key & 7
    if key < 8:
        raise ValueError("field number 0")
    if kind == 0:
        return varint(data, p)[1]
    if kind == 1:
        return p + 8
    if kind == 2:
        size, p = varint(data, p)
        return p + size
    if kind == 5:
        return p + 4
    raise ValueError(f"wire type {kind}")


def _properties(data: bytes) -> dict[str, Scalar]:
    """PropertySet: keys = 1 and values = 2, matched by position."""
    keys: list[str] = []
    values: list[Scalar] = []
    p = 0
    while p < len(data):
        if data[p] == 0x0A:
            piece, p = _piece(data, p + 1)
            keys.append(piece.decode("utf-8", "replace"))
        elif data[p] == 0x12:
            piece, p = _piece(data, p + 1)
            values.append(_property(piece))
        else:
            p = _skip(data, p)
    return dict(zip(keys, values, strict=False))


def _property(data: bytes) -> Scalar:
    """PropertyValue: type = 1, is_null = 2, int = 3, long = 4, float, double, boolean, string = 8."""
    kind = p = 0
    value: Scalar = None
    while p < len(data):
        key = data[p]
        if key == 0x08:
            kind, p = varint(data, p + 1)
        elif key in (0x18, 0x20):
            value, p = varint(data, p + 1)
        elif key == 0x38:
            value, p = varint(data, p + 1)
            value = bool(value)
        elif key == 0x2D:
            value, p = struct.unpack_from("<f", data, p + 1)[0], p + 5
        elif key == 0x31:
            value, p = struct.unpack_from("<d", data, p + 1)[0], p + 9
        elif key == 0x42:
            piece, p = _piece(data, p + 1)
            value = piece.decode("utf-8", "replace")
        else:
            p = _skip(data, p)
    if kind in (1, 2, 3, 4) and isinstance(value, int):
        width = 64 if kind == 4 else 32
        value = (value & (1 << width) - 1) - (value >> width - 1 & 1) * (1 << width)
    return value


def number(value: int) -> bytes:
    """A varint; a negative one as 64-bit two's complement."""
    if 0 <= value < 0x80:
        return bytes((value,))
    value &= _MASK
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(key: int, value: bytes) -> bytes:
    return bytes((key,)) + number(len(value)) + value


def scalar(field_number: int, value: Scalar) -> bytes:
    """A value field of a metric: 10 int, 11 long, 12 float, 13 double, 14 boolean, 15 string."""
    if field_number == 15:
        return _text(0x7A, str(value).encode())
    if field_number == 13:
        return b"\x69" + struct.pack("<d", value)
    if field_number == 12:
        return b"\x65" + struct.pack("<f", value)
    if field_number == 14:
        return b"\x70\x01" if value else b"\x70\x00"
    whole = int(value or 0)
    return bytes((field_number << 3,)) + number(whole & 0xFFFFFFFF if field_number == 10 else whole)


def metric(
    *,
    name: str = "",
    alias: int = -1,
    time: int = -1,
    datatype: int = 0,
    value: bytes = b"",
    flags: int = 0,
    properties: bytes = b"",
) -> bytes:
    """A whole metric, key and length included. value: from `scalar`; properties: from below."""
    body = b"".join(
        (
            _text(0x0A, name.encode()) if name else b"",
            b"\x10" + number(alias) if alias >= 0 else b"",
            b"\x18" + number(time) if time >= 0 else b"",
            b"\x20" + number(datatype) if datatype else b"",
            b"\x28\x01" if flags & HISTORICAL else b"",
            b"\x30\x01" if flags & TRANSIENT else b"",
            b"\x38\x01" if flags & NULL else b"",
            _text(0x4A, properties) if properties else b"",
            value,
        )
    )
    return _text(0x12, body)


def properties(pairs: Mapping[str, tuple[int, Scalar]]) -> bytes:
    """A PropertySet. pairs: name → (data type, value): whole numbers, booleans, texts."""
    keys = b"".join(_text(0x0A, name.encode()) for name in pairs)
    values = []
    for kind, value in pairs.values():
        body = b"\x08" + number(kind)
        if isinstance(value, str):
            body += _text(0x42, value.encode())
        elif isinstance(value, bool):
            body += b"\x38\x01" if value else b"\x38\x00"
        else:
            body += b"\x18" + number(int(value or 0) & 0xFFFFFFFF)
        values.append(_text(0x12, body))
    return keys + b"".join(values)


def encode(*, timestamp: int, metrics: Sequence[bytes], seq: int = -1) -> bytes:
    """A payload of metrics made by `metric`. timestamp: ms UTC. seq: left out when negative."""
    head = b"\x08" + number(timestamp)
    tail = b"\x18" + number(seq) if seq >= 0 else b""
    return b"".join((head, *metrics, tail))

"""One frame on disk and on the wire: a record header, and columns squeezed by the standard library.

Record: length u4 | crc32 u4 | sequence u8 | body; the checksum covers sequence and body.
Body:   count u4 | kind u1 | exponent u1 | zlib level 1 of the byte planes of all columns.
All numbers are little-endian. Tag and time are differences, values that are exactly
`i4 / 10**exponent` travel as i4: a measured value then takes 1 to 2 bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from baotu.sdk.errors import Malformed
from baotu.sdk.samples import Samples

HEADER = struct.Struct("<IIQ")
BODY = struct.Struct("<IBB")
FLOAT, DECIMAL, TEXT = range(3)
EXPONENTS = (0, 1, 2, 3)
MOST_ROWS = 1 << 20  # of one frame; `split` cuts what is larger
MOST_BYTES = 64 << 20  # of one frame unpacked: a few bytes must not become gigabytes
ROWS = 50_000
Bytes = bytes | memoryview


def encode(samples: Samples) -> bytes:
    kind, exponent = FLOAT, 0
    if samples.is_text:
        kind = TEXT
        texts = [str(text).encode(errors="replace") for text in samples.value]
        column = _planes(np.fromiter(map(len, texts), "u4", len(texts))) + b"".join(texts)
    elif found := _decimal(samples.value):
        kind, (exponent, scaled) = DECIMAL, found
        column = _planes(scaled)
    else:
        column = _planes(samples.value)
    body = _planes(_delta(samples.tag)) + _planes(_delta(samples.time))
    body += samples.quality.tobytes() + column
    return BODY.pack(len(samples), kind, exponent) + zlib.compress(body, 1)


def decode(body: Bytes) -> Samples:
    """Raises Malformed for anything that `encode` could not have made; never takes much memory."""
    try:
        return _decode(body)
    except (struct.error, zlib.error, ValueError, IndexError) as error:
        raise Malformed(f"frame of {len(body)} bytes: {error}", bytes(body)) from error


def split(samples: Samples, rows: int = ROWS) -> Iterator[Samples]:
    """Pieces of at most `rows`, in order."""
    if len(samples) <= rows:
        yield samples
        return
    for at in range(0, len(samples), rows):
        yield samples.where(slice(at, at + rows))


def seal(sequence: int, body: bytes) -> bytes:
    return HEADER.pack(len(body), _checksum(sequence, body), sequence) + body


def records(data: Bytes) -> Iterator[tuple[int, int, memoryview]]:
    """(end offset, sequence, body) of every whole record, up to the first torn or damaged one."""
    view, at = memoryview(data), 0
    while at + HEADER.size <= len(view):
        length, checksum, sequence = HEADER.unpack_from(view, at)
        body = view[at + HEADER.size : at + HEADER.size + length]
        if len(body) < length or _checksum(sequence, body) != checksum:
            return
        at += HEADER.size + length
        yield at, sequence, body


def _checksum(sequence: int, body: Bytes) -> int:
    return zlib.crc32(body, zlib.crc32(sequence.to_bytes(8, "little")))


def _planes(column: np.ndarray) -> bytes:
    """Byte k of every value together: near-constant high bytes then cost nothing."""
    column = np.ascontiguousarray(column)
    return column.view("u1").reshape(len(column), column.itemsize).T.tobytes()


def _unplanes(raw: memoryview, dtype: str, count: int) -> np.ndarray:
    size = np.dtype(dtype).itemsize
    return np.frombuffer(raw, "u1").reshape(size, count).T.copy().view(dtype).reshape(count)


def _delta(column: np.ndarray) -> np.ndarray:
    return np.diff(column, prepend=column.dtype.type(0))


def _decimal(value: np.ndarray) -> tuple[int, np.ndarray] | None:
    """(exponent, i4) when value == i4 / 10**exponent for every bit of every value, else None."""
    with np.errstate(over="ignore"):  # the largest doubles become infinite, which has no i4 either
        for exponent in EXPONENTS:
            scale = 10.0**exponent
            for part in (value[:32], value):  # most wrong exponents fail on the first few values
                scaled = np.rint(part * scale)
                if not (np.abs(scaled) < 2**31).all():
                    break
                scaled = scaled.astype("i4")  # before the comparison: -0.0 has no i4
                if (scaled / scale).tobytes() != part.tobytes():
                    break
            else:
                return exponent, scaled
    return None


def _decode(body: Bytes) -> Samples:
    count, kind, exponent = BODY.unpack_from(body)
    if count > MOST_ROWS or kind > TEXT or exponent > EXPONENTS[-1]:
        raise ValueError(f"{count} rows of kind {kind}, exponent {exponent}")
    unpacker = zlib.decompressobj()
    raw = memoryview(unpacker.decompress(body[BODY.size :], MOST_BYTES))
    if not unpacker.eof:
        raise ValueError("cut short, or too large when unpacked")
    tag = np.cumsum(_unplanes(raw[: 4 * count], "i4", count), dtype="i4")
    time = np.cumsum(_unplanes(raw[4 * count : 12 * count], "i8", count), dtype="i8")
    if count and tag.min() < 0:
        raise ValueError(f"tag {tag.min()}")
    quality = np.frombuffer(raw[12 * count : 13 * count], "u1")
    return Samples(tag, time, _values(raw[13 * count :], kind, exponent, count), quality)


def _values(rest: memoryview, kind: int, exponent: int, count: int) -> np.ndarray:
    if kind == DECIMAL:
        return _unplanes(rest, "i4", count) / 10.0**exponent
    if kind == FLOAT:
        return _unplanes(rest, "f8", count)
    ends = np.cumsum(_unplanes(rest[: 4 * count], "u4", count), dtype="i8").tolist()
    texts = bytes(rest[4 * count :])
    if ends and ends[-1] != len(texts):
        raise ValueError(f"{len(texts)} bytes of text, {ends[-1]} announced")
    found = [texts[a:b].decode() for a, b in zip([0, *ends], ends, strict=False)]
    return np.array([*found, None], object)[:-1]  # one more, so that numpy never looks inside

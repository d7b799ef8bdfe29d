"""Metrics of the very same shape one after the other, taken as columns by numpy.

An edge node that reports by alias sends hundreds of metrics that differ in nothing but the bits
of alias, time and value. The shape of the first says which bytes must be equal in all; whatever
does not fit ends the run and is read by the ordinary loop, so nothing is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST = 24  # below this many metrics the loop is faster

_VARINTS = {0x10: "alias", 0x18: "time", 0x20: "datatype", 0x50: "value", 0x58: "value",
            0x70: "value"}  # fmt: skip
_FIXED = {0x69: 8, 0x65: 4}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """Aligned columns: alias int64, time int64 ms or -1, datatype uint8 or 0, bits uint64."""

    alias: np.ndarray
    time: np.ndarray
    datatype: np.ndarray
    bits: np.ndarray

    def __len__(self) -> int:
        return len(self.alias)


def take_run(data: bytes, start: int, size: int, end: int) -> Run | None:
    """The run that begins with the metric of `size` bytes at `start`; None if it is no run."""
    shape = _shape(data[start : start + size])
    if shape is None:
        return None
    mask, fields = shape
    rows = np.frombuffer(data, "u1", (end - start) // size * size, start).reshape(-1, size)
    same = ((rows & mask) == (rows[0] & mask)).all(axis=1)
    length = len(same) if same.all() else int(np.argmin(same))
    if length < LEAST:
        return None
    rows = rows[:length]
    zero = np.zeros(length, "u8")
    columns = {name: _column(rows, at, count, varint) for name, at, count, varint in fields}
    time = columns["time"].astype("i8") if "time" in columns else np.full(length, -1, "i8")
    return Run(
        alias=columns["alias"].astype("i8"),
        time=np.where((time < 0) | (time > 9_000_000_000_000), -1, time),
        datatype=columns.get("datatype", zero).astype("u1"),
        bits=columns["value"],
    )


Field = tuple[str, int, int, bool]  # name, first byte, bytes, whether a varint


def _shape(one: bytes) -> tuple[np.ndarray, list[Field]] | None:
    """Which bits of a metric are the same in each of its kind, and where its fields are.

    None when it holds anything but alias, time, type and one number, each once.
    """
    mask = np.full(len(one), 0xFF, "u1")
    fields: list[Field] = []
    p = 2 if one[1] < 0x80 else 3
    while p < len(one):
        key = one[p]
        first = p + 1
        if key in _FIXED:
            p = first + _FIXED[key]
            mask[first:p] = 0
            fields.append(("value", first, p - first, False))
        elif key in _VARINTS:
            p = first
            while one[p] > 0x7F:
                p += 1
            p += 1
            mask[first:p] = 0x80
            fields.append((_VARINTS[key], first, p - first, True))
            if key == 0x20 and p - first > 1:
                return None  # no type is that large
        else:
            return None
    names = [name for name, *_ in fields]
    if len(set(names)) != len(names) or "alias" not in names or "value" not in names:
        return None
    return mask, fields


def _column(rows: np.ndarray, at: int, count: int, varint: bool) -> np.ndarray:
    """uint64 of `count` bytes from `at` in each row."""
    if not varint:
        wide = np.zeros((len(rows), 8), "u1")
        wide[:, :count] = rows[:, at : at + count]
        return wide.view("<u8").ravel()
    out = np.zeros(len(rows), "u8")
    for i in range(count):
        out |= (rows[:, at + i] & np.uint8(0x7F)).astype("u8") << np.uint64(7 * i)
    return out

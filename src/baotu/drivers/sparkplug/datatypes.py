"""Sparkplug B data types: what a metric's raw 64 bits mean, in columns and one by one.

Numbers of the types and the field each travels in: Sparkplug 3.0, 6.4.16 Data Types.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

import numpy as np

from baotu.sdk import Invalid
from baotu.sdk.tag import Kind


class DataType(IntEnum):
    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15


FLOAT_MAX = 3.4028234663852886e38
INT_FIELD, LONG_FIELD, FLOAT_FIELD = 10, 11, 12
DOUBLE_FIELD, BOOLEAN_FIELD, STRING_FIELD = 13, 14, 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A scalar type: its kind for us, the field it is sent in, its width when an integer."""

    kind: Kind
    field: int
    bits: int = 0
    signed: bool = False


_D = DataType
ROWS = MappingProxyType(
    {
        _D.INT8: Row(kind="number", field=INT_FIELD, bits=8, signed=True),
        _D.INT16: Row(kind="number", field=INT_FIELD, bits=16, signed=True),
        _D.INT32: Row(kind="number", field=INT_FIELD, bits=32, signed=True),
        _D.INT64: Row(kind="number", field=LONG_FIELD, bits=64, signed=True),
        _D.UINT8: Row(kind="number", field=INT_FIELD, bits=8),
        _D.UINT16: Row(kind="number", field=INT_FIELD, bits=16),
        _D.UINT32: Row(kind="number", field=INT_FIELD, bits=32),
        _D.UINT64: Row(kind="number", field=LONG_FIELD, bits=64),
        _D.FLOAT: Row(kind="number", field=FLOAT_FIELD),
        _D.DOUBLE: Row(kind="number", field=DOUBLE_FIELD),
        _D.BOOLEAN: Row(kind="boolean", field=BOOLEAN_FIELD),
        _D.STRING: Row(kind="text", field=STRING_FIELD),
        _D.DATETIME: Row(kind="number", field=LONG_FIELD, bits=64),
        _D.TEXT: Row(kind="text", field=STRING_FIELD),
        _D.UUID: Row(kind="text", field=STRING_FIELD),
    }
)
"""Scalar types; data sets, templates, files and arrays have no row and are counted, not kept."""

TYPE_NAMES = MappingProxyType({name.name.lower(): row.kind for name, row in ROWS.items()})


def numbers(bits: np.ndarray, types: np.ndarray) -> np.ndarray:
    """float64 of raw values. bits: uint64, as sent. types: uint8, `DataType` of each.

    An integer's upper bits are cut at its width: senders differ in how far they extend a sign.
    """
    present = np.flatnonzero(np.bincount(types, minlength=16))
    if len(present) == 1:
        return _convert(bits, int(present[0]))
    out = np.empty(len(bits), "f8")
    for one in present:
        where = types == one
        out[where] = _convert(bits[where], int(one))
    return out


def _convert(bits: np.ndarray, kind: int) -> np.ndarray:
    if kind == DataType.DOUBLE:
        return bits.view("f8")
    if kind == DataType.FLOAT:
        return bits.astype("u4").view("f4").astype("f8")
    if kind == DataType.BOOLEAN:
        return (bits != 0).astype("f8")
    row = ROWS.get(kind)  # type: ignore[call-overload]
    if row is None or not row.bits:
        return np.full(len(bits), np.nan)
    width = f"{'i' if row.signed else 'u'}{row.bits // 8}"
    return bits.astype(f"u{row.bits // 8}").view(width).astype("f8")


def raw(value: float | str, kind: int, name: str) -> int | float | str | bool:
    """The value as its type wants it for sending. Raises Invalid, naming the metric."""
    row = ROWS.get(kind)  # type: ignore[call-overload]
    if row is None:
        raise Invalid("value", f"{name} has Sparkplug type {kind}, which cannot be written")
    if row.kind == "text":
        return str(value)
    if isinstance(value, str):
        raise Invalid("value", f"{name} is a {row.kind}; write a number, not {value!r}")
    if row.kind == "boolean":
        return bool(value)
    if not row.bits:
        if kind == DataType.FLOAT and math.isfinite(value) and abs(value) > FLOAT_MAX:
            raise Invalid("value", f"{name} is a 32-bit float, {value} does not fit")
        return float(value)
    if not math.isfinite(value) or value != int(value):
        raise Invalid("value", f"{name} takes whole numbers, not {value}")
    low = -(1 << row.bits - 1) if row.signed else 0
    high = low + (1 << row.bits) - 1
    if not low <= value <= high:
        raise Invalid("value", f"{name} takes {low} to {high}, not {value}")
    return int(value)


def value_of(bits: int | bytes | None, kind: int) -> float | str | None:
    """One raw value as a number or text; None when the type has no scalar."""
    if bits is None:
        return None
    if isinstance(bits, bytes):
        return bits.decode("utf-8", "replace")
    one = numbers(np.array([bits], "u8"), np.array([kind], "u1"))[0]
    return float(one)

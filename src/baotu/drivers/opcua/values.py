"""Values on their way out and in: what a Variant of the kept library means, and how to make one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary

from baotu.sdk import Invalid, Refused
from baotu.sdk.tag import Kind

_RANGES = {
    ua.VariantType.SByte: (-(1 << 7), (1 << 7) - 1),
    ua.VariantType.Byte: (0, (1 << 8) - 1),
    ua.VariantType.Int16: (-(1 << 15), (1 << 15) - 1),
    ua.VariantType.UInt16: (0, (1 << 16) - 1),
    ua.VariantType.Int32: (-(1 << 31), (1 << 31) - 1),
    ua.VariantType.UInt32: (0, (1 << 32) - 1),
    ua.VariantType.Int64: (-(1 << 63), (1 << 63) - 1),
    ua.VariantType.UInt64: (0, (1 << 64) - 1),
}
_TRUE, _FALSE = ("true", "on", "1", "1.0"), ("false", "off", "0", "0.0")
_LONGEST = 4096  # characters of a structure shown as text

# Data types of namespace 0 → kind (OPC 10000-6, NodeIds.csv); all others count as numbers: most
# are enumerations and aliases of numbers.
_TEXTS = (12, 14, 15, 16, 17, 18, 20, 21, 22, 295, 12877, 12878, 12879, 12880, 12881)


def kind_of(data_type: str) -> Kind:
    """The kind of tag that a variable of this data type (`i=11`) makes."""
    if data_type == "i=1":
        return "boolean"
    known = data_type.startswith("i=") and int(data_type[2:]) in _TEXTS
    return "text" if known else "number"


def fallback(frame: bytes, at: int) -> tuple[object, int]:
    """A Variant that `wire` does not read: arrays, structures. Raises ValueError for nonsense."""
    buffer = Buffer(frame, at)
    try:
        found = variant_from_binary(buffer)
    except (ua.UaError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"a value cannot be decoded: {error}") from error
    return plain(found.Value), buffer.cur_pos


def plain(value: object) -> float | str | None:
    """A number, a text or nothing; an array of one is its element."""
    while isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, Enum):
        return float(value.value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    if isinstance(value, ua.Variant):
        return plain(value.Value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).timestamp()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, ua.NodeId):
        return str(value.to_string())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(str(plain(one)) for one in value)[:_LONGEST] + "]"
    return str(value)[:_LONGEST]


def coerced(
    value: float | str, kind: ua.VariantType, names: Mapping[int, str] | None = None
) -> object:
    """`value` as this type takes it. Raises Invalid("value", …) when it does not fit."""
    names = names or {}
    if isinstance(value, str) and kind in _RANGES and value in names.values():
        value = next(number for number, name in names.items() if name == value)
    if kind in (ua.VariantType.String, ua.VariantType.XmlElement):
        return value if isinstance(value, str) else f"{value:g}"
    if kind == ua.VariantType.LocalizedText:
        return ua.LocalizedText(value if isinstance(value, str) else f"{value:g}")
    if kind == ua.VariantType.Boolean:
        return _boolean(value)
    number = _number(value)
    if kind == ua.VariantType.Double:
        return number
    if kind == ua.VariantType.Float:
        if math.isfinite(number) and abs(number) > 3.4028234663852886e38:
            raise Invalid("value", f"{number:g} is too large for Float")
        return number
    if kind == ua.VariantType.DateTime:
        return _moment(number)
    if kind not in _RANGES:
        raise Refused(f"a {kind.name} cannot be written")
    low, high = _RANGES[kind]
    if not number.is_integer() or not low <= int(number) <= high:
        raise Invalid("value", f"{number!r} is not an integer of {low} … {high} ({kind.name})")
    return int(number)


def _number(value: float | str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise Invalid("value", f"{value!r} is not a number") from error


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Invalid("value", f"{seconds!r} is no time in seconds since 1970") from error


def _boolean(value: float | str) -> bool:
    word = str(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise Invalid("value", f"{value!r} is neither true nor false")

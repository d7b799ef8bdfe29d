"""What payloads mean: JSON or raw text to numbers, texts and times. Pure."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec

from baotu.sdk import Malformed
from baotu.sdk.tag import Kind

_TRUE = frozenset(("true", "on", "yes", "1"))
_FALSE = frozenset(("false", "off", "no", "0"))
_SCALES = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_NS = 9_000_000_000 * 10**9  # year 2255; 64 bits end soon after
_WORDS = MappingProxyType({"": None, "null": None, "true": True, "false": False})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf(inity)?")
_json = msgspec.json.Decoder()


def parse_json(payload: bytes) -> object:
    """Raises Malformed with the payload. NaN and Infinity are taken, though JSON has none."""
    try:
        return _json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as wrong:
        raise Malformed(f"not JSON: {wrong}"[:200], payload) from None


def as_kind(value: object, kind: Kind) -> float | str | None:
    """A JSON value or a raw text as a sample of this kind. Raises ValueError when it is none.

    None (null) stays None. A boolean is 0.0 or 1.0; words like on and off are understood.
    """
    if value is None:
        return None
    if kind == "text":
        if isinstance(value, str):
            return value
        if isinstance(value, bool | int | float):
            return json.dumps(value)
        raise ValueError(f"{_kind_of(value)} is no text")
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        number = _float(value)
        if math.isnan(number):
            return None
        return number if kind == "number" else float(bool(number))
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE and (kind == "boolean" or word == "true"):
            return 1.0
        if word in _FALSE and (kind == "boolean" or word == "false"):
            return 0.0
        if kind == "number" and _NUMBER.fullmatch(word):
            return as_kind(_float(word), kind)
    raise ValueError(f"{str(value)[:40]!r} ({_kind_of(value)}) is no {kind}")


def kind_of(value: object) -> Kind | None:
    """The kind a value suggests for a tag that is met for the first time; None for none."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None


def raw_value(payload: bytes) -> object:
    """A payload that is the value itself: a JSON scalar, else a text. Raises Malformed."""
    try:
        text = payload.decode()
    except UnicodeDecodeError as wrong:
        raise Malformed(f"neither number nor text: {wrong}", payload) from None
    if text[:1].isdigit() or text[:1] in ("-", "+", "."):
        try:
            return text if "_" in text else float(text)
        except ValueError:
            return text
    if text in _WORDS:
        return _WORDS[text]
    if text[:1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def as_time(value: object, form: str) -> int | None:
    """ns UTC of a time stamp; None when it is none. form: auto, iso, s, ms, us or ns.

    auto tells the unit of a number by its size; a text without a zone is UTC.
    """
    if isinstance(value, str):
        digits = value.replace(".", "", 1).isdecimal()
        if form == "iso" or (form == "auto" and not digits):
            return _iso(value)
        if not digits:
            return None
        value = float(value) if "." in value else int(value[:20])
    if isinstance(value, bool) or not isinstance(value, int | float) or form == "iso":
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    scale = _SCALES.get(form) or _scale_of(abs(value))
    return _within(value * scale if isinstance(value, int) else round(value * scale))


def _iso(text: str) -> int | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = (when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH
    return _within((since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000)


def _scale_of(size: float) -> int:
    """Seconds until year 5138, milliseconds until then, and so on: they do not overlap today."""
    return next(
        (s for limit, s in ((1e11, 10**9), (1e14, 10**6), (1e17, 10**3)) if size < limit), 1
    )


def _within(time: int) -> int | None:
    return time if 0 <= time < LATEST_NS else None


def _float(value: float | str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number too large for 64 bits") from None


def _kind_of(value: object) -> str:
    return {"dict": "an object", "list": "a list"}.get(type(value).__name__, type(value).__name__)

"""Times as people and programs write them: ISO 8601 in and out, nanoseconds UTC inside."""

from __future__ import annotations

import re
from datetime import datetime

import numpy as np

from baotu.sdk import Invalid, nanoseconds
from baotu.sdk.app import seconds

EARLIEST, LATEST = -(2**63) + 10**18, 2**63 - 10**18  # int64 ns, with room for a step
MOST_S = 9e9  # 285 years: the span of int64 nanoseconds
HELP = "ISO 8601 with a zone (2026-06-01T08:00:00+08:00, …Z), `now`, or a time ago (-15min, -2h)"


def read_time(text: str, field: str, now: int) -> int:
    """Nanoseconds of what a caller wrote. Raises Invalid that names the field.

    >>> read_time("-1h", "start", 7_200_000_000_000)
    3600000000000
    """
    found = _read(text.strip(), field, now)
    if not EARLIEST < found < LATEST:
        raise Invalid(field, "is outside of what can be kept, 1678 to 2261")
    return found


def _read(text: str, field: str, now: int) -> int:
    if text == "now":
        return now
    if re.fullmatch(r"-\d+(\.\d+)?\s*[a-z]+", text):
        return now - round(read_period(text[1:], field) * 1e9)
    text = re.sub(r" (?=\d\d:?\d\d$)", "+", text)  # an unescaped + in an address arrives as a space
    try:
        return nanoseconds(datetime.fromisoformat(text))
    except ValueError as error:
        raise Invalid(field, f"{error}; write {HELP}") from error


def read_period(text: str, field: str) -> float:
    """Seconds of `10s`, `5min`, `1h`, `7d`. Raises Invalid that names the field."""
    try:
        found = seconds(text)
    except ValueError as error:
        raise Invalid(field, str(error)) from error
    if not 0 <= found < MOST_S:
        raise Invalid(field, "is longer than anything that is kept")
    return found


def iso(time: int) -> str:
    """`iso(0)` is "1970-01-01T00:00:00Z"; no digit of the nanoseconds is lost."""
    text = str(np.datetime64(time, "ns"))
    return re.sub(r"\.?0+$", "", text) + "Z"

"""A row of the audit as bytes: the same row gives the same bytes, for ever and on every node.

JSON after RFC 8785 (JCS): names in order, no space, UTF-8. The time is text (RFC 3339 with nine
digits), since JSON's numbers end at 2^53. Holds everything of the row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

from .formats import Damaged

COLUMNS = ("id", "organisation", "time", "caller", "verb", "permission", "outcome", "reason")
LONGEST = 65_535  # bytes of an entry: its length is two bytes (tlog-tiles, log entries)
HEAD = 1_500  # characters of each text of a row that is too long; escaped, six times as many bytes
_text = encode_basestring  # escapes as RFC 8785, 3.2.2.2 wants, in C


def rfc3339(time: int) -> str:
    """ns UTC as `2026-06-01T08:00:00.000000001Z`."""
    second, rest = divmod(time, 10**9)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


class Canonical:
    """Turns rows, in the order of COLUMNS, into bytes; remembers the second it wrote last."""

    def __init__(self) -> None:
        self._second, self._words = 0, "1970-01-01T00:00:00"

    def __call__(self, row: Sequence[Any]) -> bytes:
        id, organisation, time, caller, verb, permission, outcome, reason = row
        second, rest = divmod(time, 10**9)
        if second != self._second:
            self._second = second
            self._words = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        made = (
            f'{{"caller":{_text(caller)},"id":{id},"organisation":{_text(organisation)},'
            f'"outcome":{_text(outcome)},"permission":{_text(permission)},'
            f'"reason":{_text(reason)},"time":"{self._words}.{rest:09d}Z","verb":{_text(verb)}}}'
        ).encode()
        if len(made) <= LONGEST:
            return made
        return self([_short(one) if isinstance(one, str) else one for one in row])


def _short(text: str) -> str:
    """Its begin and the hash of the whole: what is in the database stays provable."""
    if len(text) <= HEAD:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[: HEAD - 120]}… (sha256 {digest} of {len(text)} characters)"


def read(entry: bytes) -> dict[str, Any]:
    """The row of an entry; its time as it is written. Raises Damaged."""
    try:
        row = json.loads(entry)
        return {name: row[name] for name in COLUMNS}
    except (ValueError, KeyError, TypeError):
        raise Damaged("no record of the audit") from None

"""What has to hold before a tag may be written: `plant/pump/running == 1; plant/tank/level < 80`.

Conditions stand in the tag's row (`write_needs`), parted by `;`. Each names a tag, by itself (its
newest sample is good and fresh) or with a comparison, and may say how fresh: `… within 10 s`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .app import seconds

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge,
    "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_ONE = re.compile(
    r"(?P<tag>.+?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<limit>[-+\d.eE]+))?"
    r"(?:\s+within\s+(?P<within>\d+(?:\.\d+)?\s*[a-z]+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One condition. op: empty, only good and fresh. within_s: 0, as the platform says."""

    tag: str
    op: str = ""
    limit: float = 0.0
    within_s: float = 0.0

    def holds(self, value: float) -> bool:
        return not self.op or COMPARE[self.op](value, self.limit)

    def __str__(self) -> str:
        return f"{self.tag} {self.op} {self.limit:g}" if self.op else self.tag


def needs_of(text: str) -> tuple[Need, ...]:
    """Raises ValueError that shows what a right one looks like.

    >>> [str(need) for need in needs_of("a/pump/running == 1; a/tank/level < 80 within 10 s")]
    ['a/pump/running == 1', 'a/tank/level < 80']
    """
    return tuple(_need(part.strip()) for part in text.split(";") if part.strip())


def _need(part: str) -> Need:
    found = _ONE.fullmatch(part)
    try:
        if found is None or re.search(r"[<>=!]", found["tag"]):
            raise ValueError
        return Need(
            tag=found["tag"], op=found["op"] or "", limit=float(found["limit"] or 0),
            within_s=seconds(found["within"]) if found["within"] else 0.0,
        )  # fmt: skip
    except ValueError:
        raise ValueError(
            f"{part!r} is no condition; write asset/property, asset/property == 1 "
            "or asset/property < 80 within 10 s"
        ) from None

"""Which runs stay: the newest of each of the last days, weeks, months, years (UTC)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

SPANS = {"d": "%Y-%j", "w": "%G-%V", "m": "%Y-%m", "y": "%Y"}


def kept(runs: Sequence[tuple[int, int]], rules: Mapping[str, int]) -> set[int]:
    """Numbers that stay. runs: (number, time in ns UTC). The newest always stays."""
    newest = sorted(runs, reverse=True)
    stays = {number for number, _ in newest[:1]}
    for span, count in rules.items():
        seen: dict[str, int] = {}
        for number, time in newest:
            moment = datetime.fromtimestamp(time / 1e9, UTC)
            seen.setdefault(moment.strftime(SPANS[span]), number)
        stays |= set(list(seen.values())[:count])
    return stays

"""Columns of time: which one it is, and its texts or numbers as nanoseconds UTC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from .settings import EPOCHS

NAMES = re.compile(
    r"(time|times|timestamp|ts|t|date|datetime|date_time|date time|utc|epoch|时间|时间戳|日期|日期时间)"
    r"(\s*[\[(].*[\])])?",
    re.IGNORECASE,
)
PLAIN = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?)?")
SLASHED = re.compile(r"(\d{1,4})[/.](\d{1,2})[/.](\d{1,4})(\s+\d{1,2}:\d{2}(:\d{2})?)?")
ABSENT = np.iinfo(np.int64).min  # a cell that tells no time


class Clockwork:
    """Turns cells into nanoseconds. The first cells decide the format where none is given.

    Numbers below 10^8 count seconds from the beginning; larger ones are an epoch, whose unit
    shows in their size.
    """

    def __init__(self, format: str, zone: str) -> None:
        self._format, self._zone = format, ZoneInfo(zone)
        self._unit = EPOCHS.get(format, 0)
        self._pattern = format if "%" in format else ""

    def learn(self, cells: Sequence[str]) -> None:
        """Raises ValueError when the cells are no times, or might be two things."""
        sample = [cell.strip() for cell in cells if cell.strip()]
        if self._format != "auto":
            return
        if not sample:
            raise ValueError("the column is empty")
        if _is_number(sample[0]):
            self._unit = _epoch_unit(float(sample[0]))
        elif PLAIN.match(sample[0]):
            self._pattern = ""
        elif SLASHED.fullmatch(sample[0]):
            self._pattern = _slashed_pattern(sample)
        else:
            datetime.fromisoformat(sample[0])  # raises ValueError

    def read(self, cells: Sequence[str]) -> np.ndarray:
        """int64 nanoseconds UTC; ABSENT for a cell that cannot be read."""
        if self._unit:
            return _from_numbers(cells, self._unit)
        if not self._pattern and self._zone.key == "UTC":
            try:
                return _plain(cells)
            except ValueError:
                pass
        return np.array([self._one(cell.strip()) for cell in cells], np.int64)

    def _one(self, cell: str) -> int:
        try:
            if self._pattern:
                pattern = self._pattern if ":" in cell or "%H" not in self._pattern else (
                    self._pattern.partition(" ")[0]
                )  # fmt: skip
                if cell.count(":") == 1:
                    pattern = pattern.replace(":%S", "")
                moment = datetime.strptime(cell, pattern)
            else:
                moment = datetime.fromisoformat(cell)
        except ValueError:
            return ABSENT
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def names_time(header: str) -> bool:
    return NAMES.fullmatch(header.strip()) is not None


def looks_like_time(cell: str) -> bool:
    """A date, written out; a bare number could be anything."""
    cell = cell.strip()
    return bool(PLAIN.match(cell) or SLASHED.fullmatch(cell))


def _plain(cells: Sequence[str]) -> np.ndarray:
    """Texts without a zone, taken as UTC. Raises ValueError."""
    array = np.array(cells, dtype=str)
    if np.char.find(array, "+").max() >= 0 or np.char.endswith(array, "Z").any():
        raise ValueError("with a zone")
    return np.char.replace(np.char.strip(array), " ", "T").astype("M8[ns]").astype(np.int64)


def _from_numbers(cells: Sequence[str], unit: int) -> np.ndarray:
    out = np.full(len(cells), ABSENT, np.int64)
    for place, cell in enumerate(cells):
        try:
            # whole numbers stay exact: a float has no room for nanoseconds since 1970
            out[place] = int(cell) * unit if cell.strip().isdigit() else round(float(cell) * unit)
        except (ValueError, OverflowError):
            continue
    return out


def _epoch_unit(value: float) -> int:
    size = abs(value)
    for limit, unit in ((1e11, "s"), (1e14, "ms"), (1e17, "us")):
        if size < limit:
            return EPOCHS[unit]
    return EPOCHS["ns"]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _slashed_pattern(sample: Sequence[str]) -> str:
    """Day or month first: the sample must show it by a number above twelve."""
    found = [match for cell in sample if (match := SLASHED.fullmatch(cell))]
    mark = "." if "." in sample[0].split(" ")[0] else "/"
    clock = " %H:%M:%S"
    if len(found[0][1]) == 4:
        return mark.join(("%Y", "%m", "%d")) + clock
    if any(int(m[1]) > 12 for m in found):
        return mark.join(("%d", "%m", "%Y")) + clock
    if any(int(m[2]) > 12 for m in found):
        return mark.join(("%m", "%d", "%Y")) + clock
    raise ValueError(f"{sample[0]!r} may be day or month first: give time_format")

"""From the handles of monitored items to tags: decoded columns become `Samples`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baotu.sdk import Quality, Samples

from .status import quality_of
from .wire import Columns

# InfoType DataValue with the overflow bit (OPC 10000-4, 7.39.1): the item's queue lost values
OVERFLOW, OVERFLOW_MASK = 0x0480, 0x0C80
NAN = float("nan")


class Handles:
    """What each client handle stands for; grows with every batch of items."""

    def __init__(self) -> None:
        self.tag = np.empty(0, "i4")
        self.text = np.empty(0, bool)
        self.boolean = np.empty(0, bool)
        self.names: dict[int, Mapping[int, str]] = {}  # by tag, of enumerations
        self._quality: dict[int, int] = {0: 0}
        self.overflows = 0

    def add(self, tags: list[int], kinds: list[str]) -> range:
        """Handles for these tags."""
        first = len(self.tag)
        self.tag = np.append(self.tag, np.array(tags, "i4"))
        self.text = np.append(self.text, [kind == "text" for kind in kinds])
        self.boolean = np.append(self.boolean, [kind == "boolean" for kind in kinds])
        return range(first, first + len(tags))

    def samples(self, numbers: Columns, texts: Columns, now: int) -> list[Samples]:
        """At most one `Samples` of numbers and one of texts; `now` where no time was told.

        Handles that were never given out are dropped: a server answering after a change.
        """
        parts: list[Samples] = []
        texts_first: list[Columns] = []
        if len(numbers):
            known = self._known(numbers)
            worded = self.text[known.handle]
            if worded.any():
                texts_first.append(self._worded(known.where(worded)))
                known = known.where(~worded)
            if len(known):
                parts.append(self._numbers(known, now))
        if len(texts):
            known = self._known(texts)
            worded = self.text[known.handle]
            if worded.any():
                texts_first.append(known.where(worded))
            if not worded.all():
                parts.append(self._numbers(_parsed(known.where(~worded)), now))
        if len(parts) == 2:
            parts = [_in_time(Samples.concat(parts))]
        if texts_first:
            whole = Columns.joined(texts_first)
            words = self._samples(whole, whole.value, now)
            parts.append(words if len(texts_first) == 1 else _in_time(words))
        return parts

    def _known(self, columns: Columns) -> Columns:
        known = columns.handle < len(self.tag)
        return columns if known.all() else columns.where(known)

    def _numbers(self, columns: Columns, now: int) -> Samples:
        value, boolean = columns.value, self.boolean[columns.handle]
        if boolean.any():
            value = np.where(boolean & ~np.isnan(value), (value != 0).astype("f8"), value)
        return self._samples(columns, value, now)

    def _samples(self, columns: Columns, value: np.ndarray, now: int) -> Samples:
        quality = self._qualities(columns.status)
        if value.dtype != object:
            empty = np.isnan(value) & (quality < Quality.UNCERTAIN)
            if empty.any():
                quality = np.where(empty, np.uint8(Quality.BAD_NO_DATA), quality)
        time = columns.time
        if not time.all():
            time = np.where(time == 0, now, time)
        return Samples(self.tag[columns.handle], time, value, quality)

    def _qualities(self, status: np.ndarray) -> np.ndarray:
        if not status.any():
            return np.zeros(len(status), "u1")
        self.overflows += int(np.count_nonzero((status & OVERFLOW_MASK) == OVERFLOW))
        codes, where = np.unique(status, return_inverse=True)
        return np.array([self._of(int(code)) for code in codes], "u1")[where]

    def _of(self, code: int) -> int:
        """Quality by the upper half of a code, of which a session meets few."""
        reason = code & 0xFFFF0000
        if reason not in self._quality:
            self._quality[reason] = int(quality_of(reason))
        return self._quality[reason]

    def _worded(self, columns: Columns) -> Columns:
        """Numbers of text tags: names of an enumeration, else the number as text."""
        value = np.empty(len(columns), object)
        tags = self.tag[columns.handle].tolist()
        value[:] = [
            self._word(tag, number)
            for tag, number in zip(tags, columns.value.tolist(), strict=True)
        ]
        return Columns(columns.handle, columns.time, columns.status, value)

    def _word(self, tag: int, number: float) -> str:
        if number != number:
            return ""
        named = self.names.get(tag, {}).get(int(number)) if number.is_integer() else None
        return named if named is not None else f"{number:.17g}"


def _in_time(samples: Samples) -> Samples:
    """Joined from two columns: no tag may step back."""
    return samples.where(np.argsort(samples.time, kind="stable"))


def _parsed(columns: Columns) -> Columns:
    """Texts of number tags: those that are numbers, else NaN."""
    value = np.array([_float(text) for text in columns.value], "f8")
    bad = np.isnan(value) & (columns.status >> 30 == 0)
    status = np.where(bad, np.uint32(0x80070000), columns.status)  # BadDecodingError
    return Columns(columns.handle, columns.time, status, value)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return NAN

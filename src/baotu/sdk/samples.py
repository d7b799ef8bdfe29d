"""The one shape in which data move: aligned columns, never a single value, never a dict.

Arrays are not copied and must not be changed by whoever receives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from .quality import Quality

Ints = Sequence[int] | np.ndarray
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples of many tags, one kind of value, as four aligned columns of equal length.

    tag: int32, index into the tag table of the node that made them.
    time: int64, nanoseconds since 1970-01-01 UTC, the source's time stamp.
    value: float64 (a boolean is 0.0 or 1.0), or an object array of `str`: see `is_text`.
    quality: uint8, see `Quality`.

    Raises ValueError when the columns differ in length.

    >>> Samples.of(7, [0, 10**9], [20.5, 21.0]).value.tolist()
    [20.5, 21.0]
    """

    tag: np.ndarray
    time: np.ndarray
    value: np.ndarray
    quality: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.tag) == len(self.time) == len(self.value) == len(self.quality):
            raise ValueError(
                "columns differ in length: "
                f"{len(self.tag)}, {len(self.time)}, {len(self.value)}, {len(self.quality)}"
            )

    @classmethod
    def of(
        cls,
        tag: int | Ints,
        time: int | Ints,
        value: Sequence[float] | Sequence[str] | np.ndarray,
        quality: int | Ints = Quality.GOOD,
    ) -> Samples:
        """Columns of the right types; `tag`, `time` and `quality` may be one number for all."""
        column = np.asarray(value)
        column = (
            column.astype(object) if column.dtype.kind in "OUS" else column.astype("f8", copy=False)
        )
        size = len(column)
        return cls(
            _column(tag, "i4", size),
            _column(time, "i8", size),
            column,
            _column(quality, "u1", size),
        )

    @classmethod
    def empty(cls, text: bool = False) -> Samples:
        return cls.of((), (), np.empty(0, object if text else "f8"), ())

    @classmethod
    def concat(cls, parts: Sequence[Samples]) -> Samples:
        """One after the other, in the order given; all numbers or all texts.

        Raises ValueError when texts and numbers are mixed.
        """
        if len(parts) == 1:
            return parts[0]
        if len({part.is_text for part in parts}) > 1:
            raise ValueError("texts and numbers cannot share a column")
        return (
            cls(*(np.concatenate([getattr(p, c) for p in parts]) for c in cls.__slots__))
            if parts
            else cls.empty()
        )

    def __len__(self) -> int:
        return len(self.time)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Samples) or self.is_text != other.is_text:
            return NotImplemented if not isinstance(other, Samples) else False
        same = all(
            np.array_equal(getattr(self, c), getattr(other, c)) for c in ("tag", "time", "quality")
        )
        return same and np.array_equal(self.value, other.value, equal_nan=not self.is_text)

    __hash__ = None  # type: ignore[assignment] # columns are compared, not looked up

    @property
    def is_text(self) -> bool:
        return self.value.dtype == object

    def where(self, mask: np.ndarray | slice) -> Samples:
        """Those chosen by a boolean mask, an index array or a slice."""
        return Samples(self.tag[mask], self.time[mask], self.value[mask], self.quality[mask])

    def between(self, start: datetime, end: datetime) -> Samples:
        """Those of `start` <= time < `end`."""
        return self.where((self.time >= nanoseconds(start)) & (self.time < nanoseconds(end)))

    def good(self) -> Samples:
        """Those fit to be evidence."""
        fit = self.quality < Quality.UNCERTAIN
        return self if fit.all() else self.where(fit)

    def by_tag(self) -> Iterator[tuple[int, Samples]]:
        """Each tag once, in ascending order, with its samples in their order."""
        if not len(self):
            return
        order = np.argsort(self.tag, kind="stable")
        tags = self.tag[order]
        cuts = np.flatnonzero(np.diff(tags)) + 1
        for part in np.split(order, cuts):
            yield int(self.tag[part[0]]), self.where(part)

    def renamed(self, ids: np.ndarray) -> Samples:
        """The same samples under other tag numbers: `ids[old]` is the new one."""
        return Samples(ids[self.tag], self.time, self.value, self.quality)


def nanoseconds(time: datetime) -> int:
    """Nanoseconds since 1970-01-01 UTC; a time without a zone is refused with ValueError."""
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    return int(time.timestamp() * 1_000_000) * 1000


def _column(value: int | Ints, kind: str, size: int) -> np.ndarray:
    if isinstance(value, int):
        return np.full(size, value, kind)
    return np.asarray(value, kind)

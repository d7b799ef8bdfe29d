"""Many tags as columns: 100,000 of them in 5 MB instead of 60, and a `Tag` only when one is asked for.

Most columns of a plant's tag table say the same few things again and again, so each column is a
pool of its distinct values and, for each row, a small whole number into it. Nothing here changes
once it is made; tables that follow from one another share their pools.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from itertools import islice
from sys import intern
from typing import Any, overload

import numpy as np

from .tag import Tag

FIELDS = tuple(f.name for f in fields(Tag) if f.name != "id")
DEFAULTS: Mapping[str, Any] = {
    f.name: f.default for f in fields(Tag) if f.default is not MISSING
}  # fmt: skip
CHUNK = 4_096  # tags turned into columns at once
_SET = tuple(getattr(Tag, name).__set__ for name in ("id", *FIELDS))


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """codes: uint8, uint16 or uint32, for each row its place in pool. A pool may hold values that
    no row has any more."""

    codes: np.ndarray
    pool: tuple[Any, ...]

    @classmethod
    def of(cls, codes: np.ndarray, pool: tuple[Any, ...]) -> Column:
        if len(pool) <= 1:
            return cls(np.broadcast_to(np.zeros(1, "u1"), len(codes)), pool)
        return cls(codes.astype(np.min_scalar_type(len(pool)), copy=False), pool)

    @classmethod
    def full(cls, size: int, value: Any) -> Column:
        return cls.of(np.broadcast_to(np.zeros(1, "u1"), size), (value,))

    def values(self) -> Iterator[Any]:
        return map(self.pool.__getitem__, self.codes.tolist())

    def pick(self, places: np.ndarray | slice) -> Column:
        return Column.of(self.codes[places], self.pool)


class Tags(Sequence[Tag]):
    """A table of tags, in a fixed order. id: int32, the number of each.

    >>> tags = Tags.of([Tag(id=7, asset="a/pump", property="flow", unit="m3/h")])
    >>> tags.find("a/pump/flow"), tags[0].unit, tags.id.tolist()
    (0, 'm3/h', [7])
    """

    __slots__ = ("_columns", "_index", "id")
    __hash__ = None  # type: ignore[assignment] # compared by their rows, not looked up

    def __init__(self, id: np.ndarray, columns: Mapping[str, Column]) -> None:
        self.id = np.asarray(id, "i4")
        self._columns = columns
        self._index: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def of(cls, tags: Iterable[Tag]) -> Tags:
        """The same rows; a table that is one already is itself."""
        if isinstance(tags, Tags):
            return tags
        made, rest = Builder(), iter(tags)
        while part := list(islice(rest, CHUNK)):
            made.extend(
                len(part), {name: [getattr(t, name) for t in part] for name in ("id", *FIELDS)}
            )
        return made.tags()

    @classmethod
    def concat(cls, tables: Sequence[Tags]) -> Tags:
        """One after the other."""
        tables = [table for table in tables if len(table)]
        if len(tables) <= 1:
            return tables[0] if tables else cls.of(())
        columns = {name: _joined([t._columns[name] for t in tables]) for name in FIELDS}
        return cls(np.concatenate([t.id for t in tables]), columns)

    def __len__(self) -> int:
        return len(self.id)

    @overload
    def __getitem__(self, place: int) -> Tag: ...
    @overload
    def __getitem__(self, place: slice) -> Tags: ...
    def __getitem__(self, place: int | slice) -> Tag | Tags:
        if isinstance(place, slice):
            return self.pick(place)
        columns = self._columns.values()
        return _tag((int(self.id[place]), *(c.pool[c.codes[place]] for c in columns)))

    def __iter__(self) -> Iterator[Tag]:
        for at in range(0, len(self), CHUNK):
            part = slice(at, at + CHUNK)
            columns = [column.pick(part).values() for column in self._columns.values()]
            yield from map(_tag, zip(self.id[part].tolist(), *columns, strict=True))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        if len(self) != len(other):
            return False
        theirs = Tags.of(other)
        return not self.differ(theirs, np.arange(len(theirs))).any()

    def __repr__(self) -> str:
        return f"Tags({', '.join(map(repr, islice(self, 3)))}{', …' * (len(self) > 3)})"

    # other tables of the same rows -----------------------------------------------------------
    def pick(self, places: np.ndarray | slice) -> Tags:
        """The rows at these places, or those chosen by a boolean mask."""
        return Tags(self.id[places], {n: c.pick(places) for n, c in self._columns.items()})

    def numbered(self, ids: np.ndarray | Sequence[int]) -> Tags:
        """The same with other numbers."""
        same = Tags(np.asarray(ids, "i4"), self._columns)
        same._index = self._index
        return same

    def all_with(self, field: str, value: Any) -> Tags:
        """The same, where every row says this in a field."""
        return Tags(self.id, {**self._columns, field: Column.full(len(self), value)})

    # columns -----------------------------------------------------------------------------------
    def values(self, field: str) -> Iterator[Any]:
        return self._columns[field].values()

    def numbers(self, field: str, none: float = np.nan) -> np.ndarray:
        """float64; `none` stands for None."""
        column = self._columns[field]
        pool = np.array([none if v is None else v for v in column.pool], "f8")
        return pool[column.codes]

    def mask(self, field: str, fits: Callable[[Any], bool]) -> np.ndarray:
        """bool: which rows have a value that fits; asked once for each distinct value."""
        column = self._columns[field]
        if len(column.pool) > len(column.codes):  # a few rows of a large table
            return np.fromiter(map(fits, column.values()), bool, len(self))
        return np.fromiter(map(fits, column.pool), bool, len(column.pool))[column.codes]

    def distinct(self, *names: str) -> tuple[list[tuple[Any, ...]], np.ndarray]:
        """The different combinations of these fields, in order of first appearance, and for each
        row (intp) which of them it has."""
        at = np.zeros(len(self), np.int64)
        for name in names:
            column = self._columns[name]
            at = np.unique(at * len(column.pool) + column.codes, return_inverse=True)[1]
        _, first, at = np.unique(at, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order))
        columns = [self._columns[name] for name in names]
        return [tuple(c.pool[c.codes[i]] for c in columns) for i in first[order]], rank[at]

    def differ(self, other: Tags, places: np.ndarray) -> np.ndarray:
        """bool: which rows are not the same as those of `other` at these places."""
        found = self.id != other.id[places]
        for name, mine in self._columns.items():
            theirs = other._columns[name]
            if mine.pool is theirs.pool:
                found |= mine.codes != theirs.codes[places]
                continue
            known = {value: at for at, value in enumerate(mine.pool)}
            same = np.array([known.get(value, -1) for value in theirs.pool], np.int64)
            found |= mine.codes != same[theirs.codes[places]]
        return found

    # names -------------------------------------------------------------------------------------
    def name(self, place: int) -> str:
        asset, property = self._columns["asset"], self._columns["property"]
        return f"{asset.pool[asset.codes[place]]}/{property.pool[property.codes[place]]}"

    def names(self) -> Iterator[str]:
        return map("{}/{}".format, self.values("asset"), self.values("property"))

    def find(self, name: str) -> int:
        """The place of a name, -1 when there is none."""
        return int(self.places((name,))[0])

    def places(self, names: Iterable[str]) -> np.ndarray:
        """intp: the place of each name, the first of those that have it; -1 where none has."""
        rest, found = iter(names), [np.empty(0, np.intp)]
        while part := list(islice(rest, CHUNK)):
            found.append(self._places(part))
        return np.concatenate(found)

    def _places(self, names: Sequence[str]) -> np.ndarray:
        hashes, order = self._hashed()
        wanted = np.fromiter(map(hash, names), "i8", len(names))
        starts = np.searchsorted(hashes, wanted)
        found = np.full(len(names), -1, np.intp)
        for at, (start, name) in enumerate(zip(starts.tolist(), names, strict=True)):
            while start < len(hashes) and hashes[start] == wanted[at]:
                if self.name(order[start]) == name:
                    found[at] = order[start]
                    break
                start += 1
        return found

    def _hashed(self) -> tuple[np.ndarray, np.ndarray]:
        """Hashes of the names in ascending order, and their places: 12 bytes a tag, where a
        dictionary of names takes two hundred."""
        if self._index is None:
            hashes = np.fromiter(map(hash, self.names()), "i8", len(self))
            order = np.argsort(hashes, kind="stable").astype("i4")
            self._index = hashes[order], order
        return self._index


class Builder:
    """Collects columns, part by part."""

    def __init__(self) -> None:
        self._id = array("i")
        self._codes = {name: array("I") for name in FIELDS}
        self._pools: dict[str, dict[Any, int]] = {name: {} for name in FIELDS}

    def extend(self, count: int, columns: Mapping[str, Sequence[Any]]) -> None:
        """Rows behind those that are there; a field that is not among the columns has its default,
        a number that is not is -1."""
        self._id.extend(columns.get("id") or [-1] * count)
        for name, pool in self._pools.items():
            values = columns.get(name)
            if values is None:
                values = [DEFAULTS[name]] * count
            for value in dict.fromkeys(values):
                if value not in pool:
                    pool[_shared(value)] = len(pool)
            self._codes[name].extend(map(pool.__getitem__, values))

    def tags(self) -> Tags:
        columns = {
            name: Column.of(np.array(codes, "u4"), tuple(self._pools[name]))
            for name, codes in self._codes.items()
        }
        return Tags(np.array(self._id, "i4"), columns)


class ById(Mapping[int, Tag]):
    """Tags by number, in the order of their table."""

    __slots__ = ("_places", "tags")

    def __init__(self, tags: Tags) -> None:
        self.tags = tags
        self._places = np.full(int(tags.id.max(initial=-1)) + 1, -1, "i4")
        self._places[tags.id] = np.arange(len(tags), dtype="i4")

    def __len__(self) -> int:
        return len(self.tags)

    def __iter__(self) -> Iterator[int]:
        return iter(self.tags.id.tolist())

    def __contains__(self, id: object) -> bool:
        return isinstance(id, int | np.integer) and self.place(int(id)) >= 0

    def __getitem__(self, id: int) -> Tag:
        if (place := self.place(id)) < 0:
            raise KeyError(id)
        return self.tags[place]

    def place(self, id: int) -> int:
        """In the table; -1 when nobody has this number."""
        return int(self._places[id]) if 0 <= id < len(self._places) else -1

    def places(self, ids: np.ndarray) -> np.ndarray:
        """int32: the place of each number, -1 where nobody has it."""
        known = np.append(self._places, np.int32(-1))
        return known[np.where((ids >= 0) & (ids < len(self._places)), ids, len(self._places))]


class ByName(Mapping[str, Tag]):
    """Tags by name, in the order of their table."""

    __slots__ = ("tags",)

    def __init__(self, tags: Tags) -> None:
        self.tags = tags

    def __len__(self) -> int:
        return len(self.tags)

    def __iter__(self) -> Iterator[str]:
        return self.tags.names()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.tags.find(name) >= 0

    def __getitem__(self, name: str) -> Tag:
        if (place := self.tags.find(name)) < 0:
            raise KeyError(name)
        return self.tags[place]


def _tag(values: Sequence[Any]) -> Tag:
    """`Tag(...)` of a whole row; its slots are set directly, which takes a third of the time."""
    tag: Tag = object.__new__(Tag)
    for put, value in zip(_SET, values, strict=True):
        put(tag, value)
    return tag


def _shared(value: Any) -> Any:
    """One object for a text wherever it comes from: edge and hub of one node have the same ones."""
    return intern(value) if type(value) is str else value


def _joined(columns: Sequence[Column]) -> Column:
    if all(column.pool is columns[0].pool for column in columns):
        pool = columns[0].pool
        return Column.of(np.concatenate([column.codes for column in columns]), pool)
    known: dict[Any, int] = {}
    codes = []
    for column in columns:
        used = np.zeros(len(column.pool), bool)
        used[column.codes] = True
        moved = np.zeros(len(column.pool), "u4")
        for at in np.flatnonzero(used).tolist():
            moved[at] = known.setdefault(column.pool[at], len(known))
        codes.append(moved[column.codes])
    return Column.of(np.concatenate(codes), tuple(known))

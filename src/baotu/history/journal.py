"""What history committed, in the order of the commits: read from the hot tables, which keep it.

A place is (table, rows) of the numbers and of the texts. Tables that were sorted or sealed have lost
their order of arrival: what a reader misses there is counted, never told as if it were nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from baotu.sdk.ports import Arrival, Place, Stop
from baotu.sdk.samples import Samples

from .columns import column
from .hot import End, Hot
from .sql import COLUMNS
from .store import Connection, Store

Parts = tuple[list[Samples], list[Samples]]  # live, late


class Journal:
    """Implements `sdk.ports.Journal`. Any thread."""

    def __init__(self, store: Store, hot: Hot) -> None:
        self.store, self.hot = store, hot

    def place(self) -> Place:
        with self.store.writing:
            return self.hot.place()

    def follow(self, tell: Callable[[Arrival], None]) -> Stop:
        with self.store.writing:
            self.hot.followers += (tell,)

        def stop() -> None:
            with self.store.writing:
                self.hot.followers = tuple(t for t in self.hot.followers if t is not tell)

        return stop

    def hold(self, place: Place) -> None:
        if place:
            self.hot.held = dict(zip(COLUMNS, place[::2], strict=True))

    def after(self, place: Place, limit: int) -> Arrival:
        ends = self.place()
        if place == ends:
            return Arrival(start=place, end=ends)
        live: list[Samples] = []
        late: list[Samples] = []
        reached: list[int] = []
        missing = 0
        with self.store.snapshot() as db:
            for n, kind in enumerate(COLUMNS):
                first, last = _pair(place, n), _pair(ends, n)
                missing += _unordered(db, kind, first, last)
                reached += self._read(db, kind, first, last, limit, (live, late))
        return Arrival(
            start=place, end=tuple(reached), live=tuple(live), late=tuple(late), missing=missing
        )

    def _read(
        self, db: Connection, kind: str, first: End, last: End, limit: int, found: Parts
    ) -> End:
        """Rows after `first`, at most to `last`; where they end."""
        tables = db.execute(
            "select id from hot where kind = ? and origin is null and id >= ? and id <= ? order by id",
            [kind, first[0], last[0]],
        ).fetchall()
        for (number,) in tables:
            begin = first[1] if number == first[0] else 0
            end = last[1] if number == last[0] else _count(db, number)
            stop = min(end, begin + limit)
            if begin < stop:
                _rows(db, number, begin, stop, found)
                limit -= stop - begin
            if stop < end or (not limit and number != last[0]):
                return number, stop
        return last


def _rows(db: Connection, number: int, begin: int, end: int, found: Parts) -> None:
    rows = db.execute(
        f"select tag, time, value, quality from hot_{number} "
        f"where rowid >= {begin} and rowid < {end} order by rowid"
    ).fetchnumpy()
    tag, time, value, quality = (column(rows[c]) for c in ("tag", "time", "value", "quality"))
    samples = Samples(tag, time, value if value.dtype == "f8" else value.astype(object), quality)
    late = np.zeros(len(samples), "?")
    for first, last in db.execute(
        "select first, last from late where hot = ? and last > ? and first < ?",
        [number, begin, end],
    ).fetchall():
        late[max(0, first - begin) : max(0, last - begin)] = True
    for mask, parts in ((~late, found[0]), (late, found[1])):
        if mask.any():
            parts.append(samples if mask.all() else samples.where(mask))


def _unordered(db: Connection, kind: str, first: End, last: End) -> int:
    """Rows between these places that are no longer in order of arrival."""
    row = db.execute(
        "select coalesce(sum(if(id = ?, greatest(0, rows - ?), rows)), 0) from unordered "
        "where kind = ? and id >= ? and id <= ?",
        [first[0], first[1], kind, first[0], last[0]],
    ).fetchone()
    return int(row[0]) if row else 0


def _count(db: Connection, number: int) -> int:
    row = db.execute(f"select count(*) from hot_{number}").fetchone()
    return int(row[0]) if row else 0


def _pair(place: Place, kind: int) -> End:
    """(table, rows) of a kind; a reader without a place begins before everything."""
    return (place[2 * kind], place[2 * kind + 1]) if place else (0, 0)

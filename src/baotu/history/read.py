"""Reading one tag: its samples, what they look like, and their aggregates.

Long windows are answered from rollups: a bucket of minutes or hours keeps its first, lowest,
highest and last sample with their stamps, so what is returned are always real samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from baotu.sdk.ports import Buckets
from baotu.sdk.quality import Quality
from baotu.sdk.samples import Samples

from .columns import column, samples_of, thin
from .hot import Hot
from .latest import NEVER
from .sql import HOUR, MINUTE, ROLLED, VALUE, combine, files, floor, roll, unpack_rollup
from .store import Connection, Store

TABLE = {MINUTE: "minute", HOUR: "hour"}
COARSE = 2  # a rollup may answer when a bucket of the picture is at least this many times as wide
FEW_FILES, FILES = 16, 64  # a raw read opens no more when rollups could answer, or show less
SAMPLES = 100_000  # nor reads more of one tag: above, rollups are faster
LEAST, MOST = -(1 << 62), 1 << 62
SUMS = ("count", "low", "high", "first", "last", "total")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What may hold something of a tag and time; samples: about how many the files hold of it."""

    paths: list[str]
    tables: list[int]
    samples: float


class Reader:
    """Any thread; `horizon(kind)` tells before which time raw samples or rollups are forgotten."""

    def __init__(self, store: Store, hot: Hot, horizon: Callable[[str], int]) -> None:
        self.store, self.hot, self.horizon = store, hot, horizon

    def read(self, tag: int, start: int, end: int, limit: int | None = None) -> Samples:
        with self.store.snapshot() as db:
            return self._raw(db, tag, *_bounds(start, end), limit=limit)

    def window(self, tag: int, start: int, end: int, points: int) -> Samples:
        if points < 1:
            raise ValueError(f"points is {points}: at least one is needed")
        start, end = _bounds(start, end)
        newest = self.hot.latest.time(tag)
        if newest == NEVER:
            return Samples.empty()
        end = max(start, min(end, newest + 1))  # an end in the future must not waste the buckets
        width = self._width(tag, start, end, points)
        with self.store.snapshot() as db:
            kind = "text" if self.hot.latest.is_text(tag) else "number"
            plan = self._plan(db, kind, tag, start, end)
            if width and not self._cheap(plan, start, FEW_FILES):
                found = self._outline(db, tag, start, end, width, points)
            else:
                found = self._raw(db, tag, start, end, plan=plan)
        return thin(found, start, end, points)

    def aggregate(self, tag: int, start: int, end: int, bucket_ns: int) -> Buckets:
        if bucket_ns < 1:
            raise ValueError(f"bucket_ns is {bucket_ns}: a bucket has at least one nanosecond")
        start, end = _bounds(start, end)
        fits = [w for w in (HOUR, MINUTE) if bucket_ns % w == 0 and start % w == 0]
        with self.store.snapshot() as db:
            if fits:
                middle = start + max(0, end - start) // fits[0] * fits[0]
                parts = [self._rolled(db, tag, fits[0], start, middle)]
                parts.append(self._on_the_fly(db, tag, middle, end, MINUTE, 0))
            else:
                parts = [self._on_the_fly(db, tag, start, end, bucket_ns, start)]
            union = " union all ".join(part for part in parts if part)
            if not union:
                return buckets_of(bucket_ns, {})
            rows = combine(f"({union})", floor("start", bucket_ns, start))
            select = f"select start, {', '.join(SUMS)} from ({rows}) where count > 0 order by start"
            return buckets_of(bucket_ns, db.execute(select).fetchnumpy())

    # raw ---------------------------------------------------------------------------------------
    @staticmethod
    def _sources(plan: Plan, kind: str, tag: int, start: int, end: int) -> list[str]:
        """FROM clauses, filtered, that together hold the raw rows: use them in this transaction."""
        where = f"where tag = {tag} and time >= {start} and time < {end}"
        found = []
        if plan.paths:  # first: the older ones, so that what comes back is nearly in order
            value = f"{VALUE[kind]} as value"
            found.append(f"(select tag, time, {value}, quality from {files(plan.paths)} {where})")
        return found + [
            f"(select tag, time, value, quality from hot_{n} {where})" for n in plan.tables
        ]

    def _plan(self, db: Connection, kind: str, tag: int, start: int, end: int) -> Plan:
        """Files of `kind`, and hot tables: one question, because each costs a millisecond."""
        found = db.execute(
            "select path, null, rows / (tag_high - tag_low + 1), low from segment where kind = ? "
            "and high >= ? and low < ? and tag_low <= ? and tag_high >= ? "
            "union all select null, id, 0, coalesce(origin, id) from hot where kind = ?",
            [kind, start, end, tag, tag, "text" if kind == "text" else "number"],
        ).fetchall()
        found.sort(key=lambda row: row[3])  # the samples come nearly in order then
        return Plan(
            paths=self.store.paths([row[0] for row in found if row[0]]),
            tables=[row[1] for row in found if not row[0]],
            samples=sum(row[2] for row in found),
        )

    def _raw(
        self,
        db: Connection,
        tag: int,
        start: int,
        end: int,
        *,
        limit: int | None = None,
        plan: Plan | None = None,
    ) -> Samples:
        text = self.hot.latest.is_text(tag)
        kind = "text" if text else "number"
        plan = plan or self._plan(db, kind, tag, start, end)
        sources = self._sources(plan, kind, tag, start, end)
        if not sources or start >= end:
            return Samples.empty(text)
        select = " union all ".join(f"select time, value, quality from {s}" for s in sources)
        if limit is not None:
            select = f"select * from ({select}) order by time limit {int(limit)}"
        return samples_of(tag, db.execute(select).fetchnumpy(), text)

    # rollups -----------------------------------------------------------------------------------
    def _width(self, tag: int, start: int, end: int, points: int) -> int:
        """Of the rollup that is fine enough, 0 when only raw samples are."""
        if self.hot.latest.is_text(tag):
            return 0
        bucket = (end - start) * 4 // points
        for width in (HOUR, MINUTE):
            if bucket >= COARSE * width and start >= self.horizon(TABLE[width]):
                return width
        return MINUTE if start < self.horizon("number") else 0

    def _rolled(self, db: Connection, tag: int, width: int, start: int, end: int) -> str:
        """SELECT of the rollup rows of [start, end), both multiples of `width`."""
        if start >= end:
            return ""
        plan = self._plan(db, TABLE[width], tag, start, end)
        names = ", ".join(ROLLED)
        parts = []
        if plan.paths:
            where = f"where tag = {tag} and start >= {start} and start < {end}"
            parts.append(f"select {names} from ({unpack_rollup(files(plan.paths))}) {where}")
        if plan.tables:  # grouped all at once: each grouping of so many columns costs milliseconds
            hot = replace(plan, paths=[])
            rows = roll(_union(self._sources(hot, "number", tag, start, end)), width)
            parts.append(f"select {names} from ({rows})")
        return " union all ".join(parts)

    def _on_the_fly(
        self, db: Connection, tag: int, start: int, end: int, width: int, origin: int
    ) -> str:
        if start >= end:
            return ""
        names, plan = ", ".join(ROLLED), self._plan(db, "number", tag, start, end)
        sources = self._sources(plan, "number", tag, start, end)
        if not sources:
            return ""
        return f"select {names} from ({roll(_union(sources), width, origin=origin)})"

    def _outline(
        self, db: Connection, tag: int, start: int, end: int, width: int, points: int
    ) -> Samples:
        """The remarkable samples of [start, end): from rollups, and raw ones at both ends. All of
        them, raw, when they are so few that there is room for all."""
        first, last = -(-start // width) * width, end // width * width
        if first >= last:
            return self._raw(db, tag, start, end)
        parts = [self._raw(db, tag, start, first), self._raw(db, tag, last, end)]
        if select := self._rolled(db, tag, width, first, last):
            found = db.execute(combine(f"({select})", "start")).fetchnumpy()
            rows = {name: column(found[name]) for name in ROLLED}
            few = rows["count"].sum() + rows["bad"].sum() <= points
            plan = self._plan(db, "number", tag, start, end)
            if few and self._cheap(plan, start, FILES):
                return self._raw(db, tag, start, end, plan=plan)
            parts += _remarkable(tag, rows)
        return _in_order(Samples.concat(parts))

    def _cheap(self, plan: Plan, start: int, most_files: int) -> bool:
        """Raw samples of the whole time are still there, in few files, and probably not too many."""
        if start < self.horizon("number"):
            return False
        return len(plan.paths) <= most_files and plan.samples <= SAMPLES


def _union(sources: list[str]) -> str:
    return f"({' union all '.join(f'select * from {source}' for source in sources)})"


def _remarkable(tag: int, rows: dict[str, np.ndarray]) -> list[Samples]:
    """First, lowest, highest and last good sample of each bucket, first and last bad one."""
    good, bad = rows["count"] > 0, rows["bad"] > 0
    found = [
        Samples.of(tag, rows[f"{name}_at"][good], rows[name][good], Quality.GOOD)
        for name in ("first", "low", "high", "last")
    ]
    for name in ("bad", "bad_end"):
        quality = rows[f"{name}_quality"][bad].astype("u1")
        time, value = rows[f"{name}_at"][bad], rows[f"{name}_value"][bad]
        found.append(Samples.of(tag, time, value, quality))
    return found


def _in_order(samples: Samples) -> Samples:
    """By time, each sample once."""
    order = np.lexsort((samples.value, samples.time))
    time, value = samples.time[order], samples.value[order]
    new = (time[1:] != time[:-1]) | (value[1:] != value[:-1])
    return samples.where(order[np.concatenate([[True], new])] if len(order) else order)


def buckets_of(duration: int, rows: dict[str, np.ndarray]) -> Buckets:
    def get(name: str, kind: str = "f8") -> np.ndarray:
        return column(rows[name]).astype(kind, copy=False) if rows else np.empty(0, kind)

    count, total = get("count", "i8"), get("total")
    return Buckets(
        duration_ns=duration, start=get("start", "i8"), count=count, low=get("low"),
        high=get("high"), mean=total / np.maximum(count, 1), first=get("first"), last=get("last"),
        total=total,
    )  # fmt: skip


def _bounds(start: int, end: int) -> tuple[int, int]:
    return max(LEAST, int(start)), min(MOST, int(end))

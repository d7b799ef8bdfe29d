"""Merging: many small runs of a period become one large run, cut into files by tag.

A run is what one seal or one merge wrote: files whose tags do not overlap. A reader of one tag thus
opens one file a run. Runs are merged in levels of `fan`; a day that is over becomes one run.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .seal import MIXED, WIDTH
from .sql import (
    HOUR,
    PARQUET,
    PARQUET_ROLLUP,
    PARQUET_TEXT,
    PERIOD,
    combine,
    files,
    pack_rollup,
    unpack_rollup,
)
from .store import FIELDS, Connection, Segment, Store, cuts

QUIET = HOUR // 6  # nothing new came for so long: a period that is over may be finished
FEW = 4  # a finished period is rewritten for this many runs, or when the new ones weigh 1/FEW


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    kind: str
    period: int
    level: int
    segments: tuple[Segment, ...]

    @property
    def rows(self) -> int:
        return sum(segment.rows for segment in self.segments)

    @property
    def made(self) -> int:
        return max(segment.made for segment in self.segments)


def runs(db: Connection) -> list[Run]:
    """All runs, the oldest first."""
    found = db.execute(f"select {', '.join(FIELDS)} from segment order by made, path").fetchall()
    by_run: dict[str, list[Segment]] = {}
    for row in found:
        segment = Segment(**dict(zip(FIELDS, row, strict=True)))
        by_run.setdefault(segment.run, []).append(segment)
    return [
        Run(kind=s[0].kind, period=s[0].period, level=s[0].level, segments=tuple(s))
        for s in by_run.values()
    ]


def plan(found: Sequence[Run], fan: int, now: int, everything: bool = False) -> list[list[Run]]:
    """Which runs to merge with one another, the most useful first.

    everything: each period into one run, whatever it costs.
    """
    periods: dict[tuple[str, int], list[Run]] = {}
    for run in found:
        periods.setdefault((run.kind, run.period), []).append(run)
    groups = []
    for (kind, period), members in periods.items():
        if everything or _finished(kind, period, members, now):
            if len(members) > 1 and (everything or _worth(members)):
                groups.append(members)
            continue
        for level in {run.level for run in members}:
            same = [run for run in members if run.level == level]
            if len(same) >= fan:
                groups.append(same[:fan])
    return sorted(groups, key=len, reverse=True)


def _finished(kind: str, period: int, members: Iterable[Run], now: int) -> bool:
    over = period != MIXED and (period + 1) * PERIOD[kind] + HOUR < now
    return over and max(run.made for run in members) + QUIET < now


def _worth(members: Sequence[Run]) -> bool:
    largest = max(run.rows for run in members)
    return len(members) >= FEW or largest <= FEW * (sum(run.rows for run in members) - largest)


def merge(store: Store, group: Sequence[Run], now: int, pause: Callable[[], bool]) -> int:
    """Replace the runs of `group` by one; the number of files that went, 0 when given up.

    pause: called after each file; True means that the owner wants to stop.
    """
    kind, period = group[0].kind, group[0].period
    old = [segment for run in group for segment in run.segments]
    options = {"text": PARQUET_TEXT, "number": PARQUET}.get(kind, PARQUET_ROLLUP)
    new: list[Segment] = []
    run, level = uuid.uuid4().hex, max(r.level for r in group) + 1
    try:
        with store.workshop() as db:
            source = files(store.paths([segment.path for segment in old]))
            for low, high in cuts(db, source, store.settings.piece_rows):
                here = [s.path for s in old if s.tag_low <= high and s.tag_high >= low]
                selects = _selects(db, store, kind, store.paths(here), low, high)
                name, _ = store.write_pieces(db, selects, options, kind, period)
                new.append(_described(db, store, name, kind, period, run, level, now))
                if pause():
                    raise InterruptedError
        store.seam("merged")
        with store.change() as db:
            if not _all_there(db, old):
                raise InterruptedError  # retention took one of them meanwhile
            store.remove(db, [segment.path for segment in old])
            store.enter(db, new)
    except InterruptedError:
        store.bury([segment.path for segment in new])
        return 0
    except BaseException:
        store.discard([segment.path for segment in new])
        raise
    store.seam("merge committed")
    store.bury([segment.path for segment in old])
    return len(old)


def _selects(
    db: Connection, store: Store, kind: str, paths: list[str], low: int, high: int
) -> list[str]:
    source = f"{files(paths)} where tag between {low} and {high}"
    if kind == "text":
        return [f"select tag, time, value, quality from {source} order by tag, time"]
    if kind == "number":
        columns = "tag, time, mantissa, exponent, value, quality"
        return [f"select {columns} from {source} order by tag, time"]
    rows = f"({unpack_rollup(files(paths))} where tag between {{}} and {{}})"
    return [
        pack_rollup(combine(rows.format(*piece), "start", "exponent"))
        for piece in cuts(db, source, store.settings.rollup_rows)
    ]


def _described(
    db: Connection, store: Store, name: str, kind: str, period: int, run: str, level: int, now: int
) -> Segment:
    time, width = ("start", WIDTH[kind]) if kind in WIDTH else ("time", 1)
    row = db.execute(
        f"select min({time}), max({time}), min(tag), max(tag), count(*) "
        f"from {files(store.paths([name]))}"
    ).fetchone()
    assert row is not None
    low, high, tag_low, tag_high, rows = row
    return Segment(
        path=name, kind=kind, period=period, run=run, level=level, made=now, low=low,
        high=high + width - 1, tag_low=tag_low, tag_high=tag_high, rows=rows,
        bytes=(store.files / name).stat().st_size,
    )  # fmt: skip


def _all_there(db: Connection, old: Sequence[Segment]) -> bool:
    known = {row[0] for row in db.execute("select path from segment").fetchall()}
    return all(segment.path in known for segment in old)

"""Sealing: full hot tables become Parquet in (tag, time) order, one file a day, with their rollups.

Every sample is rolled up exactly once, here; from then on raw files and rollups go their own ways.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .hot import Hot, Table
from .sql import (
    HOUR,
    MINUTE,
    NUMBER,
    PARQUET,
    PARQUET_ROLLUP,
    PARQUET_TEXT,
    PERIOD,
    combine,
    files,
    floor,
    pack_rollup,
    plain,
    quoted,
    roll,
    squeeze,
    unpack_rollup,
)
from .store import Connection, Segment, Store, cuts

DAYS = 32  # a table of more days than this has clocks gone wild in it: the rest shares one file
MIXED = -(1 << 31)  # the period of that file
WIDTH = {"minute": MINUTE, "hour": HOUR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The rows of some hot tables that go into one file."""

    period: int
    where: str
    rows: int
    low: int
    high: int
    tag_low: int
    tag_high: int


def seal(store: Store, hot: Hot, tables: Sequence[Table], now: int) -> None:
    """Appends and reads go on meanwhile; a crash anywhere leaves the hot tables as they were.

    tables: of one kind; they take nothing more.
    """
    kind = tables[0].kind
    rows = " union all ".join(f"select * from hot_{table.number}" for table in tables)
    with store.cursor() as db:
        parts = _parts(db, f"({rows})", kind)
        segments: list[Segment] = []
        try:
            for part in parts:
                for segment in _files(store, db, f"({rows})", kind, part, now):
                    segments.append(segment)
            store.seam("sealed")
            with store.writing:
                with store.change(db):
                    hot.drop(db, tables, sum(part.rows for part in parts))
                    store.enter(db, segments)
                hot.forget(tables)
        except BaseException:
            store.discard([segment.path for segment in segments])
            raise
        store.seam("seal committed")


def _parts(db: Connection, source: str, kind: str) -> list[Part]:
    day = floor("time", PERIOD[kind])
    facts = "count(*), min(time), max(time), min(tag), max(tag)"
    found = db.execute(
        f"select {day} as day, {facts} from {source} group by day order by count(*) desc"
    ).fetchall()
    parts = [
        _part(start // PERIOD[kind], f"{day} = {start}", facts_of)
        for start, *facts_of in found[:DAYS]
    ]
    if rest := [str(row[0]) for row in found[:DAYS]] if len(found) > DAYS else []:
        where = f"{day} not in ({', '.join(rest)})"
        row = db.execute(f"select {facts} from {source} where {where}").fetchone()
        assert row is not None
        parts.append(_part(MIXED, where, list(row)))
    return parts


def _part(period: int, where: str, facts: list[int]) -> Part:
    rows, low, high, tag_low, tag_high = facts
    return Part(
        period=period, where=where, rows=rows, low=low, high=high,
        tag_low=tag_low, tag_high=tag_high,
    )  # fmt: skip


def _files(
    store: Store, db: Connection, hot: str, kind: str, part: Part, now: int
) -> Iterator[Segment]:
    """One after the other, so that the caller knows what is on the disk when one fails.

    The main database only streams its rows out. Sorting takes all the memory there is, and there it
    would be the memory of the next append; so it is done in the workshop.
    """
    copy = store.folder / f"seal-{uuid.uuid4().hex[:16]}.parquet"
    try:
        rows = f"select tag, time, value, quality from {hot} where {part.where}"
        db.execute(f"copy ({rows}) to {quoted(str(copy))} (format parquet)")
        with store.workshop() as shop:
            raw: list[Segment] = []
            source, run = files([str(copy)]), uuid.uuid4().hex
            for low, high in cuts(shop, source, store.settings.piece_rows):
                if kind == "text":
                    select, options = plain(source, low, high), PARQUET_TEXT
                else:
                    select, options = squeeze(str(copy), low, high, part.rows), PARQUET
                written = store.write(shop, select, options, kind, part.period)
                piece = replace(part, tag_low=low, tag_high=high)
                raw.append(_segment(store, *written, kind, piece, now, run=run))
                yield raw[-1]
            copy.unlink()
            if kind != "text":
                yield from _rollups(store, shop, raw, part, now)
    finally:
        copy.unlink(missing_ok=True)


def _rollups(
    store: Store, db: Connection, raw: Sequence[Segment], part: Part, now: int
) -> Iterator[Segment]:
    paths = files(store.paths([segment.path for segment in raw]))
    source = f"(select tag, time, {NUMBER} as value, exponent, quality from {paths} where {{}})"
    # a tag has as many minutes as it spans, or as it has samples
    minutes = f"least(count(*), (max(time) - min(time)) // {MINUTE} + 1)"
    ranges = cuts(db, paths, store.settings.rollup_rows, minutes)
    rows = [
        pack_rollup(roll(source.format(f"tag between {low} and {high}"), MINUTE, "exponent"))
        for low, high in ranges
    ]
    written = store.write_pieces(db, rows, PARQUET_ROLLUP, "minute", part.period)
    minute = _segment(store, *written, "minute", part, now)
    yield minute
    month = part.period if part.period == MIXED else part.low // PERIOD["hour"]
    path = files(store.paths([minute.path]))
    rows = [
        pack_rollup(
            combine(
                f"({unpack_rollup(path)} where tag between {low} and {high})",
                floor("start", HOUR),
                "exponent",
            )
        )
        for low, high in ranges
    ]
    written = store.write_pieces(db, rows, PARQUET_ROLLUP, "hour", month)
    yield _segment(store, *written, "hour", part, now, month)


def _segment(
    store: Store,
    name: str,
    rows: int,
    kind: str,
    part: Part,
    now: int,
    period: int | None = None,
    run: str = "",
) -> Segment:
    width = WIDTH.get(kind, 1)
    return Segment(
        path=name,
        kind=kind,
        period=part.period if period is None else period,
        run=run or uuid.uuid4().hex,
        level=0,
        made=now,
        low=part.low // width * width,
        high=part.high // width * width + width - 1,
        tag_low=part.tag_low,
        tag_high=part.tag_high,
        rows=rows,
        bytes=(store.files / name).stat().st_size,
    )

"""History for others: a file of samples, and a copy of everything that another hub can open."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from baotu.sdk.errors import Invalid
from baotu.sdk.ports import Format
from baotu.sdk.samples import Samples

from .sql import SECOND, VALUE, files, floor, quoted
from .store import Connection, Store, sync

FORMATS = {"parquet": "(format parquet, compression zstd)", "csv": "(format csv, header true)"}
_SECONDS = f"make_timestamp({floor('time', SECOND)} // 1000)"
_REST = f"lpad((time - {floor('time', SECOND)})::varchar, 9, '0')"
TIME = {
    "parquet": "make_timestamp_ns(time)",
    "arrow": "make_timestamp_ns(time)",
    # ISO 8601. Not '%n' of strftime: DuckDB 2.0 writes wrong bytes for it
    "csv": f"strftime({_SECONDS}, '%Y-%m-%dT%H:%M:%S.') || {_REST} || 'Z'",
}
ROWS = 100_000  # of one Arrow batch


def export(
    store: Store,
    path: Path,
    tags: Sequence[int],
    start: int,
    end: int,
    format: Format,
    names: Mapping[int, str],
    newer: Samples,
) -> int:
    """Columns tag, name, time (UTC), value, text, quality, in order of (tag, time).

    newer: what takes the place of samples of the same (tag, time).

    Written beside `path` first: a failed export leaves nothing half at the place that was asked.
    """
    if format not in TIME:
        raise Invalid("format", f"{format!r} is unknown; choose parquet, csv or arrow")
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with ExitStack() as stack:
        stack.callback(new.unlink, missing_ok=True)
        main = stack.enter_context(store.snapshot())
        db = stack.enter_context(store.workshop())
        sources = _sources(store, main, stack, np.unique(np.asarray(tags, "i4")), start, end)
        _enter_names(db, names)
        _enter_newer(db, newer)
        body = " union all ".join(sources) or (
            "select 0::int as tag, 0::bigint as time, null::double as value, "
            "null::varchar as text, 0::utinyint as quality where false"
        )
        select = (
            f"select s.tag, names.name, {TIME[format]} as time, if(at_time is null, value, new) as value, "
            f"text, coalesce(grade, quality) as quality from ({body}) s "
            "left join names using (tag) left join newer on of_tag = s.tag and at_time = s.time "
            "order by s.tag, s.time"
        )
        count = _write(db, select, new, format)
        sync(new)
        new.replace(path)
        return count


def _enter_names(db: Connection, names: Mapping[int, str]) -> None:
    db.execute("create table names(tag int, name varchar)")
    if names:
        named = {  # noqa: F841 DuckDB reads it by its name
            "tag": np.fromiter(names, "i4", len(names)),
            "name": np.array(list(names.values()), object),
        }
        db.execute("insert into names select * from named")


def _enter_newer(db: Connection, newer: Samples) -> None:
    db.execute("create table newer(of_tag int, at_time bigint, new double, grade utinyint)")
    if len(newer):
        columns = {  # noqa: F841 DuckDB reads it by its name
            "of_tag": newer.tag,
            "at_time": newer.time,
            "new": newer.value,
            "grade": newer.quality,
        }
        db.execute("insert into newer select * from columns")


def _write(db: Connection, select: str, path: Path, format: Format) -> int:
    if format != "arrow":
        row = db.execute(f"copy ({select}) to {quoted(str(path))} {FORMATS[format]}").fetchone()
        return int(row[0]) if row else 0
    pyarrow = _pyarrow()
    count = 0
    reader = db.sql(select).to_arrow_reader(ROWS)
    with pyarrow.ipc.new_file(str(path), reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        raise Invalid(
            "format",
            "arrow needs pyarrow, which is not installed: reinstall baotu, or choose parquet",
        ) from error
    return pyarrow


def _sources(
    store: Store, main: Connection, stack: ExitStack, tags: np.ndarray, start: int, end: int
) -> list[str]:
    """Segments are read where they are; hot rows are copied first, because only the main database
    can see them and only the workshop has a memory limit of its own."""
    if not len(tags):
        return []
    chosen = (
        f"tag in ({', '.join(map(str, tags.tolist()))}) "
        f"and time >= {int(start)} and time < {int(end)}"
    )
    found = []
    for kind in VALUE:
        columns = "value, null::varchar as text" if kind == "number" else "null::double, value"
        paths = main.execute(
            "select path from segment where kind = ? and high >= ? and low < ? "
            "and tag_low <= ? and tag_high >= ?",
            [kind, start, end, int(tags[-1]), int(tags[0])],
        ).fetchall()
        if paths:
            rows = f"(select tag, time, {VALUE[kind]} as value, quality from {_list(store, paths)})"
            found.append(f"select tag, time, {columns}, quality from {rows} where {chosen}")
        for (number,) in main.execute("select id from hot where kind = ?", [kind]).fetchall():
            copy = store.folder / f"export-{os.getpid()}-{id(stack)}-{number}.parquet"
            stack.callback(copy.unlink, missing_ok=True)
            main.execute(f"copy (select * from hot_{number} where {chosen}) to '{copy}'")
            found.append(f"select tag, time, {columns}, quality from {files([str(copy)])}")
    return found


def _list(store: Store, rows: Sequence[tuple[str]]) -> str:
    return files(store.paths([name for (name,) in rows]))


def backup(store: Store, path: Path) -> int:
    """A consistent copy in a new folder `path` while everything goes on; bytes it holds.

    Opening it as a history is restoring it: edges then send again what it does not have.
    """
    if path.exists() and any(path.iterdir()):
        raise Invalid("path", f"{path} is not empty; name a new folder")
    (path / "segments").mkdir(parents=True, exist_ok=True)
    with store.snapshot() as db:
        target = path / "history.db"
        db.execute(f"attach {quoted(str(target))} as copy_{id(target)}")
        try:
            db.execute(f"copy from database history to copy_{id(target)}")
            names = [row[0] for row in db.execute("select path from segment").fetchall()]
            db.execute("commit")
        finally:
            db.execute(f"detach copy_{id(target)}")
        for name in names:
            _link(store.files / name, path / "segments" / name)
    sync(path / "segments")
    sync(path)
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _link(source: Path, target: Path) -> None:
    """Segments never change: a second name is a copy. On another disk they are really copied."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        sync(target)

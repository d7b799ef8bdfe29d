"""The files of history: one DuckDB database, Parquet segments beside it, and when each may go.

A file is entered in `segment` by the transaction that replaces its source, and unlinked only when
nobody who may have planned with it is still reading. Files that no row knows are removed at start.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from baotu.sdk.errors import Unreachable

from .columns import column
from .settings import HistorySettings
from .sql import TABLES, files, quoted

Connection = duckdb.DuckDBPyConnection
Seam = Callable[[str], None]
FATAL = (duckdb.FatalException, duckdb.InternalException)
DISK = (duckdb.IOException, duckdb.OutOfMemoryException, *FATAL)
PATIENCE_S = 5.0


def no_seam(name: str) -> None:
    """Where a test may stop the world; nobody does in production."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A row of `segment`: one Parquet file."""

    path: str
    kind: str
    period: int
    run: str
    level: int
    made: int
    low: int
    high: int
    tag_low: int
    tag_high: int
    rows: int
    bytes: int


FIELDS = tuple(Segment.__dataclass_fields__)


class Store:
    def __init__(self, folder: Path, settings: HistorySettings, seam: Seam = no_seam) -> None:
        self.folder, self.settings, self.seam = folder, settings, seam
        self.files = folder / "segments"
        self.files.mkdir(parents=True, exist_ok=True)
        self.writing = threading.RLock()
        self._door = threading.Lock()
        self._nobody = threading.Condition(self._door)
        self.broken = False
        self.revived: Callable[[], None] = lambda: None  # set by whoever keeps state in memory
        self._ticket, self._readers, self._graves = 0, set[int](), list[tuple[int, Path]]()
        self.db = self._connect()
        self.db.execute(TABLES)
        self._sweep()

    def _connect(self) -> Connection:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{self.settings.main_bytes}B",
            "threads": self.settings.threads,
            "temp_directory": str(self.folder / "spill"),
            "checkpoint_threshold": f"{self.settings.checkpoint_mb}MB",
        }
        path = self.folder / "history.db"
        try:
            db = duckdb.connect(str(path), config=config)
        except duckdb.Error as error:
            raise Unreachable(
                f"history/{path}: cannot be opened ({first_line(error)}); another program may hold it, "
                "or the disk is full"
            ) from error
        db.execute("set parquet_metadata_cache = true")  # `config` refuses it: not loaded yet there
        return db

    def _sweep(self) -> None:
        for name in ("seal", "export", "piece"):
            for path in self.folder.glob(f"{name}-*.parquet"):
                path.unlink()  # copies that a crash left
        known = {row[0] for row in self.db.execute("select path from segment").fetchall()}
        for path in self.files.iterdir():
            if path.name not in known:
                path.unlink()  # written, but its transaction was never committed

    # transactions ------------------------------------------------------------------------------
    @contextmanager
    def cursor(self) -> Iterator[Connection]:
        """A connection of one's own; no file that was in use at its begin is unlinked before its end."""
        self.revive()
        with self._door:
            ticket = self._ticket = self._ticket + 1
            self._readers.add(ticket)
        try:
            db = self.db.cursor()
            try:
                yield db
            except duckdb.Error as error:
                self.note(error)
                raise
            finally:
                db.close()  # ends a transaction too
        finally:
            with self._door:
                self._readers.discard(ticket)
                self._nobody.notify_all()
            self.dig()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A cursor in one transaction: what was planned is what is read."""
        try:
            with self.cursor() as db:
                db.execute("begin")
                yield db
        except DISK as error:
            raise Unreachable(
                f"history/{self.folder}: cannot read ({first_line(error)}); "
                "ask for less, or give history more memory_mb or disk"
            ) from error

    @contextmanager
    def change(self, db: Connection | None = None) -> Iterator[Connection]:
        """The one writer's transaction: commits at the end, rolls back on any exception."""
        with self.writing:
            db = db or self.db
            try:
                db.execute("begin")
                yield db
                db.execute("commit")
            except BaseException as error:
                self.note(error)
                try:
                    db.execute("rollback")
                except duckdb.Error:
                    pass  # a commit that failed has ended its transaction already
                raise

    def note(self, error: BaseException) -> None:
        """A checkpoint that fails, on a full disk, leaves DuckDB useless until it is opened again."""
        self.broken = self.broken or isinstance(error, FATAL)

    def revive(self) -> None:
        """Open a broken database again; what was committed is in its log. Raises Unreachable while
        the disk does not allow it."""
        if not self.broken:
            return
        with self.writing:
            if not self.broken:
                return
            with self._door:
                if not self._nobody.wait_for(lambda: not self._readers, PATIENCE_S):
                    raise Unreachable(f"history/{self.folder}: broken, and still being read")
            self.db.close()
            self.db = self._connect()
            self.broken = False
            self.revived()

    @contextmanager
    def workshop(self) -> Iterator[Connection]:
        """A DuckDB of its own with its own memory, all on the calling thread: merging and exporting
        cannot take the memory of an append, and a niced caller stays nice."""
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{self.settings.workshop_bytes}B",
            "threads": 1,
            "temp_directory": str(self.folder / "spill_workshop"),
        }
        db = duckdb.connect(":memory:", config=config)
        try:
            yield db
        finally:
            db.close()

    # files -------------------------------------------------------------------------------------
    def write(
        self, db: Connection, select: str, options: str, kind: str, period: int
    ) -> tuple[str, int]:
        """Run `copy (select) to` a new segment file, durable when this returns its name and rows."""
        name = f"{kind}-{period}-{uuid.uuid4().hex[:16]}.parquet"
        path = self.files / name
        new = path.with_suffix(".new")
        try:
            row = db.execute(f"copy ({select}) to {quoted(str(new))} {options}").fetchone()
            sync(new)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)  # a full disk gets its space back
            raise
        sync(self.files)
        self.seam(f"{kind} written")
        return name, int(row[0]) if row else 0

    def write_pieces(
        self, db: Connection, selects: Sequence[str], options: str, kind: str, period: int
    ) -> tuple[str, int]:
        """`write` of all `selects` one after the other into one file, never two in memory."""
        if len(selects) == 1:
            return self.write(db, selects[0], options, kind, period)
        pieces = [self.folder / f"piece-{uuid.uuid4().hex[:16]}.parquet" for _ in selects]
        try:
            for select, piece in zip(selects, pieces, strict=True):
                db.execute(f"copy ({select}) to {quoted(str(piece))} {options}")
            whole = f"select * from {files([str(piece) for piece in pieces])}"
            return self.write(db, whole, options, kind, period)
        finally:
            for piece in pieces:
                piece.unlink(missing_ok=True)

    def enter(self, db: Connection, segments: Sequence[Segment]) -> None:
        marks = ", ".join("?" * len(FIELDS))
        for segment in segments:
            row = [getattr(segment, name) for name in FIELDS]
            db.execute(f"insert into segment values ({marks})", row)

    def remove(self, db: Connection, names: Sequence[str]) -> None:
        for name in names:
            db.execute("delete from segment where path = ?", [name])

    def discard(self, names: Sequence[str]) -> None:
        """Unlink files whose transaction failed. When the database broke in the commit nobody knows
        whether it counts: the files stay, and the next start removes them if it does not."""
        if not self.broken:
            self.bury(names)

    def bury(self, names: Sequence[str]) -> None:
        """Unlink these once everyone who reads now has finished."""
        with self._door:
            self._graves += [(self._ticket, self.files / name) for name in names]
        self.dig()

    def dig(self) -> None:
        with self._door:
            oldest = min(self._readers, default=self._ticket + 1)
            ready = [path for ticket, path in self._graves if ticket < oldest]
            self._graves = [grave for grave in self._graves if grave[0] >= oldest]
        for path in ready:
            path.unlink(missing_ok=True)

    def paths(self, names: Sequence[str]) -> list[str]:
        return [str(self.files / name) for name in names]

    def close(self) -> None:
        with self.writing:
            self.db.close()


def cuts(db: Connection, source: str, rows: int, weight: str = "count(*)") -> list[tuple[int, int]]:
    """Closed ranges of tags of about `rows` rows of `source` each: what is sorted or grouped at once
    must fit the memory, whatever there is. weight: rows that a tag counts for."""
    found = db.execute(
        f"select tag, ({weight})::bigint as rows from {source} group by tag order by tag"
    ).fetchnumpy()
    tags, counts = column(found["tag"]), column(found["rows"])
    group = (np.cumsum(counts) - counts) // rows
    firsts = np.flatnonzero(np.diff(group, prepend=-1))
    lasts = np.append(firsts[1:], len(tags)) - 1
    return [(int(tags[a]), int(tags[b])) for a, b in zip(firsts, lasts, strict=True)]


def sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def first_line(error: BaseException) -> str:
    return str(error).splitlines()[0]

"""Records in one SQLite file: many readers, one writer, one fsync for each commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from baotu.sdk.errors import Conflict, Unreachable
from baotu.sdk.records import Table

from .base import READERS, PooledStore
from .wire import PlainWire, taken

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # one fsync a commit: what was answered is on disk
    "foreign_keys=ON",
    "busy_timeout=5000",
    "cache_size=-8192",  # KiB
)

MANY = "1000000 100000"  # rows of a table, rows of one organisation


class Kept(sqlite3.Connection):
    """SQLAlchemy believes it ends transactions; here the store does, in words of SQL."""

    def commit(self) -> None: ...

    def rollback(self) -> None: ...


class SqliteWire(PlainWire):
    broken = sqlite3.IntegrityError

    def id_of(self, cursor: Any) -> int:
        return int(cursor.lastrowid)

    def blame(self, error: Exception) -> Conflict | None:
        """SQLite says `UNIQUE constraint failed: table.column, table.column`."""
        kind, _, names = str(getattr(error, "orig", error)).partition(" constraint failed: ")
        if kind != "UNIQUE":
            return None
        return taken([name.rpartition(".")[2] for name in names.split(", ")])

    def sql(self, text: str) -> str:
        return text


class SqliteStore(PooledStore):
    """`path=None` lives in memory, for tests: one connection, one user at a time."""

    wire: type[PlainWire] = SqliteWire

    def __init__(self, path: Path | None = None, readers: int = READERS) -> None:
        super().__init__(readers if path else 0)
        self.path, self.name = path, f"records {path or 'in memory'}"
        self.engine = create_engine(
            "sqlite://",
            poolclass=NullPool,
            creator=self._created,
            query_cache_size=2000,
            paramstyle="named",
        )
        self._writer = self._connect(read_only=False)

    def create(self, tables: Sequence[type[Table]]) -> None:
        super().create(tables)
        with self.writing() as writer:
            self._advise(writer)

    def _advise(self, writer: PlainWire) -> None:
        """Tell the planner that an organisation has many rows, so any other index finds less.

        As long as it knows nothing, all indexes are alike to it, and it reads through all rows of
        the organisation. It keeps what it knows in a table: https://sqlite.org/fileformat2.html#stat1tab
        """
        if not self.tables:
            return
        writer.run("PRAGMA analysis_limit=100")  # rows that it looks at
        writer.run(f'ANALYZE "{self.tables[0].__tablename__}"')  # makes that table
        for kind in self.tables:
            name, index = kind.__tablename__, f"ix_{kind.__tablename__}_organisation"
            writer.run("DELETE FROM sqlite_stat1 WHERE tbl = ?", (name,))
            writer.run(f"INSERT INTO sqlite_stat1 VALUES (?, ?, '{MANY}')", (name, index))
        writer.run("ANALYZE sqlite_schema")  # and reads it again

    @contextmanager
    def writing(self) -> Iterator[PlainWire]:
        with self._lock:
            raw = self._writer.raw
            try:
                raw.execute("BEGIN IMMEDIATE")
                yield self._writer
                raw.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise Unreachable(
                    f"{self.name}: cannot be written: {error}; "
                    "look at the disk's free space and at other programs that hold the file"
                ) from error
            finally:
                if raw.in_transaction:
                    raw.execute("ROLLBACK")

    def begin_reading(self, wire: PlainWire) -> None:
        wire.raw.execute("BEGIN")

    def prepared(self, wire: PlainWire) -> None:
        for pragma in (*PRAGMAS, *(["query_only=ON"] if wire.read_only else [])):
            wire.raw.execute(f"PRAGMA {pragma}")
        wire.raw.create_function(
            "baotu_organisation", 0, lambda: wire.organisation, deterministic=True
        )

    def taken(self) -> PlainWire:
        if self.path is not None:
            return super().taken()
        self._lock.acquire()  # the only connection there is, for a while read only
        self._writer.raw.execute("PRAGMA query_only=ON")
        self._writer.read_only = True
        return self._writer

    def given_back(self, wire: PlainWire) -> None:
        if self.path is not None:
            return super().given_back(wire)
        self._writer.read_only = False
        self._writer.raw.execute("PRAGMA query_only=OFF")
        self._lock.release()

    def _created(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path or ":memory:",
            isolation_level=None,  # we begin ourselves: sqlite3 would begin too late
            check_same_thread=False,  # the pool hands a connection to one thread at a time
            factory=Kept,
            cached_statements=512,
        )

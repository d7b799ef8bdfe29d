"""Records in one SQLite file: many readers, one writer, one fsync for each commit."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from baotu.sdk.errors import Conflict, Unreachable
from baotu.sdk.records import Known, Records, Table

from .schema import closure, prepare
from .wire import PlainWire, taken

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # one fsync a commit: what was answered is on disk
    "foreign_keys=ON",
    "busy_timeout=5000",
    "cache_size=-8192",  # KiB
)
READERS = 4  # more only contend for the interpreter: benchmarks/commands.py
WAIT_S = 30.0


class Kept(sqlite3.Connection):
    """SQLAlchemy believes it ends transactions; here the store does, in words of SQL."""

    def commit(self) -> None: ...

    def rollback(self) -> None: ...


class SqliteWire(PlainWire):
    def told(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except sqlite3.IntegrityError as error:
            raise self.blame(error) or error from None

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


class SqliteStore:
    """Implements `kernel.store.Store`. `path=None` lives in memory, for tests: one at a time.

    Any thread may read; writers queue. `close` waits for nobody.
    """

    wire: type[SqliteWire] = SqliteWire

    def __init__(self, path: Path | None = None, readers: int = READERS) -> None:
        self.path = path
        self.known = Known()
        self.tables: list[type[Table]] = []
        self._lock = threading.RLock()
        self._open: list[Connection] = []
        self._engine = create_engine(
            "sqlite://", poolclass=NullPool, creator=self._connect, query_cache_size=2000
        )
        self._writer = self._wire(read_only=False)
        self._readers: SimpleQueue[SqliteWire | None] = SimpleQueue()
        for _ in range(readers if path else 0):
            self._readers.put(None)  # opened when first needed

    def create(self, tables: Sequence[type[Table]]) -> None:
        with self.writing() as writer:
            prepare(writer.connection, found := closure(tables))
        self.tables = list(dict.fromkeys((*self.tables, *found)))

    @contextmanager
    def writing(self) -> Iterator[SqliteWire]:
        """One transaction; the write lock is taken at once, not at the first write."""
        with self._lock:
            raw = self._writer.raw
            try:
                raw.execute("BEGIN IMMEDIATE")
                yield self._writer
                raw.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise Unreachable(
                    f"records {self.path}: cannot be written: {error}; "
                    "look at the disk's free space and at other programs that hold the file"
                ) from error
            finally:
                if raw.in_transaction:
                    raw.execute("ROLLBACK")

    @contextmanager
    def reading(self, organisation: str) -> Iterator[Records]:
        with self._snapshot() as wire, Records(wire, organisation) as records:
            yield records

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._snapshot() as wire:
            return wire.rows(sql, values)

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        with self._snapshot() as wire:
            return {
                table.__tablename__: [
                    tuple(row) for row in wire.connection.execute(table.__table__.select())
                ]
                for table in self.tables
            }

    def close(self) -> None:
        for connection in self._open:
            connection.connection.driver_connection.close()  # type: ignore[union-attr]
            connection.invalidate()
            connection.close()
        self._open.clear()

    @contextmanager
    def _snapshot(self) -> Iterator[SqliteWire]:
        with self._memory() if self.path is None else self._pooled() as wire:
            wire.raw.execute("BEGIN")
            try:
                yield wire
            finally:
                wire.raw.execute("ROLLBACK")

    @contextmanager
    def _pooled(self) -> Iterator[SqliteWire]:
        try:
            wire = self._readers.get(timeout=WAIT_S)
        except Empty:
            raise Unreachable(
                f"records {self.path}: all readers were busy for {WAIT_S:.0f} s; "
                "a query takes too long, or [records] readers is too small"
            ) from None
        try:
            wire = wire or self._wire(read_only=True)
            yield wire
        finally:
            self._readers.put(wire)

    @contextmanager
    def _memory(self) -> Iterator[SqliteWire]:
        """The only connection there is, for a while read only."""
        with self._lock:
            self._writer.raw.execute("PRAGMA query_only=ON")
            self._writer.read_only = True
            try:
                yield self._writer
            finally:
                self._writer.read_only = False
                self._writer.raw.execute("PRAGMA query_only=OFF")

    def _wire(self, read_only: bool) -> SqliteWire:
        connection = self._engine.connect()
        self._open.append(connection)
        wire = self.wire(connection, self.known, read_only)
        for pragma in (*PRAGMAS, *(["query_only=ON"] if read_only else [])):
            wire.raw.execute(f"PRAGMA {pragma}")
        wire.raw.create_function(
            "baotu_organisation", 0, lambda: wire.organisation, deterministic=True
        )
        return wire

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path or ":memory:",
            isolation_level=None,  # we begin ourselves: sqlite3 would begin too late
            check_same_thread=False,  # the pool hands a connection to one thread at a time
            factory=Kept,
            cached_statements=512,
        )

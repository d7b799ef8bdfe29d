"""What stores have in common: one writer, a few pooled readers, additive schemas."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection, Engine

from baotu.sdk.errors import Unreachable
from baotu.sdk.records import Known, Records, Table

from .schema import closure, prepare
from .wire import PlainWire

READERS = 4  # more only contend for the interpreter: benchmarks/commands.py
WAIT_S = 30.0


class PooledStore(ABC):
    """Implements `kernel.store.Store` but for how the engine begins and ends.

    Any thread may read; writers queue. `close` waits for nobody.
    """

    wire: type[PlainWire]
    engine: Engine
    name: str

    def __init__(self, readers: int) -> None:
        self.known = Known()
        self.tables: list[type[Table]] = []
        self._lock = threading.RLock()
        self._open: list[Connection] = []
        self._readers: SimpleQueue[PlainWire | None] = SimpleQueue()
        for _ in range(readers):
            self._readers.put(None)  # opened when first needed

    def create(self, tables: Sequence[type[Table]]) -> None:
        with self.writing() as writer:
            prepare(writer.connection, found := closure(tables))
        self.tables = list(dict.fromkeys((*self.tables, *found)))

    @abstractmethod
    def writing(self) -> AbstractContextManager[PlainWire]:
        """One transaction; the write lock is taken at once, not at the first write."""

    @abstractmethod
    def begin_reading(self, wire: PlainWire) -> None:
        """From here on the wire sees one moment; `ROLLBACK` ends it."""

    @abstractmethod
    def prepared(self, wire: PlainWire) -> None:
        """Set up a new connection."""

    @contextmanager
    def reading(self, organisation: str) -> Iterator[Records]:
        with self._snapshot() as wire, wire.records(organisation) as records:
            yield records

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._snapshot() as wire:
            return wire.rows(sql, values)

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        with self._snapshot() as wire:
            return {
                table.__tablename__: [
                    tuple(row)
                    for row in wire.connection.execute(
                        table.__table__.select().order_by(table.__table__.c.id)
                    )
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
    def _snapshot(self) -> Iterator[PlainWire]:
        wire = self.taken()
        try:
            self.begin_reading(wire)
            yield wire
        finally:
            try:
                wire.ended()
            finally:
                self.given_back(wire)

    def taken(self) -> PlainWire:
        """A reader of one's own, until it is given back. Raises Unreachable after `WAIT_S`."""
        try:
            wire = self._readers.get(timeout=WAIT_S)
        except Empty:
            raise Unreachable(
                f"{self.name}: all readers were busy for {WAIT_S:.0f} s; "
                "a query takes too long, or [records] readers is too small"
            ) from None
        try:
            if wire is None or not wire.usable():
                wire = self._connect(read_only=True)
        except BaseException:
            self._readers.put(wire)
            raise
        return wire

    def given_back(self, wire: PlainWire) -> None:
        self._readers.put(wire)

    def _connect(self, read_only: bool) -> PlainWire:
        connection = self.engine.connect()
        self._open.append(connection)
        wire = self.wire(connection, self.known, read_only)
        self.prepared(wire)
        return wire

"""A connection and its plain statements, past the ORM: what a store gives sessions and kernel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from baotu.sdk.errors import Conflict
from baotu.sdk.records import Known, Records


class PlainWire(ABC):
    """Implements `kernel.store.Writer`. One thread at a time.

    raw: the driver's connection, whose own commit and rollback do nothing: the store alone
    begins and ends transactions, so a session that fails cannot take the group with it.
    """

    broken: type[Exception]  # what the driver raises where a constraint is broken
    mark_word = "?"
    returning = ""

    def __init__(self, connection: Connection, known: Known, read_only: bool) -> None:
        self.connection, self.known, self.read_only = connection, known, read_only
        self.raw: Any = connection.connection.driver_connection
        self.organisation = ""
        self._inserts: dict[str, str] = {}  # text by table
        self._looks: dict[str, str] = {}

    def enter(self, organisation: str) -> None:
        self.organisation = organisation

    def records(self, organisation: str) -> Records:
        return Records(self, organisation)

    def usable(self) -> bool:
        """False when the connection is lost and another one must be opened."""
        return True

    def ended(self) -> None:
        """End the transaction, if it still stands."""
        if self.usable() and self.in_transaction():
            self.raw.execute("ROLLBACK")

    def in_transaction(self) -> bool:
        return bool(self.raw.in_transaction)

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return int(self.execute(self.sql(sql), values).rowcount)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return list(self.execute(self.sql(sql), values).fetchall())

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self.told(self.raw.cursor().executemany, self.sql(sql), rows)

    def mark(self) -> None:
        self.raw.execute("SAVEPOINT part")

    def undo(self) -> None:
        self.raw.execute("ROLLBACK TO SAVEPOINT part")
        self.raw.execute("RELEASE SAVEPOINT part")

    def keep(self) -> None:
        self.raw.execute("RELEASE SAVEPOINT part")

    def insert(self, table: str, columns: Sequence[str], values: Sequence[Any]) -> int:
        sql = self._inserts.get(table)
        if sql is None:
            quote = self.connection.dialect.identifier_preparer.quote
            names = ", ".join(quote(column) for column in columns)
            marks = ", ".join([self.mark_word] * len(columns))
            sql = f"INSERT INTO {quote(table)} ({names}) VALUES ({marks}){self.returning}"
            self._inserts[table] = sql
        return self.id_of(self.execute(sql, values))

    def has(self, table: str, id: int, organisation: str) -> bool:
        sql = self._looks.get(table)
        if sql is None:
            quote = self.connection.dialect.identifier_preparer.quote
            sql = self.sql(f"SELECT 1 FROM {quote(table)} WHERE id = ? AND organisation = ?")
            self._looks[table] = sql
        return bool(self.execute(sql, (id, organisation)).fetchall())

    def execute(self, sql: str, values: Sequence[Any]) -> Any:
        return self.told(self.raw.execute, sql, values)

    def told(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run it; a broken constraint is raised as Conflict, naming the column."""
        try:
            return work(*arguments)
        except self.broken as error:
            raise self.blame(error) or error from None

    @abstractmethod
    def id_of(self, cursor: Any) -> int: ...

    @abstractmethod
    def blame(self, error: Exception) -> Conflict | None: ...

    @abstractmethod
    def sql(self, text: str) -> str:
        """The statement with the driver's mark for a value in place of `?`."""


def taken(columns: Sequence[str]) -> Conflict:
    """The words for a row that must be unique and is not."""
    own = [name for name in columns if name != "organisation"] or ["id"]
    return Conflict(own[-1], f"there is one with the same {', '.join(own)}; look at it first")

"""What the kernel asks of a relational store; the records room answers with SQLite or PostgreSQL.

Plain statements are written with `?` for each value; they are the kernel's own and never an app's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from baotu.sdk.records import Records, Table, Wire


class Writer(Wire, Protocol):
    """One transaction of the one writer. Not safe to share between threads."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; the number of rows it changed."""

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None: ...

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def mark(self) -> None:
        """Begin a part that `undo` takes back and `keep` keeps. Parts do not nest."""

    def undo(self) -> None: ...

    def keep(self) -> None: ...

    def records(self, organisation: str) -> Records: ...


class Store(Protocol):
    """Many readers, one writer; what `writing` ends without an error is on disk."""

    def create(self, tables: Sequence[type[Table]]) -> None:
        """Make what is missing of these tables. Raises ConfigError for any other difference."""

    def writing(self) -> AbstractContextManager[Writer]: ...

    def reading(self, organisation: str) -> AbstractContextManager[Records]:
        """A consistent snapshot of one organisation that refuses every write."""

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of the whole store, for the kernel's own pages."""

    def dump(self) -> Mapping[str, list[tuple[Any, ...]]]:
        """Every row of every table, for tests that compare before and after."""

    def close(self) -> None: ...

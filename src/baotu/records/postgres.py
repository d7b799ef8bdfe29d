"""Records in PostgreSQL, when one file is no longer enough. Needs the extra `baotu[postgres]`.

Writers of all nodes take turns (an advisory lock), so the kernel's order holds as in one file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from baotu.sdk.errors import Conflict, Unreachable

from .base import READERS, PooledStore
from .wire import PlainWire, taken

TURN = 0x62616F7475  # "baotu": the number of the advisory lock that the one writer holds
FUNCTION = """
CREATE OR REPLACE FUNCTION baotu_organisation() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT current_setting('baotu.organisation', true) $$
"""


class Kept(psycopg.Connection[Any]):
    """SQLAlchemy believes it ends transactions; here the store does, in words of SQL."""

    def commit(self) -> None: ...

    def rollback(self) -> None: ...


class PostgresWire(PlainWire):
    mark_word = "%s"
    returning = " RETURNING id"

    def enter(self, organisation: str) -> None:
        if organisation != self.organisation:
            self.raw.execute("SELECT set_config('baotu.organisation', %s, false)", (organisation,))
            self.organisation = organisation

    def undo(self) -> None:
        super().undo()
        self.organisation = ""  # what was set since the mark is undone too

    def ended(self) -> None:
        super().ended()
        self.organisation = ""

    def usable(self) -> bool:
        return not self.raw.closed

    def in_transaction(self) -> bool:
        return self.raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE

    def told(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except psycopg.IntegrityError as error:
            raise self.blame(error) or error from None

    def id_of(self, cursor: Any) -> int:
        return int(cursor.fetchone()[0])

    def blame(self, error: Exception) -> Conflict | None:
        """The detail says `Key (column, column)=(…)` in whatever language the server speaks."""
        cause = getattr(error, "orig", error)
        if not isinstance(cause, psycopg.errors.UniqueViolation):
            return None
        named = re.search(r"\(([^)]*)\)=", cause.diag.message_detail or "")
        return taken(named[1].split(", ") if named else ["id"])

    def sql(self, text: str) -> str:
        return text.replace("?", "%s")


class PostgresStore(PooledStore):
    """`url`: `postgresql://user@host/database`; an IPv6 address in brackets."""

    wire: type[PlainWire] = PostgresWire

    def __init__(self, url: str, readers: int = READERS) -> None:
        super().__init__(readers)
        self.url = url
        self.name = f"records {re.sub(r':[^:@/]*@', ':…@', url)}"
        self.engine = create_engine(
            "postgresql+psycopg://",
            poolclass=NullPool,
            creator=self._created,
            query_cache_size=2000,
        )
        self._writer: PlainWire | None = None
        with self.writing() as writer:
            writer.run(FUNCTION)

    @contextmanager
    def writing(self) -> Iterator[PlainWire]:
        with self._lock:
            writer = self._writer
            if writer is None or not writer.usable():
                writer = self._writer = self._connect(read_only=False)
            try:
                writer.raw.execute("BEGIN")
                writer.raw.execute(f"SELECT pg_advisory_xact_lock({TURN})")
                yield writer
                writer.raw.execute("COMMIT")
            except psycopg.OperationalError as error:
                raise Unreachable(f"{self.name}: {str(error).strip()}") from error
            finally:
                writer.ended()

    def begin_reading(self, wire: PlainWire) -> None:
        try:
            wire.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        except psycopg.OperationalError as error:
            raise Unreachable(f"{self.name}: {str(error).strip()}") from error

    def prepared(self, wire: PlainWire) -> None:
        wire.raw.execute("SET TIME ZONE 'UTC'")

    def _created(self) -> Kept:
        try:
            return Kept.connect(self.url, autocommit=True)
        except psycopg.OperationalError as error:
            raise Unreachable(f"{self.name}: {str(error).strip()}") from error

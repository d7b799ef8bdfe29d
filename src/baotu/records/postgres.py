"""Records in PostgreSQL, when one file is no longer enough. Needs the extra `baotu[postgres]`.

Writers of all nodes take turns (an advisory lock), so the kernel's order holds as in one file.
"""

from __future__ import annotations

import ipaddress
import re
import select
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from baotu.sdk.errors import ConfigError, Conflict, Unreachable

from .base import READERS, WAIT_S, PooledStore
from .settings import ADVICE, plainly
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
    broken = psycopg.IntegrityError
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
        """False as well for an idle connection on which the server said something unasked: that
        it ends it, or another thing (new settings) for which a fresh connection does no harm."""
        if self.raw.closed or self.in_transaction():
            return not self.raw.closed
        waiting = select.poll()
        waiting.register(self.raw.fileno(), select.POLLIN)
        if waiting.poll(0):
            self.raw.close()
        return not self.raw.closed

    def in_transaction(self) -> bool:
        return self.raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE

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
    """`url`: `postgresql://user@host/database`; an IPv6 address in brackets.

    connect_s: how long a connection is waited for. wait_s: how long the other writers are.
    Opens at once: raises ConfigError for a wrong url, Unreachable when the server is away.
    """

    wire: type[PlainWire] = PostgresWire

    def __init__(
        self,
        url: str,
        readers: int = READERS,
        *,
        password: str = "",
        connect_s: float = 5.0,
        wait_s: float = WAIT_S,
    ) -> None:
        super().__init__(readers)
        self.url, self.name = url, f"records {plainly(url)}"
        self._conninfo = conninfo(url, password, connect_s)
        self._wait_ms = round(wait_s * 1000)
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
            try:
                writer = self._begun()
            except psycopg.OperationalError as error:
                raise self._lost(error) from error
            try:
                writer.raw.execute(f"SELECT pg_advisory_xact_lock({TURN})")
                yield writer
                writer.raw.execute("COMMIT")
            except psycopg.OperationalError as error:
                raise self._lost(error) from error
            finally:
                writer.ended()

    def _begun(self) -> PlainWire:
        """The writer in a transaction; over a new connection where the old one has been lost:
        nothing was asked of it yet, so nothing can happen twice."""
        writer = self._writer
        if writer is not None and writer.usable():
            try:
                writer.raw.execute("BEGIN")
                return writer
            except psycopg.OperationalError:
                if writer.usable():
                    raise
        writer = self._writer = self._connect(read_only=False)
        writer.raw.execute("BEGIN")
        return writer

    def begin_reading(self, wire: PlainWire) -> None:
        try:
            wire.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        except psycopg.OperationalError as error:
            raise self._lost(error) from error

    def prepared(self, wire: PlainWire) -> None:
        wire.raw.execute("SET TIME ZONE 'UTC'")
        wire.raw.execute(f"SET lock_timeout = {self._wait_ms}")
        # what is answered is on the server's disk, whatever its own default
        wire.raw.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )

    def _lost(self, error: psycopg.Error) -> Unreachable:
        return unreachable(self.name, error)

    def _created(self) -> Kept:
        try:
            return Kept.connect(self._conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            raise self._lost(error) from None  # its traceback would show the password


def conninfo(url: str, password: str, connect_s: float) -> str:
    """The url with a deadline for everything and, to another machine, with TLS that is verified;
    what the url itself says goes first. Raises ConfigError, which never repeats the url."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise ConfigError("url cannot be read by PostgreSQL", "[records] url", ADVICE) from None
    wanted: dict[str, Any] = {
        "application_name": "baotu", "connect_timeout": max(2, round(connect_s)),
        "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }  # fmt: skip
    if password:
        wanted["password"] = password
    if not _is_here(str(given.get("host") or "")) and "sslmode" not in given:
        wanted |= {"sslmode": "verify-full", "sslrootcert": "system"}
    return make_conninfo(**(wanted | given))


def _is_here(host: str) -> bool:
    """Whether a host is this machine: a socket in a folder, a loopback address, or none given."""
    if not host or host.startswith(("/", "@")) or f".{host}.".endswith(".localhost."):
        return True  # RFC 6761, 6.3: such a name is loopback and nothing else
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


_ADVICE = (
    # words of libpq, what to do; in another language it is the last one
    ("password", "put the right one into $BAOTU_RECORDS_PASSWORD or the password_file"),
    ("no pg_hba", "let this user in, in the server's pg_hba.conf"),
    ("does not exist", "create user and database: createuser baotu; createdb -O baotu baotu"),
    ("certificate", "name its CA: …?sslmode=verify-full&sslrootcert=/etc/baotu/ca.pem"),
    ("ssl", "give the server a certificate, or say how to do without: …?sslmode="),
    ("lock timeout", "another node holds the turn to write: look at pg_stat_activity"),
    ("", "start the server, or correct [records] url; `baotu doctor` looks at it"),
)


def unreachable(name: str, error: psycopg.Error) -> Unreachable:
    """What, where, what next."""
    words = " ".join(str(error).split()) or type(error).__name__
    advice = next(advice for part, advice in _ADVICE if part in words.lower())
    return Unreachable(f"{name}: {words}; {advice}")


def look(url: str, password: str, connect_s: float) -> Mapping[str, str]:
    """What the server says of itself: version, fsync, encoding, whether we may make tables
    ("true" or "false"), bytes of the database, ms of a question. Raises Unreachable, ConfigError.
    """
    asked = (
        "SELECT current_setting('server_version'), current_setting('fsync'),"
        " current_setting('server_encoding'), has_schema_privilege(current_schema(), 'CREATE'),"
        " pg_database_size(current_database())"
    )
    try:
        with psycopg.connect(conninfo(url, password, connect_s), autocommit=True) as line:
            row = line.execute(asked).fetchone()
            began = time.monotonic()
            line.execute("SELECT 1")
            took = (time.monotonic() - began) * 1000
    except psycopg.OperationalError as error:
        raise unreachable(f"records {plainly(url)}", error) from None
    names = ("version", "fsync", "encoding", "may_create", "bytes")
    words = (str(value).lower() if value is not None else "false" for value in row or ())
    return {**dict(zip(names, words, strict=True)), "ms": f"{took:.1f}"}

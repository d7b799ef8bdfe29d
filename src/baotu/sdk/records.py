"""What was agreed: tables of an app, seen by one organisation at a time.

Never opens a database and never commits: a store gives the session, the kernel ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sqlalchemy import BindParameter, Connection, select
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from .errors import Conflict, Denied
from .inside import CORE, judged, within
from .keys import Key, in_order, key_of
from .plain import Ask, Plan, ask_of, plan_of, settle
from .tables import Table, money, references, refers

__all__ = ["Known", "Records", "Row", "Table", "Wire", "money", "refers"]

ONE = SimpleResultMetaData(["value"])  # results of one column
Row = TypeVar("Row", bound=Table)


@dataclass(slots=True)
class Known:
    """What the sessions of one store need not find out twice. Bounded."""

    verdicts: dict[Any, tuple[str, ...]] = field(default_factory=dict)
    plans: dict[type, Plan | None] = field(default_factory=dict)
    asks: dict[Any, Ask | None] = field(default_factory=dict)  # None: SQLAlchemy's way
    short: dict[Key, tuple[Ask, Any]] = field(default_factory=dict)  # and the statement: see keys
    within: Any = field(default_factory=lambda: within())

    def remember(self, place: dict[Any, Any], key: Any, value: Any) -> Any:
        if len(place) >= 5000:
            place.clear()
        place[key] = value
        return value


class Wire(Protocol):
    """What a store gives a session: its connection, and the few statements that need no ORM."""

    connection: Connection
    known: Known
    read_only: bool

    def enter(self, organisation: str) -> None:
        """From now on `baotu_organisation()` is this, in statements on this connection."""

    def insert(self, table: str, columns: Sequence[str], values: Sequence[Any]) -> int:
        """Write a row; its id. Raises Conflict naming the column when it must be unique."""

    def has(self, table: str, id: int, organisation: str) -> bool: ...

    def execute(self, sql: str, values: Any) -> Any:
        """Run a statement in the driver's own words; its cursor."""

    def blame(self, error: Exception) -> Conflict | None:
        """A broken constraint in the caller's words."""


class Records(Session):
    """A session that sees one organisation, notes what it touched, and cannot be committed."""

    def __init__(self, wire: Wire, organisation: str) -> None:
        if not wire.connection.in_transaction():
            wire.connection.begin()
        super().__init__(wire.connection, expire_on_commit=False)
        self._open: Wire | None = wire
        self._known, self.organisation = wire.known, organisation
        self.read: set[str] = set()
        self.written: set[str] = set()

    @property
    def _wire(self) -> Wire:
        if self._open is None:  # its connection serves another organisation by now
            raise Denied("these records were closed when the handler returned: ask for new ones")
        return self._open

    def close(self) -> None:
        """The kernel does, when the handler has returned and its answer is made."""
        if self._transaction is not None or not self._is_clean():
            super().close()
        self._open = None

    def commit(self) -> None:
        raise Denied("a handler does not commit: the kernel does, when the handler returns")

    def connection(self, *_: Any, **__: Any) -> Any:
        raise Denied(
            "use put(), find(), select(), update(), delete(): they keep to the organisation"
        )

    bulk_save_objects = bulk_insert_mappings = bulk_update_mappings = merge = connection
    begin_nested = begin = connection

    def put(self, row: Row) -> Row:
        """Add a row and give it its id."""
        plan = self._known.plans.get(type(row), ...)
        if plan is ...:
            made = plan_of(type(row), self._wire.connection.dialect)
            plan = self._known.remember(self._known.plans, type(row), made)
        if plan is None or not self._straight(plan, row):
            self.add(row)
            self.flush()
        return row

    def find(self, table: type[Row], id: int) -> Row:
        """The row with this id; Conflict naming the table when the organisation has none."""
        known = self.identity_map.get((table, (id,), None)) is not None
        row = self.get(table, id) if known else self.scalar(select(table).where(table.id == id))
        if row is None:
            raise Conflict(table.__name__.lower(), f"{id} does not exist")
        return row

    def execute(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        return super().execute(self._inside(statement), *arguments, **options)

    def scalar(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        if not (arguments or options) and (found := self._plainly(statement)) is not None:
            return found[0] if found else None
        return super().scalar(self._inside(statement), *arguments, **options)

    def scalars(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        if not (arguments or options) and (found := self._plainly(statement)) is not None:
            whole: Any = IteratorResult(ONE, iter(found), _source_supports_scalars=True)
            return whole.scalars()
        return super().scalars(self._inside(statement), *arguments, **options)

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Rows stay in their organisation and refer to nothing outside it."""
        if new := not self._is_clean():
            self._may_write()
            self._stamp()
        try:
            super().flush(objects)
        except IntegrityError as error:
            if new and (conflict := self._wire.blame(error)):
                raise conflict from error
            raise

    def _may_write(self) -> None:
        if self._wire.read_only:
            raise Denied("a question changes nothing: make it a @command")

    def _straight(self, plan: Plan, row: Row) -> bool:
        """Write a new row with one plain statement, if nothing else waits to be written."""
        given = row.__dict__
        if "id" in given or "organisation" in given or not self._is_clean():
            return False
        values: list[Any] = [self.organisation]
        for name, convert, default in zip(
            plan.columns[1:], plan.converts, plan.defaults, strict=True
        ):
            value = given.get(name, default)
            if value is ...:
                return False
            values.append(value if convert is None else convert(value))
        self._may_write()
        for name, target in plan.refers:
            self._refer(name, target, given.get(name))
        id = self._wire.insert(plan.table, plan.columns, values)
        every = zip(plan.columns[1:], plan.defaults, strict=True)
        missing = {name: default for name, default in every if name not in given}
        settle(self, row, {**missing, "id": id, "organisation": self.organisation})
        self.written.add(plan.table)
        return True

    def _refer(self, column: str, target: type[Table], id: int | None) -> None:
        if id is None:
            return
        known = self.identity_map.get((target, (id,), None))  # one that was just read is there
        if known is not None and known.__dict__.get("organisation") == self.organisation:
            return
        if not self._wire.has(target.__tablename__, id, self.organisation):
            raise Conflict(column, f"{id} does not exist")

    def _plainly(self, statement: Any) -> list[Any] | None:
        """What a plain select finds, by a text made before; None: it goes SQLAlchemy's way."""
        if type(statement) is not Select or statement._with_options:
            return None
        if statement._execution_options or (found := self._asked(statement)) is None:
            return None
        ask, given = found
        wire = self._wire
        dialect = wire.connection.dialect
        try:
            values = ask.values(given, self.organisation)
        except (ArithmeticError, AttributeError, TypeError, ValueError):
            return None  # SQLAlchemy says what is wrong with a value
        if self.autoflush and not self._is_clean():
            self.flush()
        self.read.update(ask.tables)
        try:
            return ask.answer(self, wire.execute(ask.sql, values))
        except dialect.loaded_dbapi.Error as error:  # in SQLAlchemy's words, as all others
            kind = dialect.loaded_dbapi.Error
            raise DBAPIError.instance(ask.sql, values, error, kind) from error

    def _asked(self, statement: Select[Any]) -> tuple[Ask, Sequence[BindParameter[Any]]] | None:
        """The text of a plain select, made before or now, and the values for it."""
        known, short = self._known, key_of(statement)
        if short is not None and (kept := known.short.get(short[0])) is not None:
            return kept[0], short[1]
        if (key := statement._generate_cache_key()) is None:
            return None
        ask = known.asks.get(key.key, ...)
        if ask is ...:
            inside = statement.options(known.within)
            made = ask_of(statement, inside, judged(statement), self._wire.connection.dialect)
            ask = known.remember(known.asks, key.key, made)
        if ask is None:
            return None
        if short is not None and in_order(short[1], key.bindparams):
            known.remember(known.short, short[0], (ask, statement))
        return ask, key.bindparams

    def _inside(self, statement: Any) -> Any:
        """The same statement, kept inside the organisation; its tables are remembered."""
        if not hasattr(statement, "options"):
            raise Denied(CORE)
        self._wire.enter(self.organisation)
        if self._known.within in statement._with_options:
            return statement  # SQLAlchemy's own, made from one that was judged: to synchronise
        kept = statement.options(self._known.within)
        key = kept._generate_cache_key()  # SQLAlchemy would make it anyway, and keeps it
        tables = self._known.verdicts.get(key.key) if key else None
        if tables is None:
            tables = judged(statement)
            if key:
                self._known.remember(self._known.verdicts, key.key, tables)
        if statement.is_select:
            self.read.update(tables)
        else:
            self._may_write()
            self.written.update(tables)
        return kept

    def _stamp(self) -> None:
        """Before each flush: rows stay in their organisation and refer to nothing outside it."""
        fresh, leaving = self.new, self.deleted
        for row in (*fresh, *self.dirty, *leaving):
            if row.__dict__.get("organisation", self.organisation) != self.organisation:
                raise Denied(f"{type(row).__name__} cannot move to another organisation")
            if row in fresh:
                row.organisation = self.organisation
            self.written.add(row.__tablename__)
            if row not in leaving:
                for name, target in references(row.__table__):
                    if name in row.__dict__:
                        self._refer(name, target, row.__dict__[name])

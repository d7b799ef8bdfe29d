"""What was agreed: tables of an app, seen by one organisation at a time.

Never opens a database and never commits: a store gives the session, the kernel ends it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, Protocol, TypeVar, dataclass_transform

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Integer,
    TextClause,
    TypeDecorator,
    func,
    inspect,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    declared_attr,
    make_transient_to_detached,
    mapped_column,
    with_loader_criteria,
)
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql import Select, visitors

from .errors import Conflict, Denied

CENT = Decimal("0.01")
NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only an INTEGER
CORE = "only statements on Table classes: text() and Core see every organisation"


def money(amount: Decimal | int | str) -> Decimal:
    """Round half up to the cent, the one place where money is rounded."""
    return Decimal(amount).quantize(CENT, ROUND_HALF_UP)


class Cents(TypeDecorator[Decimal]):
    """Decimal in Python, whole cents in the store: SQLite would keep a float otherwise."""

    impl, cache_ok, python_type = BigInteger, True, Decimal

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> int | None:
        if value is None:
            return None
        if (cents := value * 100) != int(cents):
            raise ValueError(f"{value} is not whole cents; use money()")
        return int(cents)

    def process_result_value(self, value: int | None, dialect: Any) -> Decimal | None:
        return None if value is None else (Decimal(int(value)) / 100).quantize(CENT)


class Utc(TypeDecorator[datetime]):
    """Times have a zone and rest as UTC; a naive one is refused."""

    impl, cache_ok, python_type = DateTime(timezone=True), True, datetime

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None or value.tzinfo is None:
            return value and value.replace(tzinfo=UTC)  # SQLite keeps no zone
        return value.astimezone(UTC)


def refers(table: type[Table], **column: Any) -> Any:
    """A column that holds the id of a row of the same organisation in another table."""
    return mapped_column(NUMBER, ForeignKey(table.id), index=True, info={"refers": table}, **column)


@dataclass_transform(kw_only_default=True, field_specifiers=(mapped_column, refers))
class Table(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """Base of every table: `id`, the organisation, a name prefixed with the app's."""

    type_annotation_map: ClassVar = {Decimal: Cents, datetime: Utc}

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True, init=False)
    organisation: Mapped[str] = mapped_column(index=True, init=False, repr=False)

    @declared_attr.directive
    def __tablename__(cls) -> str:
        app = re.sub(r"(\.(tables|records))$", "", cls.__module__).rpartition(".")[2]
        return f"{app}_{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', cls.__name__).lower()}"


Row = TypeVar("Row", bound=Table)
Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a row of a table is written without the unit of work: columns, converters, defaults."""

    table: str
    columns: tuple[str, ...]
    converts: tuple[Convert | None, ...]
    defaults: tuple[Any, ...]  # ... means: none, so a row without a value goes the long way
    refers: tuple[tuple[str, str], ...]  # column, table that it refers to


@dataclass(slots=True)
class Known:
    """What the sessions of one store need not find out twice. Bounded."""

    verdicts: dict[Any, tuple[str, ...]] = field(default_factory=dict)
    plans: dict[type, Plan | None] = field(default_factory=dict)
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

    def blame(self, error: Exception) -> Conflict | None:
        """A broken constraint in the caller's words."""


class Records(Session):
    """A session that sees one organisation, notes what it touched, and cannot be committed."""

    def __init__(self, wire: Wire, organisation: str) -> None:
        if not wire.connection.in_transaction():
            wire.connection.begin()
        super().__init__(wire.connection, expire_on_commit=False)
        self._wire, self._known, self.organisation = wire, wire.known, organisation
        self.read: set[str] = set()
        self.written: set[str] = set()

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
        if (row := self.get(table, id)) is None:
            raise Conflict(table.__name__.lower(), f"{id} does not exist")
        return row

    def execute(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        return super().execute(self._inside(statement), *arguments, **options)

    def scalar(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        return super().scalar(self._inside(statement), *arguments, **options)

    def scalars(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        return super().scalars(self._inside(statement), *arguments, **options)

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Rows stay in their organisation and refer to nothing outside it."""
        if new := self.new or self.dirty or self.deleted:
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
        if "id" in given or "organisation" in given or self.new or self.dirty or self.deleted:
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
        for name, default in zip(plan.columns[1:], plan.defaults, strict=True):
            if name not in given:
                set_committed_value(row, name, default)
        set_committed_value(row, "id", id)
        set_committed_value(row, "organisation", self.organisation)
        make_transient_to_detached(row)
        self.add(row)
        self.written.add(plan.table)
        return True

    def _refer(self, column: str, target: str, id: int | None) -> None:
        if id is not None and not self._wire.has(target, id, self.organisation):
            raise Conflict(column, f"{id} does not exist")

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


def references(table: Any) -> tuple[tuple[str, str], ...]:
    """Columns made with `refers`, and the tables they refer to."""
    return tuple(
        (column.key, column.info["refers"].__tablename__)
        for column in table.columns
        if "refers" in column.info
    )


def plan_of(kind: type[Table], dialect: Any) -> Plan | None:
    """None for a class that only the unit of work can write: relations, inheritance, versions."""
    mapper = inspect(kind)
    if mapper.relationships or mapper.inherits or mapper.version_id_col is not None:
        return None
    columns = [c for c in kind.__table__.columns if c.key not in ("id", "organisation")]
    if any(column.key != column.name for column in columns):
        return None
    return Plan(
        kind.__tablename__,
        ("organisation", *(column.name for column in columns)),
        tuple(column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns),
        tuple(
            column.default.arg
            if column.default is not None and column.default.is_scalar
            else None
            if column.nullable and column.default is None
            else ...
            for column in columns
        ),
        references(kind.__table__),
    )


def judged(statement: Any) -> tuple[str, ...]:
    """The names of the tables of a statement that keeps inside; Denied says why it does not."""
    if not is_orm(statement):
        raise Denied(CORE)
    if statement.is_insert:
        raise Denied("use records.put(): it stamps the organisation")
    if statement.is_update and "organisation" in moved(statement):
        raise Denied("rows cannot move to another organisation")
    names, entities, columns = set(), set(), set()
    for part in visitors.iterate(statement):
        if isinstance(part, TextClause) or (
            getattr(part, "is_literal", False) and str(part) != "*"
        ):
            raise Denied("no text() and no literal_column(): they see every organisation")
        if isinstance(part, Select) and not is_orm(part):
            raise Denied(CORE)
        known = "parententity" in getattr(part, "_annotations", ())
        if isinstance(part, SqlTable):
            names.add(part.name)
            if known:
                entities.add(part.name)
        elif isinstance(part, Column) and isinstance(part.table, SqlTable) and not known:
            columns.add(part.table.name)
    if columns - entities:  # those of an entity's own table are filtered with it
        raise Denied(CORE)
    return tuple(sorted(names))


def is_orm(statement: Any) -> bool:
    """SQLAlchemy notes it privately; pinned by tests/records."""
    attributes = getattr(statement, "_propagate_attrs", None) or {}
    return attributes.get("compile_state_plugin") == "orm"


def moved(statement: Any) -> set[str]:
    """The columns that an update sets."""
    return {str(getattr(column, "key", column)) for column in statement._values or {}}


def within() -> Any:
    """The same for every organisation, so a statement is compiled once for all of them."""
    return with_loader_criteria(
        Table, lambda table: table.organisation == func.baotu_organisation(), include_aliases=True
    )

"""What was agreed: tables of an app, seen by one organisation at a time.

Never opens a database and never commits: a store gives the session, the kernel ends it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

from sqlalchemy import BigInteger, DateTime, ForeignKey, TextClause, TypeDecorator
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    ORMExecuteState,
    Session,
    declared_attr,
    mapped_column,
    with_loader_criteria,
)
from sqlalchemy.sql import visitors

from .errors import Conflict, Denied

CENT = Decimal("0.01")


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
        return value and value.replace(tzinfo=UTC)


def refers(table: type[Table], **column: Any) -> Any:
    """A column that holds the id of a row of the same organisation in another table."""
    return mapped_column(ForeignKey(table.id), index=True, info={"refers": table}, **column)


@dataclass_transform(kw_only_default=True, field_specifiers=(mapped_column, refers))
class Table(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """Base of every table: `id`, the organisation, a name prefixed with the app's."""

    type_annotation_map: ClassVar = {Decimal: Cents, datetime: Utc}

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    organisation: Mapped[str] = mapped_column(
        index=True, init=False, repr=False,
        insert_default=lambda context: context.execution_options["organisation"],
    )  # fmt: skip

    @declared_attr.directive
    def __tablename__(cls) -> str:
        app = re.sub(r"(\.(tables|records))$", "", cls.__module__).rpartition(".")[2]
        return f"{app}_{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', cls.__name__).lower()}"


Row = TypeVar("Row", bound=Table)


class Records(Session):
    """A session that sees one organisation, notes what it touched, and cannot be committed."""

    def __init__(self, bind: Any, organisation: str) -> None:
        super().__init__(
            bind.execution_options(organisation=organisation),
            expire_on_commit=False,
            join_transaction_mode="create_savepoint",
        )
        self.organisation = organisation
        self.read: set[str] = set()
        self.written: set[str] = set()

    def commit(self) -> None:
        raise Denied("a handler does not commit: the kernel does, when the handler returns")

    def connection(self, *_: Any, **__: Any) -> Any:
        raise Denied(
            "use put(), find(), select(), update(), delete(): they keep to the organisation"
        )

    bulk_save_objects = bulk_insert_mappings = bulk_update_mappings = merge = connection

    def put(self, row: Row) -> Row:
        """Add a row and give it its id."""
        self.add(row)
        self.flush()
        return row

    def find(self, table: type[Row], id: int) -> Row:
        """The row with this id; Conflict naming the table when the organisation has none."""
        if (row := self.get(table, id)) is None:
            raise Conflict(table.__name__.lower(), f"{id} does not exist")
        return row

    def note(self, state: ORMExecuteState) -> None:
        """Before each statement: keep it inside the organisation, remember its tables."""
        if not state.is_orm_statement:
            raise Denied("only statements on Table classes: text() and Core see every organisation")
        if state.is_insert:
            raise Denied("use records.put(): it stamps the organisation")
        for part in visitors.iterate(cast(Any, state.statement)):
            if isinstance(part, TextClause) or (
                getattr(part, "is_literal", False) and str(part) != "*"
            ):
                raise Denied("no text() and no literal_column(): they see every organisation")
        if state.is_update and "organisation" in moved(state.statement):
            raise Denied("rows cannot move to another organisation")
        names = {mapper.class_.__tablename__ for mapper in state.all_mappers}
        (self.read if state.is_select else self.written).update(names)
        state.statement = state.statement.options(within(self.organisation))

    def touched(self, *_: Any) -> None:
        """Before each flush: rows stay in their organisation and refer to nothing outside it."""
        for row in (*self.new, *self.dirty, *self.deleted):
            if row.__dict__.get("organisation", self.organisation) != self.organisation:
                raise Denied(f"{type(row).__name__} cannot move to another organisation")
            self.written.add(row.__tablename__)
            for column in row.__table__.columns if row not in self.deleted else ():
                target, id = column.info.get("refers"), getattr(row, column.key)
                if target and id is not None and self.get(target, id) is None:
                    raise Conflict(column.key, f"{id} does not exist")


def moved(statement: Any) -> set[str]:
    """The columns that an update sets."""
    return {str(getattr(column, "key", column)) for column in statement._values or {}}


def within(organisation: str) -> Any:
    return with_loader_criteria(
        Table, lambda table: table.organisation == organisation, include_aliases=True
    )

"""Tables of an app: the base class, money, times, references. Never opens a database."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, dataclass_transform

from sqlalchemy import BigInteger, DateTime, ForeignKey, Integer, TypeDecorator, event
from sqlalchemy.orm import (
    ColumnProperty,
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    declared_attr,
    mapped_column,
)

from .compare import Comparator

CENT = Decimal("0.01")
NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only an INTEGER


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


@event.listens_for(Table, "attribute_instrument", propagate=True)
def _compared(table: Any, name: str, attribute: Any) -> None:
    """Each column of each table compares in our way."""
    before = attribute.comparator
    if type(before) is ColumnProperty.Comparator:
        attribute.comparator = Comparator(before.prop, before._parententity)


def references(table: Any) -> tuple[tuple[str, type[Table]], ...]:
    """Columns made with `refers`, and the tables they refer to."""
    return tuple(
        (column.key, column.info["refers"]) for column in table.columns if "refers" in column.info
    )

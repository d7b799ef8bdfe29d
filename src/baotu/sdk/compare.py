"""Columns compared with values: `Part.code == "a"`. Never looks into a store.

SQLAlchemy finds out for each comparison anew what it becomes. Here that is kept for each column,
operator and class of value; only the value is put in. What comes out is the same expression.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from sqlalchemy import BindParameter, ColumnElement
from sqlalchemy.orm import ColumnProperty
from sqlalchemy.sql.elements import BinaryExpression

OPERATORS = frozenset((eq, ne, lt, le, gt, ge))
VALUES = frozenset((int, float, str, datetime, Decimal))  # None and booleans are words of SQL


class Comparator(ColumnProperty.Comparator[Any]):
    """What a column of a `Table` does when it meets an operator."""

    def __init__(self, *of: Any, **entity: Any) -> None:
        super().__init__(*of, **entity)
        self._before: dict[tuple[Any, type], BinaryExpression[Any] | None] = {}

    def operate(self, op: Any, *other: Any, **options: Any) -> ColumnElement[Any]:
        if op not in OPERATORS or options or type(other[0]) not in VALUES:
            return super().operate(op, *other, **options)
        [value] = other
        before = self._before.get((op, type(value)), ...)
        if before is ...:
            made: Any = super().operate(op, value)
            self._before[op, type(value)] = made if self._plain(op, made) else None
            return made
        if before is None:
            return super().operate(op, value)
        column = before.left
        kind = column.type.coerce_compared_value(op, value)
        given = BindParameter(column.key, value, kind, unique=True)
        return BinaryExpression(column, given, op, before.type, before.negate)

    def _plain(self, op: Any, made: Any) -> bool:
        """Whether it is the column, the operator and the value: a type may make more of them."""
        return (
            type(made) is BinaryExpression
            and type(made.right) is BindParameter
            and made.left is self.__clause_element__()
            and (made.operator, made.modifiers) == (op, {})
        )

"""Keys of selects: two selects with the same key differ in nothing but their values.

SQLAlchemy's own key describes each part of a statement by its content, which takes longer than to
find the row. Here a table or a column is named by its identity, and only the few parts of a simple
select are known: any other select has no key here. Never runs a statement.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from sqlalchemy import BindParameter, Column
from sqlalchemy import Table as SqlTable
from sqlalchemy.sql import Select
from sqlalchemy.sql.elements import BinaryExpression, UnaryExpression

LISTS = ("_raw_columns", "_where_criteria", "_order_by_clauses")
SINGLE = ("_limit_clause", "_offset_clause")
BESIDE = ("_label_style", "_propagate_attrs", "_fetch_clause", "_fetch_clause_options")
PARTS = frozenset((*LISTS, *SINGLE, *BESIDE))
Key = tuple[Hashable, ...]


def key_of(statement: Select[Any]) -> tuple[Key, list[BindParameter[Any]]] | None:
    """The key and the values of a select; None when it has a part that is not known here.

    The key holds good for as long as some statement that had it is kept, with all its parts.
    """
    of = statement.__dict__  # what was said of this statement: nothing else is in it
    if not of.keys() <= PARTS or of.get("_fetch_clause") is not None:
        return None
    key: list[Any] = [of.get("_label_style")]
    given: list[BindParameter[Any]] = []
    for name in LISTS:
        for part in of.get(name, ()):
            if not _told(part, key, given):
                return None
        key.append(name)
    for name in SINGLE:
        if (part := of.get(name)) is not None:
            key.append(name)
            if not _told(part, key, given):
                return None
    return tuple(key), given


def in_order(given: Sequence[BindParameter[Any]], others: Sequence[BindParameter[Any]]) -> bool:
    """Whether both are the same values in the same order, and none is in two places."""
    return len({one.key for one in given}) == len(given) == len(others) and all(
        one is other for one, other in zip(given, others, strict=True)
    )


def _told(part: Any, key: list[Any], given: list[BindParameter[Any]]) -> bool:
    """Describe a part, those before what they hold; False when it is not known here."""
    kind = type(part)
    if kind is BinaryExpression:
        key += [part.operator, id(part.type)]
        return not part.modifiers and _told(part.left, key, given) and _told(part.right, key, given)
    if isinstance(part, BindParameter):
        key += [kind, id(part.type)]
        given.append(part)
        return part.unique and not (part.expanding or part.literal_execute or part.isoutparam)
    if kind is UnaryExpression:
        key += [part.operator, part.modifier]
        return _told(part.element, key, given)
    key.append(id(part))
    return isinstance(part, (Column, SqlTable))

"""Is a statement kept inside its organisation? Judged by its parts, before it reaches a store."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, TextClause, func
from sqlalchemy import Table as SqlTable
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.sql import Select, visitors

from .errors import Denied
from .tables import Table

CORE = "only statements on Table classes: text() and Core see every organisation"
ORGANISATION = "baotu_organisation()"  # as `within` asks for it, in the words of every store


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

"""Rows written and read without the unit of work, where a class is simple enough for it.

Here a statement is turned into text once; afterwards only its values are taken from it. What the
caller sees is the same: one object for one row, noticed when it is changed. Whatever is not simple
(relations, inheritance, aliases, several columns, options) goes SQLAlchemy's way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.compiler import WARN_LINTING
from sqlalchemy.types import TypeEngine

from .inside import ORGANISATION
from .tables import Table, references

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a row of a table is written without the unit of work: columns, converters, defaults."""

    table: str
    columns: tuple[str, ...]
    converts: tuple[Convert | None, ...]
    defaults: tuple[Any, ...]  # ... means: none, so a row without a value goes the long way
    refers: tuple[tuple[str, type[Table]], ...]  # column, table that it refers to


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


@dataclass(frozen=True, slots=True)
class Kind:
    """A class whose rows can be made here: nothing but columns, each named as its attribute."""

    table: type[Table]
    names: tuple[str, ...]  # in the order of the statement
    known: frozenset[str]
    id: int  # where it is in a row
    manager: Any  # SQLAlchemy's, which makes instances


@dataclass(slots=True)
class Ask:
    """A select that is text by now: of rows of one class, or of one column."""

    tables: tuple[str, ...]
    sql: str
    takes: tuple[tuple[str, Any, Convert | None], ...]  # name, `Given` or a constant, converter
    types: tuple[TypeEngine[Any], ...]
    dialect: Any
    kind: Kind | None
    converts: tuple[tuple[int, Convert], ...] | None = None  # known with the first answer

    def values(self, given: Sequence[Any], organisation: str) -> dict[str, Any]:
        """Values by their names in the text. given: bound parameters in the order of the key."""
        values: dict[str, Any] = {ASKED: organisation}
        for name, value, convert in self.takes:
            if type(value) is Given:
                bound = given[value.place]
                if bound.required:
                    raise ValueError(f"a value is required for {bound.key}")
                value = bound.effective_value
            values[name] = value if convert is None else convert(value)
        return values

    def answer(self, session: Session, cursor: Any) -> list[Any] | None:
        """Rows as objects of the session, or values; None when an object must be loaded anew."""
        rows = cursor.fetchall()
        if self.converts is None:
            told = zip(self.types, cursor.description, strict=True)
            found = [t._cached_result_processor(self.dialect, d[1]) for t, d in told]
            self.converts = tuple((n, c) for n, c in enumerate(found) if c is not None)
        if self.converts:
            rows = [self._converted(row) for row in rows]
        if self.kind is None:
            return [row[0] for row in rows]
        return _loaded(self.kind, session, rows)

    def _converted(self, row: Sequence[Any]) -> list[Any]:
        values = list(row)
        for n, convert in self.converts or ():
            values[n] = convert(values[n])
        return values


@dataclass(frozen=True, slots=True)
class Given:
    """The place of a bound parameter in a statement's key."""

    place: int


ASKED = ORGANISATION.removesuffix("()")


def ask_of(statement: Any, kept: Any, tables: tuple[str, ...], dialect: Any) -> Ask | None:
    """The text of a plain select; None when only SQLAlchemy's way will do.

    kept: the statement kept inside its organisation, with the same parameters.
    """
    [told, *more] = statement.column_descriptions
    if more or dialect.paramstyle not in MARKS:
        return None
    key = kept._generate_cache_key()
    linting = dialect.compiler_linting | WARN_LINTING  # as the engine has it
    text = kept.compile(dialect=dialect, cache_key=key, linting=linting)
    if text.literal_execute_params or text.post_compile_params or text.escaped_bind_names:
        return None  # the text depends on the values: IN (…)
    columns = text._result_columns
    kind = None
    if told["expr"] is told["type"]:
        kind = kind_of(told["type"], [column.keyname for column in columns])
        if kind is None:
            return None
    elif len(columns) != 1 or not isinstance(told["type"], TypeEngine):
        return None
    places = [_bound(Given(n)) for n in range(len(key.bindparams))]
    converts = text._bind_processors
    return Ask(
        tables=tables,
        # a value instead of a function: SQLite would call back into the interpreter
        sql=text.string.replace(ORGANISATION, MARKS[dialect.paramstyle] % ASKED),
        takes=tuple(
            (name, value, converts.get(name))
            for name, value in text.construct_params(
                extracted_parameters=places, _check=False
            ).items()
        ),
        types=tuple(column.type for column in columns),
        dialect=dialect,
        kind=kind,
    )


MARKS = {"named": ":%s", "pyformat": "%%(%s)s"}


def _bound(value: Any) -> Any:
    return SimpleNamespace(value=value, effective_value=value)


def kind_of(table: Any, names: Sequence[str]) -> Kind | None:
    """None when rows of this class need more than to have their columns set."""
    mapper = inspect(table)
    events = mapper.class_manager.dispatch
    if mapper.inherits or mapper.polymorphic_on is not None or mapper.always_refresh:
        return None
    if mapper.version_id_col is not None or bool(events.load) or bool(events.refresh):
        return None
    if sorted(names) != sorted(p.key for p in mapper.attrs):  # also: relations, composites
        return None
    if any(getattr(p, "deferred", True) or p.key != p.columns[0].name for p in mapper.attrs):
        return None
    return Kind(table, tuple(names), frozenset(names), names.index("id"), mapper.class_manager)


def _loaded(kind: Kind, session: Session, rows: Sequence[Sequence[Any]]) -> list[Any] | None:
    known = session.identity_map
    found: list[Any] = []
    for row in rows:
        if (id := row[kind.id]) is None:  # the empty side of an outer join
            found.append(None)
            continue
        key = (kind.table, (id,), None)
        one = known.get(key)
        if one is None:
            one = kind.manager.new_instance()
            one.__dict__.update(zip(kind.names, row, strict=True))
            attach(session, one, key)
        elif not kind.known <= one.__dict__.keys():
            return None
        found.append(one)
    return found


def attach(session: Session, row: Any, key: tuple[Any, ...]) -> None:
    """From now on the session knows the row by this key."""
    state = instance_state(row)
    state.key, state.session_id = key, session.hash_key
    session.identity_map.add(state)


def settle(session: Session, row: Table, values: Mapping[str, Any]) -> None:
    """A new row rests in the store now, with these values besides those it was given."""
    given = row.__dict__
    given.update(values)
    instance_state(row)._commit_all(given)
    attach(session, row, (type(row), (given["id"],), None))

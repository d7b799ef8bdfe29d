"""Tables are made when they are missing, columns are added; any other change is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Connection, inspect
from sqlalchemy.schema import AddConstraint, CreateColumn, CreateIndex
from sqlalchemy.types import TypeEngine

from baotu.sdk.errors import ConfigError
from baotu.sdk.records import Table


def closure(tables: Iterable[type[Table]]) -> list[type[Table]]:
    """These tables and all they refer to, the referred ones first."""
    kinds = {kind.__table__: kind for kind in _all(Table)}
    found: dict[Any, type[Table]] = {}

    def take(kind: type[Table]) -> None:
        for key in kind.__table__.foreign_keys:
            if key.column.table is not kind.__table__ and key.column.table not in found:
                take(kinds[key.column.table])
        found.setdefault(kind.__table__, kind)

    for kind in tables:
        take(kind)
    return list(found.values())


def prepare(connection: Connection, tables: Sequence[type[Table]]) -> None:
    """Bring the store to what the classes say, by adding only. Raises ConfigError."""
    present = set(inspect(connection).get_table_names())
    for kind in tables:
        table: Any = kind.__table__
        if table.name in present:
            _extend(connection, table)
        else:
            table.create(connection)


def _extend(connection: Connection, table: Any) -> None:
    stored = {column["name"]: column for column in inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in stored:
            _add(connection, table, column)
        elif not _alike(connection, column.type, stored[column.name]["type"]):
            raise ConfigError(
                f"column {column.name} is {stored[column.name]['type']} in the store and "
                f"{_words(connection, column.type)} in the app",
                f"table {table.name}",
                "give the new column another name and copy the values in a command",
            )
    for name, column in stored.items():
        if name not in table.columns and not column["nullable"] and column["default"] is None:
            raise ConfigError(
                f"column {name} is in the store, must have a value, and the app no longer has it",
                f"table {table.name}",
                "put it back, or make it nullable before it is dropped",
            )
    known = {index["name"] for index in inspect(connection).get_indexes(table.name)}
    for index in table.indexes:
        if index.name not in known:
            connection.execute(CreateIndex(index))


def _add(connection: Connection, table: Any, column: Column[Any]) -> None:
    default = _scalar(column)
    if default is None and not column.nullable:
        raise ConfigError(
            f"column {column.name} is new and the rows already there have no value for it",
            f"table {table.name}",
            "give it a default, or allow None",
        )
    words = str(CreateColumn(column).compile(dialect=connection.dialect))
    if default is not None:
        process = column.type.dialect_impl(connection.dialect).literal_processor(connection.dialect)
        literal = process(default) if process else repr(default)
        words = words.replace(" NOT NULL", "") + f" DEFAULT {literal}"
        words += "" if column.nullable else " NOT NULL"
    quote = connection.dialect.identifier_preparer.quote
    connection.exec_driver_sql(f"ALTER TABLE {quote(table.name)} ADD COLUMN {words}")
    if column.foreign_keys and connection.dialect.name != "sqlite":
        for key in column.foreign_keys:
            if key.constraint is not None:
                connection.execute(AddConstraint(key.constraint))


def _scalar(column: Column[Any]) -> Any:
    default: Any = column.default  # a generator of one of many kinds
    return default.arg if default is not None and default.is_scalar else None


def _alike(connection: Connection, wanted: TypeEngine[Any], stored: TypeEngine[Any]) -> bool:
    return _words(connection, wanted) == _words(connection, stored)


def _words(connection: Connection, kind: TypeEngine[Any]) -> str:
    text = kind.compile(connection.dialect).upper()
    return {"FLOAT": "DOUBLE PRECISION"}.get(text, text)


def _all(kind: type[Table]) -> Iterable[type[Table]]:
    for below in kind.__subclasses__():
        if "__tablename__" in below.__dict__ or hasattr(below, "__table__"):
            yield below
        yield from _all(below)

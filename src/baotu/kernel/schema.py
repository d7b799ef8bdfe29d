"""Annotations are the whole declaration: from them come checking, JSON Schema and answers."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    AwareDatetime,
    ConfigDict,
    Field,
    PydanticSchemaGenerationError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from typing_extensions import TypedDict  # pydantic refuses typing.TypedDict before Python 3.12

from baotu.sdk import Call, ConfigError, Invalid, Records, Samples, Table, Window, money, view
from baotu.sdk.secret import Secret

GIVEN = (Records, Call, Samples, Window)
VIEWS = (view.View, *get_args(view.View))
PLAIN = {
    int: Annotated[int, Field(ge=-(2**63), lt=2**63)],  # what a column of any store can hold
    datetime: AwareDatetime,
    Decimal: Annotated[Decimal, Field(decimal_places=2), AfterValidator(money)],
    Secret: Annotated[
        str,
        Field(json_schema_extra={"format": "password", "writeOnly": True}),
        AfterValidator(Secret),
    ],
}


class Signature:
    """What a handler takes from the caller, what the kernel gives it, what it answers."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        where = f"{handler.__module__}.{handler.__qualname__}"
        try:
            hints = get_type_hints(handler, include_extras=True)
        except NameError as error:
            raise ConfigError(str(error), where, "import what its annotations name") from error
        answer = hints.pop("return", type(None))
        if get_origin(answer) is Generator:
            answer = get_args(answer)[2]
        elif get_origin(answer) in (Iterator, Iterable) or get_origin(answer) in (
            Iterable,
            Iterator,
        ):
            answer = type(None)  # it yields facts and answers nothing
        self.given = {name: kind for name, kind in hints.items() if kind in GIVEN}
        parameters = inspect.signature(handler).parameters
        if bare := [n for n in list(parameters)[1:] if n not in hints]:
            raise ConfigError(f"{bare[0]} has no annotation", where, f"write `{bare[0]}: int`")
        asked = {n: _argument(parameters[n], t) for n, t in hints.items() if n not in self.given}
        self.numbers = frozenset(n for n in asked if numeric(hints[n]))
        self.secrets = frozenset(n for n in asked if plain(hints[n]) is Secret)
        form = TypedDict(handler.__name__, asked)  # type: ignore[misc] # made from values
        form.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
        try:
            self.arguments: TypeAdapter[Any] = TypeAdapter(form)
            self.answer: TypeAdapter[Any] = TypeAdapter(Any if answer in VIEWS else shape(answer))
        except PydanticSchemaGenerationError as error:
            why = str(error).partition(".")[0]
            raise ConfigError(why, where, "use plain types and dataclasses") from error

    def parse(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Accepts JSON values and text alike; names the first field that is wrong."""
        for name in self.numbers & arguments.keys():
            if isinstance(arguments[name], bool):  # pydantic would take true for 1
                raise Invalid(name, "is true or false, a number is wanted")
        try:
            return dict(self.arguments.validate_python(dict(arguments)))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise Invalid(".".join(map(str, first["loc"])), first["msg"]) from None

    def takes(self) -> dict[str, Any]:
        return inlined(self.arguments.json_schema())

    def gives(self) -> dict[str, Any]:
        return inlined(self.answer.json_schema(mode="serialization"))

    def dump(self, answer: Any) -> Any:
        value = self.answer.validate_python(answer, from_attributes=True)
        return self.answer.dump_python(value, mode="json")


def numeric(kind: Any) -> bool:
    """Whether an annotation asks for one number."""
    return plain(kind) in (int, float, Decimal)


def plain(kind: Any) -> Any:
    """An annotation without what is said about it."""
    while get_origin(kind) is Annotated:
        kind = kind.__origin__
    return kind


def _argument(parameter: inspect.Parameter, kind: Any) -> Any:
    """`Annotated[int, "设备 Machine"]` titles a field; a default makes it optional."""
    titles = [m for m in getattr(kind, "__metadata__", ()) if isinstance(m, str)]
    title = titles[0] if titles else parameter.name.replace("_", " ")
    kind = Annotated[shape(kind), Field(title=title)]
    if parameter.default is inspect.Parameter.empty:
        return kind
    return NotRequired[Annotated[kind, Field(json_schema_extra={"default": parameter.default})]]


@cache
def _row(table: type[Table]) -> type:
    """A table row as an answer: its columns, without the organisation."""
    fields: dict[str, Any] = {
        c.key: (shape(c.type.python_type) | None if c.nullable else shape(c.type.python_type), ...)
        for c in table.__table__.columns
        if c.key != "organisation"
    }
    return create_model(table.__name__, __config__=ConfigDict(from_attributes=True), **fields)


def shape(kind: Any) -> Any:
    """The same annotation in words that pydantic knows: rows, money and times replaced."""
    if isinstance(kind, type) and issubclass(kind, Table):
        return _row(kind)
    if get_origin(kind) is Annotated:
        return Annotated[(shape(kind.__origin__), *kind.__metadata__)]
    if arguments := get_args(kind):
        inner = tuple(shape(a) for a in arguments)
        if isinstance(kind, types.UnionType):
            return Union[inner]  # noqa: UP007 - built from values, not written
        return kind if inner == arguments else get_origin(kind)[inner]
    return PLAIN.get(kind, kind) if isinstance(kind, type) else kind


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Replace `$ref` by what it points to, so that forms and agents need no resolver."""
    known = schema.pop("$defs", {})

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            reference = node.get("$ref", "").removeprefix("#/$defs/")
            return walk(known[reference]) if reference else {k: walk(v) for k, v in node.items()}
        return [walk(n) for n in node] if isinstance(node, list) else node

    return dict(walk(schema))

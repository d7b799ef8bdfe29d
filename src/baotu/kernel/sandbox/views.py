"""Pages on their way from an app's process: a tree of lists that only the words of `sdk.view` fit."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from baotu.sdk import view

from .frames import Broken

CLASSES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (*get_args(view.View), view.Action, view.Tile, view.Series, view.Bar, view.Place, view.Box)
}  # fmt: skip
VIEWS = get_args(view.View)
DEEPEST = 12


def tree_of(value: Any) -> Any:
    """In the app's process: `[name of the class, its fields]`, times and money by their own mark."""
    if is_dataclass(value) and not isinstance(value, type):
        told = [tree_of(getattr(value, f.name)) for f in fields(value)]
        return {"view": type(value).__name__, "of": told}
    if isinstance(value, list | tuple):
        return [tree_of(one) for one in value]
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, Decimal):
        return {"money": str(value)}
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    return value.item() if hasattr(value, "item") else str(value)


def view_of(tree: Any) -> view.View:
    """The page. Raises Broken."""
    try:
        made = _made(tree, 0)
    except (ValidationError, ValueError, ArithmeticError, TypeError) as error:
        raise Broken(f"no view: {str(error).partition(chr(10))[0]}") from None
    if not isinstance(made, VIEWS):
        raise Broken("a page answered with something that is no view")
    return made


def _made(tree: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("nested too deep")
    if isinstance(tree, list):
        return tuple(_made(one, depth + 1) for one in tree)
    if not isinstance(tree, dict):
        return tree
    if "time" in tree:
        return datetime.fromisoformat(tree["time"])
    if "money" in tree:
        return Decimal(tree["money"])
    kind = CLASSES[tree["view"]] if tree.get("view") in CLASSES else None
    if kind is None:
        raise ValueError("a word that the console does not know")
    given = [_made(one, depth + 1) for one in tree["of"]]
    names = [f.name for f in fields(kind)]
    if len(given) > len(names):
        raise ValueError(f"{kind.__name__} has no so many fields")
    if kind in (view.Row, view.Column):
        [items] = given
        if not all(isinstance(item, VIEWS) for item in items):
            raise ValueError("a row of things that are no views")
        return kind(items)
    return _adapter(kind).validate_python(dict(zip(names, given, strict=False)))


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)

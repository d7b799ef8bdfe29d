"""Pages are values: a test compares them, HTTP serves them, the console draws them.

Titles are "中文 English": Chinese first, then a space, then English. See `in_language`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, dataclass_transform

from .messages import SEAM, halves

Cell = str | int | float | Decimal | datetime | None
Value = TypeVar("Value")


@dataclass_transform(frozen_default=True)
def value(kind: type[Value]) -> type[Value]:
    return dataclass(frozen=True, slots=True)(kind)


@value
class Markdown:
    text: str


@value
class Action:
    """A command of this app, offered on every row of a table.

    arguments: which argument of the command gets the value of which column, counted from 0;
    what else the command takes is asked for in a form.
    """

    command: str
    arguments: tuple[tuple[str, int], ...] = ()


@value
class Table:
    """links: for each row the address that it leads to, without language: `/asset/jinan/…`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    links: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()


@value
class Tile:
    """One figure against its normal range; beyond `low` or `high` it stands out."""

    title: str
    value: Cell
    unit: str = ""
    low: float | None = None
    high: float | None = None
    link: str = ""


@value
class Tiles:
    tiles: tuple[Tile, ...]
    title: str = ""


@value
class Trend:
    """History of tags (by name) that follows the present; the console fetches it itself."""

    tags: tuple[str, ...]
    span: str = "1 h"
    title: str = ""


@value
class Series:
    name: str
    x: tuple[float | datetime, ...]
    y: tuple[float, ...]


@value
class Chart:
    series: tuple[Series, ...]
    unit: str = ""
    kind: str = "line"
    title: str = ""


@value
class Gauge:
    value: float
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    title: str = ""


@value
class Bar:
    row: str
    start: datetime
    end: datetime
    label: str = ""


@value
class Gantt:
    bars: tuple[Bar, ...]
    title: str = ""


@value
class Graph:
    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    title: str = ""


@value
class Place:
    name: str
    longitude: float
    latitude: float


@value
class Map:
    places: tuple[Place, ...]
    route: tuple[str, ...] = ()
    title: str = ""


@value
class Box:
    name: str
    at: tuple[float, float, float]
    size: tuple[float, float, float]
    colour: str = "#4c78a8"


@value
class Scene:
    boxes: tuple[Box, ...]
    title: str = ""


@value
class Form:
    """The form of a command of this app; what it asks is what the command's method takes. The form
    of a page opens that page with what was given. A value of several lines gets a large field."""

    command: str
    values: tuple[tuple[str, Cell], ...] = ()


@value
class Row:
    items: tuple[View, ...]


@value
class Column:
    items: tuple[View, ...]


View = (
    Markdown | Table | Tiles | Trend | Chart | Gauge | Gantt | Graph | Map | Scene | Form | Row
    | Column
)  # fmt: skip


def row(*items: View) -> Row:
    return Row(items)


def column(*items: View) -> Column:
    return Column(items)


def walk(view: View) -> Iterator[View]:
    yield view
    for item in getattr(view, "items", ()):
        yield from walk(item)


HAN = "\u3400-\u9fff"
CHINESE_FIRST = re.compile(rf"(.*[{HAN}）。？！：][^{HAN}]*?) +([A-Z][^{HAN}]*)", re.DOTALL)
CHINESE_THEN = re.compile(rf"(.*[{HAN}）。？！：]) +([^{HAN}\s][^{HAN}]*)", re.DOTALL)
ENGLISH_FIRST = re.compile(rf"([^{HAN}]*\S)\s+([{HAN}].*)", re.DOTALL)


def in_language(title: str, language: str) -> str:
    """`in_language("机器租赁 Machine rental", "en")` is "Machine rental".

    The English part begins at the first capital after the last Chinese character, so figures may
    stand in both: "目标 80 % Target 80 %". English may come first, as in docstrings: "Raises an
    alarm. 报警。". One language alone is given as it is.
    """
    chinese = language.startswith("zh")
    if SEAM in title:
        return halves(title)[0 if chinese else 1]
    if both := CHINESE_FIRST.fullmatch(title) or CHINESE_THEN.fullmatch(title):
        return both[1 if chinese else 2]
    if both := ENGLISH_FIRST.fullmatch(title):
        return both[2 if chinese else 1]
    return title


def plain(value: Any) -> Any:
    """A JSON tree: what HTTP serves of a view. Money stays exact, as text."""
    if is_dataclass(value):
        kind: dict[str, Any] = (
            {"view": type(value).__name__.lower()} if isinstance(value, View) else {}
        )
        return kind | {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(v) for v in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value

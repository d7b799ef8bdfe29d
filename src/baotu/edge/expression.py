"""Expressions of derived tags: read by `ast`, allowed node by node, computed in columns.

    flow * (pressure - tag("hall/inlet/pressure")) / power
    mean(flow, "1 min") if running else 0

A bare name is a property of the same asset, `tag("a/b/c/flow")` any tag. Nothing else is a name:
no attribute, no call but the table below, no access to Python.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from types import MappingProxyType

import numpy as np

from baotu.sdk import ConfigError
from baotu.sdk.app import seconds
from baotu.sdk.samples import SECOND

Column = np.ndarray
Compute = Callable[[Sequence[Column] | Column], Column]
LONGEST, MOST_NODES = 2_000, 400

_BINARY = MappingProxyType({
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide, ast.Mod: np.mod, ast.Pow: np.power,
})  # fmt: skip
_UNARY = MappingProxyType({ast.UAdd: np.positive, ast.USub: np.negative, ast.Not: np.logical_not})
_COMPARE = MappingProxyType({
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
    ast.Eq: np.equal, ast.NotEq: np.not_equal,
})  # fmt: skip


How = Callable[..., Column]


def _where(test: Column, yes: Column, no: Column) -> Column:
    return np.where(test != 0, yes, no)


def _clip(value: Column, low: Column, high: Column) -> Column:
    return np.minimum(np.maximum(value, low), high)


def _all_of(how: np.ufunc) -> Callable[..., Column]:
    return lambda *columns: reduce(how, columns)


# name: (least and most arguments, what computes it)
_FUNCTIONS: Mapping[str, tuple[int, int, How]] = MappingProxyType(
    {
        "min": (2, 20, _all_of(np.minimum)),
        "max": (2, 20, _all_of(np.maximum)),
        "abs": (1, 1, np.abs),
        "sqrt": (1, 1, np.sqrt),
        "exp": (1, 1, np.exp),
        "log": (1, 1, np.log),
        "log10": (1, 1, np.log10),
        "floor": (1, 1, np.floor),
        "where": (3, 3, _where),
        "clip": (3, 3, _clip),
    }
)
AGGREGATES = ("mean", "min", "max", "count", "std", "integral")


@dataclass(frozen=True, slots=True)
class Source:
    """Something an expression is computed from: a tag by name, or an aggregate of one over
    tumbling windows of `window_ns`."""

    name: str
    aggregate: str = ""
    window_ns: int = 0


@dataclass(frozen=True, slots=True)
class Expression:
    """sources: in the order of the columns that `compute` takes."""

    text: str
    sources: tuple[Source, ...]
    compute: Compute


def parse(text: str, asset: str, where: str = "") -> Expression:
    """An expression of a derived tag of `asset`. Raises ConfigError that says what is allowed."""
    return _Reader(text, asset, where or asset).read()


class _Reader:
    def __init__(self, text: str, asset: str, where: str) -> None:
        self.text, self.asset, self.where = text, asset, where
        self.sources: dict[Source, int] = {}

    def read(self) -> Expression:
        if len(self.text) > LONGEST:
            raise self._wrong(f"an expression has at most {LONGEST} characters")
        try:
            tree = ast.parse(self.text.strip(), mode="eval")
            if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
                raise self._wrong(f"an expression has at most {MOST_NODES} parts")
            body = self._column(tree.body)
        except SyntaxError as error:
            raise self._wrong(f"cannot be read: {error.msg}", f"column {error.offset}") from None
        except (ValueError, RecursionError, MemoryError):
            raise self._wrong("cannot be read: too deep, or with characters nobody types") from None
        if not self.sources:
            raise self._wrong("names no tag", "without one it would never be computed")
        return Expression(self.text, tuple(self.sources), body)

    def _column(self, node: ast.expr) -> Compute:
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                try:
                    number = np.asarray(float(value))
                except OverflowError:
                    raise self._wrong(f"{str(value)[:20]}… is too great a number") from None
                return lambda columns: number
            case ast.Name(id=name):
                return self._source(Source(self._path(name)))
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
                return _applied(_UNARY[type(op)], [self._column(operand)])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _applied(_BINARY[type(op)], [self._column(left), self._column(right)])
            case ast.BoolOp(op=op, values=values):
                how = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return _applied(_all_of(how), [self._column(value) for value in values])
            case ast.Compare(ops=ops) if all(type(op) in _COMPARE for op in ops):
                return self._comparison(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return _applied(_where, [*map(self._column, (test, body, orelse))])
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, args)
        raise self._wrong(
            f"{ast.unparse(node)[:60]!r} is not allowed",
            f"allowed: numbers, names of tags, + - * / // % **, comparisons, and or not, if else, "
            f'{", ".join(_FUNCTIONS)}, tag("…") and {", ".join(AGGREGATES)} of a tag over a window',
        )

    def _call(self, name: str, args: list[ast.expr]) -> Compute:
        match args:
            case [ast.Constant(value=str() as path)] if name == "tag":
                return self._source(Source(self._path(path)))
            case [of, ast.Constant(value=str() as window)] if name in AGGREGATES:
                return self._source(Source(self._tag_of(of, name), name, self._window(window)))
        if name not in _FUNCTIONS:
            near = get_close_matches(name, [*_FUNCTIONS, *AGGREGATES, "tag"], 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_FUNCTIONS)}"
            if name in AGGREGATES or name == "tag":
                hint = f'write {name}(flow, "1 min")' if name != "tag" else 'write tag("a/b/flow")'
            raise self._wrong(f"{name}(…) cannot be used so", hint)
        least, most, how = _FUNCTIONS[name]
        if not least <= len(args) <= most:
            raise self._wrong(f"{name} takes {least} to {most} values, not {len(args)}")
        return _applied(how, [self._column(arg) for arg in args])

    def _comparison(self, node: ast.Compare) -> Compute:
        sides = [self._column(side) for side in (node.left, *node.comparators)]
        steps = [
            _applied(_COMPARE[type(op)], [left, right])
            for op, left, right in zip(node.ops, sides, sides[1:], strict=False)
        ]
        return steps[0] if len(steps) == 1 else _applied(_all_of(np.logical_and), steps)

    def _tag_of(self, node: ast.expr, aggregate: str) -> str:
        match node:
            case ast.Name(id=name):
                return self._path(name)
            case ast.Call(func=ast.Name(id="tag"), args=[ast.Constant(value=str() as path)]):
                return self._path(path)
        raise self._wrong(
            f"{aggregate} over a window takes one tag, not {ast.unparse(node)[:40]!r}",
            "make that a derived tag of its own and name it here",
        )

    def _window(self, text: str) -> int:
        try:
            return round(seconds(text) * SECOND)
        except ValueError as error:
            raise self._wrong(str(error)) from None

    def _path(self, name: str) -> str:
        return name if "/" in name else f"{self.asset}/{name}"

    def _source(self, source: Source) -> Compute:
        place = self.sources.setdefault(source, len(self.sources))
        return lambda columns: columns[place]

    def _wrong(self, why: str, hint: str = "") -> ConfigError:
        shown = self.text if len(self.text) < 80 else f"{self.text[:77]}…"
        return ConfigError(f"expression {shown!r}: {why}", self.where, hint)


def _applied(how: Callable[..., Column], parts: list[Compute]) -> Compute:
    if len(parts) == 1:
        only = parts[0]
        return lambda columns: _numbers(how(only(columns)))
    if len(parts) == 2:
        left, right = parts
        return lambda columns: _numbers(how(left(columns), right(columns)))
    return lambda columns: _numbers(how(*(part(columns) for part in parts)))


def _numbers(column: Column) -> Column:
    """Truths as 0.0 and 1.0, so that they can be reckoned with."""
    return column.astype("f8") if column.dtype == bool else column

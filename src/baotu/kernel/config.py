"""Settings from TOML: every key checked against a frozen dataclass, every mistake with its line.

Knows no room and no word of industry: it is told the classes. All mistakes are collected, so a
dry run shows them at once; a start raises the first.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from baotu.sdk import ConfigError
from baotu.sdk.app import seconds
from baotu.sdk.settings import described

from .toml import Document, Key

Made = TypeVar("Made")
SECRET = "secret:NAME"  # how a secret is written: `baotu secret set NAME` keeps its value
_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
}


class Reader:
    """Turns tables of one document into settings objects and remembers what was wrong."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[ConfigError] = []

    def wrong(self, key: Key, why: str, hint: str = "") -> None:
        self.problems.append(ConfigError(why, self.document.where(key), hint))

    def finish(self) -> None:
        """Raises the first mistake in the file, if there is one."""
        if self.problems:
            raise min(self.problems, key=_line)

    def sorted_problems(self) -> list[ConfigError]:
        return sorted(self.problems, key=_line)

    def unknown(self, table: Mapping[str, Any], known: Sequence[str], key: Key) -> None:
        """Notes every key that is not known, with the nearest one that is."""
        for name in table.keys() - set(known):
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
            self.wrong((*key, name), f"unknown key {name!r}", hint)

    def make(self, kind: type[Made], table: Any, key: Key, also: Sequence[str] = ()) -> Made | None:
        """A settings object from a table; keys named in `also` are somebody else's. None when
        something in it was wrong."""
        if not isinstance(table, dict):
            self.wrong(
                key, f"expected a table, got {table!r}", f"write [{'.'.join(map(str, key))}]"
            )
            return None
        before, hints = len(self.problems), get_type_hints(kind)
        names = [line.name for line in fields(kind)]  # type: ignore[arg-type] # a dataclass by contract
        self.unknown(table, [*names, *also], key)
        values: dict[str, Any] = {}
        for line in fields(kind):  # type: ignore[arg-type]
            place = (*key, line.name)
            if line.name in table:
                value = self.value(hints[line.name], table[line.name], place, described(line))
                values[line.name] = value
            elif line.default is MISSING and line.default_factory is MISSING:
                example = described(line)["example"]
                self.wrong(
                    key,
                    f"{line.name} is missing",
                    f"write {line.name} = {literal(example)}"
                    if example is not None
                    else described(line)["title"],
                )
        if len(self.problems) > before:
            return None
        try:
            return kind(**values)
        except (ValueError, ConfigError) as error:
            self.wrong(key, getattr(error, "why", str(error)), getattr(error, "hint", ""))
            return None

    def value(self, kind: Any, value: Any, key: Key, facts: Mapping[str, Any]) -> Any:
        try:
            made = convert(kind, value, facts)
        except ValueError as error:
            self.wrong(key, str(error))
            return None
        low, high, choices = facts["low"], facts["high"], facts["choices"]
        if isinstance(made, int | float) and not _within(made, low, high):
            unit = f" {facts['unit']}" if facts["unit"] else ""
            self.wrong(key, f"{value!r} is outside {_bound(low)} … {_bound(high)}{unit}")
        if choices and made not in choices:
            near = difflib.get_close_matches(str(made), choices, 1)
            self.wrong(
                key,
                f"{value!r} is not one of {', '.join(choices)}",
                f"did you mean {near[0]}?" if near else "",
            )
        return made


def convert(kind: Any, value: Any, facts: Mapping[str, Any]) -> Any:
    """`value` as `kind`; a text like "5 s" is a number where the unit is s. Raises ValueError."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return convert(next(a for a in arguments if a is not type(None)), value, facts)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{value!r} is not one of {', '.join(map(str, arguments))}")
        return value
    if origin in (tuple, list):
        if not isinstance(value, list):
            raise ValueError(f"expected a list, got {value!r}")
        return origin(convert(arguments[0], item, facts) for item in value)
    if origin is dict or kind is dict or origin is Mapping:
        if not isinstance(value, dict):
            raise ValueError(f"expected a table, got {value!r}")
        return value
    if kind is float and isinstance(value, str) and facts["unit"] == "s":
        return seconds(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if (
        isinstance(kind, type)
        and isinstance(value, kind)
        and not (kind is int and isinstance(value, bool))
    ):
        return value
    raise ValueError(f"expected {_WORDS.get(kind, kind)}, got {value!r}")


def sample(kind: type, table: str = "") -> Iterator[str]:
    """Lines of a commented sample of a settings class: its documentation."""
    if table:
        yield table
    hints = get_type_hints(kind)
    for line in fields(kind):
        if is_dataclass(hints[line.name]):
            continue
        facts = described(line)
        about = facts["title"]
        if facts["low"] is not None or facts["high"] is not None:
            about += f" [{_bound(facts['low'])} … {_bound(facts['high'])}{' ' + facts['unit'] if facts['unit'] else ''}]"
        elif facts["unit"]:
            about += f" [{facts['unit']}]"
        if facts["choices"]:
            about += f" [{' | '.join(facts['choices'])}]"
        if facts["secret"]:
            about += f" [{SECRET}]"
        if about:
            yield f"# {about}"
        required = line.default is MISSING and line.default_factory is MISSING
        default = facts["example"] if required else line.default
        if default is MISSING and line.default_factory is not MISSING:
            default = line.default_factory()
        if default is None:
            default = facts["example"]
        yield f"{'' if required else '# '}{line.name} = {literal(default)}"


def literal(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(literal(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k} = {literal(v)}' for k, v in value.items())}}}"
    text = "" if value is None else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _line(error: ConfigError) -> int:
    part = error.where.split(":")
    return int(part[1]) if len(part) > 1 and part[1].isdigit() else 0

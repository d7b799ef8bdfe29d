"""TOML with places: which line of which file says what. tomllib reads, this only finds lines."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

from baotu.sdk import ConfigError

Key = Sequence[str | int]
_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_PAIR = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=""")
_AT = re.compile(r"\(at line (\d+), column (\d+)\)")


class Document:
    """A parsed file. `data` is what tomllib read; raises ConfigError with the line it broke at."""

    def __init__(self, text: str, name: str) -> None:
        self.name, self.text = name, text
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = _AT.search(str(error))
            line = found[1] if found else str(text.count("\n") + 1)
            why = _AT.sub("", str(error)).strip()
            raise ConfigError(
                f"not TOML: {why}", f"{name}:{line}", "texts need quotes, tables [name]"
            ) from None
        except (RecursionError, ValueError) as error:  # brackets in brackets, numbers without end
            why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise ConfigError(
                f"not TOML: {why}", f"{name}:1", "texts need quotes, tables [name]"
            ) from None
        self._lines = _places(text)

    def line(self, key: Key) -> int:
        """The line of a key, or of the nearest table around it; 1 when nothing is known."""
        path = tuple(key)
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 1

    def where(self, key: Key) -> str:
        """`plant.toml:12: device.1.port`, with positions in lists counted from 1."""
        shown = ".".join(str(part + 1) if isinstance(part, int) else part for part in key)
        return f"{self.name}:{self.line(key)}: {shown}" if key else self.name


def _places(text: str) -> dict[tuple[str | int, ...], int]:
    """Line numbers of tables and keys; lists of tables are counted from 0."""
    lines: dict[tuple[str | int, ...], int] = {}
    counts: dict[tuple[str | int, ...], int] = {}
    here: tuple[str | int, ...] = ()
    quoted = ""
    for number, line in enumerate(text.splitlines(), 1):
        if quoted:
            quoted = "" if quoted in line else quoted
            continue
        if header := _HEADER.match(line):
            here = _within(_parts(header[2]), counts, listed=header[1] == "[[")
            lines[here] = number
        elif pair := _PAIR.match(line):
            lines[here + tuple(_parts(pair[1]))] = number
            rest = line[pair.end() :]
            quoted = next((q for q in ('"""', "'''") if rest.count(q) == 1), "")
    return lines


def _parts(words: str) -> list[str]:
    return [part.strip().strip("\"'") for part in words.split(".")]


def _within(
    parts: list[str], counts: dict[tuple[str | int, ...], int], listed: bool
) -> tuple[str | int, ...]:
    path: tuple[str | int, ...] = ()
    for place, part in enumerate(parts):
        path += (part,)
        if listed and place == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path

"""The tag table as a file for people: CSV (UTF-8) or Excel. A broken row is named, the rest is read.

One row is one tag; the columns are those of `sdk.Tag`, in any order, with `type` for its asset type.
An empty cell means the default.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from baotu.sdk import ConfigError, Tag
from baotu.sdk.interlock import needs_of
from baotu.sdk.tags import CHUNK, DEFAULTS, Builder, Tags

COLUMNS = (
    "asset", "type", "property", "address", "kind", "unit", "raw_unit", "scale", "offset", "low",
    "high", "clamp_low", "clamp_high", "deadband", "max_silence_s", "period_s", "expression",
    "writable", "write_needs", "title",
)  # fmt: skip
_FIELD = {"type": "asset_type"}
_NEEDED = ("asset", "property")
_KINDS = ("number", "boolean", "text")
_TRUE, _FALSE = ("true", "1", "yes", "是"), ("false", "0", "no", "否")


def read(path: Path, device: str = "") -> tuple[Tags, list[ConfigError]]:
    """Tags (without a number yet: id -1) and what was wrong, by line. Raises ConfigError when
    the file itself cannot be read or lacks a column."""
    try:
        if path.suffix.lower() == ".xlsx":
            return _rows(_excel(path), path.name, device)
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _rows(csv.reader(file), path.name, device)
    except FileNotFoundError:
        raise ConfigError(
            "no such file", str(path), "the path is taken from the folder of the configuration"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError("not UTF-8", str(path), "save it as «CSV UTF-8»") from None
    except OSError as error:
        why = f"读不了 cannot be read: {error.strerror}"
        raise ConfigError(why, str(path), "name a CSV or Excel file that you may read") from None


def write(path: Path, tags: Iterable[Tag]) -> int:
    """Write tags as CSV or Excel, by the ending; the number of rows."""
    rows = [[_cell(getattr(tag, _FIELD.get(c, c))) for c in COLUMNS] for tag in tags]
    if path.suffix.lower() == ".xlsx":
        from xlsxwriter import Workbook  # few nodes ever write Excel

        with Workbook(path, {"constant_memory": True, "strings_to_numbers": False}) as book:
            sheet = book.add_worksheet("tags")
            for place, row in enumerate((COLUMNS, *rows)):
                sheet.write_row(place, 0, row)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
    return len(rows)


def text(tags: Iterable[Tag]) -> str:
    """The same as CSV text, for a download."""
    out = io.StringIO()
    csv.writer(out).writerows(
        [COLUMNS, *([_cell(getattr(t, _FIELD.get(c, c))) for c in COLUMNS] for t in tags)]
    )
    return out.getvalue()


def _excel(path: Path) -> Iterator[list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        sheet = CalamineWorkbook.from_path(path).get_sheet_by_index(0)
    except CalamineError as error:
        raise ConfigError(f"not an Excel file: {error}", str(path), "save it as .xlsx") from None
    return ([str(cell) for cell in row] for row in sheet.iter_rows())


def _rows(rows: Iterable[Sequence[str]], name: str, device: str) -> tuple[Tags, list[ConfigError]]:
    """A row that fails one conversion is left out and named; a name twice keeps the first."""
    lines = iter(rows)
    header = [cell.strip() for cell in next(lines, ())]
    _check_header(header, name)
    plan = [
        (place, _FIELD.get(c, c), _once(_CONVERT[_FIELD.get(c, c)]), c)
        for place, c in enumerate(header)
    ]
    made = _Rows([_FIELD.get(c, c) for c in header], device)
    problems: list[ConfigError] = []
    seen: dict[tuple[str, str], int] = {}
    for line, row in enumerate(lines, 2):
        if not any(row):
            continue
        column = ""
        try:
            values: dict[str, Any] = {}
            for place, attribute, to, column in plan:  # noqa: B007 - named in the except
                if place < len(row) and (cell := row[place].strip()):
                    values[attribute] = to(cell)
            column = next((c for c in _NEEDED if c not in values), "")
            if column:
                raise ValueError("is empty")
            key = (values["asset"], values["property"])
            if key in seen:
                column = "property"
                raise ValueError(f"{'/'.join(key)} is already in line {seen[key]}")
            seen[key] = line
            made.add(values)
        except ValueError as error:
            problems.append(
                ConfigError(
                    str(error),
                    f"{name}:{line}: {column}",
                    "this row is left out, the rest is loaded",
                )
            )
    return made.tags(), problems


class _Rows:
    """Good rows on their way into columns."""

    def __init__(self, fields: Sequence[str], device: str) -> None:
        self._fields, self._device = fields, device
        self._waiting: list[Mapping[str, Any]] = []
        self._built = Builder()

    def add(self, row: Mapping[str, Any]) -> None:
        self._waiting.append(row)
        if len(self._waiting) == CHUNK:
            self._flush()

    def tags(self) -> Tags:
        self._flush()
        return self._built.tags()

    def _flush(self) -> None:
        rows, self._waiting = self._waiting, []
        columns = {f: [row.get(f, DEFAULTS.get(f, "")) for row in rows] for f in self._fields}
        self._built.extend(len(rows), columns | {"device": [self._device] * len(rows)})


def _once(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """The same, worked out once for each text of a column; what is refused is refused again."""
    return lru_cache(maxsize=CHUNK)(convert)


def _check_header(header: Sequence[str], name: str) -> None:
    if missing := [c for c in _NEEDED if c not in header]:
        raise ConfigError(
            f"column {missing[0]!r} is missing",
            f"{name}:1",
            f"the first row names columns: {', '.join(COLUMNS)}",
        )
    for column in header:
        if column not in COLUMNS:
            near = difflib.get_close_matches(column, COLUMNS, 1)
            raise ConfigError(
                f"unknown column {column!r}",
                f"{name}:1",
                f"did you mean {near[0]}?" if near else f"known: {', '.join(COLUMNS)}",
            )


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{cell!r} is not a number") from None


def _period(cell: str) -> float:
    if (number := _number(cell)) < 0:
        raise ValueError(f"{cell!r} is below 0")
    return number


def _truth(cell: str) -> bool:
    word = cell.lower()
    if word not in _TRUE + _FALSE:
        raise ValueError(f"{cell!r} is neither true nor false")
    return word in _TRUE


def _kind(cell: str) -> str:
    if cell not in _KINDS:
        raise ValueError(f"{cell!r} is not one of {', '.join(_KINDS)}")
    return cell


def _path(cell: str) -> str:
    if cell.startswith("/") or cell.endswith("/") or "//" in cell:
        raise ValueError(f"{cell!r} is not a path like jinan/foundry/furnace-1")
    return cell


def _id_short(cell: str) -> str:
    if "/" in cell:
        raise ValueError(f"{cell!r} has a /")
    return cell


def _needs(cell: str) -> str:
    needs_of(cell)
    return cell


_BY_TYPE: dict[str, Callable[[str], Any]] = {
    "float": _number,
    "float | None": _number,
    "bool": _truth,
}
_CONVERT: dict[str, Callable[[str], Any]] = {f.name: _BY_TYPE.get(str(f.type), str) for f in fields(Tag)} | {
    "kind": _kind, "asset": _path, "property": _id_short, "period_s": _period, "max_silence_s": _period, "deadband": _period,
    "write_needs": _needs,
}  # fmt: skip


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else ""
    return (
        f"{value:g}"
        if isinstance(value, float) and abs(value) < 1e6 and float(f"{value:g}") == value
        else str(value)
    )

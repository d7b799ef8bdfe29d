"""Recordings as chunks of named columns of texts or numbers, read bit by bit.

CSV and text in columns here; Parquet in `parquet.py`. A row with too few cells is filled up, one
with too many is cut; both are counted. Nothing here knows tags, speed or the edge.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from .settings import DELIMITERS, Settings

CELLS = 40_000  # in one chunk: some 20 ms of reading
SNIFFED = 2_000  # rows that decide the formats
TRUE = frozenset(("true", "yes", "on", "t", "y", "是"))
FALSE = frozenset(("false", "no", "off", "f", "n", "否"))
NOTHING = frozenset(("", "na", "n/a", "nan", "null", "none", "-"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunk:
    """Consecutive rows. cells: columns by number, each a list of texts or a numpy array.

    done: share of the file read so far, 0 … 1.
    """

    rows: int
    cells: Sequence[Sequence[str] | np.ndarray]
    done: float


class Table(Protocol):
    """names: of the columns, in order. ragged: rows with a wrong number of cells so far."""

    names: list[str]
    ragged: int

    def chunks(self) -> Iterator[Chunk]:
        """From the beginning, each time it is called. Raises OSError, ValueError."""


def number_column(cells: Sequence[str] | np.ndarray, decimal: str = ".") -> np.ndarray:
    """float64; NaN where a cell tells no number; words of truth are 1 and 0."""
    if isinstance(cells, np.ndarray):
        return cells.astype("f8")
    if decimal == ",":
        cells = [cell.replace(".", "").replace(",", ".") for cell in cells]
    try:
        return np.array(cells, dtype="f8")
    except ValueError:
        return np.array([_number(cell) for cell in cells], "f8")


def text_column(cells: Sequence[str] | np.ndarray) -> np.ndarray:
    """Object array of str."""
    out = np.empty(len(cells), object)
    out[:] = [str(cell) for cell in cells]
    return out


def is_text(cells: Sequence[str], decimal: str = ".") -> bool:
    """Whether a column of a sample holds words that are neither numbers nor truth."""
    said = [c for c in cells if c.strip().lower() not in NOTHING]
    return bool(said) and bool(np.isnan(number_column(said, decimal)).any())


def is_truth(cells: Sequence[str]) -> bool:
    said = {c.strip().lower() for c in cells} - NOTHING
    return bool(said) and said <= TRUE | FALSE


def _is_figure(cell: str) -> bool:
    """A number in digits, which no header holds; a word of truth may well be a name."""
    return any(sign.isdigit() for sign in cell) and not np.isnan(_number(cell))


def _number(cell: str) -> float:
    word = cell.strip().lower()
    if word in TRUE or word in FALSE:
        return float(word in TRUE)
    try:
        return float(word)
    except ValueError:
        return float("nan")


@dataclass(slots=True)
class TextTable:
    """CSV or text in columns, with or without a header."""

    path: Path
    settings: Settings
    names: list[str] = field(default_factory=list)
    ragged: int = 0
    _mark: str = ","
    _headed: bool = False

    def __post_init__(self) -> None:
        with self.path.open(encoding=self.settings.encoding, newline="") as file:
            first = next((line for line in file if line.strip()), "")
        if not first:
            raise ValueError("the file is empty")
        self._mark = _delimiter(first, self.settings.delimiter)
        row = _cells(first, self._mark)
        head = self.settings.header
        self._headed = head == "yes" or (
            head == "auto" and not any(_is_figure(cell) for cell in row)
        )
        self.names = unique(row) if self._headed else [f"#{n + 1}" for n in range(len(row))]

    def chunks(self) -> Iterator[Chunk]:
        size, width = max(1, self.path.stat().st_size), len(self.names)
        self.ragged = 0
        rows = max(16, CELLS // max(1, width))
        with self.path.open(encoding=self.settings.encoding, newline="") as file:
            read = 0

            def lines() -> Iterator[str]:
                nonlocal read
                for line in file:
                    read += len(line)  # characters for bytes: near enough to tell progress
                    if line.strip():
                        yield line

            source = lines()
            if self._headed:
                next(source, None)
            table = (
                csv.reader(source, delimiter=self._mark)
                if self._mark
                else (line.split() for line in source)
            )
            held: list[list[str]] = []
            for row in table:
                held.append(self._fitted(row, width))
                if len(held) == rows:
                    yield _chunk(held, min(1.0, read / size))
                    held = []
            if held:
                yield _chunk(held, 1.0)

    def _fitted(self, row: list[str], width: int) -> list[str]:
        if len(row) == width:
            return row
        if len(row) == width + 1 and not row[-1].strip():
            return row[:width]  # a delimiter at the end of the line
        self.ragged += 1
        return (row + [""] * width)[:width]


@dataclass(slots=True)
class Transposed:
    """Another table with rows and columns exchanged; it has to fit in memory.

    The first column names the signals when it holds words.
    """

    inner: TextTable
    names: list[str] = field(default_factory=list)
    ragged: int = 0
    _columns: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = [
            list(row) for chunk in self.inner.chunks() for row in zip(*chunk.cells, strict=True)
        ]
        if self.inner.names and not self.inner.names[0].startswith("#"):
            rows.insert(0, self.inner.names)
        named = not any(_is_figure(row[0]) for row in rows)
        self.names = (
            unique([row[0] for row in rows]) if named else [f"#{n + 1}" for n in range(len(rows))]
        )
        self._columns = [row[1:] if named else row for row in rows]
        self.ragged = self.inner.ragged

    def chunks(self) -> Iterator[Chunk]:
        length = len(self._columns[0])
        step = max(16, CELLS // len(self._columns))
        for begin in range(0, length, step):
            part = [column[begin : begin + step] for column in self._columns]
            yield Chunk(rows=len(part[0]), cells=part, done=min(1.0, (begin + step) / length))


def unique(names: Sequence[str]) -> list[str]:
    """Empty names become `#3`, the second `x` becomes `x_2`."""
    out: list[str] = []
    for place, name in enumerate(names):
        clean = name.strip() or f"#{place + 1}"
        times = 1 + sum(other == clean or other.startswith(f"{clean}_") for other in out)
        out.append(clean if clean not in out else f"{clean}_{times}")
    return out


def _chunk(rows: list[list[str]], done: float) -> Chunk:
    return Chunk(rows=len(rows), cells=list(zip(*rows, strict=True)), done=done)


def _delimiter(line: str, wanted: str) -> str:
    if wanted != "auto":
        return DELIMITERS[wanted]
    for mark in (";", "\t", ","):
        if mark in line:
            return mark
    return ""


def _cells(line: str, mark: str) -> list[str]:
    row = next(csv.reader([line], delimiter=mark)) if mark else line.split()
    return row[:-1] if len(row) > 1 and not row[-1].strip() else row

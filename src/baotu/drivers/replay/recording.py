"""A recording: a table whose rows have times. Opens files, finds the column of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baotu.sdk import ConfigError

from .parquet import ParquetTable
from .settings import Settings
from .tables import SNIFFED, Chunk, Table, TextTable, Transposed, is_text, is_truth
from .times import ABSENT, Clockwork, looks_like_time, names_time

PARQUET = (".parquet", ".pq")
ADDRESS_HELP = (
    "列名或 #列号(从 1 起) The name of a column, or #number counted from 1: "
    "Temperature · Volume Flow RateRMS · #7"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """A chunk with its times: int64 ns, never falling; without the rows that tell none."""

    times: np.ndarray
    chunk: Chunk
    kept: np.ndarray  # indices of the chunk's rows, one for each time


class Recording:
    """Raises OSError when the file cannot be read, ConfigError when the settings do not fit."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.path = settings, Path(settings.file)
        try:
            self.table = _table(self.path, settings)
            self._sample = next(self.table.chunks(), None)
            self.time = self._time_column()
            self._clockwork = Clockwork(settings.time_format, settings.zone)
            if self.time >= 0 and not isinstance(self._cells(self.time), np.ndarray):
                self._clockwork.learn(list(self._cells(self.time))[:SNIFFED])
        except (ValueError, UnicodeDecodeError, LookupError) as error:
            raise ConfigError(
                f"{self.path.name} cannot be played: {error}",
                hint="see time, time_format, delimiter, header and encoding of the replay driver",
            ) from error
        self.skipped = 0

    @property
    def names(self) -> list[str]:
        return self.table.names

    def column(self, address: str) -> int:
        """Number of the column of an address, -1 when there is none."""
        if address in self.names:
            return self.names.index(address)
        number = address[1:]
        if address.startswith("#") and number.isdigit() and 1 <= int(number) <= len(self.names):
            return int(number) - 1
        return -1

    def kind(self, column: int) -> str:
        """number, boolean or text, by the first rows."""
        cells = self._cells(column)
        if isinstance(cells, np.ndarray):
            return "number"
        head = list(cells)[:SNIFFED]
        if is_truth(head):
            return "boolean"
        return "text" if is_text(head, self.settings.decimal) else "number"

    def rows(self) -> Iterator[Rows]:
        """From the beginning. A row whose time cannot be read or falls back is left out."""
        begin, latest = 0, ABSENT
        step = round(self.settings.row_s * 1e9)
        self.skipped = 0
        for chunk in self.table.chunks():
            if self.time < 0:
                times = (begin + np.arange(chunk.rows, dtype=np.int64)) * step
            else:
                times = self._times(chunk.cells[self.time])
            begin += chunk.rows
            known = times != ABSENT
            # what is before its predecessor would be played in the past: it is left out
            highest = np.maximum.accumulate(np.where(known, times, latest))
            kept = np.flatnonzero(known & (times >= np.maximum(highest, latest)))
            self.skipped += chunk.rows - len(kept)
            if len(kept):
                latest = int(times[kept[-1]])
                yield Rows(times=times[kept], chunk=chunk, kept=kept)

    def _times(self, cells: Sequence[str] | np.ndarray) -> np.ndarray:
        if not isinstance(cells, np.ndarray):
            return self._clockwork.read(cells)
        if cells.dtype.kind == "M":
            return cells.astype("M8[ns]").astype(np.int64)
        return self._clockwork.read([_plain(cell) for cell in cells.tolist()])

    def _cells(self, column: int) -> Sequence[str] | np.ndarray:
        return self._sample.cells[column] if self._sample else ()

    def _time_column(self) -> int:
        wanted = self.settings.time
        if wanted == "none" or not self.names or self._sample is None:
            return -1
        if wanted != "auto":
            found = self.column(wanted)
            if found < 0:
                raise ValueError(f"no column {wanted!r} among {', '.join(self.names[:20])}")
            return found
        for column, name in enumerate(self.names):
            cells = self._cells(column)
            if isinstance(cells, np.ndarray) and cells.dtype.kind == "M":
                return column
            if names_time(name):
                return column
        first = self._cells(0)
        dated = not isinstance(first, np.ndarray) and len(first) and looks_like_time(first[0])
        return 0 if dated else -1


def _table(path: Path, settings: Settings) -> Table:
    if path.suffix.lower() in PARQUET:
        return ParquetTable(path)
    table = TextTable(path, settings)
    return Transposed(table) if settings.transposed else table


def _plain(value: float) -> str:
    return str(int(value)) if value == value and value.is_integer() else str(value)

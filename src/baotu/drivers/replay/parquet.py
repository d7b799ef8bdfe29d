"""Parquet recordings, by pyarrow where it is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from baotu.sdk import ConfigError

from .tables import CELLS, Chunk


@dataclass(slots=True)
class ParquetTable:
    """Row groups in batches; times become nanoseconds, numbers float64, the rest texts."""

    path: Path
    names: list[str] = field(default_factory=list)
    ragged: int = 0

    def __post_init__(self) -> None:
        with self._open() as file:
            self.names = list(file.schema_arrow.names)

    def chunks(self) -> Iterator[Chunk]:
        with self._open() as file:
            total, read = max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(batch_size=max(1000, CELLS // len(self.names))):
                read += batch.num_rows
                cells = [_column(batch.column(i)) for i in range(batch.num_columns)]
                yield Chunk(rows=batch.num_rows, cells=cells, done=read / total)

    def _open(self) -> Any:  # pyarrow is optional: its types may not be there
        try:
            from pyarrow import ArrowException
            from pyarrow.parquet import ParquetFile
        except ImportError:
            raise ConfigError(
                f"{self.path.name} is Parquet, which needs pyarrow",
                hint="reinstall baotu, which brings it, or play a CSV file",
            ) from None
        try:
            return ParquetFile(self.path)
        except ArrowException as error:
            raise ValueError(f"not Parquet: {error}") from error


def _column(array: Any) -> Sequence[str] | np.ndarray:
    kind = str(array.type)
    if kind.startswith("timestamp") or kind.startswith("date"):
        whole = array.cast("timestamp[ns]", safe=False) if kind != "date64[day]" else array
        return np.asarray(whole.to_numpy(zero_copy_only=False), "M8[ns]")
    if kind == "bool" or kind.startswith(
        ("int", "uint", "float", "double", "halffloat", "decimal")
    ):
        values = array.cast("double", safe=False) if kind != "bool" else array.cast("int8")
        return np.asarray(values.to_numpy(zero_copy_only=False), "f8")
    return ["" if cell is None else str(cell) for cell in array.to_pylist()]

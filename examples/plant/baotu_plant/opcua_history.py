"""What an OPC UA server of the plant remembers: rings of the fast points, read by HistoryRead.

Numbers in numpy columns, 10 bytes a value instead of an object each; OPC UA Part 11, raw data.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from asyncua import ua
from asyncua.server.history import HistoryStorageInterface

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ANSWER = 5000  # values in one answer; more come by continuation point


def stamp(time: int) -> datetime:
    """The time of nanoseconds UTC, in whole microseconds."""
    return EPOCH + timedelta(microseconds=time // 1000)


class Rings(HistoryStorageInterface):
    """The last `depth` rows of some points. One time for all of a row."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self._columns: dict[ua.NodeId, int] = {}
        self._times = np.zeros(depth, np.int64)
        self._values = np.zeros((depth, 0))
        self._rows = 0

    def columns(self, ids: list[ua.NodeId]) -> None:
        """Which nodes the columns are; what was remembered stays when nothing changed."""
        if list(self._columns) != ids:
            self._columns = {id: column for column, id in enumerate(ids)}
            self._values = np.zeros((len(self._times), len(ids)))
            self._rows = 0

    def append(self, time: int, row: np.ndarray) -> None:
        place = self._rows % len(self._times)
        self._times[place], self._values[place] = time, row
        self._rows += 1

    async def read_node_history(
        self, node_id: ua.NodeId, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[ua.DataValue], datetime | None]:
        """Inclusive. Backwards when `start` is missing or later than `end`."""
        column = self._columns.get(node_id)
        if column is None:
            return [], None
        first, last = _nanoseconds(start), _nanoseconds(end)
        backwards = first is None or (last is not None and first > last)
        low, high = (last, first) if backwards else (first, last)
        times, values = self._remembered(column)
        fit = np.ones(len(times), bool)
        if low is not None:
            fit &= times >= low
        if high is not None:
            fit &= times <= high
        chosen = np.flatnonzero(fit)[:: -1 if backwards else 1]
        limit = min(nb_values or ANSWER, ANSWER)
        more = stamp(int(times[chosen[limit]])) if len(chosen) > limit else None
        return [_value(times[i], values[i]) for i in chosen[:limit].tolist()], more

    def _remembered(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """In order of time."""
        depth = len(self._times)
        if self._rows <= depth:
            return self._times[: self._rows], self._values[: self._rows, column]
        shift = -(self._rows % depth)
        return np.roll(self._times, shift), np.roll(self._values[:, column], shift)

    async def init(self) -> None: ...

    async def stop(self) -> None: ...

    async def new_historized_node(self, *_: Any, **__: Any) -> None: ...

    async def save_node_value(self, *_: Any, **__: Any) -> None: ...

    async def new_historized_event(self, *_: Any, **__: Any) -> None: ...

    async def save_event(self, *_: Any, **__: Any) -> None: ...

    async def read_event_history(self, *_: Any, **__: Any) -> tuple[list[Any], None]:
        return [], None


def _value(time: np.int64, value: np.float64) -> ua.DataValue:
    when = stamp(int(time))
    variant = ua.Variant(float(value), ua.VariantType.Double)
    return ua.DataValue(Value=variant, SourceTimestamp=when, ServerTimestamp=when)


def _nanoseconds(time: datetime | None) -> int | None:
    """None for the times by which OPC UA says "not given"."""
    if time is None or time.year < 1970:
        return None
    return (time.replace(tzinfo=time.tzinfo or UTC) - EPOCH) // timedelta(microseconds=1) * 1000

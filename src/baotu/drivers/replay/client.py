"""Plays a recording as if its machine were there: same path, same tags, another clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from baotu.sdk import Found, Line, Quality, Refused, Samples, SessionDriver, Tag, Unreachable
from baotu.sdk.tag import Kind

from .recording import Recording, Rows
from .settings import Settings as PlayerSettings
from .tables import number_column, text_column

TICK_S = 0.05
NOTE_S = 1.0
MOST = 20_000  # samples delivered in one go; between them others have their turn
Columns = tuple[np.ndarray, list[np.ndarray]]
SECOND, MILLISECOND = 1_000_000_000, 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A tag and the column that feeds it."""

    tag: Tag
    column: int


class Client(SessionDriver):
    """One file. It stays up after the last row, so that the edge does not begin again."""

    Settings = PlayerSettings
    settings: PlayerSettings

    async def run(self, tags: Sequence[Tag], line: Line) -> None:
        recording = await self._open()
        wanted, missing = _matched(recording, tags)
        if missing:
            line.mark(np.array(missing, "i4"), Quality.BAD_ADDRESS_UNKNOWN)
        line.up()
        line.note(file=recording.path.name, columns=len(recording.names), progress=0.0)
        await _Player(self.settings, recording, wanted, line).play()
        line.note(progress=100.0, state="finished")
        await asyncio.Event().wait()  # until cancelled

    async def write(self, tag: Tag, value: float | str) -> float | str:
        raise Refused(f"{tag.name}: what was recorded cannot be changed")

    async def browse(self, under: str = "") -> list[Found]:
        """The columns, but for the one of time."""
        recording = await self._open()
        return [] if under else list(found(recording))

    async def _open(self) -> Recording:
        try:
            return await asyncio.to_thread(Recording, self.settings)
        except OSError as error:
            raise Unreachable(
                f"{self.settings.file} cannot be read ({error.strerror or error}); "
                "put the file there or correct `file`"
            ) from error


def found(recording: Recording) -> Iterator[Found]:
    for column, name in enumerate(recording.names):
        if column != recording.time:
            yield Found(address=name, name=name.replace("/", "_"), kind=_kind(recording, column))


def _kind(recording: Recording, column: int) -> Kind:
    kind = recording.kind(column)
    return "text" if kind == "text" else "boolean" if kind == "boolean" else "number"


def _matched(recording: Recording, tags: Sequence[Tag]) -> tuple[list[_Wanted], list[int]]:
    wanted = [_Wanted(tag=tag, column=recording.column(tag.address)) for tag in tags]
    return [w for w in wanted if w.column >= 0], [w.tag.id for w in wanted if w.column < 0]


class _Player:
    """Row by row at the moment it is due: recorded time since the start, divided by the speed."""

    def __init__(
        self, settings: PlayerSettings, recording: Recording, wanted: list[_Wanted], line: Line
    ) -> None:
        self._settings, self._recording, self._line = settings, recording, line
        self._numbers = [w for w in wanted if w.tag.kind != "text"]
        self._texts = [w for w in wanted if w.tag.kind == "text"]
        self._loop = asyncio.get_running_loop()
        self._begin, self._wall = self._loop.time(), line.now() // MILLISECOND * MILLISECOND
        self._played = 0  # ns of playing time before the current round
        self._rows = self._rounds = 0
        self._noted = 0.0

    async def play(self) -> None:
        while True:
            rows = await self._round()
            self._rounds += 1
            if not self._settings.loop or rows == 0:
                return

    async def _round(self) -> int:
        """Once through the file; the number of rows."""
        source = self._recording.rows()
        first, last, step, count, cut = 0, 0, SECOND, 0, 0
        while (read := await asyncio.to_thread(self._read, source)) is not None:
            rows, columns = read
            if not count:
                first = last = int(rows.times[0])
            times, cut = self._shortened(rows.times, last, cut)
            if len(rows.times) > 1:
                step = max(1, int(np.median(np.diff(rows.times))))
            last, count = int(rows.times[-1]), count + len(rows.times)
            await self._chunk(rows, columns, times - first)
        self._played += last - first - cut + step
        return count

    def _shortened(self, times: np.ndarray, last: int, cut: int) -> tuple[np.ndarray, int]:
        """Times without the part of pauses beyond `gap_s`, and how much was cut so far."""
        limit = round(self._settings.gap_s * SECOND)
        if not limit:
            return times, cut
        pauses = np.diff(times, prepend=last)
        over = np.cumsum(np.maximum(pauses - limit, 0)) + cut
        return times - over, int(over[-1])

    def _read(self, source: Iterator[Rows]) -> tuple[Rows, Columns] | None:
        """The next chunk, all its cells turned into values: beside the loop, not on it."""
        rows = next(source, None)
        return None if rows is None else (rows, self._columns(rows))

    async def _chunk(self, rows: Rows, columns: Columns, since: np.ndarray) -> None:
        due = (self._played + since) / self._settings.speed  # ns after the beginning
        recorded = self._settings.start == "recorded"
        # whole ns since the beginning: a float has no room for those since 1970
        stamps = rows.times if recorded else self._wall + np.rint(due).astype(np.int64)
        numbers, texts = columns
        at, width = 0, max(1, len(self._numbers) + len(self._texts))
        while at < len(due):
            elapsed = (self._loop.time() - self._begin) * 1e9
            end = int(np.searchsorted(due, elapsed, side="right"))
            end = min(end, at + max(1, MOST // width))
            if end > at:
                self._deliver(stamps[at:end], numbers[at:end], [t[at:end] for t in texts])
                at, self._rows = end, self._rows + end - at
                self._note(rows, at)
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(min(max((due[at] - elapsed) / 1e9, 0.001), TICK_S))

    def _columns(self, rows: Rows) -> Columns:
        """Numbers as a matrix of (rows, tags), texts as one array for each tag."""
        cells, decimal = rows.chunk.cells, self._settings.decimal
        numbers = np.empty((len(rows.kept), len(self._numbers)))
        for place, wanted in enumerate(self._numbers):
            column = number_column(cells[wanted.column], decimal)[rows.kept]
            if wanted.tag.kind == "boolean":
                column = np.where(np.isnan(column), np.nan, column != 0)
            numbers[:, place] = column
        texts = [text_column(cells[wanted.column])[rows.kept] for wanted in self._texts]
        return numbers, texts

    def _deliver(self, stamps: np.ndarray, numbers: np.ndarray, texts: list[np.ndarray]) -> None:
        """An empty cell is no sample."""
        if self._numbers:
            ids = np.array([w.tag.id for w in self._numbers], "i4")
            value = numbers.ravel()
            told = ~np.isnan(value)
            samples = Samples.of(
                np.tile(ids, len(stamps)), np.repeat(stamps, len(ids)), value
            ).where(told)
            if len(samples):
                self._line.deliver(samples)
        parts = [
            Samples.of(wanted.tag.id, stamps, column).where(column != "")
            for wanted, column in zip(self._texts, texts, strict=True)
        ]
        if any(len(part) for part in parts):
            self._line.deliver(Samples.concat([part for part in parts if len(part)]))

    def _note(self, rows: Rows, at: int) -> None:
        now = self._loop.time()
        if now - self._noted < NOTE_S:
            return
        self._noted = now
        moment = np.datetime64(int(rows.times[min(at, len(rows.times)) - 1]), "ns")
        self._line.note(
            progress=round(100.0 * rows.chunk.done, 1),
            rows=self._rows,
            rounds=self._rounds,
            skipped=self._recording.skipped,
            ragged=self._recording.table.ragged,
            recorded=str(moment.astype("M8[s]")),
            state="playing",
        )

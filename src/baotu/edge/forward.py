"""Store and forward for a server: live samples, and those of the time its peer was away.

Nothing is stored twice: what was missed is read again from the edge's own log, which survives
kill -9. Only how far the peer has got is kept here: the newest frame it has (`head`) and the
stretches before it that it still lacks (`gaps`). It knows no protocol and never waits for a peer.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import structlog

from baotu.sdk import Samples
from baotu.sdk.ports import Past, Segment

log = structlog.get_logger("baotu.edge")
MB = 1 << 20
PIECE = 64 << 10  # bytes of the log read at once: some 20 000 samples
Gap = tuple[int, int]  # sequences: after the first, up to and with the second
Choose = Callable[[Samples], Samples]


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """How far a peer has got in one log."""

    log: str
    head: int
    gaps: tuple[Gap, ...] = ()


class Forward:
    """Implements `sdk.driver.StoreAndForward`; all of it in the edge's loop.

    file: where the book is kept. most: live samples that may wait; what overflows is read from
    the log later. choose: the part of some samples that this server offers.
    """

    def __init__(self, past: Past | None, file: Path, most: int, choose: Choose) -> None:
        self._past, self._file, self._most, self._choose = past, file, most, choose
        self.limit_mb, self.full = 0, "drop_oldest"
        self.missed = 0  # frames that will never be sent: over the limit, or damaged
        self.dropped = 0  # live samples that overflowed with no log to read them from
        self._live: deque[tuple[int, int, Samples]] = deque()  # after, up to, what lies between
        self._waiting = self._at = 0
        self.open = False
        self._frames: deque[tuple[int, Samples]] = deque()  # read, not yet given
        self._seen = 0  # how far that reading went
        self._confirmed: Book | None = None
        self._book = Book(log="", head=0)
        self._written = b""

    @property
    def owed(self) -> int:
        """Frames of the past that the peer still lacks."""
        return sum(upto - after for after, upto in self._book.gaps)

    # what the driver asks ----------------------------------------------------------------------
    def begin(self) -> None:
        self.close()
        self.open = True
        if self._past is None:
            return
        end = self._at = self._past.last
        book = self._confirmed or self._load()
        if not self.limit_mb or book is None or book.log != self._past.id:
            book = Book(log=self._past.id, head=end)
        elif book.head < end:
            book = replace(book, head=end, gaps=(*book.gaps, (book.head, end)))
        kept = fitting(book.gaps, self._past.segments(), self.limit_mb * MB, self.full)
        self.missed += _length(book.gaps) - _length(kept)
        self._book = self._confirmed = replace(book, head=min(book.head, end), gaps=kept)

    def live(self) -> list[Samples]:
        parts = [samples for _, _, samples in self._live if len(samples)]
        self._live.clear()
        self._waiting = 0
        if self._past is not None:
            self._book = replace(self._book, head=self._at)
        return parts

    async def past(self, most: int) -> list[Samples]:
        parts: list[Samples] = []
        count = 0
        while self._book.gaps and count < most:
            if not self._frames and not await self._read():
                break
            if self._frames:
                sequence, samples = self._frames.popleft()
                self._got(sequence if self._frames else self._seen)
                count += len(samples)
                parts.append(samples)
        return [part for part in parts if len(part)]

    async def confirm(self) -> bool:
        if self._past is None:
            return True
        self._confirmed = book = self._book
        # a power cut may take frames that are not durable, and give their numbers to others
        safe = replace(book, head=min(book.head, self._past.durable))
        text = msgspec.json.encode(safe)
        if self.limit_mb and text != self._written:
            self._written = text
            await asyncio.to_thread(self._save, text)
        return safe.head == book.head

    # what the edge does ------------------------------------------------------------------------
    def put(self, samples: Samples, position: int) -> None:
        """Never blocks. position: sequence of the last of these samples in the log."""
        if not self.open:
            return
        self._live.append((self._at, position, samples))
        self._at = position
        self._waiting += len(samples)
        while self._waiting > self._most and len(self._live) > 1:
            after, upto, lost = self._live.popleft()
            self._waiting -= len(lost)
            if not self._past or not self.limit_mb:
                self.dropped += len(lost)
            elif after < upto:
                self._book = replace(self._book, gaps=joined((*self._book.gaps, (after, upto))))

    def close(self) -> None:
        """The session is over: nothing is collected, what was not confirmed is owed again."""
        self.open = False
        self._live.clear()
        self._frames.clear()
        self._waiting = self._seen = 0
        if self._confirmed is not None:
            self._book = self._confirmed

    async def _read(self) -> bool:
        """More frames of the first gap; False when none can be had at present."""
        assert self._past is not None
        after, upto = self._book.gaps[0]
        found = await asyncio.to_thread(self._past.read, after, upto, PIECE)
        self.missed += found.lost
        self._frames.extend((sequence, self._choose(part)) for sequence, part in found.frames)
        self._seen = found.last
        if not self._frames and found.last > after:
            self._got(found.last)
        return found.last > after

    def _got(self, sequence: int) -> None:
        (_, upto), *rest = self._book.gaps
        left = [(sequence, upto)] if sequence < upto else []
        self._book = replace(self._book, gaps=(*left, *rest))

    # the file ----------------------------------------------------------------------------------
    def _load(self) -> Book | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Book)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("store and forward begins anew", file=str(self._file), why=str(error))
            return None

    def _save(self, text: bytes) -> None:
        new = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with new.open("wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._file)
        except OSError as error:  # known in memory; after a kill more is sent again
            log.warning("store and forward is not on disk", file=str(self._file), why=str(error))


def fitting(
    gaps: Sequence[Gap], segments: Sequence[Segment], limit: int, full: str
) -> tuple[Gap, ...]:
    """The part of the gaps that is still in the log and not more than `limit` bytes of it; full:
    "drop_oldest" keeps the newest frames, "drop_newest" the oldest."""
    pieces = [
        (max(after, s.first - 1), min(upto, s.last), s.bytes / (s.last - s.first + 1))
        for after, upto in gaps
        for s in segments
        if max(after, s.first - 1) < min(upto, s.last)
    ]
    kept: list[Gap] = []
    left = float(limit)
    for after, upto, each in reversed(pieces) if full == "drop_oldest" else pieces:
        fits = min(upto - after, int(left / each) if each else upto - after)
        if fits > 0:
            kept.append((upto - fits, upto) if full == "drop_oldest" else (after, after + fits))
        if fits < upto - after:
            break
        left -= fits * each
    return joined(sorted(kept))


def joined(gaps: Sequence[Gap]) -> tuple[Gap, ...]:
    """Neighbours made one."""
    out: list[Gap] = []
    for after, upto in gaps:
        if out and out[-1][1] == after:
            out[-1] = (out[-1][0], upto)
        else:
            out.append((after, upto))
    return tuple(out)


def _length(gaps: Sequence[Gap]) -> int:
    return sum(upto - after for after, upto in gaps)

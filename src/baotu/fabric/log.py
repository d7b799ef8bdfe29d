"""The store-and-forward log of an edge: append-only segment files, group fsync, bounded size.

A record may leave the edge only once it is durable: otherwise a power cut could give its sequence
to other samples, which the hub would then refuse as a repetition. What the hub has is asked of the
hub; the log only keeps a hint of it, to know which segments are spares.
"""

from __future__ import annotations

import os
import threading
import uuid
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from baotu.sdk.errors import BaotuError

from .frame import HEADER, records, seal

Full = Literal["drop_oldest", "refuse"]
Write = Callable[[int, bytes], int]
READERS = 4  # places in the log that are remembered: the lanes of the link, a bridge or two
SEGMENTS = 8  # a full log gives up one of at least so many parts


class LogFull(BaotuError):
    """The log takes no more: its size is used up and its policy is to refuse, or the disk is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Consecutive records as they lie on disk. Empty `data`: nothing there yet.

    follows: the sequence before the first. lost: sequences (first, last) that had to be skipped
    because they are damaged or were dropped; `follows` is then the last of them.
    """

    follows: int
    last: int
    data: bytes = b""
    lost: tuple[int, int] | None = None


class Log:
    """Safe from any thread. `append` costs one write; `sync` is called by the flusher.

    write: `os.write`, or a test's. Raises LogFull from `append`; nothing of it is stored then.
    """

    def __init__(
        self,
        folder: Path,
        limit: int = 1 << 30,
        segment: int = 8 << 20,
        full: Full = "drop_oldest",
        write: Write = os.write,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.limit, self.full, self._write = folder, limit, full, write
        self.segment = min(segment, max(1, limit // SEGMENTS))
        self._lock = threading.Lock()
        self.id = _identity(folder)
        self._sizes = {int(p.stem): p.stat().st_size for p in sorted(folder.glob("*.log"))}
        self._firsts = list(self._sizes)
        self.bytes = sum(self._sizes.values())
        self.last = 0  # newest sequence written
        self.dropped = 0  # frames given up by the policy since start
        self.acked = self._hint()  # everything up to here is in history
        self.trouble = ""  # why the disk does not take it, empty when it does
        self._seek: dict[tuple[int, int], int] = {}  # segment, sequence → offset after it
        self._file, self._torn = -1, False
        if self._firsts:
            self._recover(self._firsts[-1])
        self.durable = self.last

    @property
    def first(self) -> int:
        """The oldest sequence still here, or the next one."""
        return self._firsts[0] if self._firsts else 1

    # append ------------------------------------------------------------------------------------
    def append(self, body: bytes) -> int:
        with self._lock:
            record = seal(self.last + 1, body)
            self._make_room(len(record))
            try:
                if self._torn or not self._firsts or self._size() >= self.segment:
                    self._rotate(self.last + 1)
                written = self._write(self._file, record)  # no buffer of ours: a kill loses nothing
            except OSError as error:
                self._undo()
                raise self._no_room(error.strerror or str(error)) from error
            if written < len(record):
                self._undo()
                raise self._no_room("the disk took a part of a record")
            self._sizes[self._firsts[-1]] += written
            self.bytes += written
            self.last += 1
            return self.last

    def _size(self) -> int:
        return self._sizes[self._firsts[-1]]

    def _undo(self) -> None:
        """No half record in the middle of a segment; where even that fails, a new segment."""
        if self._file < 0 or not self._firsts:
            return
        try:
            os.ftruncate(self._file, self._size())
        except OSError:
            self._torn = True

    def _no_room(self, why: str) -> LogFull:
        self.trouble = why
        return LogFull(f"{self.folder}: {why}; free disk space, samples are refused until then")

    def _rotate(self, first: int) -> None:
        path = self._path(first)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o600)
        if self._file >= 0:
            os.fdatasync(self._file)
            os.close(self._file)
        self._file, self._torn = file, False
        _sync_folder(self.folder)
        if not self._firsts or self._firsts[-1] != first:
            self._firsts.append(first)
        self._sizes[first] = 0
        self._save_hint()

    def _make_room(self, need: int) -> None:
        """Acknowledged segments are spares (a hub restored from a backup asks for them): they go
        first, then the policy decides."""
        while self.bytes + need > self.limit and len(self._firsts) > 1:
            first, newest = self._firsts[0], self._firsts[1] - 1
            if newest > self.acked:
                if self.full == "refuse":
                    self.trouble = "full"
                    raise LogFull(
                        f"{self.folder}: {self.bytes} bytes wait for the hub, the limit is "
                        f"{self.limit}; reconnect the hub, or allow more or dropping the oldest"
                    )
                self.dropped += newest - max(first - 1, self.acked)
            self._path(first).unlink()
            self._firsts.pop(0)
            self.bytes -= self._sizes.pop(first)

    # durability --------------------------------------------------------------------------------
    def sync(self) -> int:
        """Make durable what is written; the newest durable sequence. Appends go on meanwhile."""
        with self._lock:
            if self.durable == self.last:
                return self.durable
            file, last = os.dup(self._file), self.last
        try:
            os.fdatasync(file)
        except OSError as error:
            self.trouble = error.strerror or str(error)
            return self.durable
        finally:
            os.close(file)
        self.durable = max(self.durable, last)
        self.trouble = ""
        return self.durable

    def close(self) -> None:
        self.sync()
        with self._lock:
            self._save_hint()
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _recover(self, first: int) -> None:
        """Cut the torn tail that a crash in mid-write leaves in the newest segment. A damaged record
        with whole ones behind it is no tail: `read` will skip it."""
        path = self._path(first)
        self._file = os.open(path, os.O_RDWR | os.O_APPEND)
        data = path.read_bytes()
        good, self.last = 0, first - 1
        while True:
            end = good
            for stop, sequence, _ in records(memoryview(data)[good:]):
                end, self.last = good + stop, sequence
            skip = _behind_damage(data, end, self.last)
            if not skip:
                good = end
                break
            good = skip
        os.ftruncate(self._file, good)
        os.fdatasync(self._file)
        self.bytes += good - self._sizes[first]
        self._sizes[first] = good

    # reading -----------------------------------------------------------------------------------
    def read(self, after: int, upto: int, limit: int = 256 << 10) -> Run:
        """Whole durable records of after < sequence ≤ upto, about `limit` bytes of them."""
        with self._lock:
            if after < self.first - 1:
                return Run(
                    follows=self.first - 1, last=self.first - 1, lost=(after + 1, self.first - 1)
                )
            upto = min(upto, self.durable)
            at = bisect_right(self._firsts, after + 1) - 1
            if at < 0 or after >= upto:
                return Run(follows=after, last=after)
            segment = self._firsts[at]
            beyond = self._firsts[at + 1] - 1 if at + 1 < len(self._firsts) else self.durable
            file = self._path(segment).open("rb")  # under the lock: it cannot be dropped meanwhile
        with file:
            start = self._offset(segment, after)
            if start is None:
                start = _find(file.read(), after)
            file.seek(start)
            data = _whole(file.read(limit), file.read)
            return self._run(segment, start, after, min(upto, beyond), data, file.read)

    def _run(
        self, segment: int, start: int, after: int, upto: int, data: bytes,
        more: Callable[[], bytes],
    ) -> Run:  # fmt: skip
        end, last = 0, after
        for stop, sequence, _ in records(data):
            if sequence > upto or sequence != last + 1:
                break
            end, last = stop, sequence
        if end:
            self._remember(segment, last, start + end)
            return Run(follows=after, last=last, data=data[:end])
        # the next record is damaged: skip it alone if one can see what follows, else the segment
        skip = _behind_damage(data + more(), 0, after)
        lost = after + 1 if skip else upto
        if skip:
            self._remember(segment, lost, start + skip)
        return Run(follows=lost, last=lost, lost=(after + 1, lost))

    def _offset(self, segment: int, after: int) -> int | None:
        if after == segment - 1:
            return 0
        with self._lock:
            return self._seek.pop((segment, after), None)

    def _remember(self, segment: int, sequence: int, offset: int) -> None:
        """Where this reader goes on; several read different parts of the log in turns."""
        with self._lock:
            self._seek[segment, sequence] = offset
            while len(self._seek) > READERS:
                del self._seek[next(iter(self._seek))]

    def segments(self) -> list[tuple[int, int, int]]:
        """(first sequence, last, bytes) of each segment that has records, the oldest first."""
        with self._lock:
            ends = [*(first - 1 for first in self._firsts[1:]), self.last]
            rows = zip(self._firsts, ends, strict=False)  # no segment yet, no row
            return [(first, last, self._sizes[first]) for first, last in rows if last >= first]

    # the folder --------------------------------------------------------------------------------
    def _path(self, first: int) -> Path:
        return self.folder / f"{first:020d}.log"

    def _hint(self) -> int:
        try:
            return int((self.folder / "acked").read_text())
        except (OSError, ValueError):
            return 0

    def _save_hint(self) -> None:
        try:
            new = self.folder / "acked.new"
            new.write_text(str(self.acked))
            new.replace(self.folder / "acked")
        except OSError:
            pass  # only a hint: without it spares are dropped later than they could be


def _identity(folder: Path) -> str:
    """A wiped folder is another log: its sequences start again and are no repetitions."""
    path = folder / "id"
    if not path.exists():
        new = folder / "id.new"
        with new.open("w") as file:
            file.write(uuid.uuid4().hex)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        _sync_folder(folder)
    return path.read_text()


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _whole(data: bytes, read: Callable[[int], bytes]) -> bytes:
    """At least one record, however large."""
    if len(data) >= HEADER.size:
        size = HEADER.unpack_from(data)[0] + HEADER.size
        if size > len(data):
            data += read(size - len(data))
    return data


def _find(data: bytes, after: int) -> int:
    """Where the record behind `after` starts, by the lengths in the headers."""
    at = 0
    while at + HEADER.size <= len(data):
        length, _, sequence = HEADER.unpack_from(data, at)
        if sequence > after:
            break
        at += HEADER.size + length
    return min(at, len(data))


def _behind_damage(data: bytes, at: int, last: int) -> int:
    """Offset of the record after the damaged one at `at`, 0 unless a whole one with the right
    sequence (`last + 2`) stands there."""
    if at + HEADER.size > len(data):
        return 0
    after = at + HEADER.size + HEADER.unpack_from(data, at)[0]
    found = next(records(memoryview(data)[after:]), None)
    return after if found and found[1] == last + 2 else 0

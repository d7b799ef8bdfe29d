"""Tag numbers of this node: an append-only file, name → number, never given to another name.

One line a tag: `crc32 number name`. A number is handed out only after its line is on the disk, so
that samples of a number always mean the same tag. It never forgets a name, even a removed one.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from array import array
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

import numpy as np

from baotu.sdk import ConfigError

HEAD = b"baotu tag registry 1\n"


class TagRegistry:
    """Names and numbers of one node. One process at a time; close() lets the next one in.

    The names stay in the file; in memory are their hashes, ascending, and where their lines begin.
    """

    def __init__(self, path: Path) -> None:
        """Raises ConfigError when another process holds it or it is some other file."""
        self.path = path
        self.damaged = 0  # lines that could not be read, whose numbers stay unused
        self._hashes = np.empty(0, "i8")
        self._lines = np.empty(0, "i8")
        self._next = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise ConfigError(
                "another process uses this tag registry", str(path), "stop the other edge first"
            ) from None
        self._load()

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def size(self) -> int:
        """One more than the greatest number given."""
        return self._next

    def get(self, name: str) -> int | None:
        return self._known([name])[0]

    def ids(self, names: Iterable[str]) -> list[int]:
        """The number of each name; new names get theirs in one write and one fsync.

        Raises ConfigError for a name that cannot stand in a line, OSError when the disk refuses.
        """
        names = list(names)
        known = self._known(names)
        new = [name for name, number in zip(names, known, strict=True) if number is None]
        fresh = {name: self._next + n for n, name in enumerate(dict.fromkeys(new))}
        if fresh:
            self._append(list(fresh))
        return [
            fresh[name] if number is None else number
            for name, number in zip(names, known, strict=True)
        ]

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _known(self, names: list[str]) -> list[int | None]:
        """The number of each name that has one. What has the same hash is read and compared."""
        wanted = np.fromiter(map(hash, names), "i8", len(names))
        starts = np.searchsorted(self._hashes, wanted)
        stops = np.searchsorted(self._hashes, wanted, "right")
        found: list[int | None] = [None] * len(names)
        with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as text:
            for place in np.flatnonzero(starts < stops).tolist():
                for at in self._lines[starts[place] : stops[place]].tolist():
                    number, _, name = text[at + 9 : text.find(b"\n", at)].partition(b" ")
                    if name == names[place].encode():
                        found[place] = int(number)
                        break
        return found

    def _append(self, names: list[str]) -> None:
        lines = []
        for number, name in enumerate(names, self._next):
            if not name or "\n" in name or "\r" in name:
                raise ConfigError(f"{name!r} cannot be the name of a tag", str(self.path))
            lines.append(_line(number, name))
        data = b"".join(lines)
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._end)  # nobody was told these numbers
            os.lseek(self._file, self._end, os.SEEK_SET)
            raise
        begins = self._end + np.cumsum([0, *map(len, lines[:-1])])
        self._end += len(data)
        self._next += len(names)
        self._remember(np.fromiter(map(hash, names), "i8", len(names)), begins)

    def _remember(self, hashes: np.ndarray, lines: np.ndarray) -> None:
        """Behind those that are known, so that of two lines with one name the first counts."""
        hashes = np.concatenate((self._hashes, hashes))
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._lines = hashes[order], np.concatenate((self._lines, lines))[order]

    def _load(self) -> None:
        data = _read_all(self._file)
        if not data.startswith(HEAD):
            if HEAD.startswith(data):  # new, or torn while it was made
                self._create()
                return
            self.close()
            raise ConfigError("this is not a tag registry", str(self.path), "name another folder")
        self._end = len(HEAD)
        position, bad, whole = len(HEAD), 0, len(data)
        hashes, lines = array("q"), array("q")
        while position <= whole:
            begin, stop = position, data.find(b"\n", position)
            position = (stop if stop >= 0 else whole) + 1
            line = data[begin : position - 1]
            if position > whole or line[:8] != b"%08x" % crc32(line[9:]):
                bad += 1
                continue
            number, _, name = line[9:].partition(b" ")
            hashes.append(hash(name.decode()))
            lines.append(begin)
            self._next = max(self._next, int(number) + 1)
            self._end = position
            self.damaged, bad = self.damaged + bad, 0
        self._remember(np.array(hashes, "i8"), np.array(lines, "i8"))
        os.ftruncate(self._file, self._end)  # a torn tail: its numbers were never handed out
        os.lseek(self._file, self._end, os.SEEK_SET)

    def _create(self) -> None:
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, HEAD)
        os.fsync(self._file)
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)  # the file's own name
        os.close(folder)
        self._end = len(HEAD)


def _line(number: int, name: str) -> bytes:
    body = b"%d %s" % (number, name.encode())
    return b"%08x %s\n" % (crc32(body), body)


def _read_all(file: int) -> bytes:
    parts = []
    os.lseek(file, 0, os.SEEK_SET)
    while part := os.read(file, 1 << 20):
        parts.append(part)
    return b"".join(parts)

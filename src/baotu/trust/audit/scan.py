"""Hashes the records of a log again and compares them with its tiles, each tile with the one above.

Where both differ it says which is damaged: what the checkpoint vouches for from above is right.
Imports the standard library only: see `single`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .formats import ENTRIES, NEWEST, SHA256, WIDTH, Damaged, Hashing, place, split, widths

TRIES = 3
MOST = 1000  # findings that are told one by one


class Files:
    """Tiles and bundles of a folder. A partial one may have grown meanwhile: its begin is it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, level: int | str, number: int, width: int) -> tuple[bytes | None, str]:
        """What is there, of exactly this width where it is a tile, and the file's name."""
        name = place(level, number, width)
        for _ in range(TRIES if width < WIDTH else 1):  # a writer may replace it just now
            for other in self._names(level, number, width):
                try:
                    data = (self.folder / other).read_bytes()
                except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                    continue
                return (self._cut(data, level, width) if other != name else data), other
        return None, name

    def _names(self, level: int | str, number: int, width: int) -> Iterator[str]:
        yield place(level, number, width)
        if width == WIDTH:
            return
        yield place(level, number)
        partial = (self.folder / place(level, number, width)).parent
        grown = [int(p.name) for p in partial.glob("*") if p.name.isdigit()]
        for other in sorted(w for w in grown if width < w < WIDTH):
            yield place(level, number, other)

    def _cut(self, data: bytes, level: int | str, width: int) -> bytes:
        if level != ENTRIES:
            return data[: width * 32]
        at = 0
        for _ in range(width):
            at += 2 + int.from_bytes(data[at : at + 2], "big")
        return data[:at]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was sealed. record, until: positions [record, until) in it."""

    file: str
    why: str
    record: int | None = None
    until: int | None = None
    time: str = ""  # of the record, or of the one before it

    def __str__(self) -> str:
        where = "" if self.record is None else f", record {self.record}"
        if self.until is not None and self.record is not None and self.until > self.record + 1:
            where += f" to {self.until - 1}"
        return f"{self.file}{where}{f' ({self.time})' if self.time else ''}: {self.why}"


@dataclass(slots=True)
class Tile:
    """A stored tile. trusted: its hash is what the tile above, and so the checkpoint, says."""

    file: str
    hashes: list[bytes] | None
    trusted: bool


class Scan:
    """Hashes all records below `size`, and says where they differ from the tiles and the root."""

    def __init__(
        self,
        files: Files,
        size: int,
        root: bytes,
        hashing: Hashing = SHA256,
        tell: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.files, self.size, self.root, self.hashing, self.tell = files, size, root, hashing, tell
        self.widths = widths(size)
        self.findings: list[Finding] = []
        self._doubts: list[Finding] = []  # a tile differs, and nothing says yet which side is right
        self._above: dict[int, tuple[int, Tile]] = {}
        self._made: list[list[bytes]] = [[] for _ in range(len(self.widths) + 1)]
        self._last: list[bytes] = []  # of the partial bundle
        self._time, self.computed = "", b""
        edge = [self._stored(level, n, w) for level, (n, w) in enumerate(self.widths) if w]
        rows = [tile.hashes or [] for tile in edge]
        self.edge = hashing.fold(rows) == root
        for tile in edge:
            tile.trusted = self.edge and tile.hashes is not None

    def run(self, sizes: Sequence[int] = ()) -> dict[int, bytes]:
        """The root that the records give for each of these sizes, and for the whole."""
        roots, wanted = {}, sorted({*sizes, self.size})
        for size in wanted:
            if size == 0:
                roots[0] = self.hashing.root(())
        for number in range(-(-self.size // WIDTH)):
            first = number * WIDTH
            row = self._last = self._bundle(number, min(WIDTH, self.size - first))
            for size in wanted:
                if first < size <= first + len(row):
                    roots[size] = self._root(row[: size - first])
            if len(row) == WIDTH:
                self._last = []
                self._lift(0, number, row)
            self.tell(first + len(row), self.size)
        self._end(roots[self.size])
        return roots

    def part(self, numbers: Iterable[int]) -> None:
        """Only these bundles: hashed again and, tile by tile, compared up to the root."""
        if not self.edge and not self.findings:
            why = "its root is not that of the tiles"
            self.findings.append(Finding(NEWEST, why, 0, self.size))
        for number in numbers:
            self._bundle(number, min(WIDTH, self.size - number * WIDTH))
            if not self._tile(0, number, min(WIDTH, self.size - number * WIDTH)).trusted:
                why = "this tile is not what the tile above tells"
                self._find(place(0, number), why, number * WIDTH, (number + 1) * WIDTH)
        self.findings += self._doubts
        self.findings.sort(key=lambda f: (f.record is None, f.record))

    def _root(self, row: list[bytes]) -> bytes:
        if len(row) < WIDTH:
            return self.hashing.fold([row, *self._made[1:]])
        made = [list(level) for level in self._made]
        made[0], level = row, 0
        while len(made[level]) == WIDTH:  # a full tile is a hash of the level above
            made[level + 1].append(self.hashing.root(made[level]))
            made[level] = []
            level += 1
            if level + 1 == len(made):
                made.append([])
        return self.hashing.fold(made)

    def _bundle(self, number: int, width: int) -> list[bytes]:
        """Leaf hashes of a bundle, those of a trusted tile where they differ."""
        data, file = self.files.read(ENTRIES, number, width)
        entries: list[bytes] = []
        why = "is missing" if data is None else ""
        try:
            entries.extend(split(data or b""))
        except Damaged as error:  # what was read before it stays
            entries = list(_sound(data or b""))
            why = str(error)
        if not why and len(entries) != width:
            why = f"holds {len(entries)} records, not {width}"
        leaves = self.hashing.leaves(entries[:width])
        tile = self._tile(0, number, width)
        before = self._time
        if entries:
            self._time = time_of(entries[-1]) or before
        if not why and leaves == tile.hashes:
            return leaves
        return self._differ(number, width, file, why, leaves, entries, tile, before)

    def _differ(
        self, number: int, width: int, file: str, why: str, leaves: list[bytes],
        entries: list[bytes], tile: Tile, before: str,
    ) -> list[bytes]:  # fmt: skip
        first = number * WIDTH
        stored = tile.hashes
        at = _first(leaves, stored or leaves)
        at = min(at, len(leaves), width - 1)
        time = (time_of(entries[at]) if at < len(entries) else "") or before
        if at:
            time = time or time_of(entries[at - 1])
        if stored is None:
            if why:
                self._find(file, why, first, first + width, before)
                return [*leaves, *[b"\0" * 32] * (width - len(leaves))]
            return leaves  # the tile's absence was told when it was read
        if why or tile.trusted:
            said = why or "this record is not the one that was sealed"
            self._find(file, said, first + at, first + (width if why else at + 1), time)
            return stored
        doubt = Finding(tile.file, "this tile is not the hashes of its records", first + at)
        self._doubts.append(doubt)
        return leaves

    def _tile(self, level: int, number: int, width: int) -> Tile:
        known = self._above.get(level)
        if known is not None and known[0] == number:
            return known[1]
        tile = self._stored(level, number, width)
        if width == WIDTH and tile.hashes is not None:
            above = self._parent(level, number)
            tile.trusted = above is not None and above == self.hashing.root(tile.hashes)
        else:
            tile.trusted = self.edge and tile.hashes is not None
        self._above[level] = (number, tile)
        return tile

    def _parent(self, level: int, number: int) -> bytes | None:
        """What the trusted tile above says of a full tile; None when none is trusted."""
        above = level + 1
        if above >= len(self.widths):
            return None
        full, width = self.widths[above]
        up = number // WIDTH
        tile = self._tile(above, up, WIDTH if up < full else width)
        if not tile.trusted or tile.hashes is None:
            return None
        return tile.hashes[number % WIDTH]

    def _stored(self, level: int, number: int, width: int) -> Tile:
        data, file = self.files.read(level, number, width)
        if data is None or len(data) != width * 32:
            why = "is missing" if data is None else f"has {len(data)} bytes, not {width * 32}"
            first = number * WIDTH ** (level + 1)
            until = min(self.size, first + width * WIDTH**level)
            if not any(f.file == file for f in self.findings):
                self._find(file, why, first, until)
            return Tile(file, None, False)
        return Tile(file, [data[i : i + 32] for i in range(0, len(data), 32)], False)

    def _lift(self, level: int, number: int, row: list[bytes]) -> None:
        """The hash of a full tile, compared with the level above once that tile is complete."""
        above = level + 1
        made = self._made[above]
        made.append(self.hashing.root(row))
        if len(made) < WIDTH:
            return
        self._made[above] = []
        self._compare(above, number // WIDTH, made)
        self._lift(above, number // WIDTH, made)

    def _compare(self, level: int, number: int, made: list[bytes]) -> None:
        """A tile of hashes of tiles with what the records below give."""
        tile = self._tile(level, number, len(made))
        if tile.hashes is None or tile.hashes == made:
            return
        span = WIDTH**level
        slot = _first(made, tile.hashes)
        first = (number * WIDTH + slot) * span
        if not tile.trusted:
            self._doubts.append(Finding(tile.file, "this tile is not the hashes below it", first))
            return
        for slot in range(len(made)):
            if made[slot] != tile.hashes[slot]:
                first = (number * WIDTH + slot) * span
                why = "records and their tile were changed together; the tile above tells"
                self._find(place(ENTRIES, first // WIDTH), why, first, first + span)
        made[:] = tile.hashes

    def _end(self, root: bytes) -> None:
        for level, (number, width) in enumerate(self.widths):
            if level and width:
                self._compare(level, number, self._made[level])
        if root != self.root:  # trusted tiles have taken the place of what differs from them
            root = self.hashing.fold([self._last, *self._made[1:]])
        self.computed = root
        self.findings += self._doubts
        self.findings.sort(key=lambda f: (f.record is None, f.record))

    def _find(
        self, file: str, why: str, record: int, until: int | None = None, time: str = ""
    ) -> None:
        if len(self.findings) < MOST:
            self.findings.append(Finding(file, why, record, until, time))


def _first(left: Sequence[bytes], right: Sequence[bytes]) -> int:
    """Where both differ first."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(left), len(right)))


def _sound(bundle: bytes) -> Iterator[bytes]:
    try:
        yield from split(bundle)
    except Damaged:
        return


def time_of(entry: bytes) -> str:
    """The time a record says, for people; empty when it says none."""
    found = re.search(rb'"time":"([0-9T:.Z-]{1,40})"', entry)
    return found[1].decode() if found else ""

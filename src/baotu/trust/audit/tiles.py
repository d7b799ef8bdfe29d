"""Reading a log: records, their proofs (RFC 9162, 2.1.3 and 2.1.4) from a few tiles each.

Reads what a checkpoint covers and nothing beyond it. Safe to call from any thread.
"""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from .formats import (
    ENTRIES,
    NEWEST,
    SHA256,
    WIDTH,
    Checkpoint,
    Damaged,
    Hashing,
    climb,
    read_checkpoint,
    split,
)
from .record import read
from .scan import Files

CACHED = {0: 16, 1: 192, 2: 16}  # tiles of a level with the nodes inside, 16 KB each

EDGES = 256  # hashes of ranges that are no whole subtree


class Reader:
    """What a folder holds. hashing: that of the log's key."""

    def __init__(self, folder: Path, hashing: Hashing = SHA256) -> None:
        self.folder, self.files, self.hashing = folder, Files(folder), hashing
        self._lock = threading.Lock()
        self._tiles: dict[int, OrderedDict[tuple[int, int], list[bytes]]] = {}
        self._edges: dict[tuple[int, int], bytes] = {}  # hashes that end at the right edge

    def checkpoint(self) -> Checkpoint:
        """The newest. Raises Damaged, OSError."""
        return read_checkpoint((self.folder / NEWEST).read_bytes())

    def forget(self) -> None:
        """Read everything anew: the files may be others now."""
        with self._lock:
            self._tiles.clear()
            self._edges.clear()

    # -- hashes ---------------------------------------------------------------------------------
    def node(self, height: int, index: int, size: int) -> bytes:
        """The hash of the complete subtree `index` of 2^height records of a tree of `size`."""
        level, inside = divmod(height, 8)
        number, slot = divmod(index, WIDTH >> inside)
        row = self._rows(level, number, size)[inside]
        found = row[slot * 32 : slot * 32 + 32]
        if len(found) != 32:
            raise Damaged(f"no subtree {index} of height {height} in {size} records")
        return found

    def _rows(self, level: int, number: int, size: int) -> list[bytes]:
        """The nodes of a tile, height by height, each row in one piece."""
        width = min(WIDTH, (size >> 8 * level) - number * WIDTH)
        with self._lock:
            known = self._tiles.setdefault(level, OrderedDict())
            if (number, width) in known:
                known.move_to_end((number, width))
                return known[number, width]
        data, file = self.files.read(level, number, width)
        if data is None or len(data) != width * 32:
            raise Damaged(f"{file}: is missing or cut")
        rows, plain = [data], self.hashing.plain()
        while len(row := rows[-1]) > 32:
            pairs = range(0, len(row) - 63, 64)
            rows.append(b"".join(plain(b"\1" + row[at : at + 64]).digest() for at in pairs))
        rows += [b""] * (9 - len(rows))
        with self._lock:
            known[number, width] = rows
            if len(known) > CACHED.get(level, 2):
                known.popitem(last=False)
        return rows

    def root(self, size: int) -> bytes:
        return self._range(0, size, size) if size else self.hashing.root(())

    def _range(self, first: int, until: int, size: int) -> bytes:
        """The tree hash of [first, until): `first` is a multiple of a power of two above."""
        if not (until - first) & (until - first - 1):
            height = (until - first).bit_length() - 1
            return self.node(height, first >> height, size)
        middle = first + _below(until - first)
        return self.hashing.node(self._range(first, middle, size), self._range(middle, until, size))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]) of RFC 9162, 2.1.3.1: from the leaf's sibling upwards."""
        if not 0 <= index < size:
            raise Damaged(f"record {index} is not among {size}")
        path, first, until = [], 0, size
        while until - first > 1:
            middle = first + _below(until - first)
            if index < middle:
                path.append(self._range(middle, until, size))
                until = middle
            else:
                path.append(self._range(first, middle, size))
                first = middle
        return path[::-1]

    def consistency(self, old: int, size: int) -> list[bytes]:
        """PROOF(old, D[size]) of RFC 9162, 2.1.4.1."""
        if not 0 <= old <= size:
            raise Damaged(f"{old} records are not among {size}")
        if old in (0, size):
            return []
        path, first, until, whole = [], 0, size, True
        while old != until:
            middle = first + _below(until - first)
            if old <= middle:
                path.append(self._range(middle, until, size))
                until = middle
            else:
                path.append(self._range(first, middle, size))
                first, whole = middle, False
        if not whole:
            path.append(self._range(first, until, size))
        return path[::-1]

    # -- records --------------------------------------------------------------------------------
    def bundle(self, number: int, size: int) -> list[bytes]:
        """The records of a bundle, as far as a log of this size has them. Raises Damaged."""
        width = min(WIDTH, size - number * WIDTH)
        data, file = self.files.read(ENTRIES, number, width)
        if data is None:
            raise Damaged(f"{file}: is missing")
        entries = list(split(data))
        if len(entries) != width:
            raise Damaged(f"{file}: holds {len(entries)} records, not {width}")
        return entries

    def entry(self, index: int, size: int) -> bytes:
        return self.bundle(index // WIDTH, size)[index % WIDTH]

    def entries(self, since: int, size: int) -> Iterator[tuple[int, bytes]]:
        """(position, record) from a position on."""
        for number in range(since // WIDTH, -(-size // WIDTH)):
            for place, entry in enumerate(self.bundle(number, size), number * WIDTH):
                if place >= since:
                    yield place, entry

    def find(self, id: int, size: int) -> int | None:
        """The position of a row of the audit; ids grow, so a few bundles are read. None: not
        in the log."""
        low, high, guess = 0, -(-size // WIDTH) - 1, -1
        while low <= high:
            middle = (low + high) // 2 if guess < low or guess > high else guess
            entries = self.bundle(middle, size)
            first, last = read(entries[0])["id"], read(entries[-1])["id"]
            if first <= id <= last:
                return self._within(id, entries, middle * WIDTH, id - first)
            if id < first:
                high = middle - 1
                guess = middle - max(1, (first - id) // WIDTH)  # ids have few gaps
            else:
                low = middle + 1
                guess = middle + max(1, (id - last) // WIDTH)
        return None

    def _within(self, id: int, entries: Sequence[bytes], first: int, guess: int) -> int | None:
        for at in (guess, *range(len(entries))):
            if at < len(entries) and read(entries[at])["id"] == id:
                return first + at
        return None

    def proof(self, index: int, checkpoint: Checkpoint) -> bytes:
        """A record's proof with the record: https://c2sp.org/tlog-proof."""
        size = checkpoint.size
        entry, path = self.entry(index, size), self.inclusion(index, size)
        leaf = self.hashing.leaf(entry)
        if climb(index, size, leaf, path, self.hashing) != checkpoint.root:
            raise Damaged(f"record {index} or a tile above it is damaged: verify the log")
        words = [base64.b64encode(data).decode() for data in (entry, *path)]
        lines = ["c2sp.org/tlog-proof@v1", f"extra {words[0]}", f"index {index}", *words[1:]]
        return "\n".join(lines).encode() + b"\n\n" + bytes(checkpoint)


def _below(count: int) -> int:
    """The largest power of two smaller than this."""
    return 1 << (count - 1).bit_length() - 1


def consistent(
    old: int,
    size: int,
    before: bytes,
    root: bytes,
    path: Sequence[bytes],
    hashing: Hashing = SHA256,
) -> None:
    """Judge a consistency proof: RFC 9162, 2.1.4.2. Raises Damaged when the log of `size` does
    not begin with that of `old`."""
    if old > size or (old == size and before != root) or (old in (0, size) and path):
        raise Damaged(f"{size} records do not follow {old}")
    if old == 0 and before != hashing.root(()):
        raise Damaged("an empty log has another root")
    if old in (0, size):
        return
    hashes = [before, *path] if not old & (old - 1) else list(path)
    if not hashes:
        raise Damaged("the proof is too short")
    at, last = old - 1, size - 1
    while at % 2:
        at, last = at // 2, last // 2
    left = right = hashes[0]
    for other in hashes[1:]:
        if last == 0:
            raise Damaged("the proof is too long")
        if at % 2 or at == last:
            left, right = hashing.node(other, left), hashing.node(other, right)
            while at and not at % 2:
                at, last = at // 2, last // 2
        else:
            right = hashing.node(right, other)
        at, last = at // 2, last // 2
    if last or left != before or right != root:
        raise Damaged(f"{size} records do not follow {old}")

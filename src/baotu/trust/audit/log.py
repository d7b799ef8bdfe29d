"""Writing a log: records in groups, one fsync of each file a group, the signed checkpoint after.

No file that the checkpoint stands on is ever changed: a tile that grows is a new file. So after a
`kill -9` at any instant the checkpoint's log is whole, and what lies beyond it is written again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .formats import (
    COSIGNED,
    END,
    ENTRIES,
    HISTORY,
    NEWEST,
    STEP,
    WIDTH,
    Checkpoint,
    Damaged,
    Key,
    Signature,
    place,
    read_checkpoint,
    split,
    widths,
)
from .keys import Signer, sign
from .scan import Files

GROUP = 4096  # records that are appended at once at most
AHEAD = GROUP // WIDTH + 2  # tiles of a level that a broken-off write may have begun


class Log:
    """One writer of one folder. Raises Damaged when the folder holds another log, or a broken
    one: nothing is ever signed that does not follow what was signed before.

    After an OSError the object is spent: open the folder again.
    """

    def __init__(self, folder: Path, signer: Signer) -> None:
        self.folder, self.signer, self.hashing = folder, signer, signer.key.kind.hashing
        folder.mkdir(parents=True, exist_ok=True)
        self._tail = bytearray()  # the entries of the partial bundle
        self._edge: list[list[bytes]] = []  # hashes of the partial tile of each level
        self._fresh: list[Path] = []  # not yet on disk for certain
        self._history: list[Checkpoint] = []
        self._standing: set[str] = set()  # partial files of the checkpoint
        self._identify(signer.key)
        self.checkpoint = self._open()

    @property
    def size(self) -> int:
        return self.checkpoint.size

    def append(self, entries: Sequence[bytes], root: bytes | None = None) -> Checkpoint:
        """At most GROUP records; durable when this returns. root: what the log must have then, as
        was signed before; raises Damaged, and signs nothing, when it has another."""
        before, at, size = self._standing, 0, self.size
        while at < len(entries):
            part = entries[at : at + WIDTH - size % WIDTH]
            at, size = at + len(part), size + len(part)
            self._add(part)
            if size % STEP == 0:
                self._history.append(self._signed(size))
        self._write_partials(size)
        if root is not None and self.hashing.fold(self._edge) != root:
            raise Damaged(f"{size} records are others than those that were signed before")
        made = self._signed(size)
        self._commit(made)
        for name in before - self._standing:
            self._drop(self.folder / name)
        return made

    def keep_cosigned(self, checkpoint: Checkpoint, witnesses: Sequence[Key]) -> None:
        """Keep the newest checkpoint that witnesses have signed, and their keys beside it."""
        text = "".join(f"{key}\n" for key in witnesses)
        self._replace(self.folder / "witnesses", text.encode())
        self._replace(self.folder / COSIGNED, bytes(checkpoint))

    def extended(self, checkpoint: Checkpoint, lines: Sequence[Signature]) -> Checkpoint:
        """The checkpoint with the lines of witnesses behind its own signature."""
        own = tuple(s for s in checkpoint.signatures if s.id == self.signer.key.id)
        return Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root, (*own, *lines))

    # -- opening --------------------------------------------------------------------------------
    def _identify(self, key: Key) -> None:
        path = self.folder / "key"
        if not path.exists() and not (self.folder / NEWEST).exists():
            self._replace(path, f"{key}\n".encode())
        stored = path.read_text(encoding="utf-8") if path.exists() else ""
        if stored != f"{key}\n":
            raise Damaged("key: the folder holds the log of another key")

    def _open(self) -> Checkpoint:
        path = self.folder / NEWEST
        if not path.exists():
            if (self.folder / "tile").exists() and any(self.folder.glob("tile/entries/*")):
                raise Damaged(f"{NEWEST}: is missing, and there are records")
            first = self._signed(0)
            self._replace(path, bytes(first))
            return first
        found = read_checkpoint(path.read_bytes())
        if self.signer.key not in [key for key, _ in found.signers([self.signer.key])]:
            raise Damaged(f"{NEWEST}: is not signed by the log's key")
        self._load(found)
        self._mend(found.size)
        return found

    def _load(self, found: Checkpoint) -> None:
        files = Files(self.folder)
        for level, (number, width) in enumerate(widths(found.size)):
            data, file = files.read(level, number, width) if width else (b"", "")
            if data is None or len(data) != width * 32:
                raise Damaged(f"{file}: is missing or cut")
            self._edge.append([data[at : at + 32] for at in range(0, len(data), 32)])
            if width and file != place(level, number, width):  # the begin of a larger one
                self._replace(self.folder / place(level, number, width), data)
        if self.hashing.fold(self._edge) != found.root:
            raise Damaged(f"{NEWEST}: its root is not that of the tiles")
        number, width = divmod(found.size, WIDTH)
        if width:
            data, file = files.read(ENTRIES, number, width)
            if data is None or self.hashing.leaves(list(split(data))) != self._edge[0]:
                raise Damaged(f"{file}: is not what was sealed")
            self._tail += data
            if file != place(ENTRIES, number, width):
                self._replace(self.folder / place(ENTRIES, number, width), data)
        self._standing = self._partials(found.size)

    def _mend(self, size: int) -> None:
        """What a broken-off write left beyond the checkpoint goes."""
        path = self.folder / HISTORY
        if path.exists():
            parts = path.read_bytes().split(END)
            if len(parts) - 1 < size // STEP:
                raise Damaged(f"{HISTORY}: holds {len(parts) - 1} checkpoints, not {size // STEP}")
            kept = parts[: size // STEP]
            whole = b"".join(part + END for part in kept)
            if len(whole) != path.stat().st_size:
                self._replace(path, whole)
        elif size >= STEP:
            raise Damaged(f"{HISTORY}: is missing")
        for level in (ENTRIES, *range(len(self._edge) + 1)):
            span = WIDTH if level == ENTRIES else WIDTH ** (int(level) + 1)
            self._mend_level(level, size // span, size * WIDTH // span % WIDTH)

    def _mend_level(self, level: int | str, edge: int, width: int) -> None:
        for number in range(max(0, edge - AHEAD), edge + AHEAD):
            if number >= edge:
                (self.folder / place(level, number)).unlink(missing_ok=True)
            partial = (self.folder / place(level, number, 1)).parent
            for path in partial.glob("*"):
                if number != edge or path.name != str(width):
                    self._drop(path)

    # -- appending ------------------------------------------------------------------------------
    def _add(self, part: Sequence[bytes]) -> None:
        """At most as many as the bundle has room for."""
        if not self._edge:
            self._edge.append([])
        for entry in part:
            self._tail += len(entry).to_bytes(2, "big")
            self._tail += entry
        self._edge[0].extend(self.hashing.leaves(part))
        if len(self._edge[0]) == WIDTH:
            self._full = self._numbers()
            self._write(place(ENTRIES, self._full), bytes(self._tail))
            self._tail.clear()
            self._lift(0, self._full)

    def _numbers(self) -> int:
        """Of the bundle at the edge: what the levels above have taken in."""
        return sum(len(row) * WIDTH**level for level, row in enumerate(self._edge[1:]))

    def _lift(self, level: int, number: int) -> None:
        row = self._edge[level]
        self._write(place(level, number), b"".join(row))
        if level + 1 == len(self._edge):
            self._edge.append([])
        self._edge[level + 1].append(self.hashing.root(row))
        row.clear()
        if len(self._edge[level + 1]) == WIDTH:
            self._lift(level + 1, number // WIDTH)

    def _partials(self, size: int) -> set[str]:
        """Names of the partial files of a log of this size."""
        names = {place(level, n, w) for level, (n, w) in enumerate(widths(size)) if w}
        number, width = divmod(size, WIDTH)
        return names | {place(ENTRIES, number, width)} if width else names

    def _write_partials(self, size: int) -> None:
        number, width = divmod(size, WIDTH)
        if width:
            self._write(place(ENTRIES, number, width), bytes(self._tail))
        for level, (number, width) in enumerate(widths(size)):
            path = place(level, number, width)
            if width and path not in self._standing:
                self._write(path, b"".join(self._edge[level]))
        self._standing = self._partials(size)

    def _signed(self, size: int) -> Checkpoint:
        root = self.hashing.fold(self._edge)
        return sign(self.signer, Checkpoint(self.signer.key.name, size, root))

    def _commit(self, made: Checkpoint) -> None:
        """Data first, then the checkpoints kept, then the newest one: never ahead of the data."""
        for path in dict.fromkeys([*self._fresh, *(path.parent for path in self._fresh)]):
            _sync(path)
        self._fresh.clear()
        if self._history:
            with (self.folder / HISTORY).open("ab") as file:
                file.write(b"".join(bytes(one)[:-1] + END for one in self._history))
                file.flush()
                os.fsync(file.fileno())
            self._history.clear()
        self._replace(self.folder / NEWEST, bytes(made))
        self.checkpoint = made

    def _write(self, name: str, data: bytes) -> None:
        path = self.folder / name
        try:
            path.write_bytes(data)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in path.parents:
                if folder == self.folder.parent:
                    break
                self._fresh.append(folder)
            path.write_bytes(data)
        self._fresh.append(path)

    def _replace(self, path: Path, data: bytes) -> None:
        fresh = path.with_name(path.name + ".new")
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _sync(path.parent)

    def _drop(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)

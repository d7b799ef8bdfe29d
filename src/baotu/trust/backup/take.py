"""Takes a backup: only chunks that no earlier run has are written; then the run that names them.

Until the run is named, the earlier ones are all there is: a fall at any moment loses only the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ..primitives import Suite
from .check import Checked, _runs
from .form import (
    CHUNKS,
    IDENTITY,
    RECOVERY,
    RUNS,
    Chunk,
    FileEntry,
    Head,
    Manifest,
    Run,
    identity_of,
    key_bound,
    run_name,
    seal_chunk,
    seal_manifest,
    text64,
    write_run,
)
from .keep import kept
from .node import CACHE, Memory, remember
from .objects import PART, Objects

FINE, COARSE = 1 << 18, 1 << 22  # bytes of a chunk: databases change by pages, segments never
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to keep. path: its name in the backup. lasting: once written it never changes."""

    path: str
    file: Path
    lasting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """read: bytes that had to be read. written: bytes that the store grew by."""

    number: int
    files: int
    bytes: int
    read: int
    written: int
    pruned: int
    kept: int


class CacheRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a lasting file was when it was last kept. stamp: inode, size, mtime."""

    stamp: tuple[int, int, int]
    hash: str
    ids: list[bytes]
    plain: int


@dataclass(slots=True)
class _Work:
    objects: Objects
    suite: Suite
    memory: Memory
    number: int
    key: bytes
    known: dict[bytes, Chunk]
    cache: dict[str, CacheRow]
    used: dict[bytes, Chunk] = field(default_factory=dict)
    fresh: dict[str, CacheRow] = field(default_factory=dict)
    read: int = 0
    written: int = 0

    def file(self, source: Source) -> tuple[FileEntry, list[bytes]]:
        with source.file.open("rb") as file:
            state = os.fstat(file.fileno())
            stamp = (state.st_ino, state.st_size, state.st_mtime_ns)
            row = self.cache.get(source.path) if source.lasting else None
            if row and row.stamp == stamp and all(id in self.known for id in row.ids):
                for id in row.ids:
                    self.used[id] = self.known[id]
            else:
                row = self._read(file, stamp, COARSE if source.lasting else FINE)
        if source.lasting:
            self.fresh[source.path] = row
        entry = FileEntry(path=source.path, mode=state.st_mode & 0o777, mtime=state.st_mtime_ns,
                          size=row.plain, hash=row.hash, chunks=[])  # fmt: skip
        return entry, row.ids

    def _read(self, file: BinaryIO, stamp: tuple[int, int, int], step: int) -> CacheRow:
        """As much as there was when it was opened: a log that grows is kept up to there."""
        whole, ids, left = self.suite.hasher(), [], stamp[1]
        while left > 0 and (plain := file.read(min(step, left))):
            left -= len(plain)
            self.read += len(plain)
            whole.update(plain)
            ids.append(self._chunk(plain))
        return CacheRow(stamp=stamp, hash=whole.finalize().hex(), ids=ids, plain=stamp[1] - left)

    def _chunk(self, plain: bytes) -> bytes:
        id = self.suite.mac(self.memory.ids, plain)
        if id in self.used:
            return id
        if (found := self.known.get(id)) is None:
            sealed = seal_chunk(self.suite, self.key, self.memory.store, id, self.number, plain)
            found = Chunk(id=id, hash=self.suite.hash(sealed), size=len(sealed), run=self.number,
                          plain=len(plain))  # fmt: skip
            self.objects.put(found.name, sealed)
            self.written += len(sealed)
        self.used[id] = found
        return id


def take(
    objects: Objects,
    folder: Path,
    memory: Memory,
    suite: Suite,
    sources: Sequence[Source],
    *,
    node: str,
    now: int,
    rules: Mapping[str, int],
    facts: Mapping[str, Any],
    covers: Sequence[str],
    without: Sequence[str],
    tell: Tell = lambda done, total: None,
) -> Taken:
    """folder: where the node remembers. Raises Unreachable when the store is away or full, Forged
    when it is another one."""
    signer, before = memory.key(), Checked()
    identity, recovery = objects.get(IDENTITY) or b"", objects.get(RECOVERY) or b""
    public = bytes.fromhex(identity_of(identity).public)
    _runs(objects, suite, signer.public(), before)
    number = max([memory.number, *before.runs]) + 1
    work = _Work(
        objects, suite, memory, number, suite.new_key(), _known(before, memory), _cache(folder)
    )
    total, done, files = sum(_size(s.file) for s in sources), 0, []
    for source in sources:
        files.append(work.file(source))
        done += files[-1][0].size
        tell(done, max(total, done))
    chunks = sorted(work.used.values(), key=lambda c: c.id)
    place = {chunk.id: n for n, chunk in enumerate(chunks)}
    entries = [_with(entry, [place[id] for id in ids]) for entry, ids in files]
    manifest = Manifest(
        files=entries, facts=dict(facts), covers=list(covers), without=list(without)
    )
    stays = kept([(n, r.head.time) for n, r in before.runs.items()] + [(number, now)], rules)
    head = Head(
        store=memory.store, number=number, time=now, node=node, suite=suite.name,
        kept=[(n, before.runs[n].hash.hex()) for n in sorted(stays - {number})],
        keys=_keys(suite, public, memory.store, number, work.key, chunks, before),
        identity=memory.identity.hex(), recovery=memory.recovery.hex(),
    )  # fmt: skip
    sealed = seal_manifest(suite, work.key, memory.store, number, manifest)
    data = write_run(suite, signer, Run(head=head, chunks=chunks, manifest=sealed))
    objects.settle()
    objects.put(run_name(number), data)
    objects.settle()
    _save(folder, work.fresh)
    remember(folder, msgspec.structs.replace(
        memory, number=number, hash=suite.hash(data), distrusted=[], time=now,
        identity=memory.identity or suite.hash(identity), recovery=memory.recovery or suite.hash(recovery),
    ))  # fmt: skip
    pruned = _prune(objects, before, stays, chunks)
    return Taken(number=number, files=len(entries), bytes=done, read=work.read,
                 written=work.written + len(data), pruned=pruned, kept=len(stays))  # fmt: skip


def _known(before: Checked, memory: Memory) -> dict[bytes, Chunk]:
    """Chunks that may be used again: of readable runs, and not found damaged."""
    bad = set(memory.distrusted)
    rows = (c for n in sorted(before.runs) for c in before.runs[n].chunks)
    return {c.id: c for c in rows if c.name not in bad}


def _keys(
    suite: Suite, public: bytes, store: str, number: int, key: bytes,
    chunks: Sequence[Chunk], before: Checked,
) -> dict[str, str]:  # fmt: skip
    """Sealed keys of all runs that wrote one of these chunks; earlier ones as they were written."""
    own = text64(suite.seal_to(public, key, key_bound(store, number)))
    earlier = {k: v for n in sorted(before.runs) for k, v in before.runs[n].head.keys.items()}
    wanted = {str(c.run) for c in chunks} - {str(number)}
    return {n: earlier[n] for n in sorted(wanted)} | {str(number): own}


def _prune(objects: Objects, before: Checked, stays: set[int], chunks: Sequence[Chunk]) -> int:
    """Runs that the rules let go, then chunks nobody names. After a run that cannot be read nothing
    is removed: who knows what it names."""
    if before.faults:
        return 0
    gone = [n for n in before.runs if n not in stays]
    for number in gone:
        objects.remove(run_name(number))
    wanted = {c.name for n in stays if n in before.runs for c in before.runs[n].chunks}
    wanted |= {c.name for c in chunks}
    for name in list(objects.names(CHUNKS)):
        if name not in wanted:
            objects.remove(name)
    for name in list(objects.names(RUNS)):
        if name.endswith(PART):
            objects.remove(name)
    return len(gone)


def _with(entry: FileEntry, chunks: list[int]) -> FileEntry:
    return FileEntry(path=entry.path, mode=entry.mode, mtime=entry.mtime, size=entry.size,
                     hash=entry.hash, chunks=chunks)  # fmt: skip


def _size(file: Path) -> int:
    return file.stat().st_size


def _cache(folder: Path) -> dict[str, CacheRow]:
    try:
        return msgspec.msgpack.decode((folder / CACHE).read_bytes(), type=dict[str, CacheRow])
    except (FileNotFoundError, msgspec.MsgspecError):
        return {}  # everything is read again


def _save(folder: Path, rows: Mapping[str, CacheRow]) -> None:
    fresh = folder / (CACHE + ".new")
    fresh.write_bytes(msgspec.msgpack.encode(rows))
    fresh.replace(folder / CACHE)


def sources_in(folder: Path, lasting: Callable[[str], bool]) -> Iterator[Source]:
    """All files below a folder, in the order of their names."""
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
        path = file.relative_to(folder).as_posix()
        yield Source(path=path, file=file, lasting=lasting(path))


__all__ = ["Source", "Taken", "sources_in", "take"]

"""Restores a run into a new folder and proves every byte of it on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from baotu.sdk import ConfigError, Invalid

from ..primitives import Forged, Suite, suite, verifier_of
from .check import Fault, check, fault_of
from .form import (
    IDENTITY,
    FileEntry,
    Manifest,
    Run,
    bytes64,
    identity_of,
    key_bound,
    open_chunk,
    open_manifest,
    run_name,
)
from .node import unlock
from .objects import Objects

Tell = Callable[[int, int], None]


@dataclass(slots=True)
class Restored:
    """faults: empty means that every byte is what was kept."""

    number: int = 0
    time: int = 0
    node: str = ""
    files: int = 0
    bytes: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    covers: Sequence[str] = ()
    without: Sequence[str] = ()
    faults: list[Fault] = field(default_factory=list)


def restore(
    objects: Objects,
    phrase: str,
    into: Path | None,
    *,
    number: int = 0,
    least: int = 0,
    whole: bool = False,
    tell: Tell = lambda done, total: None,
) -> Restored:
    """into: a new folder; None only proves. number: of the run, 0 for the newest. least: the newest
    run must be this one or later: only who remembers it can tell that a store was rolled back.
    whole: check every object of the store besides, not only those of this run.

    Raises ConfigError for a wrong passphrase or a folder that is not empty, Invalid for a run that
    is not there, Forged when nothing can be restored.
    """
    if into is not None and into.exists() and any(into.iterdir()):
        raise ConfigError("is not empty", str(into), "name a new folder")
    identity = objects.get(IDENTITY)
    if identity is None:
        raise ConfigError("holds no backups", "store", "name the folder of [backup] to")
    try:
        told = identity_of(identity)
        chosen = suite(told.suite)
        owner = unlock(objects, chosen, identity, phrase)
        signer = verifier_of(told.signer.encode())
    except (Forged, ValueError) as error:
        raise Forged(f"{IDENTITY}, recovery: {error}") from None
    found = check(objects, chosen, signer, share=1.0 if whole else 0.0)
    faults = (
        found.faults if whole else [f for f in found.faults if not f.where.startswith("chunks")]
    )
    if max(found.runs, default=0) < least:
        why = f"run {least} is remembered, the newest here is {max(found.runs, default=0)}"
        faults.append(Fault(where=run_name(least), kind="rolled back", why=why))
    number = number or max(found.runs, default=0)
    if number not in found.runs:
        if faults:
            return Restored(number=number, faults=faults)
        raise Invalid("run", f"there is no run {number}; there are {_told(found.runs)}")
    run = found.runs[number]
    work = _Restore(objects, chosen, run, owner.private, owner.ids, into)
    manifest = work.manifest()
    work.all(manifest, tell)
    where = {str(f) for f in faults}
    return Restored(
        number=number, time=run.head.time, node=run.head.node, files=work.files, bytes=work.size,
        facts=manifest.facts, covers=manifest.covers, without=manifest.without,
        faults=faults + [f for f in work.faults if str(f) not in where],
    )  # fmt: skip


def _told(runs: dict[int, Run]) -> str:
    return ", ".join(str(n) for n in sorted(runs)) or "none"


@dataclass(slots=True)
class _Restore:
    objects: Objects
    suite: Suite
    run: Run
    private: bytes = field(repr=False)
    ids: bytes = field(repr=False)
    into: Path | None
    files: int = 0
    size: int = 0
    faults: list[Fault] = field(default_factory=list)
    _keys: dict[int, bytes] = field(default_factory=dict, repr=False)

    def manifest(self) -> Manifest:
        head = self.run.head
        key = self._key(head.number)
        return open_manifest(self.suite, key, head.store, head.number, self.run.manifest)

    def all(self, manifest: Manifest, tell: Tell) -> None:
        total = sum(file.size for file in manifest.files)
        for file in manifest.files:
            self._file(file)
            self.files += 1
            self.size += file.size
            tell(self.size, total)

    def _key(self, number: int) -> bytes:
        """Of the run that wrote a chunk. Raises Forged."""
        if number not in self._keys:
            text = self.run.head.keys.get(str(number))
            if text is None:
                raise Forged(f"run {number}: its key is not there")
            bound = key_bound(self.run.head.store, number)
            self._keys[number] = self.suite.open_from(self.private, bytes64(text), bound)
        return self._keys[number]

    def _file(self, file: FileEntry) -> None:
        whole, target = self.suite.hasher(), _inside(self.into, file.path)
        sink = None
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            sink = os.fdopen(number, "wb")
        size = 0
        try:
            for place in file.chunks:
                plain = self._plain(place)
                whole.update(plain)
                size += len(plain)
                if sink is not None:
                    sink.write(plain)
        finally:
            if sink is not None:
                sink.close()
        if size != file.size or whole.finalize().hex() != file.hash:
            self.faults.append(
                Fault(where=file.path, kind="changed", why="not the file that was kept")
            )
        if target is not None:
            target.chmod(file.mode)
            os.utime(target, ns=(file.mtime, file.mtime))

    def _plain(self, place: int) -> bytes:
        """The bytes of a chunk; nothing of one that is not whole."""
        chunk = self.run.chunks[place]
        data = self.objects.get(chunk.name)
        fault = fault_of(self.suite, chunk, data)
        if fault is None:
            try:
                key, store = self._key(chunk.run), self.run.head.store
                plain = open_chunk(self.suite, key, store, chunk.id, chunk.run, data or b"")
                self.suite.check_mac(self.ids, plain, chunk.id)
                return plain
            except Forged as error:
                fault = Fault(where=chunk.name, kind="changed", why=str(error))
        if fault not in self.faults:
            self.faults.append(fault)
        return b""


def _inside(into: Path | None, path: str) -> Path | None:
    """A manifest is signed, and still no file may leave the folder. Raises Forged."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or not parts:
        raise Forged(f"{path!r} would lie outside the folder")
    return into / path if into is not None else None

"""How backups are written: the identity of a store, a run, a chunk. Bytes in, values out.

A run is one signed file. Its head and the listing of chunks are readable, so that whoever holds the
public key of the signer finds every flipped bit without being able to read anything; its manifest
(files, figures) is sealed. Each chunk is sealed under a key of its own, derived from the key of the
run that wrote it; the keys of runs are sealed for the owner of the recovery passphrase alone, and
the node forgets them: it cannot read its own old backups.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..primitives import Forged, Key, Public, Suite

MAGIC = b"baotu backup run 1\n"
CONTEXT = b"baotu backup run\0"
IDENTITY, RECOVERY, RUNS, CHUNKS = "store.json", "recovery", "runs", "chunks"
ROW = struct.Struct(
    ">32s32sIII"
)  # id, hash of the object, its size, the run that wrote it, of what size
LENGTH, NUMBER = struct.Struct(">Q"), struct.Struct(">I")
MOST_HEAD = 1 << 26
RAW, DEFLATED = b"\0", b"\1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A row of a listing. id: keyed hash of the plain bytes. plain: how many of those."""

    id: bytes
    hash: bytes
    size: int
    run: int
    plain: int

    @property
    def name(self) -> str:
        return chunk_name(self.id, self.run)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of a manifest. chunks: places in the run's listing, in order."""

    path: str
    mode: int
    mtime: int  # ns
    size: int
    hash: str
    chunks: list[int]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What only the owner reads. facts: what a restored copy must say again, by name."""

    files: list[FileEntry]
    facts: dict[str, Any]
    covers: list[str]
    without: list[str]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The readable part of a run. kept: earlier runs that must be there, with their hashes.

    keys: of each run whose chunks this one uses, its key sealed for the owner. identity, recovery:
    hashes of those two objects.
    """

    store: str
    number: int
    time: int  # ns UTC
    node: str
    suite: str
    kept: list[tuple[int, str]]
    keys: dict[str, str]
    identity: str
    recovery: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    head: Head
    chunks: Sequence[Chunk]
    manifest: bytes = field(repr=False)  # sealed
    hash: bytes = b""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who may read (public, of a box) and who signs (PEM). passphrase: how its key is made."""

    format: str
    store: str
    suite: str
    public: str
    signer: str
    passphrase: dict[str, Any]


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """Sealed by the passphrase: the private half, the key of chunk ids, and what it belongs to."""

    private: bytes
    ids: bytes
    identity: bytes  # hash of store.json


def chunk_name(id: bytes, run: int) -> str:
    text = id.hex()
    return f"{CHUNKS}/{text[:2]}/{text}.{run}"


def run_name(number: int) -> str:
    return f"{RUNS}/{number:08}"


def seal_chunk(suite: Suite, key: bytes, store: str, id: bytes, run: int, plain: bytes) -> bytes:
    own = suite.kdf(key, b"chunk/" + id)
    return suite.seal(own, _packed(plain), _bound(store, id, run))


def open_chunk(suite: Suite, key: bytes, store: str, id: bytes, run: int, sealed: bytes) -> bytes:
    """Raises Forged."""
    own = suite.kdf(key, b"chunk/" + id)
    packed = suite.open(own, sealed, _bound(store, id, run))
    try:
        return zlib.decompress(packed[1:]) if packed[:1] == DEFLATED else packed[1:]
    except zlib.error:
        raise Forged("what was sealed cannot be unpacked") from None


def _packed(plain: bytes) -> bytes:
    """Smaller where the first bytes say that it pays; Parquet is packed already."""
    probe = plain[:16_384]
    if len(zlib.compress(probe, 1)) > 0.9 * len(probe):
        return RAW + plain
    return DEFLATED + zlib.compress(plain, 1)


def _bound(store: str, id: bytes, run: int) -> bytes:
    return f"baotu backup chunk/{store}/{run}/".encode() + id


def write_run(suite: Suite, signer: Key, run: Run) -> bytes:
    head = msgspec.json.encode(run.head)
    rows = b"".join(ROW.pack(c.id, c.hash, c.size, c.run, c.plain) for c in run.chunks)
    parts = [part for one in (head, rows, run.manifest) for part in (LENGTH.pack(len(one)), one)]
    body = MAGIC + b"".join(parts)
    return body + signer.sign(CONTEXT + suite.hash(body))


def read_run(suite: Suite, signer: Public, data: bytes) -> Run:
    """Raises Forged when a bit of it is not what the signer wrote."""
    if not data.startswith(MAGIC):
        raise Forged("it is no run of a backup")
    at, parts = len(MAGIC), []
    for _ in range(3):
        if len(data) < at + LENGTH.size:
            raise Forged("the run of a backup is cut off")
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        if length > len(data) - at:
            raise Forged("the run of a backup is cut off")
        parts.append(data[at : at + length])
        at += length
    signer.verify(CONTEXT + suite.hash(data[:at]), data[at:])
    head, rows, manifest = parts
    try:
        told = msgspec.json.decode(head, type=Head)
        chunks = [
            Chunk(id=i, hash=h, size=s, run=r, plain=p) for i, h, s, r, p in ROW.iter_unpack(rows)
        ]
    except (msgspec.MsgspecError, struct.error):
        raise Forged("the run of a backup cannot be read") from None
    return Run(head=told, chunks=chunks, manifest=manifest, hash=suite.hash(data))


def seal_manifest(suite: Suite, key: bytes, store: str, run: int, manifest: Manifest) -> bytes:
    text = zlib.compress(msgspec.json.encode(manifest), 1)
    return suite.seal(suite.kdf(key, b"manifest"), text, f"baotu manifest/{store}/{run}".encode())


def open_manifest(suite: Suite, key: bytes, store: str, run: int, sealed: bytes) -> Manifest:
    """Raises Forged."""
    bound = f"baotu manifest/{store}/{run}".encode()
    text = suite.open(suite.kdf(key, b"manifest"), sealed, bound)
    return msgspec.json.decode(zlib.decompress(text), type=Manifest)


def key_bound(store: str, run: int) -> bytes:
    return f"baotu run key/{store}/{run}".encode()


def text64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def bytes64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Forged("the run of a backup cannot be read") from None


def identity_of(data: bytes | None) -> Identity:
    """Raises Forged."""
    try:
        found = msgspec.json.decode(data or b"", type=Identity)
    except msgspec.MsgspecError:
        raise Forged("it is no store of backups, or its store.json was changed") from None
    if found.format != "baotu backup 1":
        raise Forged("it is no store of backups, or its store.json was changed")
    return found


Facts = Mapping[str, Any]

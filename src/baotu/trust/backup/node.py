"""What a node remembers of its store of backups: who it is, its signing key, the last run.

A store that shows an older last run than remembered was rolled back. The signing key rests in this
file, which only the node's user reads; it can forge runs, but reads none.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from baotu.sdk import ConfigError, Invalid

from ..primitives import Forged, Key, Stretch, Suite, signer_of, stretch
from ..primitives.phrase import SHORTEST
from .form import IDENTITY, RECOVERY, Identity, Recovery, identity_of
from .objects import Objects

NAME, CACHE = "backup.json", "backup.cache"


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """number, hash: of the newest run, 0 and empty before the first. distrusted: chunks (name)
    that a check found damaged: they are written anew. time, checked, proved: when the newest run was
    taken, the whole store read, a restored copy proved, ns UTC."""

    store: str
    suite: str
    signer: str
    ids: bytes
    identity: bytes
    recovery: bytes
    number: int = 0
    hash: bytes = b""
    distrusted: list[str] = msgspec.field(default_factory=list)
    time: int = 0
    checked: int = 0
    proved: int = 0
    faults: int = 0  # of the newest check; they stay until the runs they are in have gone

    def key(self) -> Key:
        return signer_of(self.signer.encode())


def remembered(folder: Path) -> Memory | None:
    """None before the first backup. Raises ConfigError for a file that is not ours."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Memory)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError:
        raise ConfigError(
            "cannot be read", str(folder / NAME), "restore it from a backup"
        ) from None


def remember(folder: Path, memory: Memory) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    fresh = path.with_name(NAME + ".new")
    fresh.unlink(missing_ok=True)
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(msgspec.json.encode(memory))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def begin(objects: Objects, top: Path, suite: Suite, phrase: str) -> tuple[Memory, Path]:
    """A new store: its keys, its identity; the private half sealed by the passphrase. Gives what
    the node remembers of it, and the folder below `top` where it does.

    Raises Invalid for a short passphrase, ConfigError when something else is there.
    """
    if len(phrase) < SHORTEST:
        raise Invalid("passphrase", f"at least {SHORTEST} characters")
    if next(objects.names(), None) is not None:
        raise ConfigError(
            "there is something else in it",
            "[backup] to",
            "name an empty folder, or the store of this node",
        )
    private, public = suite.new_box()
    signer, ids, how = suite.new_signer(), os.urandom(32), Stretch.fresh(suite)
    identity = msgspec.json.encode(
        Identity(
            format="baotu backup 1", store=secrets.token_hex(8), suite=suite.name,
            public=public.hex(), signer=signer.public().pem().decode(), passphrase=how.told(),
        )
    )  # fmt: skip
    told = Recovery(private=private, ids=ids, identity=suite.hash(identity))
    sealed = suite.seal(stretch(suite, phrase, how), msgspec.json.encode(told), b"recovery")
    objects.put(RECOVERY, sealed)
    objects.put(IDENTITY, identity)
    objects.settle()
    memory = Memory(
        store=identity_of(identity).store, suite=suite.name, signer=signer.pem().decode(), ids=ids,
        identity=suite.hash(identity), recovery=suite.hash(sealed),
    )  # fmt: skip
    remember(top / memory.store, memory)
    return memory, top / memory.store


def place(objects: Objects, top: Path) -> tuple[Memory, Path] | None:
    """What the node remembers of this store; None for a place without one. Raises ConfigError for
    the store of somebody else."""
    data = objects.get(IDENTITY)
    if data is None:
        return None
    store = identity_of(data).store
    memory = remembered(top / store) if store.isalnum() else None
    if memory is None:
        raise ConfigError(
            "the backups there are of another node",
            "[backup] to",
            "name an empty folder, or restore that node first",
        )
    return memory, top / store


def unlock(objects: Objects, suite: Suite, identity: bytes, phrase: str) -> Recovery:
    """The keys of the owner. Raises ConfigError for a wrong passphrase, Forged for a changed store."""
    found, sealed = identity_of(identity), objects.get(RECOVERY)
    if sealed is None:
        raise Forged("recovery: the sealed key of the owner is missing")
    over = stretch(suite, phrase, Stretch.of(found.passphrase))
    try:
        opened = suite.open(over, sealed, b"recovery")
    except Forged:
        raise ConfigError(
            "the passphrase does not open this store, or its files recovery or store.json were changed",
            "passphrase",
        ) from None
    told = msgspec.json.decode(opened, type=Recovery)
    if told.identity != suite.hash(identity):
        raise Forged("store.json: it was changed")
    suite.box_public(told.private, bytes.fromhex(found.public))
    return told

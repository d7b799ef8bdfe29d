"""The key of a log and of a witness: Ed25519, in a file that only its owner may read.

Another suite is another `Signer` whose key has its own kind (see `formats.KINDS`): its hash goes
with it, since a log is hashed by the kind of its key.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Protocol

from .formats import ED25519, KINDS, Checkpoint, Damaged, Key, Signature, cosigned

SECRET = "PRIVATE+KEY+"  # the form of golang.org/x/mod/sumdb/note


class Signer(Protocol):
    """Signs messages; `key` is what others judge the signature by."""

    @property
    def key(self) -> Key: ...

    def sign(self, message: bytes) -> bytes: ...


class Ed25519Signer:
    """`type`: ED25519 for a log, COSIGNATURE for a witness."""

    def __init__(self, name: str, seed: bytes, type: bytes = ED25519) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self._seed, self.key = seed, Key(name, type, public, KINDS[type])

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def secret(self) -> str:
        data = base64.b64encode(self.key.type + self._seed).decode()
        return f"{SECRET}{self.key.name}+{self.key.id.hex()}+{data}\n"

    def __repr__(self) -> str:
        return f"Ed25519Signer({self.key.name})"


def sign(signer: Signer, checkpoint: Checkpoint) -> Checkpoint:
    """With the signature of its log."""
    line = Signature(signer.key.name, signer.key.id, signer.sign(checkpoint.text))
    return Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root, (line,))


def cosign(signer: Signer, checkpoint: Checkpoint, time: int) -> Signature:
    """A witness's line: https://c2sp.org/tlog-cosignature. time: s since 1970."""
    data = time.to_bytes(8, "big") + signer.sign(cosigned(time, checkpoint.text))
    return Signature(signer.key.name, signer.key.id, data)


def kept(path: Path, name: str, type: bytes = ED25519) -> Ed25519Signer:
    """The key in a file; made when there is none: then the name ends in its public key, so that
    no two logs share an origin. Raises Damaged for a file that holds no such key."""
    if not path.exists():
        _make(path, name, type)
    text = path.read_text(encoding="utf-8")
    words = text.strip().removeprefix(SECRET).split("+", 2)
    try:
        raw = base64.b64decode(words[-1], validate=True)
    except ValueError:
        raw = b""
    if not text.startswith(SECRET) or len(words) < 3 or raw[:1] != type or len(raw) != 33:
        raise Damaged(f"{path.name} holds no key of a log")
    signer = Ed25519Signer(words[0], raw[1:], type)
    if signer.key.id.hex() != words[1]:
        raise Damaged(f"{path.name} holds a key that does not fit its id")
    return signer


def _make(path: Path, name: str, type: bytes) -> None:
    seed = os.urandom(32)
    public = Ed25519Signer("x", seed, type).key.public
    plain = re.sub(r"[\s+]", "-", name).strip("-") or "log"
    signer = Ed25519Signer(f"{plain}/{public[:4].hex()}", seed, type)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, signer.secret().encode())
        os.fsync(file)
    finally:
        os.close(file)
    fresh.replace(path)

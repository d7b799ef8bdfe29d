"""The interface of a suite, and what both suites share: sealed boxes, wrapping, streams of keys.

A suite is a name and six algorithms. Keys of seals are bytes of `key_bytes`; keys of signatures
are objects that never show their private half but as PEM, on request.
"""

from __future__ import annotations

import hmac
import os
from abc import ABC, abstractmethod
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from baotu.sdk import BaotuError, ConfigError

NONCE, TAG = 12, 16  # bytes; NIST SP 800-38D 5.2.1.1, RFC 8998 3.2.2
LARGEST = (1 << 36) - 32  # bytes under one nonce: SP 800-38D 5.2.1.1, 2^39 - 256 bits


class Forged(BaotuError):
    """It is not what was signed or sealed, or not for this key: nothing of it may be used."""


class Public(Protocol):
    """Checks signatures."""

    @property
    def algorithm(self) -> str:
        """ed25519 | ecdsa-p256 | sm2"""

    def verify(self, data: bytes, signature: bytes) -> None:
        """Raises Forged when this key has not signed these bytes."""

    def pem(self) -> bytes:
        """SubjectPublicKeyInfo (RFC 5280), PEM."""


class Key(Protocol):
    """Signs."""

    @property
    def algorithm(self) -> str: ...

    def sign(self, data: bytes) -> bytes:
        """Ed25519: 64 bytes (RFC 8032); ECDSA and SM2: DER of r, s (RFC 3279, GM/T 0009)."""

    def public(self) -> Public: ...

    def pem(self) -> bytes:
        """PKCS#8 (RFC 5958), PEM, not encrypted: seal it before it rests anywhere."""


class Suite(ABC):
    """Safe to share between threads: it keeps nothing."""

    name: str
    mark: bytes  # first byte of everything sealed: what another suite sealed is told as such
    key_bytes: int
    algorithms: tuple[str, ...]  # of signatures, the first is the usual one

    # what differs ------------------------------------------------------------------------------
    @abstractmethod
    def digest(self) -> hashes.HashAlgorithm: ...

    @abstractmethod
    def _lock(self, key: bytes, nonce: bytes, data: bytes, bound: bytes) -> bytes: ...

    @abstractmethod
    def _unlock(self, key: bytes, nonce: bytes, locked: bytes, bound: bytes) -> bytes:
        """Raises InvalidTag."""

    @abstractmethod
    def new_signer(self, algorithm: str = "") -> Key:
        """A fresh key pair. Raises ConfigError for an algorithm of another suite."""

    @abstractmethod
    def new_box(self) -> tuple[bytes, bytes]:
        """A key pair to seal for: (private, public), raw bytes."""

    @abstractmethod
    def box_public(self, private: bytes, public: bytes) -> None:
        """Raises Forged when the two do not belong together."""

    @abstractmethod
    def seal_to(self, public: bytes, data: bytes, bound: bytes = b"") -> bytes:
        """Sealed so that only who has the private half can open it."""

    @abstractmethod
    def open_from(self, private: bytes, sealed: bytes, bound: bytes = b"") -> bytes:
        """Raises Forged."""

    # what is the same --------------------------------------------------------------------------
    def hash(self, *parts: bytes) -> bytes:
        """32 bytes of all parts, one after the other."""
        made = hashes.Hash(self.digest())
        for part in parts:
            made.update(part)
        return made.finalize()

    def hasher(self) -> hashes.Hash:
        """For what does not fit into memory: `update`, then `finalize`."""
        return hashes.Hash(self.digest())

    def mac(self, key: bytes, data: bytes) -> bytes:
        """HMAC (RFC 2104), 32 bytes."""
        made = HMAC(self._key(key, least=16), self.digest())
        made.update(data)
        return made.finalize()

    def check_mac(self, key: bytes, data: bytes, mac: bytes) -> None:
        """In constant time. Raises Forged."""
        if not hmac.compare_digest(self.mac(key, data), mac):
            raise Forged("the authentication code does not belong to these bytes")

    def kdf(self, key: bytes, info: bytes, length: int = 0, salt: bytes = b"") -> bytes:
        """HKDF (RFC 5869) of a key that is random already; for passphrases see `stretch`.

        info: what the derived key is for, so that no two uses share one. length: 0 for a key.
        """
        if not info:
            raise ValueError("say what the derived key is for")
        length = length or self.key_bytes
        return HKDF(self.digest(), length, salt or None, info).derive(self._key(key, least=16))

    def new_key(self) -> bytes:
        return os.urandom(self.key_bytes)

    def seal(self, key: bytes, data: bytes, bound: bytes = b"") -> bytes:
        """mark, nonce, ciphertext, tag. bound: must be the same when it is opened; not kept.

        The nonce is drawn here: at random it may be 2³² times for one key (SP 800-38D 8.3).
        """
        if len(data) > LARGEST:
            raise ValueError(f"at most {LARGEST} bytes are sealed at once")
        nonce = os.urandom(NONCE)
        return self.mark + nonce + self._lock(self._key(key), nonce, data, self.mark + bound)

    def open(self, key: bytes, sealed: bytes, bound: bytes = b"") -> bytes:
        """What was sealed. Raises Forged when a bit, the key or `bound` is another."""
        self._mine(sealed)
        nonce, locked = sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
        if len(locked) < TAG:
            raise Forged("what was sealed is cut off")
        try:
            return self._unlock(self._key(key), nonce, locked, self.mark + bound)
        except InvalidTag:
            raise Forged("it cannot be opened: changed, or sealed by another key") from None

    def wrap(self, over: bytes, key: bytes, use: bytes) -> bytes:
        """A key sealed under another, bound to its use."""
        return self.seal(over, key, b"wrap:" + use)

    def unwrap(self, over: bytes, wrapped: bytes, use: bytes) -> bytes:
        """Raises Forged."""
        return self._key(self.open(over, wrapped, b"wrap:" + use))

    def _key(self, key: bytes, least: int = 0) -> bytes:
        if len(key) < least or (not least and len(key) != self.key_bytes):
            raise ValueError(f"a key of {self.name} has {least or self.key_bytes} bytes")
        return key

    def _mine(self, sealed: bytes) -> None:
        if sealed[:1] != self.mark:
            raise Forged(f"it was not sealed by the suite {self.name}")


def signer_of(pem: bytes) -> Key:
    """A private key from PKCS#8, of whatever suite it is. Raises Forged."""
    from . import asymmetric

    return asymmetric.private(pem)


def verifier_of(pem: bytes) -> Public:
    """A public key from SubjectPublicKeyInfo, of whatever suite it is. Raises Forged."""
    from . import asymmetric

    return asymmetric.public(pem)


def another(suite: str, algorithm: str, known: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        f"the suite {suite} has no signature {algorithm!r}", "[trust]", f"it has {', '.join(known)}"
    )

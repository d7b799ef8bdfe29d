"""Private keys of this node: made, kept, never shown. Public keys: judged and told apart."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from baotu.sdk import ConfigError

from .refusal import Refusal

Algorithm = Literal["p256", "ed25519"]
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
CURVES = ("secp256r1", "secp384r1", "secp521r1")
RSA_BITS = (2048, 8192)  # NIST SP 800-57 part 1, table 2; above it a request costs us too much


class Keys(Protocol):
    """Where private keys rest. Safe to call from any thread."""

    def load(self, name: str) -> PrivateKey:
        """Raises ConfigError when there is none."""

    def save(self, name: str, key: PrivateKey) -> None: ...


class FolderKeys:
    """Implements `Keys` by files that only their owner reads (mode 0600)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, name: str) -> PrivateKey:
        return read_key(self.folder / f"{name}.key")

    def save(self, name: str, key: PrivateKey) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_key(self.folder / f"{name}.key", key)


def make_key(algorithm: Algorithm = "p256") -> PrivateKey:
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def write_key(path: Path, key: PrivateKey, password: bytes = b"") -> None:
    """PKCS #8, readable by its owner only from its first byte on; an old file is replaced whole."""
    locked = BestAvailableEncryption(password) if password else NoEncryption()
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))


def write_private(path: Path, content: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_key(path: Path, password: bytes = b"") -> PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password or None)
    except FileNotFoundError:
        raise ConfigError(
            "没有这个密钥文件 no such key file", str(path), "restore it from a backup"
        ) from None
    except (ValueError, TypeError):
        raise ConfigError(
            "密钥读不了，或口令不对 the key cannot be read, or the passphrase is wrong", str(path)
        ) from None
    if not isinstance(key, PrivateKey):
        raise ConfigError("需要 ECDSA 或 Ed25519 密钥 wants an ECDSA or Ed25519 key", str(path))
    return key


def hash_of(key: PrivateKey) -> hashes.SHA256 | None:
    """What goes before a signature with this key; Ed25519 has its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def digest_of(key: object) -> str:
    """SHA-256 of SubjectPublicKeyInfo, hex: the same key has the same digest in any certificate."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return hashlib.sha256(der).hexdigest()


def judged(key: object) -> PublicKey:
    """The same key, if it is strong enough to trust. Raises Refusal."""
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, rsa.RSAPublicKey):
        numbers, (low, high) = key.public_numbers(), RSA_BITS
        if low <= key.key_size <= high and 65537 <= numbers.e < 2**64:
            return key
    raise Refusal(
        "key",
        "密钥太弱或种类不支持，请用 ECDSA P-256 或 Ed25519 "
        "The key is weak or of an unsupported kind: use ECDSA P-256 or Ed25519",
    )

"""Secrets of people: made at random, kept as digests, or sealed where they must be read again."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from baotu.sdk import ConfigError

TOKEN = "bt_"  # so that scanners of source code find a token that was left in it
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what looks alike
ADVICE = "restore the file, or remove it: authenticator apps must then be set up again"


def random_secret() -> str:
    """256 bits as 43 characters."""
    return secrets.token_urlsafe(32)


def recovery_code() -> str:
    """79 bits in four groups that can be written down."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def digest(secret: str) -> str:
    """Of a random secret of 256 bits: there is nothing to guess, so no slow hash is needed
    (NIST SP 800-63B-4, 3.1.2.2: from 112 bits on)."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Seal:
    """Seals small secrets with a key that lies in a file of its own, outside the records."""

    def __init__(self, path: Path) -> None:
        """Makes the file when it is not there. Raises ConfigError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with os.fdopen(
                    os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
                ) as f:
                    f.write(secrets.token_hex(32) + "\n")
                    f.flush()
                    os.fsync(f.fileno())
            except FileExistsError:
                pass
            key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise ConfigError(f"{error}", str(path), ADVICE) from None
        if len(key) != 32:
            raise ConfigError("not a key of 32 bytes", str(path), ADVICE)
        self._key, self._mac = key, hashlib.sha256(b"codes" + key).digest()

    def close(self, secret: str, about: str) -> str:
        """about: whose it is; it cannot be opened as another's."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 8 MB: when it is used

        nonce = secrets.token_bytes(12)
        sealed = AESGCM(self._key).encrypt(nonce, secret.encode(), about.encode())
        return urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, about: str) -> str:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        raw = urlsafe_b64decode(sealed)
        try:
            return AESGCM(self._key).decrypt(raw[:12], raw[12:], about.encode()).decode()
        except InvalidTag:
            raise ConfigError(
                "a sealed secret does not open with this key", "[people] key", ADVICE
            ) from None

    def code(self, code: str, account: int) -> str:
        """A keyed digest of a recovery code: without the key there is nothing to guess against."""
        plain = "".join(c for c in code.lower() if c in ALPHABET)
        return hmac.new(self._mac, f"{account} {plain}".encode(), hashlib.sha256).hexdigest()

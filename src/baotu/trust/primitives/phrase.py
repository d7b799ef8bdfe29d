"""Keys from passphrases: Argon2id (RFC 9106) for the international suite, where memory makes
guessing dear; PBKDF2 with HMAC-SM3 (GB/T 38635 has none; RFC 8018) where only 国密 may be used."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from .suite import Forged, Suite

SALT = 16
SHORTEST = 8  # characters of a new passphrase
MOST_MEMORY_KB, MOST_PASSES, MOST_ROUNDS = 1 << 20, 16, 20_000_000  # a file must not stop the node


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """How a key was made from a passphrase; kept beside what it seals. memory 0: PBKDF2-SM3."""

    salt: bytes
    passes: int
    memory_kb: int
    lanes: int

    @classmethod
    def fresh(cls, suite: Suite) -> Stretch:
        """RFC 9106 4, second choice: 64 MiB, three passes. OWASP 2023 for PBKDF2: 600,000."""
        salt = os.urandom(SALT)
        if suite.name == "guomi":
            return cls(salt=salt, passes=600_000, memory_kb=0, lanes=1)
        return cls(salt=salt, passes=3, memory_kb=65_536, lanes=4)

    def told(self) -> dict[str, str | int]:
        return {"salt": self.salt.hex(), "passes": self.passes, "memory_kb": self.memory_kb,
                "lanes": self.lanes}  # fmt: skip

    @classmethod
    def of(cls, told: dict[str, str | int]) -> Stretch:
        """Raises Forged for figures that are out of bounds."""
        try:
            made = cls(salt=bytes.fromhex(str(told["salt"])), passes=int(told["passes"]),
                       memory_kb=int(told["memory_kb"]), lanes=int(told["lanes"]))  # fmt: skip
        except (KeyError, ValueError, TypeError):
            raise Forged("the parameters of the passphrase are not readable") from None
        most = MOST_PASSES if made.memory_kb else MOST_ROUNDS
        sound = 0 < made.passes <= most and made.memory_kb <= MOST_MEMORY_KB
        if not sound or not 1 <= made.lanes <= 16 or len(made.salt) != SALT:
            raise Forged("the parameters of the passphrase are not readable")
        return made


def stretch(suite: Suite, phrase: str, how: Stretch) -> bytes:
    """The key of a passphrase; takes some tenths of a second on purpose."""
    word = unicodedata.normalize("NFC", phrase).encode()
    if how.memory_kb:
        made = Argon2id(
            salt=how.salt, length=suite.key_bytes, iterations=how.passes, lanes=how.lanes,
            memory_cost=how.memory_kb,
        )  # fmt: skip
        return made.derive(word)
    made_slowly = PBKDF2HMAC(hashes.SM3(), suite.key_bytes, how.salt, how.passes)
    return made_slowly.derive(word)

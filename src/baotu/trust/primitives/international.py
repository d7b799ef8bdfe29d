"""The international suite: Ed25519 (RFC 8032) or ECDSA P-256 (FIPS 186-5), SHA-256 (FIPS 180-4),
HMAC, HKDF, AES-256-GCM (SP 800-38D); sealed boxes by X25519 (RFC 7748)."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .asymmetric import Ecdsa, Ed25519
from .suite import Forged, Key, Suite, another

POINT = 32


class International(Suite):
    name, mark, key_bytes = "international", b"\x01", 32
    algorithms = ("ed25519", "ecdsa-p256")

    def digest(self) -> hashes.HashAlgorithm:
        return hashes.SHA256()

    def _lock(self, key: bytes, nonce: bytes, data: bytes, bound: bytes) -> bytes:
        return AESGCM(key).encrypt(nonce, data, bound)

    def _unlock(self, key: bytes, nonce: bytes, locked: bytes, bound: bytes) -> bytes:
        return AESGCM(key).decrypt(nonce, locked, bound)

    def new_signer(self, algorithm: str = "") -> Key:
        if algorithm in ("", "ed25519"):
            return Ed25519(ed25519.Ed25519PrivateKey.generate())
        if algorithm == "ecdsa-p256":
            return Ecdsa(ec.generate_private_key(ec.SECP256R1()))
        raise another(self.name, algorithm, self.algorithms)

    def new_box(self) -> tuple[bytes, bytes]:
        private = x25519.X25519PrivateKey.generate()
        return private.private_bytes_raw(), private.public_key().public_bytes_raw()

    def box_public(self, private: bytes, public: bytes) -> None:
        own = x25519.X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
        if own != public:
            raise Forged("the public key is not that of the private key")

    def seal_to(self, public: bytes, data: bytes, bound: bytes = b"") -> bytes:
        """mark, ephemeral public key, then a seal under HKDF of the shared secret and both keys."""
        once = x25519.X25519PrivateKey.generate()
        shared = once.exchange(x25519.X25519PublicKey.from_public_bytes(public))
        mine = once.public_key().public_bytes_raw()
        key = self.kdf(shared, b"baotu box x25519", salt=mine + public)
        return self.mark + mine + self.seal(key, data, bound)

    def open_from(self, private: bytes, sealed: bytes, bound: bytes = b"") -> bytes:
        self._mine(sealed)
        theirs = sealed[1 : 1 + POINT]
        mine = x25519.X25519PrivateKey.from_private_bytes(private)
        try:
            shared = mine.exchange(x25519.X25519PublicKey.from_public_bytes(theirs))
        except ValueError:  # cut off, or a point of small order
            raise Forged("what was sealed is cut off or not for a key") from None
        own = mine.public_key().public_bytes_raw()
        key = self.kdf(shared, b"baotu box x25519", salt=theirs + own)
        return self.open(key, sealed[1 + POINT :], bound)

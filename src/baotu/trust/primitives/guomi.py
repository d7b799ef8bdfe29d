"""The suite 国密: SM2 (GB/T 32918), SM3 (GB/T 32905), SM4-GCM (GB/T 32907, RFC 8998), HMAC-SM3."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from . import sm2
from .suite import TAG, Forged, Key, Suite, another


class Guomi(Suite):
    name, mark, key_bytes = "guomi", b"\x02", 16
    algorithms = ("sm2",)

    def digest(self) -> hashes.HashAlgorithm:
        return hashes.SM3()

    def _lock(self, key: bytes, nonce: bytes, data: bytes, bound: bytes) -> bytes:
        made = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
        made.authenticate_additional_data(bound)
        return made.update(data) + made.finalize() + made.tag

    def _unlock(self, key: bytes, nonce: bytes, locked: bytes, bound: bytes) -> bytes:
        """Nothing is returned before the tag has been compared."""
        text, tag = locked[:-TAG], locked[-TAG:]
        made = Cipher(algorithms.SM4(key), modes.GCM(nonce, tag)).decryptor()
        made.authenticate_additional_data(bound)
        return made.update(text) + made.finalize()

    def new_signer(self, algorithm: str = "") -> Key:
        if algorithm not in ("", "sm2"):
            raise another(self.name, algorithm, self.algorithms)
        return sm2.new()

    def new_box(self) -> tuple[bytes, bytes]:
        public, private = sm2.gmssl().sm2_key_generate()
        return private, public

    def box_public(self, private: bytes, public: bytes) -> None:
        sm2.together(private, public)

    def seal_to(self, public: bytes, data: bytes, bound: bytes = b"") -> bytes:
        """mark, length, an SM2-encrypted key of 16 bytes (GM/T 0009 C1C3C2), a seal under it."""
        key = self.new_key()
        head = sm2.gmssl().sm2_encrypt(sm2.on_curve(public), key)
        return self.mark + bytes([len(head)]) + head + self.seal(key, data, head + bound)

    def open_from(self, private: bytes, sealed: bytes, bound: bytes = b"") -> bytes:
        self._mine(sealed)
        end = 2 + (sealed[1] if len(sealed) > 1 else 0)
        head = sealed[2:end]
        try:
            key = sm2.gmssl().sm2_decrypt(private, head)
        except sm2.gmssl().GmsslInnerError:
            raise Forged("it cannot be opened: changed, or sealed for another key") from None
        if len(key) != self.key_bytes:
            raise Forged("what was sealed holds no key of SM4")
        return self.open(key, sealed[end:], head + bound)

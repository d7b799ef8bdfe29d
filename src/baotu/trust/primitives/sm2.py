"""SM2 signatures and keys (GB/T 32918.2, GM/T 0009) by GmSSL; `cryptography` 50 has none.

The identity that enters Z is the default one of GM/T 0009, 1234567812345678, in every signature:
a signature made for another identity does not verify here.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from typing import Any

from baotu.sdk import ConfigError

from .suite import Forged

IDENTITY = b"1234567812345678"  # GM/T 0009-2012, 10; RFC 8998 3.2.1 leaves it to the certificate
# DER of what is around the key; the curve is 1.2.156.10197.1.301 (GM/T 0006)
CURVE = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
SPKI = bytes.fromhex("3059") + CURVE + bytes.fromhex("03420004")
PKCS8 = bytes.fromhex("308187020100") + CURVE + bytes.fromhex("046d306b0201010420")
AND_PUBLIC = bytes.fromhex("a14403420004")
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93


def gmssl() -> Any:
    """The library. Raises ConfigError where it is not installed: there is no other way to SM2."""
    try:
        import gmssl_pyx
    except ImportError as missing:
        raise ConfigError(
            f"the suite guomi needs SM2, and its library is not installed ({missing.name})",
            "[trust] suite",
            "pip install 'baotu[guomi]'",
        ) from None
    return gmssl_pyx


@dataclass(frozen=True, slots=True)
class Sm2Public:
    """point: x and y, 64 bytes."""

    point: bytes
    algorithm: str = "sm2"

    def verify(self, data: bytes, signature: bytes) -> None:
        library = gmssl()
        try:
            good = library.sm2_verify(self.point, data, signature, IDENTITY)
        except library.GmsslInnerError:
            good = False
        if not good:
            raise Forged("the signature does not belong to these bytes and this key")

    def pem(self) -> bytes:
        return armoured("PUBLIC KEY", SPKI + self.point)


@dataclass(frozen=True, slots=True)
class Sm2Key:
    """number: 32 bytes; never shown by repr."""

    number: bytes = field(repr=False)
    point: bytes
    algorithm: str = "sm2"

    def sign(self, data: bytes) -> bytes:
        made: bytes = gmssl().sm2_sign(self.number, self.point, data, IDENTITY)
        return made

    def public(self) -> Sm2Public:
        return Sm2Public(self.point)

    def pem(self) -> bytes:
        return armoured("PRIVATE KEY", PKCS8 + self.number + AND_PUBLIC + self.point)


def new() -> Sm2Key:
    point, number = gmssl().sm2_key_generate()
    return Sm2Key(number, point)


def together(number: bytes, point: bytes) -> None:
    """Raises Forged when they are no pair: what one signs, the other must verify."""
    Sm2Public(on_curve(point)).verify(b"pair", Sm2Key(number, point).sign(b"pair"))


def on_curve(point: bytes) -> bytes:
    """A point that is none would leak the key that is used with it. Raises Forged."""
    x, y = int.from_bytes(point[:32]), int.from_bytes(point[32:])
    good = len(point) == 64 and x < P and y < P and (y * y - (x**3 - 3 * x + B)) % P == 0
    if not good:
        raise Forged("it is no point of the curve SM2")
    return point


def public_of(der: bytes) -> Sm2Public:
    """From SubjectPublicKeyInfo. Raises Forged."""
    if not is_public(der):
        raise Forged("it is no public key of SM2")
    return Sm2Public(on_curve(der[len(SPKI) :]))


def key_of(der: bytes) -> Sm2Key:
    """From PKCS#8 with the public key in it, as OpenSSL and GmSSL write it. Raises Forged."""
    if not is_private(der):
        raise Forged("it is no private key of SM2 with its public key")
    number, rest = der[len(PKCS8) :][:32], der[len(PKCS8) + 32 :]
    if not hmac.compare_digest(rest[: len(AND_PUBLIC)], AND_PUBLIC):
        raise Forged("it is no private key of SM2 with its public key")
    point = rest[len(AND_PUBLIC) :]
    together(number, point)
    return Sm2Key(number, point)


def is_public(der: bytes) -> bool:
    return der.startswith(SPKI) and len(der) == len(SPKI) + 64


def is_private(der: bytes) -> bool:
    return der.startswith(PKCS8) and len(der) == len(PKCS8) + 32 + len(AND_PUBLIC) + 64


def armoured(label: str, der: bytes) -> bytes:
    """RFC 7468."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()

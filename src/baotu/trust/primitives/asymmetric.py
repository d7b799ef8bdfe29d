"""Signing keys of the international suite, and keys of any suite read from PEM."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from . import sm2
from .suite import Forged, Key, Public

ARMOUR = re.compile(rb"-----BEGIN ([A-Z ]+)-----\s*([A-Za-z0-9+/=\s]+?)-----END \1-----")
WRONG = "the signature does not belong to these bytes and this key"


@dataclass(frozen=True, slots=True)
class Ed25519Public:
    key: ed25519.Ed25519PublicKey
    algorithm: str = "ed25519"

    def verify(self, data: bytes, signature: bytes) -> None:
        try:
            self.key.verify(signature, data)
        except InvalidSignature:
            raise Forged(WRONG) from None

    def pem(self) -> bytes:
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class Ed25519:
    key: ed25519.Ed25519PrivateKey = field(repr=False)
    algorithm: str = "ed25519"

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data)

    def public(self) -> Ed25519Public:
        return Ed25519Public(self.key.public_key())

    def pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True)
class EcdsaPublic:
    key: ec.EllipticCurvePublicKey
    algorithm: str = "ecdsa-p256"

    def verify(self, data: bytes, signature: bytes) -> None:
        try:
            self.key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Forged(WRONG) from None

    def pem(self) -> bytes:
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class Ecdsa:
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    algorithm: str = "ecdsa-p256"

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def public(self) -> EcdsaPublic:
        return EcdsaPublic(self.key.public_key())

    def pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def private(pem: bytes) -> Key:
    der = _der(pem, b"PRIVATE KEY")
    if sm2.is_private(der):
        return sm2.key_of(der)
    try:
        key = load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Forged("it is no private key that a suite knows") from None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return Ed25519(key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return Ecdsa(key)
    raise Forged("it is no private key that a suite knows")


def public(pem: bytes) -> Public:
    der = _der(pem, b"PUBLIC KEY")
    if sm2.is_public(der):
        return sm2.public_of(der)
    try:
        key = load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Forged("it is no public key that a suite knows") from None
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Ed25519Public(key)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return EcdsaPublic(key)
    raise Forged("it is no public key that a suite knows")


def _der(pem: bytes, label: bytes) -> bytes:
    found = ARMOUR.search(pem)
    if found is None or found[1] != label:
        raise Forged(f"it is no PEM of a {label.decode().lower()}")
    try:
        return base64.b64decode(re.sub(rb"\s", b"", found[2]), validate=True)
    except binascii.Error:
        raise Forged(f"it is no PEM of a {label.decode().lower()}") from None

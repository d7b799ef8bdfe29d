"""A private key and its certificates in one file, so that both change at the same moment."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .keys import PrivateKey


def pair(key: PrivateKey, chain: Sequence[x509.Certificate]) -> bytes:
    """PEM as `ssl.SSLContext.load_cert_chain` reads it."""
    own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return own + b"".join(one.public_bytes(Encoding.PEM) for one in chain)

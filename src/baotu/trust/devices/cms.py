"""Signed messages (CMS SignedData, RFC 5652): one signer, the content inside. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from .asn1 import INTEGER, OCTETS, OID, SEQUENCE, Node, items, only, set_of, tlv
from .csr import MALFORMED
from .keys import judged
from .refusal import Refusal

SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
SHA256 = bytes.fromhex("0609608648016503040201")
ECDSA_SHA256 = bytes.fromhex("06082a8648ce3d040302")
DIGESTS: dict[bytes, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    SHA256: hashes.SHA256(),
    bytes.fromhex("0609608648016503040202"): hashes.SHA384(),
    bytes.fromhex("0609608648016503040203"): hashes.SHA512(),
}
VOUCHER = bytes.fromhex("060b2a864886f70d0109100128")  # id-ct-animaJSONVoucher, RFC 8366 5.1
LONGEST = 32_768


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Opened:
    """A message whose signature is that of `signer`. Whether it is trusted is another question."""

    content: bytes
    signer: x509.Certificate
    certificates: tuple[x509.Certificate, ...]


def sign(
    content: bytes, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate,
    chain: Sequence[x509.Certificate] = (), kind: bytes = VOUCHER,
) -> bytes:  # fmt: skip
    """DER of the content, signed with SHA-256 and ECDSA; the signer's certificate goes with it."""
    algorithm = tlv(SEQUENCE, SHA256)
    attributes = (
        tlv(SEQUENCE, CONTENT_TYPE, set_of(kind)),
        tlv(SEQUENCE, MESSAGE_DIGEST, set_of(tlv(OCTETS, _digest(hashes.SHA256(), content)))),
    )
    signed = set_of(*attributes)
    signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    number = certificate.serial_number
    serial = tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))
    signer = tlv(
        SEQUENCE, tlv(INTEGER, b"\1"), tlv(SEQUENCE, certificate.issuer.public_bytes(), serial),
        algorithm, b"\xa0" + signed[1:], tlv(SEQUENCE, ECDSA_SHA256), tlv(OCTETS, signature),
    )  # fmt: skip
    shown = set_of(*(one.public_bytes(Encoding.DER) for one in (certificate, *chain)))
    data = tlv(
        SEQUENCE, tlv(INTEGER, b"\3"), set_of(algorithm),
        tlv(SEQUENCE, kind, tlv(0xA0, tlv(OCTETS, content))), b"\xa0" + shown[1:], set_of(signer),
    )  # fmt: skip
    return tlv(SEQUENCE, SIGNED_DATA, tlv(0xA0, data))


def opened(message: bytes, kind: bytes = VOUCHER) -> Opened:
    """Raises Refusal: `request` when it cannot be read, `signature` when it is not signed rightly."""
    if len(message) > LONGEST:
        raise Refusal("large", "消息太长 The message is too long")
    try:
        return _opened(message, kind)
    except InvalidSignature:
        raise Refusal("signature", "消息的签名不对 The signature of the message is wrong") from None
    except (IndexError, KeyError, UnsupportedAlgorithm, *MALFORMED):
        raise Refusal("request", "签名消息读不了 The signed message cannot be read") from None


def _opened(message: bytes, kind: bytes) -> Opened:
    oid, inside = items(only(message, SEQUENCE).body)
    if oid.whole != SIGNED_DATA or inside.tag != 0xA0:
        raise ValueError("no signed data")
    parts = items(only(inside.body, SEQUENCE).body)
    told = items(parts[2].body)
    if told[0].whole != kind:
        raise ValueError("another content")
    content = only(only(told[1].whole, 0xA0).body, OCTETS).body
    bags = [p for p in parts[3:] if p.tag == 0xA0]
    shown = [x509.load_der_x509_certificate(n.whole) for n in items(bags[0].body)] if bags else []
    [signer] = items(parts[-1].body)
    return Opened(
        content=content, signer=_signer(signer, content, kind, shown), certificates=tuple(shown)
    )


def _signer(
    info: Node, content: bytes, kind: bytes, shown: list[x509.Certificate]
) -> x509.Certificate:
    """Who signed it. Raises InvalidSignature, ValueError."""
    _, sid, algorithm, signed, _, signature, *_ = items(info.body)
    digest = DIGESTS[items(algorithm.body)[0].whole]
    if signed.tag != 0xA0 or signature.tag != OCTETS:
        raise ValueError("no signed attributes")
    attributes = {}
    for row in items(signed.body):
        name, values = items(row.body)
        if name.tag != OID or name.whole in attributes:
            raise ValueError("an attribute twice")
        attributes[name.whole] = values.body
    if attributes[CONTENT_TYPE] != kind:
        raise ValueError("another content")
    if only(attributes[MESSAGE_DIGEST], OCTETS).body != _digest(digest, content):
        raise InvalidSignature
    certificate = next(c for c in (*shown, None) if c is None or _is(sid, c))
    if certificate is None:
        raise ValueError("the signer's certificate is not there")
    _verify(certificate, signature.body, b"\x31" + signed.whole[1:], digest)
    return certificate


def _is(sid: Node, certificate: x509.Certificate) -> bool:
    if sid.tag == 0x80:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return found.value.digest == sid.body
    issuer, serial = items(sid.body)
    same = int.from_bytes(serial.body, signed=True) == certificate.serial_number
    return same and issuer.whole == certificate.issuer.public_bytes()


def _verify(
    certificate: x509.Certificate, signature: bytes, signed: bytes,
    digest: hashes.SHA256 | hashes.SHA384 | hashes.SHA512,
) -> None:  # fmt: skip
    key = judged(certificate.public_key())
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(digest))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), digest)
    elif isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, signed)


def _digest(algorithm: hashes.HashAlgorithm, content: bytes) -> bytes:
    made = hashes.Hash(algorithm)
    made.update(content)
    return made.finalize()

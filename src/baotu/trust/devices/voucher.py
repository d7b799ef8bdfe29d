"""Vouchers and requests for them (RFC 8366, RFC 8995): JSON inside a signed message. Pure."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from .authority import der
from .cms import Opened, opened
from .csr import MALFORMED
from .refusal import Refusal

TYPE = "application/voucher-cms+json"
ROOM = "/.well-known/brski"
REQUEST, VOUCHER = "ietf-voucher-request:voucher", "ietf-voucher:voucher"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Voucher:
    """What stands in a voucher or a request for one; empty: it does not say.

    proximity: the registrar's certificate that the device saw in TLS. prior: the device's own
    request, whole. pinned: the certificate that the device has to trust from now on.
    """

    serial: str
    created: dt.datetime
    assertion: str = ""
    nonce: bytes = b""
    proximity: bytes = b""
    prior: bytes = b""
    pinned: bytes = b""
    issuer: bytes = b""  # authority key identifier of the device's certificate

    def json(self, kind: str) -> bytes:
        told = {
            "created-on": self.created.isoformat().replace("+00:00", "Z"),
            "serial-number": self.serial, "assertion": self.assertion, "nonce": _text(self.nonce),
            "proximity-registrar-cert": _text(self.proximity), "idevid-issuer": _text(self.issuer),
            "prior-signed-voucher-request": _text(self.prior),
            "pinned-domain-cert": _text(self.pinned),
        }  # fmt: skip
        return json.dumps({kind: {name: value for name, value in told.items() if value}}).encode()


def read(message: bytes, kind: str) -> tuple[Voucher, Opened]:
    """A signed voucher or request, its signature checked. Raises Refusal."""
    found = opened(message)
    try:
        told = json.loads(found.content)[kind]
        return Voucher(
            serial=str(told["serial-number"]), assertion=str(told.get("assertion", "")),
            created=dt.datetime.fromisoformat(str(told["created-on"])),
            nonce=_bytes(told, "nonce"), proximity=_bytes(told, "proximity-registrar-cert"),
            prior=_bytes(told, "prior-signed-voucher-request"),
            pinned=_bytes(told, "pinned-domain-cert"), issuer=_bytes(told, "idevid-issuer"),
        ), found  # fmt: skip
    except (KeyError, TypeError, ValueError, RecursionError):
        raise Refusal("request", "凭单读不了 The voucher cannot be read") from None


def serial_number(certificate: x509.Certificate) -> str:
    """The device's serial number out of its maker's certificate (RFC 8995 2.3.1)."""
    try:
        [found] = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    except MALFORMED:
        raise Refusal("request", "证书里没有序列号 The certificate has no serial number") from None
    return str(found.value)


def issuer_of(certificate: x509.Certificate) -> bytes:
    """Its authority key identifier; nothing when it has none."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return b""
    return found.value.key_identifier or b""


def same(one: bytes, certificate: x509.Certificate) -> bool:
    return one == der(certificate)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(told: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(str(told.get(name, "")), validate=True)
    except binascii.Error:
        raise ValueError(name) from None

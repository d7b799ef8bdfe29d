"""What a device is called inside a certificate. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.x509.oid import NameOID

from .naming import KINDS, Kind, host
from .refusal import Refusal

SCHEME = "baotu:"
_URI = re.compile(r"baotu:([^/]+)/([a-z]+)/([^/]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose it is, what it is, what it is called there; serial: the maker's, empty if unknown."""

    organisation: str
    kind: Kind
    name: str
    serial: str = ""

    @property
    def uri(self) -> str:
        """`baotu:plant/device/press-3`, the one place in a certificate that is read back."""
        return f"{SCHEME}{quote(self.organisation, safe='')}/{self.kind}/{self.name}"

    @property
    def subject(self) -> x509.Name:
        rows = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, self.name),
        ]
        if self.serial:
            rows.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, self.serial))
        return x509.Name(rows)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def identity_of(certificate: x509.Certificate) -> Identity:
    """Who this certificate of ours is about. Raises Refusal when it names nobody."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        uris = []
    found = [match for uri in uris if (match := _URI.fullmatch(uri))]
    if len(found) != 1 or found[0][2] not in KINDS:
        raise Refusal("usage", "证书没有写明设备 The certificate names no device")
    serials = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    return Identity(
        organisation=unquote(found[0][1]), kind=found[0][2], name=found[0][3],
        serial=str(serials[0].value) if serials else "",
    )  # fmt: skip


def host_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """DNS names and addresses as a certificate holds them. Raises ValueError naming the wrong one."""
    found = [host(name) for name in names]
    return [x509.DNSName(n) if isinstance(n, str) else x509.IPAddress(n) for n in found]

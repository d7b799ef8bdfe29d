"""What each kind of certificate may be used for: one row a kind, after RFC 5280 and RFC 6960."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Use

RA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")  # id-kp-cmcRA, RFC 6402 2.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """uses: extended key usage. no_check: nobody asks for its revocation (RFC 6960 4.2.2.2.1)."""

    uses: tuple[x509.ObjectIdentifier, ...]
    no_check: bool = False


PROFILES: dict[str, Profile] = {
    "device": Profile(uses=(Use.CLIENT_AUTH,)),
    "node": Profile(uses=(Use.CLIENT_AUTH,)),  # an edge cannot play the hub
    "server": Profile(uses=(Use.SERVER_AUTH,)),
    "ra": Profile(uses=(Use.SERVER_AUTH, Use.CLIENT_AUTH, RA)),
    "ocsp": Profile(uses=(Use.OCSP_SIGNING,), no_check=True),
}


def usage(*, authority: bool) -> x509.KeyUsage:
    """Of an authority: signs certificates and lists. Of all others: signs."""
    return x509.KeyUsage(
        digital_signature=not authority, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=authority, crl_sign=authority,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip

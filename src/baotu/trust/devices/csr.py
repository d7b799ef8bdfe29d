"""A certificate request (RFC 2986), read and judged. Pure; whoever sends nonsense gets a Refusal."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import AttributeOID, NameOID

from baotu.sdk.messages import SEAM

from .keys import PublicKey, digest_of, judged
from .names import Identity
from .profiles import PROFILES
from .refusal import Refusal

LONGEST = 16_384  # bytes of DER; an RSA-8192 request with names has 3 k
PEM = re.compile(rb"-----BEGIN [A-Z ]+-----(.*?)-----END [A-Z ]+-----", re.DOTALL)
HASHES = ("sha256", "sha384", "sha512")
MALFORMED = (
    ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip # what the library says of bytes that are not what they should be
UNREADABLE = "证书请求读不了 The certificate request cannot be read"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Asked:
    """What a request asks for. Its signature is right and its key is strong.

    names: DNS names and addresses, as text; uris: the others. key: its digest.
    """

    public: PublicKey
    key: str
    subject: x509.Name
    names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    has_names: bool = False
    uses: frozenset[str] = frozenset()
    challenge: bytes = b""


def unarmoured(body: bytes) -> bytes:
    """DER out of base64 with or without line ends (RFC 8951 2), out of PEM, or as it is."""
    if body[:1] == b"\x30" and not body[:64].isascii():
        return body
    if found := PEM.search(body):
        body = found[1]
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise Refusal("request", "不是 base64 That is not base64") from None


def read(body: bytes) -> Asked:
    """Raises Refusal: `request` when it cannot be read, `signature`, `key`, `usage`."""
    if len(body) > 2 * LONGEST:
        raise Refusal("large", "请求太长 The request is too long")
    der = unarmoured(body)
    try:
        csr = x509.load_der_x509_csr(der)
        public = csr.public_key()
        extensions = csr.extensions
        signed_with = csr.signature_hash_algorithm
        subject = csr.subject
    except UnsupportedAlgorithm:
        raise Refusal("key", "不支持的算法 An algorithm that is not supported here") from None
    except MALFORMED:
        raise Refusal("request", UNREADABLE) from None
    public = judged(public)
    if signed_with is not None and signed_with.name not in HASHES:
        raise Refusal("key", "请求的签名用了弱散列 The request is signed with a weak hash")
    if not _signed(csr):
        raise Refusal(
            "signature",
            "请求的签名不对：没有证明持有密钥 The signature of the request is wrong: "
            "it does not prove possession of the key",
        )
    names, uris, has_names = _names(extensions)
    uses = _uses(extensions)
    return Asked(
        public=public, key=digest_of(public), subject=subject, names=names, uris=uris,
        has_names=has_names, uses=uses, challenge=_challenge(csr),
    )  # fmt: skip


def _signed(csr: x509.CertificateSigningRequest) -> bool:
    try:
        return csr.is_signature_valid
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False


def _names(extensions: x509.Extensions) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    try:
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), (), False
    names: list[str] = []
    uris: list[str] = []
    for name in found:
        if isinstance(name, x509.DNSName | x509.IPAddress):
            names.append(str(name.value).lower())
        elif isinstance(name, x509.UniformResourceIdentifier):
            uris.append(name.value)
        else:
            raise Refusal(
                "subject",
                "只能请求 DNS 名、地址和本平台的 URI "
                "Only DNS names, addresses and the URI of this platform may be asked for",
            )
    return tuple(names), tuple(uris), True


def _uses(extensions: x509.Extensions) -> frozenset[str]:
    """Extended key usages that are asked for. Raises Refusal when it asks to be an authority."""
    uses: set[str] = set()
    for extension in extensions:
        value = extension.value
        authority = isinstance(value, x509.BasicConstraints) and value.ca
        signs = isinstance(value, x509.KeyUsage) and (value.key_cert_sign or value.crl_sign)
        if authority or signs:
            raise Refusal(
                "usage", "设备不能成为签发机构 A device cannot be a certificate authority"
            )
        if isinstance(value, x509.ExtendedKeyUsage):
            uses |= {use.dotted_string for use in value}
    return frozenset(uses)


def challenge(body: bytes) -> bytes:
    """The challenge password of a request, empty when there is none or it cannot be read."""
    try:
        return _challenge(x509.load_der_x509_csr(unarmoured(body)))
    except (Refusal, UnsupportedAlgorithm, *MALFORMED):
        return b""


def _challenge(csr: x509.CertificateSigningRequest) -> bytes:
    try:
        return csr.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value
    except (x509.AttributeNotFound, ValueError):
        return b""


def agree(asked: Asked, identity: Identity, allowed: tuple[str, ...]) -> None:
    """The request names nobody but this device, and only addresses that it was admitted with."""
    for oid, own in (
        (NameOID.COMMON_NAME, identity.name),
        (NameOID.ORGANIZATION_NAME, identity.organisation),
        (NameOID.SERIAL_NUMBER, identity.serial),
    ):
        for one in asked.subject.get_attributes_for_oid(oid):
            if own and str(one.value) != own:
                raise Refusal(
                    "subject",
                    f"请求写的是 {one.value!s}，而这台设备是 {own}{SEAM}"
                    f"The request is for {one.value!s}, and this device is {own}",
                    device=identity.name, organisation=identity.organisation,
                )  # fmt: skip
    strange = [n for n in asked.names if n not in allowed]
    strange += [u for u in asked.uris if u != identity.uri]
    if strange:
        raise Refusal(
            "subject",
            f"没有接纳过名称 {strange[0]}{SEAM}The name {strange[0]} was not admitted for this device",
            device=identity.name, organisation=identity.organisation,
        )  # fmt: skip
    if not asked.uses <= {use.dotted_string for use in PROFILES[identity.kind].uses}:
        raise Refusal(
            "usage",
            f"{identity.kind} 的证书不能有所请求的用途{SEAM}"
            f"A certificate of a {identity.kind} has no such usage",
            device=identity.name, organisation=identity.organisation,
        )  # fmt: skip


def agree_with(asked: Asked, certificate: x509.Certificate, identity: Identity) -> None:
    """Subject and names are those of the certificate that is renewed (RFC 7030 4.2.2)."""
    if asked.subject != certificate.subject:
        raise Refusal(
            "subject",
            "主体与原证书不同 The subject differs from the certificate that is renewed",
            device=identity.name, organisation=identity.organisation,
        )  # fmt: skip
    if asked.has_names:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        old = {str(n.value).lower() for n in names if not isinstance(n, x509.RFC822Name)}
        if old != {*asked.names, *(u.lower() for u in asked.uris)}:
            raise Refusal(
                "subject",
                "名称与原证书不同 The names differ from the certificate that is renewed",
                device=identity.name, organisation=identity.organisation,
            )  # fmt: skip

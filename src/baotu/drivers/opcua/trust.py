"""Certificates of an OPC UA application: our own, made at first use, and whom we trust.

A folder holds `own/` (certificate.der, key.pem), `trusted/` and `rejected/`. A peer is trusted when
its certificate lies in `trusted/`, or one that issued it does and it names the host. What
was refused is put into `rejected/`, so that trusting it means moving a file (OPC 10000-4, 6.1.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from baotu.sdk import ConfigError, Denied

DAYS = 3650
KEY_BITS = 2048  # the most that Basic256Sha256 peers in the field all take
MOST_REJECTED = 50  # a stranger must not fill the disk


class Pki:
    """The certificate folder of one application."""

    def __init__(self, folder: str | Path, application_uri: str) -> None:
        self.folder, self.application_uri = Path(folder), application_uri

    @property
    def certificate_file(self) -> Path:
        return self.folder / "own" / "certificate.der"

    @property
    def key_file(self) -> Path:
        return self.folder / "own" / "key.pem"

    def own(self, *hosts: str) -> tuple[bytes, bytes]:
        """(certificate DER, key PEM), made when there are none. Raises ConfigError."""
        try:
            for name in ("own", "trusted", "rejected"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            if not self.key_file.exists() or not self.certificate_file.exists():
                self._make(hosts)
            found = x509.load_der_x509_certificate(self.certificate_file.read_bytes())
            key = self.key_file.read_bytes()
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"no usable key and certificate in {self.folder}: {error}", "pki",
                "give a folder that can be written, or delete the broken files in own/",
            ) from error  # fmt: skip
        if self.application_uri not in uris(found):
            raise ConfigError(
                f"the certificate in {self.certificate_file} is for {', '.join(uris(found))}",
                "application_uri", "use that URI, or delete own/ to get a new certificate",
            )  # fmt: skip
        return found.public_bytes(serialization.Encoding.DER), key

    def _make(self, hosts: tuple[str, ...]) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.key_file.touch(mode=0o600)
        self.key_file.write_bytes(pem)
        made = _certificate(key, self.application_uri, hosts)
        self.certificate_file.write_bytes(made.public_bytes(serialization.Encoding.DER))

    def demand(self, der: bytes, peer_uri: str, host: str = "") -> None:
        """Raises Denied, saying what to do, unless the certificate is trusted, valid and his."""
        try:
            peer = x509.load_der_x509_certificate(der)
        except ValueError as error:
            raise Denied(f"what {host or peer_uri} sent is no certificate: {error}") from error
        now = datetime.now(UTC)
        if not peer.not_valid_before_utc <= now <= peer.not_valid_after_utc:
            raise Denied(
                f"the certificate of {peer_uri} is valid from {peer.not_valid_before_utc:%Y-%m-%d} "
                f"to {peer.not_valid_after_utc:%Y-%m-%d} only; renew it, or correct a clock"
            )
        if peer_uri not in uris(peer):
            raise Denied(f"{peer_uri} shows a certificate for {', '.join(uris(peer)) or 'nobody'}")
        if der in {one.public_bytes(serialization.Encoding.DER) for one in self._trusted()}:
            return
        if any(_issued(peer, issuer, now) for issuer in self._trusted()):
            if host and host not in hosts(peer):
                raise Denied(f"the certificate of {peer_uri} does not name {host}")
            return
        raise Denied(
            f"the certificate of {peer_uri} ({thumbprint(peer)}) is not trusted; "
            f"if it is right, move {self._keep(peer)} to {self.folder / 'trusted'}"
        )

    def _trusted(self) -> Iterator[x509.Certificate]:
        for file in sorted((self.folder / "trusted").glob("*")):
            found = load(file)
            if found is not None:
                yield found

    def _keep(self, peer: x509.Certificate) -> Path:
        folder = self.folder / "rejected"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{thumbprint(peer)}.der"
        kept = sorted(folder.glob("*.der"), key=lambda one: one.stat().st_mtime)
        for old in kept[: max(0, len(kept) - MOST_REJECTED + 1)]:
            old.unlink(missing_ok=True)
        file.write_bytes(peer.public_bytes(serialization.Encoding.DER))
        return file


def load(file: Path) -> x509.Certificate | None:
    """A certificate of a .der, .crt, .cer or .pem file; None for anything else."""
    if file.suffix.lower() not in (".der", ".crt", ".cer", ".pem"):
        return None
    data = file.read_bytes()
    try:
        if data.startswith(b"-----"):
            return x509.load_pem_x509_certificate(data)
        return x509.load_der_x509_certificate(data)
    except ValueError:
        return None


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 in hexadecimal: the name OPC UA gives a certificate (OPC 10000-6, 6.2.2)."""
    return certificate.fingerprint(hashes.SHA1()).hex()  # a name, not a protection


def uris(certificate: x509.Certificate) -> list[str]:
    names = _names(certificate)
    return names.get_values_for_type(x509.UniformResourceIdentifier) if names else []


def hosts(certificate: x509.Certificate) -> set[str]:
    names = _names(certificate)
    if names is None:
        return set()
    found = set(names.get_values_for_type(x509.DNSName))
    return found | {str(address) for address in names.get_values_for_type(x509.IPAddress)}


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _issued(peer: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    try:
        limits = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        peer.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError):
        return False
    return limits.ca and issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc


def _certificate(
    key: rsa.RSAPrivateKey, application_uri: str, names: tuple[str, ...]
) -> x509.Certificate:
    """Self-signed, with what OPC 10000-6, 6.2.2 asks of an application instance certificate."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, application_uri[-64:]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Baotu"),
        ]
    )
    now, public = datetime.now(UTC), key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True,
        data_encipherment=True, key_agreement=False, key_cert_sign=True, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of a plant differ
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternatives(application_uri, names)), False)
        .sign(key, hashes.SHA256())
    )


def _alternatives(application_uri: str, names: tuple[str, ...]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = [x509.UniformResourceIdentifier(application_uri)]
    for name in dict.fromkeys((gethostname(), *names)):
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found

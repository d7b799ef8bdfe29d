"""A certificate authority in a few lines, for tests of who may link: root, issuing CA, leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from baotu.fabric.settings import FabricSettings

HUB = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
EDGE = (ExtendedKeyUsageOID.CLIENT_AUTH,)
PEM = serialization.Encoding.PEM


class Authority:
    """Leaves are written to `folder` as settings want them."""

    def __init__(self, folder: Path, title: str = "root") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key, self.ca_file = ec.generate_private_key(ec.SECP256R1()), folder / "ca.pem"
        self._name = named(title)
        root = self._certificate(
            self._name, self._key.public_key(), timedelta(days=1)
        ).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.ca_file.write_bytes(root.sign(self._key, hashes.SHA256()).public_bytes(PEM))

    def leaf(
        self,
        name: str,
        usage: Sequence[x509.ObjectIdentifier] = EDGE,
        valid: timedelta = timedelta(hours=1),
        host: str = "localhost",
    ) -> dict[str, str]:
        """ca_file, certificate_file, key_file of a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            self._certificate(named(name), key.public_key(), valid)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        serial = f"{made.serial_number:x}"[:8]
        certificate, secret = (
            self.folder / f"{name}-{serial}.pem",
            self.folder / f"{name}-{serial}.key",
        )
        certificate.write_bytes(made.public_bytes(PEM))
        secret.write_bytes(
            key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return {
            "ca_file": str(self.ca_file),
            "certificate_file": str(certificate),
            "key_file": str(secret),
        }

    def _certificate(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, valid: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + valid)
        )


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def settings(files: dict[str, str], **more: object) -> FabricSettings:
    return FabricSettings(**files, **more)  # type: ignore[arg-type]

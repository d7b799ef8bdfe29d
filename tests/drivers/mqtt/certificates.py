"""A certificate authority for one test: server and client certificates as PEM files."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, kw_only=True)
class Files:
    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


def make_certificates(folder: Path) -> Files:
    key = ec.generate_private_key(ec.SECP256R1())
    ca = _signed("test CA", key, None, key)
    server_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    files = Files(
        ca=folder / "ca.pem", server=folder / "server.pem", server_key=folder / "server.key",
        client=folder / "client.pem", client_key=folder / "client.key",
    )  # fmt: skip
    for path, certificate in (
        (files.ca, ca),
        (files.server, _signed("broker", server_key, ca, key)),
        (files.client, _signed("edge", client_key, ca, key)),
    ):
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    for path, private in ((files.server_key, server_key), (files.client_key, client_key)):
        path.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return files


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, ca: x509.Certificate | None,
    signer: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:  # fmt: skip
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("::1"))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.subject if ca else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(signer, hashes.SHA256())
    )

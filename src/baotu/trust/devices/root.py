"""The root: made once, perhaps on a machine without a network, and kept away from the node.

Two ways lead to the same files. `begin` does all on one machine and writes the root's key to where
it is told. Or three steps: `make_root` and `sign_issuing` where the root lives, `request_issuing`
and `take_issuing` on the node.
"""

from __future__ import annotations

import datetime as dt
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from baotu.sdk import ConfigError

from .authority import BACK, ROOT, SERIAL_BITS, Issuer, _numbers, issued_by, pem
from .keys import (
    Algorithm,
    FolderKeys,
    Keys,
    PrivateKey,
    digest_of,
    hash_of,
    make_key,
    read_key,
    write_key,
)
from .profiles import usage

ROOT_DAYS, ISSUING_DAYS = 20 * 365, 3 * 365


def begin(
    folder: Path,
    organisation: str,
    root_out: Path,
    *,
    now: dt.datetime,
    algorithm: Algorithm = "p256",
    password: bytes = b"",
    keys: Keys | None = None,
) -> x509.Certificate:
    """Root and first issuing certificate; the root's key goes to `root_out` and nowhere else."""
    if (folder / ROOT).exists():
        raise ConfigError(
            "已有签发机构 there is a certificate authority already", str(folder),
            "renew it with `baotu ca renew`",
        )  # fmt: skip
    if root_out.exists():
        raise ConfigError("文件已存在 the file exists", str(root_out), "name another one")
    key, root = make_root(organisation, now=now, algorithm=algorithm)
    write_key(root_out, key, password)
    root_out.with_suffix(".crt").write_text(pem(root))
    adopt_root(folder, root)
    renew(folder, root_out, now=now, algorithm=algorithm, password=password, keys=keys)
    return root


def make_root(
    organisation: str, *, now: dt.datetime, algorithm: Algorithm = "p256", days: int = ROOT_DAYS
) -> tuple[PrivateKey, x509.Certificate]:
    key = make_key(algorithm)
    name = _name(organisation, "Root CA")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = _authority(name, name, key, now, days, path_length=None).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
    )
    return key, made.sign(key, hash_of(key))


def adopt_root(folder: Path, root: x509.Certificate) -> None:
    """From now on this node's certificates hang from this root."""
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    if not constraints.ca or not issued_by(root, root):
        raise ConfigError("不是根证书 is no root certificate", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ROOT).write_text(pem(root))


def renew(
    folder: Path,
    root_key: Path,
    *,
    now: dt.datetime,
    algorithm: Algorithm = "p256",
    password: bytes = b"",
    keys: Keys | None = None,
) -> x509.Certificate:
    """A new issuing key and certificate. The old one stays until it expires."""
    csr = request_issuing(folder, algorithm=algorithm, keys=keys)
    root = x509.load_pem_x509_certificate((folder / ROOT).read_bytes())
    made = sign_issuing(read_key(root_key, password), root, csr, now=now)
    take_issuing(folder, made)
    return made


def request_issuing(
    folder: Path, *, algorithm: Algorithm = "p256", keys: Keys | None = None
) -> x509.CertificateSigningRequest:
    """The node's half: a new key that stays here, and what the root has to sign."""
    root = x509.load_pem_x509_certificate((folder / ROOT).read_bytes())
    organisation = root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value
    number, key = max(_numbers(folder), default=0) + 1, make_key(algorithm)
    (keys or FolderKeys(folder)).save(f"issuing-{number}", key)
    name = _name(str(organisation), f"Issuing CA {number}")
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hash_of(key))
    (folder / f"issuing-{number}.csr").write_bytes(csr.public_bytes(Encoding.PEM))
    return csr


def sign_issuing(
    root_key: PrivateKey,
    root: x509.Certificate,
    csr: x509.CertificateSigningRequest,
    *,
    now: dt.datetime,
    days: int = ISSUING_DAYS,
) -> x509.Certificate:
    """The root's half. Raises ConfigError when key and root do not fit or the request is not whole."""
    if digest_of(root_key.public_key()) != digest_of(root.public_key()):
        raise ConfigError("密钥不是这个根的 the key is not that of this root", "root")
    if not csr.is_signature_valid:
        raise ConfigError("请求的签名不对 the signature of the request is wrong", "csr")
    made = _authority(csr.subject, root.subject, csr, now, days, path_length=0).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        ),
        critical=False,
    )
    return made.sign(root_key, hash_of(root_key))


def take_issuing(folder: Path, certificate: x509.Certificate) -> int:
    """Put it beside the key it was asked for; its number. Raises ConfigError when none fits."""
    root = x509.load_pem_x509_certificate((folder / ROOT).read_bytes())
    if not issued_by(certificate, root):
        raise ConfigError("不是这个根签发的 was not issued by this root", str(folder))
    wanted = digest_of(certificate.public_key())
    for path in folder.glob("issuing-*.csr"):
        csr = x509.load_pem_x509_csr(path.read_bytes())
        if digest_of(csr.public_key()) == wanted:
            path.with_suffix(".crt").write_text(pem(certificate))
            path.unlink()
            return int(path.stem.removeprefix("issuing-"))
    raise ConfigError(
        "没有请求过这个证书 this certificate was not asked for here", str(folder),
        "begin with `baotu ca request`",
    )  # fmt: skip


def root_list(
    root_key: PrivateKey, root: x509.Certificate, revoked: list[x509.Certificate], *,
    now: dt.datetime, days: int = 365,
) -> x509.CertificateRevocationList:  # fmt: skip
    """The root's own list: which issuing certificates are no longer good."""
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(now)
        .next_update(now + dt.timedelta(days=days))
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
    )
    for one in revoked:
        made = made.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(one.serial_number)
            .revocation_date(now)
            .build()
        )
    return made.sign(root_key, hash_of(root_key))


def _authority(
    subject: x509.Name,
    issuer: x509.Name,
    whose: PrivateKey | x509.CertificateSigningRequest,
    now: dt.datetime,
    days: int,
    *,
    path_length: int | None,
) -> x509.CertificateBuilder:
    public = whose.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(secrets.randbits(SERIAL_BITS) | 1 << (SERIAL_BITS - 1))
        .not_valid_before(now - BACK)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(organisation: str, what: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation[:40]} {what}"),
    ])  # fmt: skip


__all__ = [
    "Issuer", "adopt_root", "begin", "make_root", "renew", "request_issuing", "root_list",
    "sign_issuing", "take_issuing",
]  # fmt: skip

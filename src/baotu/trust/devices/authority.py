"""The certificate authority of this node: an issuing certificate below a root that is kept away.

The root's key is never here: see `root`. Every certificate is signed by the newest issuing key;
older ones stay trusted until they expire, so their renewal needs no day at which all change.
"""

from __future__ import annotations

import base64
import datetime as dt
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID as Access

from baotu.sdk import ConfigError

from .keys import FolderKeys, Keys, PrivateKey, PublicKey, digest_of, hash_of
from .names import Identity, host_names
from .profiles import PROFILES, usage

BACK = dt.timedelta(minutes=5)  # a device's clock may be behind ours by so much
SERIAL_BITS = 159  # 20 octets, and positive: RFC 5280 4.1.2.2
ROOT = "root.crt"
Now = Callable[[], int]  # ns UTC


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Issuer:
    """One issuing certificate with its key. number: 1, 2, … in the order they were made."""

    number: int
    certificate: x509.Certificate
    key: PrivateKey

    @property
    def id(self) -> str:
        """Which issuer a certificate has: its subject key identifier, hex."""
        return ski(self.certificate).hex()


class Authority:
    """Safe to call from any thread. Raises ConfigError when its files do not fit together."""

    def __init__(self, folder: Path, now: Now, *, keys: Keys | None = None, url: str = "") -> None:
        self.folder, self.now, self.url = folder, now, url.rstrip("/")
        self.keys: Keys = keys or FolderKeys(folder)
        self.root = _certificate(folder / ROOT)
        self._lock = threading.Lock()
        self._issuers: tuple[Issuer, ...] = ()
        self.reload()

    @staticmethod
    def present(folder: Path) -> bool:
        return (folder / ROOT).exists() and bool(_numbers(folder))

    def reload(self) -> None:
        """Read the issuing certificates again: there may be a new one."""
        found = [self._issuer(number) for number in _numbers(self.folder)]
        if not found:
            raise ConfigError(
                "没有签发证书 there is no issuing certificate",
                str(self.folder),
                "run `baotu ca init`",
            )
        with self._lock:
            self._issuers = tuple(found)

    def _issuer(self, number: int) -> Issuer:
        name = f"issuing-{number}"
        certificate, key = _certificate(self.folder / f"{name}.crt"), self.keys.load(name)
        if digest_of(certificate.public_key()) != digest_of(key.public_key()):
            raise ConfigError("证书与密钥不配 certificate and key do not fit", name)
        if not issued_by(certificate, self.root):
            raise ConfigError("不是这个根签发的 was not issued by this root", name)
        return Issuer(number=number, certificate=certificate, key=key)

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """All that are valid now, the newest first."""
        now = self.time()
        good = [i for i in self._issuers if valid_at(i.certificate, now)]
        return tuple(sorted(good, key=lambda i: -i.number))

    def all(self) -> tuple[Issuer, ...]:
        """Expired ones as well, in their order."""
        return self._issuers

    @property
    def current(self) -> Issuer:
        """Raises ConfigError when every issuing certificate has expired."""
        if not (issuers := self.issuers):
            raise ConfigError(
                "签发证书都已过期 every issuing certificate has expired",
                str(self.folder), "run `baotu ca renew`",
            )  # fmt: skip
        return issuers[0]

    def time(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.now() // 10**9, dt.UTC)

    def chain(self) -> list[x509.Certificate]:
        """What devices have to trust or to show: the issuing certificates and the root."""
        return [*(i.certificate for i in self.issuers), self.root]

    def issuer_of(self, certificate: x509.Certificate) -> Issuer | None:
        """The issuer that really signed it, expired or not."""
        return next((i for i in self._issuers if issued_by(certificate, i.certificate)), None)

    def by_id(self, id: str) -> Issuer | None:
        return next((i for i in self._issuers if i.id == id), None)

    def issue(
        self,
        public: PublicKey,
        identity: Identity,
        lifetime: dt.timedelta,
        *,
        names: Sequence[str] = (),
        profile: str = "",
        issuer: Issuer | None = None,
    ) -> x509.Certificate:
        """Sign one. It never outlives its issuer. profile: the identity's kind by default."""
        rules, by, now = PROFILES[profile or identity.kind], issuer or self.current, self.time()
        end = min(now + lifetime, by.certificate.not_valid_after_utc)
        begin = max(now - BACK, by.certificate.not_valid_before_utc)
        if end <= now:
            raise ConfigError(
                "签发证书已过期 the issuing certificate has expired", str(self.folder)
            )
        own: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity.uri)]
        made = (
            x509.CertificateBuilder()
            .subject_name(identity.subject)
            .issuer_name(by.certificate.subject)
            .public_key(public)
            .serial_number(secrets.randbits(SERIAL_BITS) | 1 << (SERIAL_BITS - 1))
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(rules.uses), critical=False)
            .add_extension(x509.SubjectAlternativeName([*own, *host_names(names)]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(_authority(by.certificate), critical=False)
        )
        if rules.no_check:
            made = made.add_extension(x509.OCSPNoCheck(), critical=False)
        elif self.url:
            for extension in self._places(by):
                made = made.add_extension(extension, critical=False)
        return made.sign(by.key, hash_of(by.key))

    def _places(self, by: Issuer) -> list[x509.ExtensionType]:
        """Where to ask what became of it (RFC 5280 4.2.1.13, 4.2.2.1)."""
        where = x509.UniformResourceIdentifier
        return [
            x509.CRLDistributionPoints([
                x509.DistributionPoint([where(f"{self.url}/issuing-{by.number}.crl")], None, None, None)
            ]),
            x509.AuthorityInformationAccess([
                x509.AccessDescription(Access.OCSP, where(f"{self.url}/ocsp")),
                x509.AccessDescription(Access.CA_ISSUERS, where(f"{self.url}/issuing-{by.number}.crt")),
            ]),
        ]  # fmt: skip


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Name and signature of the issuer; nothing about time or usage."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def valid_at(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def renew_at(certificate: x509.Certificate) -> dt.datetime:
    """At two thirds of its life, which begins when it was signed: `BACK` after it says."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    life = end - begin - BACK
    return end - (life if life > dt.timedelta() else end - begin) / 3


def ski(certificate: x509.Certificate) -> bytes:
    found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return found.value.digest


def issuer_id(certificate: x509.Certificate) -> str:
    """`Issuer.id` of who signed it, as the certificate itself says."""
    found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    return (found.value.key_identifier or b"").hex()


def _authority(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


def _numbers(folder: Path) -> list[int]:
    found = [path.stem.removeprefix("issuing-") for path in folder.glob("issuing-*.crt")]
    return sorted(int(number) for number in found if number.isdigit())


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(
            "没有这个证书 no such certificate", str(path), "run `baotu ca init`"
        ) from None
    except ValueError:
        raise ConfigError("不是证书 is no certificate", str(path), "write it as PEM") from None


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def base64_of(content: bytes) -> bytes:
    """In lines of 76, as RFC 8951 2.1 lets and old clients want."""
    return base64.encodebytes(content)

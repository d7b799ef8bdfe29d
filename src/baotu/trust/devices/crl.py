"""Revocation lists (RFC 5280 5): one for each issuing certificate, made again when something changed."""

from __future__ import annotations

import datetime as dt
import threading

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .authority import Authority, Issuer, ski
from .keys import hash_of, write_private
from .status import Revocations

GOOD_FOR = dt.timedelta(hours=24)
AGAIN = dt.timedelta(hours=6)  # made again by then even when nothing was revoked


class Lists:
    """Safe to call from any thread. The number grows with each list, through restarts as well."""

    def __init__(self, authority: Authority, revocations: Revocations) -> None:
        self.authority, self.revocations = authority, revocations
        self._lock = threading.Lock()
        self._made: dict[str, tuple[int, dt.datetime, bytes]] = {}  # issuer: version, time, DER

    def get(self, issuer: Issuer) -> bytes:
        """DER of the list of this issuer as of now."""
        now = self.authority.time()
        with self._lock:
            version = self.revocations.version
            known = self._made.get(issuer.id)
            if known and known[0] == version and known[1] <= now < known[1] + AGAIN:
                return known[2]
            made = self._make(issuer, now)
            self._made[issuer.id] = version, now, made
            return made

    def _make(self, issuer: Issuer, now: dt.datetime) -> bytes:
        path = self.authority.folder / f"issuing-{issuer.number}.crl"
        number = max(_number(path) + 1, int(now.timestamp()))
        identifier = x509.SubjectKeyIdentifier(ski(issuer.certificate))
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(now)
            .next_update(now + GOOD_FOR)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
                critical=False,
            )
        )
        for row in self.revocations.all().values():
            if row.issuer == issuer.id and row.ends > now:  # RFC 5280 3.3: until it has expired
                entry = x509.RevokedCertificateBuilder().serial_number(int(row.serial, 16))
                entry = entry.revocation_date(row.time)
                if row.reason != "unspecified":  # RFC 5280 5.3.1: absent rather than that
                    entry = entry.add_extension(x509.CRLReason(flag(row.reason)), critical=False)
                made = made.add_revoked_certificate(entry.build())
        der = made.sign(issuer.key, hash_of(issuer.key)).public_bytes(Encoding.DER)
        write_private(path, der)
        return der


def flag(reason: str) -> x509.ReasonFlags:
    return x509.ReasonFlags(reason)


def _number(path: object) -> int:
    try:
        found = x509.load_der_x509_crl(path.read_bytes())  # type: ignore[attr-defined]
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (OSError, ValueError, x509.ExtensionNotFound):
        return 0

"""An OCSP responder (RFC 6960, RFC 5019, RFC 9654) that answers with what is committed now.

Signed by a responder certificate that the issuer delegated to; its key lives in memory only.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from .authority import Authority, Issuer
from .crl import flag
from .keys import PrivateKey, hash_of, make_key
from .names import Identity
from .status import Revocations

LONGEST = 4_096
NONCE = range(1, 129)  # octets: RFC 9654 2.1
GOOD_FOR = dt.timedelta(hours=1)
DELEGATED = dt.timedelta(days=3)
CACHED = 10_000
KNOWN = "SELECT 1 FROM devices_certificate WHERE serial = ?"
Hash = hashes.SHA1 | hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512


class Responder:
    """`answer(request)` is the whole protocol. known: whether a serial was issued here."""

    def __init__(
        self, authority: Authority, revocations: Revocations, organisation: str,
        known: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self.authority, self.revocations, self.known = authority, revocations, known
        self._who = Identity(organisation=organisation, kind="server", name="ocsp")
        self._lock = threading.Lock()
        self._delegates: dict[str, tuple[PrivateKey, x509.Certificate]] = {}
        self._cache: OrderedDict[tuple[str, str, str], tuple[int, dt.datetime, bytes]] = (
            OrderedDict()
        )

    def answer(self, der: bytes) -> bytes:
        """DER of a response to any bytes whatever."""
        if len(der) > LONGEST:
            return _failed(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        try:
            asked = ocsp.load_der_ocsp_request(der)
            algorithm, serial = asked.hash_algorithm, f"{asked.serial_number:x}"
            name, key, nonce = asked.issuer_name_hash, asked.issuer_key_hash, _nonce(asked)
        except (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm,
                x509.DuplicateExtension, x509.UnsupportedGeneralNameType):  # fmt: skip
            return _failed(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if nonce is not None and len(nonce) not in NONCE:
            return _failed(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        issuer = next(
            (i for i in self.authority.issuers if _hashes(i, algorithm) == (name, key)), None
        )
        if issuer is None or asked.serial_number <= 0:
            return _failed(ocsp.OCSPResponseStatus.UNAUTHORIZED)  # RFC 5019 2.2.3
        if nonce is not None:
            return self._make(issuer, algorithm, serial, nonce)
        return self._cached(issuer, algorithm, serial)

    def _cached(self, issuer: Issuer, algorithm: hashes.HashAlgorithm, serial: str) -> bytes:
        now, version = self.authority.time(), self.revocations.version
        key = issuer.id, serial, algorithm.name
        with self._lock:
            found = self._cache.get(key)
        if found and found[0] == version and found[1] <= now < found[1] + GOOD_FOR / 2:
            return found[2]
        made = self._make(issuer, algorithm, serial, None)
        if self.revocations.revoked(serial) or self.known(serial):  # else it may be issued soon
            with self._lock:
                self._cache[key] = version, now, made
                while len(self._cache) > CACHED:
                    self._cache.popitem(last=False)
        return made

    def _make(
        self, issuer: Issuer, algorithm: hashes.HashAlgorithm, serial: str, nonce: bytes | None
    ) -> bytes:
        now = self.authority.time()
        name, key = _hashes(issuer, algorithm)
        status, when, why = ocsp.OCSPCertStatus.UNKNOWN, None, None
        if (row := self.revocations.revoked(serial)) is not None and row.issuer == issuer.id:
            status, when = ocsp.OCSPCertStatus.REVOKED, row.time
            why = None if row.reason == "unspecified" else flag(row.reason)
        elif self.known(serial):
            status = ocsp.OCSPCertStatus.GOOD
        private, delegate = self._delegate(issuer, now)
        made = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=name, issuer_key_hash=key, serial_number=int(serial, 16),
            algorithm=algorithm, cert_status=status, this_update=now, next_update=now + GOOD_FOR,
            revocation_time=when, revocation_reason=why,
        )  # fmt: skip
        made = made.responder_id(ocsp.OCSPResponderEncoding.HASH, delegate).certificates([delegate])
        if nonce is not None:
            made = made.add_extension(x509.OCSPNonce(nonce), critical=False)
        return made.sign(private, hash_of(private)).public_bytes(Encoding.DER)

    def _delegate(self, issuer: Issuer, now: dt.datetime) -> tuple[PrivateKey, x509.Certificate]:
        with self._lock:
            known = self._delegates.get(issuer.id)
            if known is not None and now < known[1].not_valid_after_utc - DELEGATED / 3:
                return known
            key = make_key()
            made = self.authority.issue(
                key.public_key(), self._who, DELEGATED, profile="ocsp", issuer=issuer
            )
            self._delegates[issuer.id] = key, made
            return key, made


def from_path(path: str) -> bytes | None:
    """The request in the path of a GET (RFC 6960 A.1); None: there is none."""
    text = unquote_to_bytes(path.removeprefix("/"))
    try:
        return base64.b64decode(text, validate=True) or None
    except binascii.Error:
        return None


def _nonce(asked: ocsp.OCSPRequest) -> bytes | None:
    try:
        return asked.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None


def _hashes(issuer: Issuer, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    """issuerNameHash and issuerKeyHash (RFC 6960 4.1.1): of the bits of the key, not of its frame."""
    name, key = hashes.Hash(algorithm), hashes.Hash(algorithm)
    name.update(issuer.certificate.subject.public_bytes())
    key.update(_bits(issuer.certificate))
    return name.finalize(), key.finalize()


def _bits(certificate: x509.Certificate) -> bytes:
    public = certificate.public_key()
    if hasattr(public, "curve"):
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _failed(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)

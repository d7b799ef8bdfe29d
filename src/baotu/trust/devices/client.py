"""The device's side of enrolment: makes a key, asks for a certificate, renews it in time.

The key never leaves the folder. Needs no hub in its process; edges use it, and so may a device.
"""

from __future__ import annotations

import base64
import datetime as dt
import http.client
import json
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

from baotu.sdk import BaotuError, ConfigError, Refused, Unreachable
from baotu.sdk.messages import SEAM

from .authority import der, issued_by, pem, renew_at
from .keys import (
    Algorithm,
    PrivateKey,
    digest_of,
    hash_of,
    make_key,
    read_key,
    write_key,
    write_private,
)
from .names import Identity, host_names
from .pairs import pair
from .ticket import Ticket

TIMEOUT_S = 30.0
LONGEST = 1 << 20
PAIR, TRUST, PLACE, PENDING = "device.pem", "ca.pem", "device.json", "pending.key"
AGAIN_S = 60.0  # a renewal that failed is tried again after so long


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a device has. pair: key and certificates in one file, for `load_cert_chain`."""

    folder: Path
    certificate: x509.Certificate
    url: str
    organisation: str

    @property
    def pair(self) -> Path:
        return self.folder / PAIR

    @property
    def trust(self) -> Path:
        """PEM of root and issuing certificates, for `load_verify_locations`."""
        return self.folder / TRUST

    @property
    def due(self) -> dt.datetime:
        """When it is to be renewed: at two thirds of its life."""
        return renew_at(self.certificate)


def held(folder: Path) -> Held:
    """Raises ConfigError when the folder holds no device."""
    try:
        told = json.loads((folder / PLACE).read_text(encoding="utf-8"))
        certificate = x509.load_pem_x509_certificates((folder / PAIR).read_bytes())[0]
        return Held(
            folder=folder, certificate=certificate, url=str(told["url"]),
            organisation=str(told["organisation"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError):
        raise ConfigError(
            "这里没有注册过设备 no device was enrolled here", str(folder),
            "先运行 baotu device enrol run `baotu device enrol` first",
        ) from None  # fmt: skip


def enrol(
    ticket: Ticket, folder: Path, *, algorithm: Algorithm = "p256", names: Sequence[str] = ()
) -> Held:
    """Make a key, prove it, keep the certificate. Raises Refused with the server's own words,
    Unreachable when nobody answers."""
    folder.mkdir(parents=True, exist_ok=True)
    key = make_key(algorithm)
    who = Identity(organisation=ticket.organisation, kind="device", name=ticket.device)
    csr = request(key, who.subject, names)
    secure = trusting(ticket.root)
    word = base64.b64encode(f"{ticket.device}:{ticket.token}".encode()).decode()
    headers = {"authorization": f"Basic {word}"}
    url = f"{ticket.url}/.well-known/est/{quote(ticket.organisation, safe='')}"
    certificate = _only(post(f"{url}/simpleenroll", csr, secure, headers))
    _keep(folder, key, certificate, _chain(url, secure, ticket.root), ticket.root)
    place = {"url": ticket.url, "organisation": ticket.organisation, "root": ticket.root}
    write_private(folder / PLACE, json.dumps(place, ensure_ascii=False).encode())
    return held(folder)


def renew(folder: Path, *, algorithm: Algorithm = "p256") -> Held:
    """A new key and certificate for the same name. An answer that was lost is asked for again
    with the same key, and is then the same."""
    old = held(folder)
    pending = folder / PENDING
    if not pending.exists():
        write_key(pending, make_key(algorithm))
    key = read_key(pending)
    root = json.loads((folder / PLACE).read_text(encoding="utf-8"))["root"]
    secure = trusting(root)
    secure.load_cert_chain(old.pair)
    csr = request(key, old.certificate.subject)
    url = f"{old.url}/.well-known/est/{quote(old.organisation, safe='')}"
    certificate = _only(post(f"{url}/simplereenroll", csr, secure, {}))
    _keep(folder, key, certificate, _chain(url, secure, root), root)
    pending.unlink()
    return held(folder)


def keep(
    folder: Path, stop: threading.Event, told: Callable[[str], None], now: Callable[[], dt.datetime]
) -> None:
    """Renew whenever it is due, until `stop`. told: hears what was done, or why it was not."""
    wait = 0.0
    while not stop.wait(wait):
        have = held(folder)
        wait = (have.due - now()).total_seconds()
        if wait > 0:
            wait = min(wait, 3600.0)  # a clock that was set is noticed within the hour
            continue
        wait = AGAIN_S
        try:
            have = renew(folder)
        except BaotuError as error:
            told(f"没有更新 not renewed: {error}")
            continue
        told(f"已更新 renewed: {have.certificate.not_valid_after_utc.isoformat()}")


def request(key: PrivateKey, subject: x509.Name, names: Sequence[str] = ()) -> bytes:
    """A certificate request in base64, as EST takes it."""
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(host_names(names)), critical=False)
    return base64.encodebytes(made.sign(key, hash_of(key)).public_bytes(Encoding.DER))


def trusting(root: str) -> ssl.SSLContext:
    """TLS that trusts this root and nothing else."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(cadata=root)
    return made


def post(url: str, body: bytes, secure: ssl.SSLContext, headers: Mapping[str, str]) -> Answer:
    kind = {"content-type": "application/pkcs10", "content-transfer-encoding": "base64"}
    return ask("POST", url, secure, body, {**kind, **headers})


def ask(
    method: str, url: str, secure: ssl.SSLContext, body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    """One request on a connection of its own. Raises Unreachable when there is no answer."""
    parts = urlsplit(url)
    line = http.client.HTTPSConnection(
        parts.hostname or "", parts.port or 443, context=secure, timeout=TIMEOUT_S
    )
    try:
        line.request(method, parts.path, body=body, headers=dict(headers or {}))
        got = line.getresponse()
        return Answer(
            status=got.status, body=got.read(LONGEST),
            headers={name.lower(): value for name, value in got.getheaders()},
        )  # fmt: skip
    except ssl.SSLError as error:
        raise Refused(f"TLS 失败：{error.reason} TLS failed: {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{parts.netloc} does not answer: {error}") from None
    finally:
        line.close()


def _only(answer: Answer) -> x509.Certificate:
    found = _certificates(answer)
    if len(found) != 1:
        raise Refused("回答里不是一张证书 The answer does not hold one certificate")
    return found[0]


def _certificates(answer: Answer) -> list[x509.Certificate]:
    """Raises Refused with what the server said, Unreachable while it has to wait."""
    if answer.status == 202:
        wait = answer.headers.get("retry-after", "?")
        raise Unreachable(f"等待接纳，{wait} 秒后再试 Waits to be admitted: try again in {wait} s")
    if answer.status != 200:
        lines = answer.body.decode("utf-8", "replace").split("\n")
        said = SEAM.join(line for line in lines[:2] if line)
        raise Refused(said or f"HTTP {answer.status}", code=answer.status)
    try:
        return load_der_pkcs7_certificates(base64.b64decode(answer.body))
    except ValueError:
        raise Refused("回答读不了 The answer cannot be read") from None


def _chain(url: str, secure: ssl.SSLContext, root: str) -> list[x509.Certificate]:
    """Issuing certificates, those that the root of the ticket really signed."""
    top = x509.load_pem_x509_certificate(root.encode())
    return [c for c in _certificates(ask("GET", f"{url}/cacerts", secure)) if issued_by(c, top) and der(c) != der(top)]  # fmt: skip


def _keep(
    folder: Path, key: PrivateKey, certificate: x509.Certificate, chain: list[x509.Certificate],
    root: str,
) -> None:  # fmt: skip
    """Both files whole; the certificate has to be for this key and below this root."""
    fits = digest_of(certificate.public_key()) == digest_of(key.public_key())
    by = next((c for c in chain if issued_by(certificate, c)), None)
    if not fits or by is None:
        raise Refused("证书与密钥或根不配 The certificate does not fit the key or the root")
    write_private(folder / TRUST, (root + "".join(pem(c) for c in chain)).encode())
    write_private(folder / PAIR, pair(key, [certificate, by]))

"""What the tests of enrolment stand on: a chain in memory or on disk, an authority, devices."""

from __future__ import annotations

import base64
import datetime as dt
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from baotu.kernel.alarm_app import Alarms
from baotu.kernel.effects import Chain
from baotu.records.sqlite import SqliteStore
from baotu.sdk import Caller
from baotu.trust.devices import client, root
from baotu.trust.devices.app import Devices
from baotu.trust.devices.http import Request, Response
from baotu.trust.devices.keys import PrivateKey, hash_of, make_key
from baotu.trust.devices.pairs import pair
from baotu.trust.devices.service import DeviceTrust
from baotu.trust.devices.settings import TrustSettings
from baotu.trust.devices.ticket import Ticket, read

ALARMS = "SELECT kind, state, organisation FROM alarms_alarm_row WHERE active ORDER BY kind"
AUDIT = "SELECT caller, verb, outcome, reason FROM ledger_audit_record ORDER BY id"


class Clock:
    """Goes with the machine's, and can be set ahead or back."""

    def __init__(self) -> None:
        self.ahead = dt.timedelta()

    def now(self) -> int:
        return time.time_ns() + int(self.ahead.total_seconds() * 1e9)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class Site:
    """One hub of the organisation «plant»; «other» is a tenant beside it."""

    def __init__(self, folder: Path, *, disk: bool = False, **settings: Any) -> None:
        self.folder, self.clock, self.app = folder, Clock(), Devices()
        self.ca, self.root_key = folder / "ca", folder / "away" / "root.key"
        self.root_key.parent.mkdir(parents=True, exist_ok=True)
        if not (self.ca / "root.crt").exists():
            since = self.time() - dt.timedelta(days=30)  # tests set the clock back
            root.begin(self.ca, "plant", self.root_key, now=since)
        self.store = SqliteStore(folder / "records.db" if disk else None)
        self.chain = Chain(self.store, self.clock, [Alarms(), self.app])
        given = {"est_listen": "[::1]:0", "status_listen": "[::1]:0", "refusals_min": 1_000_000}
        self.trust = DeviceTrust(
            self.chain, self.app, self.clock, self.ca, TrustSettings(**{**given, **settings}),
            organisation="plant",
        )  # fmt: skip
        self.served = False

    def serve(self) -> None:
        self.trust.start(listening)
        self.served = True

    def close(self) -> None:
        self.trust.stop()
        self.store.close()

    def time(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.clock.now() // 10**9, dt.UTC)

    # -- people ---------------------------------------------------------------------------------
    def guard(self, organisation: str = "plant") -> Caller:
        granted = frozenset({"devices.admit", "alarms.read"})
        return Caller("wang", organisation, granted, frozenset({"security_admin"}))

    def do(self, verb: str, organisation: str = "plant", **arguments: Any) -> Any:
        return self.chain.call("devices", verb, arguments, self.guard(organisation))

    def admit(self, name: str, organisation: str = "plant", **more: Any) -> Ticket:
        return read(self.do("admit", organisation, name=name, **more)["ticket"])

    def alarms(self) -> list[str]:
        return [row[0] for row in self.store.ask(ALARMS)]

    def audit(self) -> list[tuple[str, ...]]:
        return [tuple(row) for row in self.store.ask(AUDIT)]

    # -- devices --------------------------------------------------------------------------------
    def post(
        self, what: str, body: bytes, *, ticket: Ticket | None = None, user: str = "",
        peer: x509.Certificate | None = None, label: str = "",
    ) -> Response:  # fmt: skip
        """Past TLS, straight to the protocol's core."""
        headers = {}
        if ticket is not None:
            word = base64.b64encode(f"{user or ticket.device}:{ticket.token}".encode()).decode()
            headers["authorization"] = f"Basic {word}"
        place = f"/.well-known/est/{label + '/' if label else ''}{what}"
        shown = peer.public_bytes(Encoding.DER) if peer else b""
        return self.trust.est.handle(
            Request(
                method="POST", path=place, headers=headers, body=body, place="[::1]:5", peer=shown
            )
        )  # fmt: skip

    def enrolled(self, name: str, **more: Any) -> tuple[PrivateKey, x509.Certificate]:
        key = make_key()
        ticket = self.admit(name, **more)
        return key, certificate(self.post("simpleenroll", csr(key, name), ticket=ticket))

    def url(self, what: str) -> str:
        return f"https://[::1]:{self.trust.est_port}/.well-known/est/{what}"

    def status_url(self, what: str) -> str:
        return f"http://[::1]:{self.trust.status_port}/{what}"

    def tls(self, key: PrivateKey | None = None, shown: Sequence[x509.Certificate] = ()) -> Any:
        made: ssl.SSLContext = client.trusting(self.trust.here().root)
        if key is not None:
            path = self.folder / f"shown-{shown[0].serial_number:x}.pem"
            path.write_bytes(pair(key, shown))
            made.load_cert_chain(path)
        return made


def listening(text: str) -> socket.socket:
    host, _, port = text.rpartition(":")
    return socket.create_server((host.strip("[]"), int(port)), family=socket.AF_INET6, backlog=512)


def csr(key: Any, name: str, *, subject: x509.Name | None = None, **extensions: Any) -> bytes:
    """DER of a request for this device of «plant»."""
    if subject is None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions.values():
        made = made.add_extension(extension, critical=False)
    digest = hash_of(key)
    return made.sign(key, digest).public_bytes(Encoding.DER)


def renewal(key: Any, old: x509.Certificate) -> bytes:
    return csr(key, "", subject=old.subject)


def certificate(response: Response) -> x509.Certificate:
    assert response.status == 200, response.body.decode()
    [found] = several(response)
    return found


def several(response: Response) -> list[x509.Certificate]:
    from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

    return load_der_pkcs7_certificates(base64.b64decode(response.body))


def maker(name: str, now: dt.datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A manufacturer's authority."""
    key, made = root.make_root(name, now=now)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key, made


def idevid(
    by: tuple[Any, x509.Certificate], key: Any, serial: str, now: dt.datetime,
    begin: dt.timedelta = dt.timedelta(days=-1), end: dt.timedelta = dt.timedelta(days=3650),
) -> x509.Certificate:  # fmt: skip
    """A device's certificate from its maker (IEEE 802.1AR)."""
    subject = x509.Name([
        x509.NameAttribute(NameOID.COMMON_NAME, f"model-9 {serial}"),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, serial),
    ])  # fmt: skip
    signer, issuer = by
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now + begin).not_valid_after(now + end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(signer, hash_of(signer))
    )  # fmt: skip

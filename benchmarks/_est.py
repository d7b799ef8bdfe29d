"""What the benchmark of enrolment and its tests share: a hub, raw clients, and credentials that are bad.

The hub's register is on disk; every attempt is a TLS connection of its own over ::1.
"""

from __future__ import annotations

import base64
import datetime as dt
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates
from cryptography.x509.oid import NameOID

from baotu.kernel.alarm_app import Alarms
from baotu.kernel.effects import Chain
from baotu.records.sqlite import SqliteStore
from baotu.sdk import Caller
from baotu.trust.devices import client, root
from baotu.trust.devices.app import Devices
from baotu.trust.devices.authority import Authority
from baotu.trust.devices.keys import hash_of, make_key
from baotu.trust.devices.names import Identity
from baotu.trust.devices.pairs import pair
from baotu.trust.devices.service import DeviceTrust
from baotu.trust.devices.settings import TrustSettings
from baotu.trust.devices.ticket import Ticket, read

ENROL, RENEW = "simpleenroll", "simplereenroll"
GUARD = Caller("guard", "plant", frozenset({"devices.admit"}))
ISSUED = "SELECT COUNT(*) FROM devices_certificate"


class MovedClock:
    """The machine's clock; whole days ahead or back where a certificate of then is needed."""

    def __init__(self, days: int = 0) -> None:
        self._moved = days * 86_400 * 10**9

    def now(self) -> int:
        return time.time_ns() + self._moved

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class Hub:
    """EST of the organisation «plant», its register in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, app = folder, Devices(minutes=600.0)
        root.begin(folder / "ca", "plant", folder / "root.key", now=dt.datetime.now(dt.UTC))
        self.store = SqliteStore(folder / "records.db")
        self.chain = Chain(self.store, MovedClock(), [Alarms(), app])
        settings = TrustSettings(est_listen="[::1]:0", status_listen="", refusals_min=1_000_000)
        self.trust = DeviceTrust(
            self.chain, app, MovedClock(), folder / "ca", settings, organisation="plant"
        )
        self.trust.start(
            lambda _: socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=512)
        )

    def close(self) -> None:
        self.trust.stop()
        self.store.close()

    def do(self, verb: str, **arguments: Any) -> Any:
        return self.chain.call("devices", verb, arguments, GUARD)

    def admit(self, *names: str) -> list[Ticket]:
        with ThreadPoolExecutor(16) as pool:
            told = list(pool.map(lambda name: self.do("admit", name=name), names))
        return [read(one["ticket"]) for one in told]

    def issued(self) -> int:
        return int(self.store.ask(ISSUED)[0][0])


def csr(key: Any, name: str, subject: x509.Name | None = None, *more: x509.ExtensionType) -> bytes:
    if subject is None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in more:
        made = made.add_extension(extension, critical=False)
    return made.sign(key, hash_of(key)).public_bytes(Encoding.DER)


def message(
    what: str, der: bytes, ticket: Ticket | None = None, user: str = "", label: str = ""
) -> bytes:
    body = base64.encodebytes(der)
    head = f"POST /.well-known/est/{label}{what} HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/pkcs10\r\n"
    if ticket is not None:
        word = base64.b64encode(f"{user or ticket.device}:{ticket.token}".encode()).decode()
        head += f"Authorization: Basic {word}\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def exchange(port: int, secure: ssl.SSLContext, request: bytes) -> tuple[int, bytes]:
    """Status and body; (0, b"") when the server ended the connection without an answer."""
    try:
        with (
            socket.create_connection(("::1", port), timeout=60) as plain,
            secure.wrap_socket(plain, server_hostname="::1") as line,
        ):
            line.sendall(request)
            got = b""
            while piece := line.recv(65536):
                got += piece
    except (ssl.SSLError, ConnectionError):
        return 0, b""
    head, _, body = got.partition(b"\r\n\r\n")
    return (int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else 0), body


def certificate(body: bytes) -> x509.Certificate:
    [found] = load_der_pkcs7_certificates(base64.b64decode(body))
    return found


@dataclass(frozen=True, slots=True)
class Attempt:
    kind: str
    secure: ssl.SSLContext
    request: bytes


class Bad:
    """Attempts of every kind, without end, each a little different where it can be."""

    def __init__(self, hub: Hub, seed: int) -> None:
        self.hub, self.rng, self.serial = hub, random.Random(seed), 0
        self.plain = client.trusting(hub.trust.here().root)
        self.kinds: dict[str, Callable[[], Attempt]] = {}
        self.tickets = iter(hub.admit(*(f"victim-{n}" for n in range(20))))
        for prepare in (self._certificates, self._tokens, self._requests, self._strangers):
            prepare()

    def attempts(self) -> Iterator[Attempt]:
        while True:
            for make in self.kinds.values():
                yield make()

    def _add(self, kind: str, make: Callable[[], tuple[ssl.SSLContext, bytes]]) -> None:
        self.kinds[kind] = lambda: Attempt(kind, *make())

    def showing(self, key: Any, *chain: x509.Certificate) -> ssl.SSLContext:
        self.serial += 1
        return self.showing_as(self.hub, str(self.serial), key, *chain)

    @staticmethod
    def showing_as(hub: Hub, name: str, key: Any, *chain: x509.Certificate) -> ssl.SSLContext:
        path = hub.folder / f"shown-{name}.pem"
        path.write_bytes(pair(key, chain))
        made = client.trusting(hub.trust.here().root)
        made.load_cert_chain(path)
        return made

    def enrolled(self) -> tuple[Any, x509.Certificate, bytes, Ticket]:
        """A good device: its key, certificate, and the POST that was accepted."""
        ticket, key = next(self.tickets), make_key()
        request = message(ENROL, csr(key, ticket.device), ticket)
        status, body = exchange(self.hub.trust.est_port, self.plain, request)
        assert status == 200, body
        return key, certificate(body), request, ticket

    def _renewal(self, what: str, key: Any, own: x509.Certificate, label: str = "") -> None:
        secure = self.showing(key, own)
        self._add(
            what, lambda: (secure, message(RENEW, csr(make_key(), "", own.subject), label=label))
        )

    def _certificates(self) -> None:
        """Certificates of ours that are no longer, not yet, or not for this."""
        folder = self.hub.folder / "ca"
        for what, days in (("expired certificate", -400), ("certificate not valid yet", 400)):
            # an issuing key is old enough only where its certificate says so
            authority = Authority(folder, MovedClock(0).now)
            key, who = (
                make_key(),
                Identity(organisation="plant", kind="device", name=f"victim-{days}"),
            )
            own = _dated(authority, key, who, days)
            self._renewal(what, key, own)
        key, own, *_ = self.enrolled()
        self._renewal("certificate of another owner", key, own, "other/")
        key, own, _, ticket = self.enrolled()
        self.hub.do("revoke", name=ticket.device)
        self._renewal("revoked certificate", key, own)
        key, own, *_ = self.enrolled()
        first = self.showing(key, own)
        request = message(RENEW, csr(make_key(), "", own.subject))
        assert exchange(self.hub.trust.est_port, first, request)[0] == 200
        self._renewal("copy of a renewed certificate", key, own)
        who = Identity(organisation="plant", kind="server", name="web")
        key = make_key()
        own = self.hub.trust.authority.issue(key.public_key(), who, dt.timedelta(days=1))
        self._renewal("certificate for another usage", key, own)

    def _tokens(self) -> None:
        *_, posted, ticket = self.enrolled()
        self._add(
            "replayed token",
            lambda: (self.plain, message(ENROL, csr(make_key(), ticket.device), ticket)),
        )
        self._add("replayed POST", lambda: (self.plain, posted))
        taken, *_ = self.enrolled()
        fresh = next(self.tickets)
        self._add(
            "key of another device",
            lambda: (self.plain, message(ENROL, csr(taken, fresh.device), fresh)),
        )
        other = next(self.tickets)
        self._add("token of another device", lambda: (
            self.plain, message(ENROL, csr(make_key(), ticket.device), other, user=ticket.device)))  # fmt: skip
        self._add("token at another owner", lambda: (
            self.plain, message(ENROL, csr(make_key(), other.device), other, label="other/")))  # fmt: skip
        self._add("guessed token", lambda: (self.plain, message(
            ENROL, csr(make_key(), other.device),
            Ticket(url="", organisation="plant", device=other.device, root="",
                   token=base64.urlsafe_b64encode(self.rng.randbytes(24)).decode()))))  # fmt: skip
        gone = next(self.tickets)
        self.hub.do("withdraw", name=gone.device)
        self._add(
            "withdrawn token",
            lambda: (self.plain, message(ENROL, csr(make_key(), gone.device), gone)),
        )

    def _requests(self) -> None:
        """With a token that is good: it must stay so, and nothing be signed."""
        ticket = next(self.tickets)

        def add(what: str, make: Callable[[], bytes]) -> None:
            self._add(what, lambda: (self.plain, message(ENROL, make(), ticket)))

        weak = [rsa.generate_private_key(65537, 1024) for _ in range(3)]
        weak_curve = ec.generate_private_key(ec.SECP224R1())
        authority = x509.BasicConstraints(ca=True, path_length=None)
        host = x509.SubjectAlternativeName([x509.DNSName("console.example")])
        server = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
        add("wrong signature", lambda: self._flipped(csr(make_key(), ticket.device), 8))
        add("another's name", lambda: csr(make_key(), f"victim-{self.rng.randrange(1000, 10**6)}"))
        add("weak key", lambda: csr(self.rng.choice(weak), ticket.device))
        add("weak curve", lambda: csr(weak_curve, ticket.device))
        add("asks to be an authority", lambda: csr(make_key(), ticket.device, None, authority))
        add("asks for a name", lambda: csr(make_key(), ticket.device, None, host))
        add("asks for a usage", lambda: csr(make_key(), ticket.device, None, server))
        add("broken request", lambda: self._flipped(csr(make_key(), ticket.device), 0))
        self.untouched = ticket

    def _flipped(self, der: bytes, last: int) -> bytes:
        """One bit changed: among the last bytes, which are the signature, or anywhere."""
        at = self.rng.randrange(len(der) - last if last else 0, len(der))
        return der[:at] + bytes([der[at] ^ 1 << self.rng.randrange(8)]) + der[at + 1 :]

    def _strangers(self) -> None:
        """Certificates that nobody we know has signed."""
        now = dt.datetime.now(dt.UTC)
        foreign = [root.make_root("plant", now=now) for _ in range(4)]
        shown: list[tuple[ssl.SSLContext, bytes]] = []
        alone: list[tuple[ssl.SSLContext, bytes]] = []
        forged: list[tuple[ssl.SSLContext, bytes]] = []
        ours = self.hub.trust.authority.current.certificate.subject
        for number in range(12):
            signer, issuer = foreign[number % 4]
            who = Identity(organisation="plant", kind="device", name=f"stranger-{number}")
            for rows, by, name in (
                (shown, signer, issuer.subject), (forged, signer, ours), (alone, None, who.subject),
            ):  # fmt: skip
                key = make_key()
                own = _signed(key, who, by or key, name, now)
                rows.append(
                    (self.showing(key, own), message(RENEW, csr(make_key(), "", who.subject)))
                )
        self._add("certificate of a foreign authority", lambda: self.rng.choice(shown))
        self._add("certificate forged in our name", lambda: self.rng.choice(forged))
        self._add("self-signed certificate", lambda: self.rng.choice(alone))
        bare = message(ENROL, csr(make_key(), "nobody"))
        self._add("nothing shown", lambda: (self.plain, bare))


def _signed(
    key: Any, who: Identity, by: Any, issuer: x509.Name, now: dt.datetime
) -> x509.Certificate:
    made = (
        x509.CertificateBuilder().subject_name(who.subject).issuer_name(issuer)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(who.uri)]), critical=False
        )
    )  # fmt: skip
    return made.sign(by, hash_of(by))


def _dated(authority: Authority, key: Any, who: Identity, days: int) -> x509.Certificate:
    """Truly signed by our issuing key, for a day that is over or has not come."""
    issuer, now = authority.current, dt.datetime.now(dt.UTC)
    good = authority.issue(key.public_key(), who, dt.timedelta(days=1))
    made = (
        x509.CertificateBuilder().subject_name(good.subject).issuer_name(good.issuer)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days))
        .not_valid_after(now + dt.timedelta(days=days + 1))
    )  # fmt: skip
    for extension in good.extensions:
        made = made.add_extension(extension.value, critical=extension.critical)
    return made.sign(issuer.key, hash_of(issuer.key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the attempts. answers: by kind, how often which status (0: TLS said no)."""

    attempts: int
    accepted: int
    answers: dict[str, dict[int, int]]
    issued: int  # certificates that the register has more than before
    still_good: bool  # the token that was only used with bad requests works with a good one


def attack(hub: Hub, count: int, *, seed: int = 1, threads: int = 8) -> Outcome:
    bad = Bad(hub, seed)
    before, feed = hub.issued(), bad.attempts()
    many = [next(feed) for _ in range(count)]

    def one(attempt: Attempt) -> tuple[str, int]:
        return attempt.kind, exchange(hub.trust.est_port, attempt.secure, attempt.request)[0]

    with ThreadPoolExecutor(threads) as pool:
        told = list(pool.map(one, many))
    answers: dict[str, dict[int, int]] = {kind: {} for kind in bad.kinds}
    for kind, status in told:
        answers[kind][status] = answers[kind].get(status, 0) + 1
    issued, ticket = hub.issued() - before, bad.untouched
    good = message(ENROL, csr(make_key(), ticket.device), ticket)
    still, _ = exchange(hub.trust.est_port, bad.plain, good)
    return Outcome(
        attempts=len(told), accepted=sum(200 <= status < 300 for _, status in told),
        answers=answers, issued=issued, still_good=still == 200,
    )  # fmt: skip

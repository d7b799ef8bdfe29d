"""Devices and nodes as a hub serves them: authority, register, enrolment, revocation status.

Starts only where `baotu ca init` was run. Everything of it is reachable from here, for the parts
that let certificates in elsewhere (see the package's own words).
"""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from baotu.kernel.effects import Chain, Deed
from baotu.kernel.lifecycle import Stack
from baotu.sdk import Caller, Evidence, Invalid
from baotu.sdk.clock import Clock
from baotu.sdk.facts import Plain
from baotu.sdk.messages import SEAM

from .app import Devices, Here
from .authority import Authority, der, pem
from .brski import Registrar
from .crl import Lists
from .est import Est
from .http import Request, Response
from .keys import Keys, write_private
from .listener import Listener
from .makers import Makers
from .masa import MakersAuthorities
from .names import Identity, host_names
from .naming import Kind
from .ocsp import KNOWN, Responder
from .pace import Pace
from .pairs import pair
from .refusal import Refusal
from .register import From, Register
from .settings import TrustSettings
from .status import Revocations, Revoked
from .verify import Presence, Verifier, serial_of
from .voucher import ROOM
from .web import Status

log = structlog.get_logger("baotu.devices")
NO_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: we look at times, and say whose certificate it was
OWN_DAYS = 7
Bind = Callable[[str], socket.socket]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OwnPair:
    """Of a listener of this hub. path: key and chain in one file; due: when to renew it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    path: Path
    due: dt.datetime


class DeviceTrust:
    """`start` opens the listeners that settings ask for. folder: of the authority."""

    def __init__(
        self, chain: Chain, app: Devices, clock: Clock, folder: Path, settings: TrustSettings, *,
        organisation: str, keys: Keys | None = None,
    ) -> None:  # fmt: skip
        self.chain, self.app, self.clock, self.settings = chain, app, clock, settings
        self.organisation, self.folder = organisation, folder
        self._stack = Stack()
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._renew_at = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._pair: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None = None
        self._own: set[str] = set()  # serials of this server's certificates: not in the register
        self.est_port = self.status_port = 0
        self.authority = Authority(folder, clock.now, keys=keys, url=settings.status_url)
        self.revocations = Revocations(chain)
        self._stack.add("revocations", self.revocations.close)
        self.makers = Makers(chain)
        self._stack.add("makers", self.makers.close)
        self.makers.changed = self._anew
        self.verifier = Verifier(self.authority, self.revocations)
        self.register = Register(
            chain, self.authority, self.verifier, organisation=organisation,
            lifetime=dt.timedelta(hours=settings.lifetime_h),
        )  # fmt: skip
        self.presence = Presence(lambda refusal: self.refuse(refusal, "presence"))
        self.lists = Lists(self.authority, self.revocations)
        self.responder = Responder(self.authority, self.revocations, organisation, self.known)
        self.est = Est(
            register=self.register, authority=self.authority, makers=self.makers, clock=clock,
            pace=Pace(settings.refusals_min), retry_s=settings.retry_s,
        )  # fmt: skip
        self.registrar = Registrar(
            register=self.register, authority=self.authority, makers=self.makers, clock=clock,
            pace=self.est.pace, own=self.own, ask=MakersAuthorities(chain), retry_s=settings.retry_s,
        )  # fmt: skip
        self.status = Status(authority=self.authority, lists=self.lists, responder=self.responder)
        app.here = self.here

    def start(self, bind: Bind) -> None:
        """bind: a listening socket for an address of the configuration. Raises ConfigError."""
        if self.settings.status_listen:
            plain = Listener(bind(self.settings.status_listen), self.status.handle, name="status")
            plain.start()
            self._stack.add("status", plain.stop)
            self.status_port = plain.port
        if self.settings.est_listen:
            secure = Listener(
                bind(self.settings.est_listen), self.handle, name="est",
                context=self.context, failed=self._untrusted,
            )  # fmt: skip
            self.est_port = secure.port
            secure.start()
            self._stack.add("est", secure.stop)
            self._stack.add("cut", self.revocations.watch(lambda row: self._cut(secure, row)))

    def stop(self) -> None:
        self._stack.close()
        self.app.here = None

    def handle(self, request: Request) -> Response:
        """What the listener of devices answers: BRSKI, and EST for all else."""
        brski = request.path.startswith(ROOM + "/")
        return (self.registrar if brski else self.est).handle(request)

    # -- for the parts that let certificates in ---------------------------------------------------
    def refuse(self, refusal: Refusal, place: str) -> None:
        """Audit a refusal of another listener and raise its alarm."""
        self.register.refused("connect", refusal, From(place=place))

    def proved(self, row: Revoked, sessions: int) -> None:
        """Sessions of a revoked certificate were cut just now: evidence of 3.1, with the time."""
        took = (self.clock.now() - int(row.time.timestamp() * 1e6) * 1000) / 1e6
        claim = (
            f"吊销后 {took:.0f} 毫秒内断开了设备的会话 "
            f"A revocation cut the sessions of a device within {took:.0f} ms"
        )
        figures: dict[str, Plain] = {
            "device": row.device,
            "sessions": sessions,
            "ms": round(took, 1),
        }
        fact = Evidence("3.1", claim, figures, page="/app/devices/overview")
        caller = Caller("devices", row.organisation, frozenset(), kind="platform")
        self.chain.submit(
            Deed(app="devices", name="prove", caller=caller, body=lambda _: (None, (fact,)), audited=False)
        )  # fmt: skip

    def own_pair(self, name: str, kind: Kind = "node") -> OwnPair:
        """A new key and certificate for a listener of this hub, with the hub's names; `due` says
        when to ask again. It is not in the register, and good for OCSP while this runs."""
        key = ec.generate_private_key(ec.SECP256R1())
        who = Identity(organisation=self.organisation, kind=kind, name=name)
        life = dt.timedelta(days=OWN_DAYS)
        issuer = self.authority.current
        own = self.authority.issue(
            key.public_key(), who, life, names=_names(self.settings.names), issuer=issuer
        )
        self._own.add(serial_of(own))
        path = self.folder / f"{name}.pem"
        write_private(path, pair(key, [own, issuer.certificate]))
        begin, end = own.not_valid_before_utc, own.not_valid_after_utc
        return OwnPair(key=key, certificate=own, path=path, due=begin + (end - begin) * 2 / 3)

    def known(self, serial: str) -> bool:
        """Whether a certificate of this serial (hex) was issued here."""
        return serial in self._own or bool(self.chain.store.ask(KNOWN, (serial,)))

    def here(self) -> Here:
        host = self.settings.names[0] if self.settings.names else "::1"
        port = self.est_port or int(self.settings.est_listen.rpartition(":")[2] or 0)
        where = f"[{host}]" if ":" in host else host
        return Here(url=f"https://{where}:{port}", root=pem(self.authority.root))

    # -- TLS ------------------------------------------------------------------------------------
    def context(self) -> ssl.SSLContext:
        """For the next connection: with a certificate that is good and the makers of now."""
        with self._lock:
            if self._context is None or self.authority.time() >= self._renew_at:
                self._context = self._made()
            return self._context

    def own(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """Key and certificate of this server, with which a registrar signs (RFC 8995 5.5)."""
        self.context()
        if self._pair is None:
            raise Refusal("busy", "还没有启动 Has not started yet")
        return self._pair

    def _anew(self) -> None:
        with self._lock:
            self._context = None

    def _made(self) -> ssl.SSLContext:
        own = self.own_pair("est", "ra")
        self._pair, self._renew_at = (own.key, own.certificate), own.due
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.num_tickets = 0  # a device that comes back proves itself again
        made.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
        made.load_cert_chain(own.path)
        made.verify_mode = ssl.CERT_OPTIONAL
        anchors = [*self.authority.chain(), *self.makers.certificates()]
        made.load_verify_locations(cadata=b"".join(der(one) for one in anchors))
        made.verify_flags |= ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | NO_TIME)
        return made

    def _untrusted(self, place: str, why: str) -> None:
        """TLS refused a certificate: nobody we know signed it, or it is for something else."""
        said = f"TLS 不接受出示的证书：{why}{SEAM}TLS does not take the certificate shown: {why}"
        self.refuse(Refusal("unknown", said), place)

    def _cut(self, listener: Listener, row: Revoked) -> None:
        def same(shown: bytes) -> bool:
            return serial_of(x509.load_der_x509_certificate(shown)) == row.serial

        listener.cut(same, lambda sessions: self.proved(row, sessions))


def _names(names: tuple[str, ...]) -> list[str]:
    try:
        host_names(names)
    except ValueError as error:
        raise Invalid(
            "names", f"不是域名或地址：{error} Is no DNS name or address: {error}"
        ) from None
    return list(names)

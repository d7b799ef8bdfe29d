"""A registrar of BRSKI (RFC 8995) without a socket: it asks the maker's authority for a voucher.

The device shows its maker's certificate in TLS and a signed request; it must be admitted here. The
maker's authority (MASA) then says to the device, signed, whose it is. What it says is passed on.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from baotu.sdk import BaotuError
from baotu.sdk.clock import Clock

from . import voucher
from .authority import Authority, der, issued_by
from .cms import sign
from .csr import MALFORMED
from .est import paced, plain
from .http import Request, Response
from .makers import Maker, Makers
from .pace import Pace
from .profiles import RA
from .refusal import Refusal
from .register import From, Register
from .voucher import Voucher

Ask = Callable[[str, str, bytes], bytes]
"""(organisation, maker's name there, signed request) → signed voucher. Raises Refused, Unreachable."""
Own = Callable[[], tuple[ec.EllipticCurvePrivateKey, x509.Certificate]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """Safe to call from any thread; never raises for what a client sent. own: of the TLS server."""

    register: Register
    authority: Authority
    makers: Makers
    clock: Clock
    pace: Pace
    own: Own
    ask: Ask
    retry_s: int = 300

    def handle(self, request: Request) -> Response:
        try:
            return paced(self.pace, self.clock, request, self._handle, ("waiting",))
        except Refusal as refusal:
            status = refusal.reason.status
            wait = (("retry-after", str(self.retry_s)),) if status == 202 else ()
            return Response(status=status, body=plain(str(refusal)), headers=wait)
        except BaotuError as error:  # the maker's authority is away, or said no
            return Response(status=503, body=plain(str(error)), headers=(("retry-after", "60"),))

    def _handle(self, request: Request) -> Response:
        what = request.path.removeprefix(voucher.ROOM + "/")
        if what not in ("requestvoucher", "voucher_status", "enrollstatus"):
            raise Refusal("path", "没有这个地址 There is nothing at this address")
        if request.method != "POST":
            raise Refusal("method", "请用 POST Use POST")
        source = From(place=request.place)
        device, maker = self._device(request, source)
        if what == "requestvoucher":
            body = self._voucher(request.body, device, maker, source)
            return Response(body=body, type=voucher.TYPE)
        self._told(what, request.body, maker, source)
        return Response(body=b"")

    def _device(self, request: Request, source: From) -> tuple[x509.Certificate, Maker]:
        if not request.peer:
            raise Refusal("unnamed", "出示厂商的证书 Show the certificate of the maker")
        try:
            shown = x509.load_der_x509_certificate(request.peer)
            maker = self.makers.of(shown)
        except MALFORMED:
            raise Refusal("request", "证书读不了 The certificate cannot be read") from None
        if maker is None:
            why = "不认识证书的签发者 The issuer of the certificate is not known"
            raise self.register.refused("voucher", Refusal("unknown", why), source)
        return shown, maker

    def _voucher(self, body: bytes, device: x509.Certificate, maker: Maker, source: From) -> bytes:
        """Check what the device asks (RFC 8995 5.3 to 5.5), ask its maker, pass the answer on."""
        asked, message = voucher.read(body, voucher.REQUEST)
        key, own = self.own()
        if message.signer != device or asked.serial != maker.serial:
            why = "请求不是这台设备签的 The request was not signed by this device"
            raise self.register.refused("voucher", Refusal("signature", why), source)
        if not voucher.same(asked.proximity, own):
            why = "请求是给别的登记处的 The request is for another registrar"
            raise self.register.refused("voucher", Refusal("owner", why), source)
        owner, name = self.register.admitted(maker, source)
        request = Voucher(
            serial=asked.serial, created=self.authority.time(), assertion="proximity",
            nonce=asked.nonce, prior=body, issuer=voucher.issuer_of(device),
        )  # fmt: skip
        signed = sign(request.json(voucher.REQUEST), key, own, self.authority.chain())
        answer = self.ask(owner, name, signed)
        given, _ = voucher.read(answer, voucher.VOUCHER)
        if (given.serial, given.nonce) != (asked.serial, asked.nonce):
            raise Refusal(
                "request", "厂商的凭单不是给它的 The maker's voucher is for another device"
            )
        return answer

    def _told(self, what: str, body: bytes, maker: Maker, source: From) -> None:
        """What the device says became of it (RFC 8995 5.7, 5.9.4); kept in the audit."""
        try:
            told = json.loads(body)
            good, why = bool(told["status"]), str(told.get("reason", ""))[:200]
        except (KeyError, TypeError, ValueError, RecursionError):
            raise Refusal("request", "状态读不了 The status cannot be read") from None
        self.register.told(what, maker, good, why, source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Masa:
    """The maker's side, for those who make devices: vouchers for devices that it made (RFC 8995 5.6).

    made: whether a device of this serial number is ours and may go to this owner (its root's DER).
    """

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    authorities: Sequence[x509.Certificate]
    made: Callable[[str, bytes], bool]
    clock: Clock

    def voucher(self, request: bytes) -> bytes:
        """A signed voucher for a registrar's signed request. Raises Refusal."""
        asked, message = voucher.read(request, voucher.REQUEST)
        prior, device = voucher.read(asked.prior, voucher.REQUEST)
        if not any(issued_by(device.signer, one) for one in self.authorities):
            raise Refusal("unknown", "不是我们造的设备 The device is not one of ours")
        serials = {asked.serial, prior.serial, voucher.serial_number(device.signer)}
        if len(serials) != 1 or asked.nonce != prior.nonce:
            raise Refusal("signature", "两份请求不符 The two requests differ")
        if not voucher.same(prior.proximity, message.signer):
            raise Refusal("owner", "设备见到的是别的登记处 The device has seen another registrar")
        if not _registers(message.signer):
            raise Refusal("usage", "签名者不是登记处 The signer is no registrar")
        owner = _root(message.signer, message.certificates)
        if not self.made(asked.serial, der(owner)):
            raise Refusal("owner", "设备不属于这个所有者 The device is not of this owner")
        now = self.clock.now()
        given = Voucher(
            serial=asked.serial, created=dt.datetime.fromtimestamp(now // 10**9, dt.UTC),
            assertion="proximity", nonce=asked.nonce, pinned=der(owner),
        )  # fmt: skip
        return sign(given.json(voucher.VOUCHER), self.key, self.certificate)


def _registers(signer: x509.Certificate) -> bool:
    """Whether it may speak for its owner (RFC 8995 5.5.4): else any device of the owner could."""
    try:
        uses = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return RA in uses


def _signs(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return found.value.ca


def _root(signer: x509.Certificate, shown: Sequence[x509.Certificate]) -> x509.Certificate:
    """The top of the registrar's own chain, followed by signatures. Raises Refusal."""
    at = signer
    for _ in range(4):
        if at is not signer and issued_by(at, at):
            return at
        above = [c for c in shown if _signs(c) and issued_by(at, c)]
        if not above:
            break
        at = above[0]
    raise Refusal("unknown", "登记处的证书链不全 The registrar's chain is not whole")

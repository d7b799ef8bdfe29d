"""Enrolment over Secure Transport (RFC 7030, with RFC 8951) without a socket: request → response.

`/.well-known/est[/organisation]/…`. A device proves itself by a one-time token (HTTP Basic), by the
certificate it renews, or by that of its maker. Keys are made by devices: serverkeygen is refused.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates

from baotu.sdk import BaotuError
from baotu.sdk.clock import Clock
from baotu.sdk.messages import halves
from baotu.sdk.view import in_language

from . import csr
from .authority import Authority, base64_of
from .csr import MALFORMED
from .http import Request, Response
from .makers import Maker, Makers
from .pace import Pace
from .refusal import Refusal
from .register import From, Register

ROOM = "/.well-known/est"
CERTIFICATES = "application/pkcs7-mime; smime-type=certs-only"
ATTRIBUTES = bytes.fromhex(  # CsrAttrs: id-ecPublicKey with prime256v1, ecdsa-with-SHA256
    "3021" "3015" "06072a8648ce3d0201" "310a" "06082a8648ce3d030107" "06082a8648ce3d040302"
)  # fmt: skip
METHODS = {
    "cacerts": "GET", "csrattrs": "GET", "simpleenroll": "POST", "simplereenroll": "POST",
    "serverkeygen": "POST", "fullcmc": "POST",
}  # fmt: skip
ENCODED = (("content-transfer-encoding", "base64"),)  # RFC 7030 3.2.4; RFC 8951 3.2.1 drops it
REALM = (("www-authenticate", 'Basic realm="baotu devices", charset="UTF-8"'),)
NO_KEYS = (
    "密钥不离开设备：请在设备上生成，再用 simpleenroll "
    "Keys never leave the device: make one there and use simpleenroll"
)


def paced(
    pace: Pace, clock: Clock, request: Request, handle: Callable[[Request], Response],
    free: Sequence[str],
) -> Response:  # fmt: skip
    """What `handle` answers, unless this source was refused too often. free: kinds of refusals that
    are not counted. Raises Refusal."""
    now = clock.monotonic()
    if pace.spent(request.place, now):
        raise Refusal("often", "拒绝太多，请稍后再试 Too many refusals: try again later")
    try:
        return handle(request)
    except Refusal as refusal:
        if refusal.kind not in free:
            pace.refused(request.place, now)
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Est:
    """Blocking and safe to call from any thread; never raises for what a client sent."""

    register: Register
    authority: Authority
    makers: Makers
    pace: Pace
    clock: Clock
    retry_s: int = 300

    def handle(self, request: Request) -> Response:
        try:
            return paced(self.pace, self.clock, request, self._handle, ("unnamed", "waiting"))
        except Refusal as refusal:
            return self._refused(refusal)
        except BaotuError as error:  # ours, not the device's: it asks again
            return Response(status=503, body=plain(str(error)), headers=(("retry-after", "30"),))

    def _handle(self, request: Request) -> Response:
        label, what = _place(request.path)
        if request.method != METHODS[what]:
            raise Refusal("method", f"请用 {METHODS[what]} Use {METHODS[what]}")
        if what == "cacerts":
            return certificates(self.authority.chain())
        if what == "csrattrs":
            body = base64_of(ATTRIBUTES)
            return Response(body=body, type="application/csrattrs", headers=ENCODED)
        if what == "serverkeygen":
            raise Refusal("closed", NO_KEYS)
        if what == "fullcmc":
            raise Refusal("path", "没有 fullcmc There is no fullcmc here")
        source = From(place=request.place, label=label)
        return certificates([self._issued(what, request, source)])

    def _issued(self, what: str, request: Request, source: From) -> x509.Certificate:
        if what == "simplereenroll":
            if not request.peer:
                raise Refusal(
                    "unnamed", "更新须出示原证书 Show the certificate that is to be renewed"
                )
            _bound(request)
            return self.register.renew(request.body, request.peer, source)
        if (told := request.basic()) is not None:
            _bound(request)
            return self.register.enrol(request.body, *told, source)
        if request.peer:
            maker, stranger = self._maker(request.peer)
            if maker is None:
                raise self.register.refused("enrol", stranger, source)
            _bound(request)
            return self.register.enrol_made(request.body, maker, source)
        raise Refusal("unnamed", "出示令牌或证书 Show a token or a certificate")

    def _maker(self, shown: bytes) -> tuple[Maker | None, Refusal]:
        """Who made the device that shows this certificate, or why nobody did."""
        stranger = Refusal(
            "unknown", "不认识证书的签发者 The issuer of the certificate is not known"
        )
        try:
            certificate = x509.load_der_x509_certificate(shown)
            if self.authority.issuer_of(certificate) is not None:
                again = "已有证书，请用 simplereenroll It has a certificate: use simplereenroll"
                return None, Refusal("usage", again)
            return self.makers.of(certificate), stranger
        except MALFORMED:
            return None, Refusal("unknown", "证书读不了 The certificate cannot be read")

    def _refused(self, refusal: Refusal) -> Response:
        status = refusal.reason.status
        headers: tuple[tuple[str, str], ...] = ()
        if status == 401:
            headers = REALM
        elif status == 202:
            headers = (("retry-after", str(self.retry_s)),)
        elif status in (429, 503):
            headers = (("retry-after", "60"),)
        close = status in (413, 429)
        return Response(status=status, body=plain(str(refusal)), headers=headers, close=close)


def certificates(found: list[x509.Certificate]) -> Response:
    """A certs-only answer (RFC 5272 4.1, RFC 7030 4.1.3)."""
    body = base64_of(serialize_certificates(found, Encoding.DER))
    return Response(body=body, type=CERTIFICATES, headers=ENCODED)


def plain(said: str) -> bytes:
    """Chinese on the first line, English on the second."""
    chinese, english = halves(said)
    if chinese == english:
        chinese, english = in_language(said, "zh"), in_language(said, "en")
    return "".join(f"{line}\n" for line in dict.fromkeys((chinese, english))).encode()


def _place(path: str) -> tuple[str, str]:
    """(organisation, operation) of a path. Raises Refusal."""
    parts = path.removeprefix(ROOM).split("/")[1:] if path.startswith(ROOM + "/") else []
    if len(parts) == 1:
        parts = ["", *parts]
    if len(parts) != 2 or parts[1] not in METHODS:
        raise Refusal("path", "没有这个地址 There is nothing at this address")
    return unquote(parts[0]), parts[1]


def _bound(request: Request) -> None:
    """Where TLS 1.2 gives tls-unique, a challenge in the request must be it (RFC 7030 3.5)."""
    if not request.binding:
        return
    challenge = csr.challenge(request.body)
    if challenge and challenge != base64.b64encode(request.binding):
        raise Refusal(
            "signature", "请求不是为这条连接签的 The request was signed for another connection"
        )

"""Says who shows a certificate, or why it is refused. For listeners of every protocol.

TLS proves that the peer has the key; this looks at all the rest. An expired or revoked certificate
is told as such, with the device it belongs to, instead of a handshake that fails.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509

from baotu.sdk.messages import SEAM

from .authority import Authority, valid_at
from .csr import MALFORMED
from .names import Identity, identity_of
from .naming import Kind
from .profiles import PROFILES
from .refusal import Refusal
from .status import Revocations


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Shown:
    """A good certificate. serial: hex; who it belongs to."""

    identity: Identity
    serial: str
    certificate: x509.Certificate


class Verifier:
    """Safe to call from any thread. Costs two signature checks at most, no database."""

    def __init__(self, authority: Authority, revocations: Revocations) -> None:
        self.authority, self.revocations = authority, revocations

    def check(self, der: bytes, *, organisation: str = "", kinds: tuple[Kind, ...] = ()) -> Shown:
        """organisation, kinds: what it has to belong to and to be; empty: any. Raises Refusal."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            issuer = self.authority.issuer_of(certificate)
        except MALFORMED:
            raise Refusal("request", "证书读不了 The certificate cannot be read") from None
        if issuer is None:
            raise Refusal("unknown", "证书不是本平台签发的 The certificate was not issued here")
        identity, serial = identity_of(certificate), serial_of(certificate)
        whose = {"device": identity.name, "organisation": identity.organisation}
        if (told := self.revocations.revoked(serial)) is not None:
            raise Refusal(
                "revoked",
                f"证书已吊销（{told.reason}）{SEAM}The certificate was revoked ({told.reason})",
                **whose,
            )
        self._in_time(certificate, issuer.certificate, whose)
        self._usable(certificate, identity, kinds, whose)
        if organisation and identity.organisation != organisation:
            raise Refusal(
                "owner",
                f"设备属于 {identity.organisation}，不属于 {organisation}{SEAM}"
                f"The device belongs to {identity.organisation}, not to {organisation}",
                **whose,
            )
        return Shown(identity=identity, serial=serial, certificate=certificate)

    def _in_time(
        self, certificate: x509.Certificate, issuer: x509.Certificate, whose: dict[str, str]
    ) -> None:
        now = self.authority.time()
        if now < certificate.not_valid_before_utc:
            raise Refusal("early", "证书还没有生效 The certificate is not valid yet", **whose)
        if not (valid_at(certificate, now) and valid_at(issuer, now)):
            raise Refusal("expired", "证书已过期 The certificate has expired", **whose)

    def _usable(
        self, certificate: x509.Certificate, identity: Identity, kinds: tuple[Kind, ...],
        whose: dict[str, str],
    ) -> None:  # fmt: skip
        try:
            found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
            uses = tuple(found.value)
        except (x509.ExtensionNotFound, ValueError):
            uses = ()
        if set(uses) != set(PROFILES[identity.kind].uses) or (kinds and identity.kind not in kinds):
            raise Refusal(
                "usage", "证书不能用于此处 The certificate is not meant for this use", **whose
            )


def serial_of(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


class Presence:
    """One certificate, one place: two at once means that its key was copied.

    place: what tells two holders apart, such as the peer's address and the log it writes.
    `told` hears of a clone (serial, identity, place), to raise the alarm.
    """

    def __init__(self, told: Callable[[Refusal], None]) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._places: dict[str, tuple[str, int]] = {}  # serial: place, sessions there

    def enter(self, shown: Shown, place: str) -> Callable[[], None]:
        """Call what it returns when the session ends. Raises Refusal when it lives elsewhere."""
        with self._lock:
            where, count = self._places.get(shown.serial, (place, 0))
            if where == place:
                self._places[shown.serial] = (place, count + 1)
                return self._leave(shown.serial)
        refusal = Refusal(
            "cloned",
            f"同一证书同时在两处使用：{where} 与 {place}{SEAM}"
            f"One certificate is used in two places at once: {where} and {place}",
            device=shown.identity.name, organisation=shown.identity.organisation,
        )  # fmt: skip
        self._told(refusal)
        raise refusal

    def _leave(self, serial: str) -> Callable[[], None]:
        left = False

        def leave() -> None:
            nonlocal left
            with self._lock:
                if left:
                    return
                left = True
                place, count = self._places[serial]
                if count > 1:
                    self._places[serial] = (place, count - 1)
                else:
                    del self._places[serial]

        return leave

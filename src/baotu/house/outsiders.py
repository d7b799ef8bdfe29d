"""Who signs in to the servers of this node: accounts, API tokens, devices with certificates."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from baotu.sdk import Anonymous, Caller, Denied
from baotu.sdk.people import Visit
from baotu.trust.devices.refusal import Refusal
from baotu.trust.devices.service import DeviceTrust
from baotu.trust.people import Service

TOKEN = "bt_"
KEPT = 10_000  # sessions whose secret is remembered, to look whether they still stand
DEVICE = "device:"
DEVICE_RIGHTS = frozenset({"assets.read", "history.read", "tags.write"})
NOT_KNOWN = "名称或口令不对，或不再有效 The name or the secret is wrong, or no longer good"
SECOND = "此账户有第二因素，请用 API 令牌登录 This account has a second factor: sign in with an API token"


class Outsiders:
    """Implements `sdk.writing.Authenticator`. devices: None where there is no authority.

    A name of the configuration is a device or an account; what it may is its bound, and the policy
    decides each time.
    """

    def __init__(
        self, people: Service, devices: Callable[[], DeviceTrust | None], organisation: str
    ) -> None:
        self._people, self._devices, self._organisation = people, devices, organisation
        self._lock = threading.Lock()
        self._secrets: OrderedDict[str, str] = OrderedDict()  # by Caller.via

    def sign_in(self, name: str, secret: str, via: str = "") -> Caller:
        if secret.startswith(TOKEN):
            caller = self._people.token(secret)
        else:
            step = self._people.sign_in(name, secret, Visit(address=via, browser="protocol"))
            if step.next != "done":
                raise Denied(SECOND)
            secret = step.session
            caller = self._people.session(secret, active=True)
        with self._lock:
            self._secrets[caller.via] = secret
            while len(self._secrets) > KEPT:
                self._secrets.popitem(last=False)
        return caller

    def by_certificate(self, der: bytes, via: str = "") -> Caller:
        devices = self._devices()
        if devices is None:
            raise Anonymous(NOT_KNOWN)
        try:
            shown = devices.verifier.check(der)
        except Refusal as refusal:
            devices.refuse(refusal, via)
            raise Denied(str(refusal)) from None
        identity = shown.identity
        kept = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
        caller = Caller(
            identity.name, identity.organisation, DEVICE_RIGHTS,
            kind="node" if identity.kind == "node" else "device", via=f"certificate:{shown.serial}",
        )  # fmt: skip
        with self._lock:
            self._secrets[caller.via] = kept
        return caller

    def account(self, name: str) -> Caller:
        if name.startswith(DEVICE):
            return Caller(
                name.removeprefix(DEVICE), self._organisation, DEVICE_RIGHTS,
                kind="device", via="configuration",
            )  # fmt: skip
        known = self._people.by_name(name)
        if known is None or known.state != "active":
            raise Denied(NOT_KNOWN)
        roles = self._people.sessions.roles(known.id)
        may = self._people.sessions.rights(roles)
        return Caller(known.name, known.organisation, may, roles, via="configuration")

    def again(self, caller: Caller) -> Caller:
        if caller.via == "configuration":
            named = f"{DEVICE}{caller.name}" if caller.kind == "device" else caller.name
            return self.account(named)
        with self._lock:
            secret = self._secrets.get(caller.via, "")
        if not secret:
            raise Anonymous(NOT_KNOWN)
        if caller.via.startswith("certificate:"):
            der = x509.load_pem_x509_certificate(secret.encode()).public_bytes(Encoding.DER)
            return replace(self.by_certificate(der), via=caller.via)
        if secret.startswith(TOKEN):
            return self._people.token(secret)
        return self._people.session(secret, active=True)

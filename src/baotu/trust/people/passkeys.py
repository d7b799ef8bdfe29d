"""Passkeys by WebAuthn Level 2: what to ask the browser, and whether its answer holds.

A passkey says who it is and that the person was verified (PIN, finger, face), so it is both factors
at once. Attestation is not asked for: any authenticator of the person's own is good.
"""

from __future__ import annotations

import ipaddress
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from baotu.sdk import Denied, Invalid

WRONG = "通行密钥没有通过核对，请再试一次 The passkey was not accepted: try once more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A new passkey: credential id and attested data in base64url, the counter."""

    credential: str
    key: str
    count: int


def site_of(origin: str) -> str:
    """RP ID of this page. Raises Invalid when browsers give none to such an address."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
        literal = True
    except ValueError:
        literal = False
    if not host or literal:
        raise Invalid(
            "passkey",
            "通行密钥只认名称，不认 IP 地址：在本机上用 http://localhost:端口，或给节点一个带 TLS 的名称 Passkeys "
            "belong to a name, not to an IP address: open http://localhost:port on this machine, or give "
            "the node a name and TLS",
        )
    if parts.scheme != "https" and not f".{host}".endswith(".localhost"):
        raise Invalid(
            "passkey", "通行密钥要求 HTTPS Passkeys need HTTPS: give the node a certificate"
        )
    return host


def _server(site: str) -> Any:
    from fido2.server import Fido2Server  # not before somebody uses a passkey
    from fido2.webauthn import PublicKeyCredentialRpEntity

    return Fido2Server(PublicKeyCredentialRpEntity(id=site, name="趵突 Baotu"))


def ask_new(
    site: str, handle: str, name: str, title: str, known: Sequence[str]
) -> tuple[Any, Mapping[str, Any]]:
    """(state, options for navigator.credentials.create). known: keys the account has already."""
    from fido2.webauthn import PublicKeyCredentialUserEntity

    user = PublicKeyCredentialUserEntity(id=handle.encode(), name=name, display_name=title)
    options, state = _server(site).register_begin(
        user, [_data(key) for key in known], resident_key_requirement=_require("rk"),
        user_verification=_require("uv"),
    )  # fmt: skip
    return state, dict(options)["publicKey"]


def new(site: str, state: Any, answer: Mapping[str, Any]) -> Made:
    """Raises Denied."""
    try:
        data = _server(site).register_complete(state, dict(answer))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Denied(WRONG) from error
    made = data.credential_data
    return Made(credential=text(made.credential_id), key=text(bytes(made)), count=data.counter)


def ask(site: str, known: Sequence[str]) -> tuple[Any, Mapping[str, Any]]:
    """(state, options for navigator.credentials.get). known: keys of one account; none: anybody's."""
    options, state = _server(site).authenticate_begin(
        [_data(key) for key in known] or None, user_verification=_require("uv")
    )
    return state, dict(options)["publicKey"]


def credential_of(answer: Mapping[str, Any]) -> str:
    """Which passkey the browser used. Raises Denied."""
    id = answer.get("rawId") or answer.get("id")
    if not isinstance(id, str):
        raise Denied(WRONG)
    return id.rstrip("=")


def check(site: str, state: Any, key: str, count: int, answer: Mapping[str, Any]) -> int:
    """The counter now. Raises Denied, also when it went backwards: then there are two of them
    (WebAuthn Level 2, 6.1.1)."""
    from fido2.webauthn import AuthenticationResponse

    try:
        _server(site).authenticate_complete(state, [_data(key)], dict(answer))
        now = AuthenticationResponse.from_dict(dict(answer)).response.authenticator_data.counter
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Denied(WRONG) from error
    if (now or count) and now <= count:
        raise Denied(
            "这把通行密钥可能被复制过，已拒绝；请联系管理员 This passkey may have been copied and is refused: "
            "tell an administrator"
        )
    return int(now)


def handle_of(answer: Mapping[str, Any]) -> str:
    """The user handle that a discoverable passkey tells, as it was given to it; empty: none."""
    response = answer.get("response")
    told = response.get("userHandle") if isinstance(response, Mapping) else None
    try:
        return raw(told).decode("ascii") if isinstance(told, str) and told else ""
    except ValueError:
        raise Denied(WRONG) from None


def _require(what: str) -> Any:
    from fido2.webauthn import ResidentKeyRequirement, UserVerificationRequirement

    return (ResidentKeyRequirement if what == "rk" else UserVerificationRequirement).REQUIRED


def _data(key: str) -> Any:
    from fido2.webauthn import AttestedCredentialData

    return AttestedCredentialData(raw(key))


def text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(data: str) -> bytes:
    return urlsafe_b64decode(data + "=" * (-len(data) % 4))

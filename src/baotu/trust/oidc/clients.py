"""The register of programs that may ask people to sign in here: an app, like every other work of an
officer."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
from dataclasses import dataclass
from typing import Annotated as A
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import select

from baotu.sdk import App, Call, Conflict, Invalid, Records, command, page, query, view

from .tables import OidcClient, OidcCode, OidcRefresh

HERE = frozenset("localhost ip6-localhost".split())  # noqa: SIM905 - names, not addresses
LINES = "每行一个地址 One address a line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What the program needs. The secret is shown this once."""

    client: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    client: str
    title: str
    redirects: list[str]
    leaves: list[str]
    confidential: bool
    algorithm: str
    disabled: bool


class Oidc(App):
    """Programs that sign people in with the accounts of this platform. 用本平台账户登录的程序。"""

    title = "统一登录 Sign-in for other programs"
    serves = ("3.5",)
    tables = (OidcClient, OidcCode, OidcRefresh)

    @command(
        permission="policy.change",
        duty="guard",
        title="登记程序 Register a program",
        told_once=True,
    )
    def register(
        self,
        records: Records,
        call: Call,
        client: A[str, "客户端编号 Client id"],
        title: A[str, "名称 Title"],
        redirects: A[str, f"回调地址，{LINES}"],
        leaves: A[str, f"退出后地址，{LINES}"] = "",
        confidential: A[bool, "能保守密钥 Can keep a secret"] = True,
        algorithm: A[Literal["RS256", "ES256"], "签名算法 Signature"] = "RS256",
    ) -> Registered:
        """A program that may ask people to sign in here; its secret is shown once. 登记一个程序。"""
        if not re.fullmatch(r"[\w.-]{3,64}", client, re.ASCII):
            raise Invalid("client", "write 3 to 64 letters, digits, - _ .")
        if records.scalar(select(OidcClient.id).where(OidcClient.client == client)):
            raise Conflict("client", f"{client} 已经登记 is registered already")
        secret = secrets.token_urlsafe(32) if confidential else ""
        records.put(OidcClient(
            client=client, title=title.strip() or client,
            secret=digest(secret) if secret else "",
            redirects="\n".join(addresses("redirects", redirects, least=1)),
            leaves="\n".join(addresses("leaves", leaves, least=0)),
            algorithm=algorithm, made_by=call.caller.name,
        ))  # fmt: skip
        return Registered(client=client, secret=secret)

    @command(permission="policy.change", duty="guard", title="停用程序 Disable a program")
    def disable(self, records: Records, client: A[str, "客户端编号 Client id"]) -> None:
        """It signs nobody in any more, and its refresh tokens are worth nothing. 停用一个程序。"""
        row = found(records, client)
        row.disabled = True
        for kept in records.scalars(select(OidcRefresh).where(OidcRefresh.client == client)):
            records.delete(kept)

    @command(
        permission="policy.change", duty="guard", title="更换密钥 Renew its secret", told_once=True
    )
    def renew(self, records: Records, client: A[str, "客户端编号 Client id"]) -> Registered:
        """A new secret; the old one is good no longer. 更换一个程序的密钥。"""
        row = found(records, client)
        if not row.secret:
            raise Conflict("client", f"{client} has no secret: it is a public client")
        secret = secrets.token_urlsafe(32)
        row.secret = digest(secret)
        return Registered(client=client, secret=secret)

    @query(permission="policy.read", duty="guard", title="程序 Programs")
    def clients(self, records: Records) -> list[Known]:
        rows = records.scalars(select(OidcClient).order_by(OidcClient.client))
        return [
            Known(client=r.client, title=r.title, redirects=r.redirects.split("\n"),
                  leaves=[a for a in r.leaves.split("\n") if a], confidential=bool(r.secret),
                  algorithm=r.algorithm, disabled=r.disabled)
            for r in rows
        ]  # fmt: skip

    @page(permission="policy.read", duty="guard", title="统一登录 Sign-in for programs")
    def overview(self, records: Records) -> view.View:
        columns = ("编号 Id", "名称 Title", "回调地址 Redirects", "状态 State")
        rows = tuple(
            (c.client, c.title, ", ".join(c.redirects),
             "已停用 disabled" if c.disabled else "可用 in use")
            for c in self.clients(records)
        )  # fmt: skip
        forms = ("register", "renew", "disable")
        return view.column(
            view.Table(columns, rows, title="用本平台账户登录的程序 Programs that sign in here"),
            view.row(*(view.Form(name) for name in forms)),
        )


def digest(secret: str) -> str:
    """Secrets are 256 random bits, so a plain hash keeps them."""
    return hashlib.sha256(secret.encode()).hexdigest()


def found(records: Records, client: str) -> OidcClient:
    row = records.scalar(select(OidcClient).where(OidcClient.client == client))
    if row is None:
        raise Invalid("client", f"没有 {client} there is no {client}")
    return row


def addresses(field: str, text: str, least: int) -> list[str]:
    """Whole addresses that are compared letter by letter later (RFC 9700 2.1). Plain http only where
    it cannot be overheard: on the machine itself. Raises Invalid."""
    lines = [line.strip() for line in text.replace(",", "\n").split("\n") if line.strip()]
    if len(lines) < least:
        raise Invalid(field, "写上至少一个地址 Give one address at least")
    for line in lines:
        parts = urlsplit(line)
        if parts.fragment or "*" in line or not parts.netloc:
            raise Invalid(field, f"{line!r} 不是完整的地址 is not a whole address without # and *")
        if parts.scheme != "https" and not (parts.scheme == "http" and here(parts.hostname or "")):
            raise Invalid(field, f"{line!r} 必须是 https must be https, or http on this machine")
    return lines


def here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in HERE

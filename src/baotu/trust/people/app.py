"""The app People: what the system administrator and the security administrator do with accounts.

Whose account it is, and what it may do, are two people's work (GB/T 22239-2019 8.1.5): who makes
accounts grants no role, who grants roles makes no account, and nobody changes their own. Passwords and
keys are not here: a command's arguments would be kept for its receipt.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated as A

from sqlalchemy import delete, select, update

from baotu.sdk import App, Call, Conflict, Invalid, Records, command, page, query, view
from baotu.sdk.trust import ROLES

from .tables import TABLES, Account, Browser, Code, Granted, Identity, Link, Passkey, Session, Token

RESERVED = ("local", "platform", "anonymous", "fabric", "nobody")
NAME = A[str, "登录名 Name to sign in with"]
ROLE = A[str, f"角色 Role: {', '.join(ROLES)}"]
STATES = {"invited": "待首次登录 Invited", "active": "正常 Active", "disabled": "已停用 Disabled"}
SYSTEM, SECURITY = "people.manage", "roles.grant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An account as the officers see it. Times are None for never."""

    name: str
    title: str
    state: str
    roles: list[str]
    created: datetime
    last: datetime | None
    last_from: str
    second_factor: bool
    sessions: int
    identities: int = 0


class People(App):
    """Keeps the accounts of people and the roles they hold. 人员账户与角色。"""

    title = "人员 People"
    tables = TABLES

    @command(permission=SYSTEM, duty="administer", title="新建账户 Create an account")
    def create(
        self, records: Records, call: Call, name: NAME, title: A[str, "姓名 Name of the person"]
    ) -> str:
        """It has no role until the security administrator grants one. 安全管理员授予角色后才有权限。"""
        return made(records, name, title, nanoseconds(call.now)).name

    @command(permission=SYSTEM, duty="administer", title="停用账户 Disable an account")
    def disable(
        self, records: Records, call: Call, account: NAME, reason: A[str, "原因 Reason"]
    ) -> int:
        """Ends its sessions and tokens at once; how many ended. 立即结束其会话与令牌。"""
        if not reason.strip():
            raise Invalid("reason", "写上原因，会记入审计 Say why; the audit keeps it")
        row = other(records, call, account)
        row.state = "disabled"
        void_links(records, row)
        return end_all(records, row, nanoseconds(call.now), tokens=True)

    @command(permission=SYSTEM, duty="administer", title="启用账户 Enable an account")
    def enable(self, records: Records, call: Call, account: NAME) -> str:
        """It may sign in again; tokens stay revoked. 可再次登录；令牌仍作废。"""
        row = other(records, call, account)
        theirs = select(Identity.id).where(Identity.account == row.id)
        signs_in = row.password or records.scalar(theirs) is not None
        row.state = "active" if signs_in else "invited"
        return row.state

    @command(permission=SYSTEM, duty="administer", title="结束会话 End its sessions")
    def end_sessions(self, records: Records, call: Call, account: NAME) -> int:
        """Signs it out everywhere; how many ended. 在所有地方退出登录。"""
        return end_all(records, found(records, account), nanoseconds(call.now))

    @command(permission=SYSTEM, duty="administer", title="撤下第二因素 Take off its second factors")
    def forget_factors(
        self, records: Records, call: Call, account: NAME, reason: A[str, "原因 Reason"]
    ) -> int:
        """For a lost phone: authenticator, passkeys and recovery codes are void. 手机丢失时用。"""
        if not reason.strip():
            raise Invalid("reason", "写上原因，会记入审计 Say why; the audit keeps it")
        row = other(records, call, account)
        no_officer(records, row)
        forget_factors(records, row)
        return end_all(records, row, nanoseconds(call.now))

    @command(permission=SYSTEM, duty="administer", title="关联外部身份 Link an outside identity")
    def link_identity(
        self,
        records: Records,
        call: Call,
        account: NAME,
        issuer: A[str, "签发者地址 Issuer"],
        subject: A[str, "那里的主体编号 (sub) Its subject there (sub)"],
        reason: A[str, "原因 Reason"],
    ) -> str:
        """Who proves to be this subject at this issuer signs in as the account. 以该身份登录此账户。"""
        if not reason.strip():
            raise Invalid("reason", "写上原因，会记入审计 Say why; the audit keeps it")
        row = other(records, call, account)
        no_officer(records, row)
        if row.state == "disabled":
            raise Conflict("account", f"{row.name} is disabled: enable it first")
        issuer, subject = issuer.strip(), subject.strip()
        if not issuer or not subject:
            raise Invalid("subject", "写上签发者与主体 Give the issuer and the subject")
        same = select(Identity).where(Identity.issuer == issuer, Identity.subject == subject)
        if records.scalar(same) is not None:
            raise Conflict("subject", "这个外部身份已关联 This identity is linked already")
        records.put(
            Identity(account=row.id, issuer=issuer, subject=subject, provider=issuer, name=subject,
                     by=call.caller.name, created=nanoseconds(call.now))
        )  # fmt: skip
        row.state = "active"
        return row.name

    @command(
        permission=SYSTEM, duty="administer", title="解除外部身份 Unlink its outside identities"
    )
    def unlink_identities(
        self, records: Records, call: Call, account: NAME, reason: A[str, "原因 Reason"]
    ) -> int:
        """None of them signs it in any more; its sessions end. 不再能以外部身份登录，会话结束。"""
        if not reason.strip():
            raise Invalid("reason", "写上原因，会记入审计 Say why; the audit keeps it")
        row = other(records, call, account)
        gone = records.execute(delete(Identity).where(Identity.account == row.id)).rowcount
        if not gone:
            raise Conflict("account", "没有外部身份 Has no outside identity")
        end_all(records, row, nanoseconds(call.now))
        return int(gone)

    @command(permission=SECURITY, duty="guard", title="授予角色 Grant a role")
    def grant(self, records: Records, call: Call, account: NAME, role: ROLE) -> list[str]:
        """Its sessions end, so that they begin anew with it. 会话结束，以新角色重新登录。"""
        row = other(records, call, account)
        grant(records, row, role, call.caller.name, nanoseconds(call.now))
        end_all(records, row, nanoseconds(call.now))
        return roles_of(records, row)

    @command(permission=SECURITY, duty="guard", title="收回角色 Revoke a role")
    def revoke(self, records: Records, call: Call, account: NAME, role: ROLE) -> list[str]:
        """Its sessions end at once. 会话立即结束。"""
        row = other(records, call, account)
        held = select(Granted).where(Granted.account == row.id, Granted.role == role)
        one = records.scalar(held)
        if one is None:
            raise Conflict("role", f"{account} does not hold it")
        records.delete(one)
        end_all(records, row, nanoseconds(call.now))
        records.flush()
        return roles_of(records, row)

    @query(permission=SYSTEM, duty="administer", title="账户 Accounts")
    def accounts(self, records: Records) -> list[Person]:
        """Every account with its roles. 全部账户与角色。"""
        return people(records)

    @query(permission=SECURITY, duty="guard", title="谁有什么角色 Who holds which role")
    def holders(self, records: Records) -> list[Person]:
        """The same for whoever grants roles. 授予角色者所见。"""
        return people(records)

    @page(permission=SYSTEM, duty="administer", title="账户 Accounts")
    def overview(self, records: Records) -> view.View:
        acts = tuple(
            view.Action(name, (("account", 0),))
            for name in ("disable", "enable", "end_sessions", "forget_factors")
        )
        return view.column(table(people(records), acts), view.Form("create"))

    @page(permission=SECURITY, duty="guard", title="角色 Roles")
    def roles(self, records: Records) -> view.View:
        acts = tuple(view.Action(name, (("account", 0),)) for name in ("grant", "revoke"))
        return table(people(records), acts)


def table(rows: Iterable[Person], actions: tuple[view.Action, ...]) -> view.Table:
    columns = (
        "登录名 Name",
        "姓名 Person",
        "角色 Roles",
        "状态 State",
        "第二因素 Second factor",
        "上次登录 Last sign-in",
    )
    cells = tuple(
        (p.name, p.title, ", ".join(ROLES[r].title if r in ROLES else r for r in p.roles) or "–",
         STATES.get(p.state, p.state), "有 Yes" if p.second_factor else "无 No", p.last)
        for p in rows
    )  # fmt: skip
    return view.Table(columns, cells, title="账户 Accounts", actions=actions)


def people(records: Records) -> list[Person]:
    held: dict[int, list[str]] = {}
    for one in records.scalars(select(Granted).order_by(Granted.id)):
        held.setdefault(one.account, []).append(one.role)
    keys = set(records.scalars(select(Passkey.account)))
    open_: dict[int, int] = {}
    for account in records.scalars(select(Session.account).where(Session.ended == 0)):
        open_[account] = open_.get(account, 0) + 1
    linked: dict[int, int] = {}
    for account in records.scalars(select(Identity.account)):
        linked[account] = linked.get(account, 0) + 1
    return [
        Person(
            name=a.name, title=a.title, state=a.state, roles=held.get(a.id, []), created=moment(a.created),
            last=moment(a.last) if a.last else None, last_from=a.last_from,
            second_factor=bool(a.totp) or a.id in keys, sessions=open_.get(a.id, 0), identities=linked.get(a.id, 0),
        )
        for a in records.scalars(select(Account).order_by(Account.name))
    ]  # fmt: skip


def account_name(text: str) -> str:
    """As it is kept: one form, small letters. Raises Invalid."""
    name = unicodedata.normalize("NFKC", text).strip().lower()
    if not 2 <= len(name) <= 40 or not all(c.isalnum() or c in "._-@" for c in name):
        raise Invalid(
            "name", "2 到 40 个字母、数字、汉字或 . _ - @ Takes 2 to 40 letters, digits or . _ - @"
        )
    if name in RESERVED or name.isdigit():
        raise Invalid("name", "这个名称留作他用 Is kept for something else")
    return name


def made(records: Records, name: str, title: str, now: int) -> Account:
    """A new account without a role and without a password."""
    name = account_name(name)
    if not title.strip() or len(title) > 80:
        raise Invalid("title", "写上姓名，至多 80 字 Write who it is, at most 80 characters")
    if records.scalar(select(Account).where(Account.name == name)) is not None:
        raise Conflict("name", f"{name} is taken")
    return records.put(
        Account(name=name, title=title.strip(), handle=secrets.token_urlsafe(32), created=now)
    )


def found(records: Records, name: str) -> Account:
    row = records.scalar(select(Account).where(Account.name == name.strip().lower()))
    if row is None:
        raise Conflict("account", f"there is no account {name}")
    return row


def other(records: Records, call: Call, name: str) -> Account:
    """Somebody else's account: nobody changes what they themselves may do."""
    row = found(records, name)
    if row.name == call.caller.name:
        raise Conflict(
            "account", "不能改自己的账户，请另一位管理员来做 Not your own: ask another officer"
        )
    return row


def roles_of(records: Records, row: Account) -> list[str]:
    return list(records.scalars(select(Granted.role).where(Granted.account == row.id)))


def no_officer(records: Records, row: Account) -> None:
    """Who could take over an officer's account would do that officer's work."""
    if any(ROLES[r].officer for r in roles_of(records, row) if r in ROLES):
        raise Conflict(
            "account",
            f"{row.name} is an officer: only at the machine itself, with `baotu account link`",
        )


def grant(records: Records, row: Account, role: str, by: str, now: int) -> None:
    """Raises Invalid for a role that is none, Conflict for a second officer's role."""
    if role not in ROLES:
        raise Invalid(
            "role",
            f"there is no role {role}; there are {', '.join(ROLES)}",
        )
    held = roles_of(records, row)
    if role in held:
        raise Conflict("role", f"{row.name} holds it already")
    officers = [name for name in held if name in ROLES and ROLES[name].officer]
    if ROLES[role].officer and officers:
        raise Conflict(
            "role",
            f"{row.name} is {officers[0]} already: the three officers are three people",
        )
    records.put(Granted(account=row.id, role=role, by=by, time=now))


def end_all(records: Records, row: Account, now: int, *, tokens: bool = False, but: int = 0) -> int:
    """End its sessions (and tokens); how many."""
    ended = 0
    kinds: tuple[type[Session] | type[Token], ...] = (Session, Token) if tokens else (Session,)
    for kind in kinds:
        for one in records.scalars(select(kind).where(kind.account == row.id, kind.ended == 0)):
            if kind is Token or one.id != but:
                one.ended = now
                ended += 1
    return ended


def forget_factors(records: Records, row: Account) -> None:
    row.totp, row.step = "", 0
    for kind in (Passkey, Code, Browser):
        records.execute(delete(kind).where(kind.account == row.id))


def void_links(records: Records, row: Account) -> None:
    records.execute(update(Link).where(Link.account == row.id, Link.used == 0).values(used=-1))


def nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1e6) * 1000


def moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)

"""What is kept of people. Times are ns UTC, 0 for never; secrets are kept as digests or sealed."""

from __future__ import annotations

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from baotu.sdk.records import Table, refers

NS = BigInteger


class Account(Table):
    """state: invited (no password yet), active or disabled. handle: WebAuthn's user handle, which
    says nothing about the person. step: the last TOTP step that was taken."""

    __table_args__ = (UniqueConstraint("name"),)  # people sign in without naming an organisation
    name: Mapped[str]
    title: Mapped[str]
    state: Mapped[str] = mapped_column(default="invited")
    handle: Mapped[str] = mapped_column(index=True)
    password: Mapped[str] = mapped_column(default="")
    password_set: Mapped[int] = mapped_column(NS, default=0)
    totp: Mapped[str] = mapped_column(default="")
    step: Mapped[int] = mapped_column(NS, default=0)
    created: Mapped[int] = mapped_column(NS)
    last: Mapped[int] = mapped_column(NS, default=0)
    last_from: Mapped[str] = mapped_column(default="")
    before: Mapped[int] = mapped_column(NS, default=0)  # the sign-in before the last one
    before_from: Mapped[str] = mapped_column(default="")
    failed: Mapped[int] = mapped_column(default=0)  # since the last sign-in
    missed: Mapped[int] = mapped_column(default=0)  # before it


class Granted(Table):
    """A role somebody holds."""

    __table_args__ = (UniqueConstraint("organisation", "account", "role"),)
    account: Mapped[int] = refers(Account)
    role: Mapped[str]
    by: Mapped[str]
    time: Mapped[int] = mapped_column(NS)


class Session(Table):
    """level: 1, a password; 2, two factors. proved: when the person last proved to be there."""

    account: Mapped[int] = refers(Account)
    digest: Mapped[str] = mapped_column(unique=True)
    level: Mapped[int]
    how: Mapped[str]
    began: Mapped[int] = mapped_column(NS)
    proved: Mapped[int] = mapped_column(NS)
    seen: Mapped[int] = mapped_column(NS)
    ends: Mapped[int] = mapped_column(NS)
    ended: Mapped[int] = mapped_column(NS, default=0)
    address: Mapped[str] = mapped_column(default="")
    browser: Mapped[str] = mapped_column(default="")


class Browser(Table):
    """One from which the account has signed in: others' failures do not slow it down."""

    account: Mapped[int] = refers(Account)
    digest: Mapped[str] = mapped_column(index=True)
    used: Mapped[int] = mapped_column(NS)


class Former(Table):
    """A password somebody had, so that it is not taken again."""

    account: Mapped[int] = refers(Account)
    password: Mapped[str]


class Code(Table):
    """A recovery code that was not used yet."""

    account: Mapped[int] = refers(Account)
    digest: Mapped[str] = mapped_column(index=True)


class Passkey(Table):
    """credential: its id; key: attested credential data; both base64url. site: the host's name
    that it belongs to (RP ID). count: the authenticator's counter, 0 when it keeps none."""

    account: Mapped[int] = refers(Account)
    credential: Mapped[str] = mapped_column(unique=True)
    key: Mapped[str]
    site: Mapped[str]
    name: Mapped[str]
    count: Mapped[int] = mapped_column(NS, default=0)
    created: Mapped[int] = mapped_column(NS)
    used: Mapped[int] = mapped_column(NS, default=0)


class Token(Table):
    """An API token. scope: actions with spaces between."""

    account: Mapped[int] = refers(Account)
    digest: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    scope: Mapped[str]
    level: Mapped[int]
    created: Mapped[int] = mapped_column(NS)
    ends: Mapped[int] = mapped_column(NS)
    used: Mapped[int] = mapped_column(NS, default=0)
    ended: Mapped[int] = mapped_column(NS, default=0)


class Link(Table):
    """A one-time link. account: whose, 0 for one who has none yet. role: that it brings."""

    digest: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    account: Mapped[int] = mapped_column(NS, default=0)
    role: Mapped[str] = mapped_column(default="")
    by: Mapped[str]
    created: Mapped[int] = mapped_column(NS)
    ends: Mapped[int] = mapped_column(NS)
    used: Mapped[int] = mapped_column(NS, default=0)


class Identity(Table):
    """An identity of another provider that signs this account in. provider, name: as they were
    called when it was linked. made: the account was made for it, and follows its groups."""

    __table_args__ = (UniqueConstraint("issuer", "subject"),)
    account: Mapped[int] = refers(Account)
    issuer: Mapped[str]
    subject: Mapped[str]
    provider: Mapped[str]
    name: Mapped[str]
    by: Mapped[str]
    made: Mapped[bool] = mapped_column(default=False)
    created: Mapped[int] = mapped_column(NS)


TABLES: tuple[type[Table], ...] = (
    Account, Granted, Session, Browser, Former, Code, Passkey, Token, Link,
    Identity,
)  # fmt: skip

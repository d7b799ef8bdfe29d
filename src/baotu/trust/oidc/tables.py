"""What the provider keeps: clients, codes and refresh tokens. Secrets rest as digests only."""

from __future__ import annotations

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from baotu.sdk import Table


class OidcClient(Table):
    """A program that may ask people to sign in here. secret: digest, empty for a public client."""

    __table_args__ = (UniqueConstraint("organisation", "client"),)
    client: Mapped[str]
    title: Mapped[str]
    secret: Mapped[str]
    redirects: Mapped[str]  # one address a line
    leaves: Mapped[str]  # where to after signing out, one address a line
    algorithm: Mapped[str]
    made_by: Mapped[str]
    disabled: Mapped[bool] = mapped_column(default=False)


class OidcCode(Table):
    """An authorization code: good once, for a minute."""

    digest: Mapped[str] = mapped_column(unique=True)
    client: Mapped[str]
    subject: Mapped[str]
    via: Mapped[str]
    redirect: Mapped[str]
    challenge: Mapped[str]
    nonce: Mapped[str]
    scope: Mapped[str]
    signed_in: Mapped[int] = mapped_column(BigInteger)  # seconds since 1970
    expires: Mapped[int] = mapped_column(BigInteger)
    family: Mapped[str]
    used: Mapped[bool] = mapped_column(default=False)


class OidcRefresh(Table):
    """A refresh token of a family; when a used one comes again, the family is over (RFC 9700 4.14)."""

    digest: Mapped[str] = mapped_column(unique=True)
    family: Mapped[str] = mapped_column(index=True)
    client: Mapped[str]
    subject: Mapped[str]
    via: Mapped[str]
    scope: Mapped[str]
    signed_in: Mapped[int] = mapped_column(BigInteger)
    expires: Mapped[int] = mapped_column(BigInteger)
    used: Mapped[bool] = mapped_column(default=False)

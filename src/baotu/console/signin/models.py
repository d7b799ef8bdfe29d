"""What the routes of signing in take and give. Secrets are in bodies alone, never in an address."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

LONGEST = 1000


class Taken(BaseModel):
    model_config = ConfigDict(extra="forbid", str_max_length=LONGEST)


class NameAndPassword(Taken):
    name: str
    password: str


class TicketAndCode(Taken):
    ticket: str
    code: str


class TicketAndPassword(Taken):
    ticket: str
    password: str


class MaybeTicket(Taken):
    ticket: str = ""


class PasskeyAnswer(BaseModel):
    """credential: what navigator.credentials gave, as JSON (WebAuthn Level 3, 5.1.8)."""

    model_config = ConfigDict(extra="forbid")
    ticket: str = Field(max_length=LONGEST)
    name: str = Field("", max_length=200)
    credential: dict[str, Any]


class Secret(Taken):
    secret: str


class Acceptance(Taken):
    secret: str
    name: str = ""
    title: str = ""
    password: str = ""


class Passwords(Taken):
    old: str
    new: str


class Password(Taken):
    password: str


class Code(Taken):
    code: str


class NewToken(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field("", max_length=200)
    scope: list[str] = Field(max_length=500)
    days: int = 30


class Account(Taken):
    account: str


class OneTimeLink(BaseModel):
    """address: below this console, with the secret behind the `#`."""

    kind: str
    address: str
    ends: str
    account: str = ""
    title: str = ""
    role: str = ""


class Step(BaseModel):
    """next: `done` (the cookie is set), `second` or `password`; then `ticket` goes with the answer."""

    next: str
    ticket: str = ""
    factors: list[str] = []
    links: list[OneTimeLink] = []


class Options(BaseModel):
    """publicKey: for `navigator.credentials`, as JSON."""

    ticket: str
    publicKey: dict[str, Any]


class Invitation(BaseModel):
    kind: str
    ends: str
    account: str = ""
    title: str = ""
    role: str = ""
    role_title: str = ""


class Role(BaseModel):
    name: str
    title: str
    waits: bool = False


class OwnSession(BaseModel):
    id: int
    began: str
    seen: str
    ends: str
    address: str
    browser: str
    how: str
    here: bool


class OwnKey(BaseModel):
    id: int
    name: str
    created: str
    used: str | None
    ends: str | None = None
    scope: list[str] = []


class OwnIdentity(BaseModel):
    id: int
    provider: str
    name: str
    created: str


class Provider(BaseModel):
    name: str
    title: str


class ProviderName(BaseModel):
    """The name of a `[[identity_provider]]`. language: of the page to come back to."""

    provider: str = Field(max_length=40)
    language: str = Field("", max_length=2)


class Address(BaseModel):
    """Where to send the browser."""

    address: str


class Me(BaseModel):
    """waits: a role that works only after a second factor is set up."""

    name: str
    title: str
    organisation: str
    roles: list[Role]
    totp: bool
    codes: int
    password_set: str | None
    last: str | None
    last_from: str
    failed: int
    sessions: list[OwnSession]
    passkeys: list[OwnKey]
    tokens: list[OwnKey]
    identities: list[OwnIdentity]
    providers: list[Provider]
    permissions: list[str]
    actions: dict[str, str] = Field(description="Titles of those that are the platform's own")


class Codes(BaseModel):
    """Shown this once; empty: those before stand."""

    codes: list[str]


class Authenticator(BaseModel):
    """qr: an SVG image."""

    secret: str
    address: str
    qr: str


class Token(BaseModel):
    token: str


class Done(BaseModel):
    done: bool = True

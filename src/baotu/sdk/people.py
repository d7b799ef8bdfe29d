"""People as the console knows them: signing in, what is theirs, and when it ends.

Nothing here decides what somebody may do: that is `trust.Policy`. Nothing here shows a secret twice.
Times are ns UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .app import Caller
from .errors import Denied

Stop = Callable[[], None]
Next = Literal["done", "second", "password"]
LinkKind = Literal["first", "officer", "enrol", "reset", "visit"]


class TooMany(Denied):
    """Asked too often: ask again in `wait_s`."""

    def __init__(self, why: str, wait_s: float) -> None:
        super().__init__(why)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Where somebody signs in from.

    address: of the client. browser: what it calls itself. origin: of the page, as a passkey
    signs it. known: the secret this browser kept since an earlier sign-in.
    """

    address: str = ""
    browser: str = ""
    origin: str = ""
    known: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A one-time link: its secret goes behind the `#`, so that no server or proxy logs it."""

    kind: LinkKind
    secret: str
    ends: int
    account: str = ""
    title: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a link is good for; nothing is used up by looking."""

    kind: LinkKind
    ends: int
    account: str = ""
    title: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows in a sign-in.

    next: `done`, `second` (a second factor, one of `factors`) or `password` (a new one).
    ticket: shown again with the answer. session, known: secrets for cookies, when it is done.
    links: made on the way, to be handed to the people they are for.
    """

    next: Next
    ticket: str = ""
    factors: tuple[str, ...] = ()
    session: str = ""
    known: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSession:
    id: int
    began: int
    seen: int
    ends: int
    address: str
    browser: str
    how: str
    here: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKey:
    """A passkey or an API token, without its secret."""

    id: int
    name: str
    created: int
    used: int
    ends: int = 0
    scope: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnIdentity:
    """An identity of another provider that signs this account in."""

    id: int
    provider: str
    name: str
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Somebody's own account. waits: roles that need a second factor before they work."""

    name: str
    title: str
    organisation: str
    roles: tuple[str, ...]
    waits: tuple[str, ...]
    totp: bool
    codes: int
    password_set: int
    last: int
    last_from: str
    failed: int
    sessions: tuple[OwnSession, ...]
    passkeys: tuple[OwnKey, ...]
    tokens: tuple[OwnKey, ...]
    scopes: tuple[str, ...]
    identities: tuple[OwnIdentity, ...] = ()


class People(Protocol):
    """Safe to call from any thread. Whatever is wrong is raised: Anonymous, Denied, TooMany,
    Invalid, Conflict; the words for an unknown name and for a wrong password are the same."""

    # who asks ----------------------------------------------------------------------------------
    def session(self, secret: str, *, active: bool) -> Caller:
        """Who holds this cookie. active: a person did something, so it counts as not idle."""

    def token(self, secret: str) -> Caller:
        """Who holds this API token: no more than its scope."""

    def ended(self, tell: Callable[[str], None]) -> Stop:
        """`tell` hears `Caller.via` of each session and token that has ended: signed out, idle,
        disabled, another role. At once when this node did it, within a second when another did.
        Called on another thread; it must be quick."""

    # signing in --------------------------------------------------------------------------------
    def sign_in(self, name: str, password: str, visit: Visit) -> Step: ...

    def second(self, ticket: str, code: str, visit: Visit) -> Step:
        """A code of the authenticator app, or a recovery code."""

    def renew(self, ticket: str, password: str, visit: Visit) -> Step:
        """A new password, when the old one has expired."""

    def passkey_options(self, ticket: str, visit: Visit) -> tuple[str, Mapping[str, Any]]:
        """(ticket, options for navigator.credentials.get); without a ticket for anybody."""

    def passkey(self, ticket: str, answer: Mapping[str, Any], visit: Visit) -> Step: ...

    def sign_out(self, caller: Caller) -> None: ...

    def invitation(self, secret: str) -> Invitation: ...

    def accept(self, secret: str, name: str, title: str, password: str, visit: Visit) -> Step: ...

    def link(self, account: str, caller: Caller) -> Link:
        """A link with which this account sets its (new) password. Needs people.manage."""

    # one's own account -------------------------------------------------------------------------
    def me(self, caller: Caller) -> Me: ...

    def confirm(self, caller: Caller, password: str, visit: Visit) -> None:
        """It is still the same person at this screen: needed a short while before keys change."""

    def set_password(self, caller: Caller, old: str, new: str, visit: Visit) -> None: ...

    def end_session(self, caller: Caller, session: int) -> None:
        """One of one's own; 0: all but this one."""

    def totp_begin(self, caller: Caller) -> tuple[str, str]:
        """(secret in base32, otpauth:// address) of an authenticator that is not yet in use."""

    def totp_done(self, caller: Caller, code: str) -> Sequence[str]:
        """Use it from now on; recovery codes, shown this once (empty: those before stand)."""

    def totp_remove(self, caller: Caller) -> None: ...

    def codes(self, caller: Caller) -> Sequence[str]:
        """New recovery codes; those before are void."""

    def passkey_new(self, caller: Caller, visit: Visit) -> tuple[str, Mapping[str, Any]]: ...

    def passkey_add(
        self, caller: Caller, ticket: str, name: str, answer: Mapping[str, Any], visit: Visit
    ) -> Sequence[str]:
        """Recovery codes, shown this once (empty: those before stand)."""

    def passkey_remove(self, caller: Caller, passkey: int) -> None: ...

    def recent(self, caller: Caller) -> None:
        """Raises Denied unless the person proved to be there a short while ago."""

    def identity_remove(self, caller: Caller, identity: int) -> None:
        """It signs this account in no more."""

    def token_new(self, caller: Caller, name: str, scope: Sequence[str], days: int) -> str:
        """The token, shown this once."""

    def token_revoke(self, caller: Caller, token: int) -> None: ...

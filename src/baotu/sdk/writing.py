"""Writing to the plant: what faces and servers ask, and who answers them. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .app import Caller
from .reply import Reply


class Authenticator(Protocol):
    """Who is it? Safe to call from any thread; a check of a password may take a tenth of a second.

    Every refusal is an Anonymous or Denied that does not tell which part of it was wrong.
    """

    def sign_in(self, name: str, secret: str, via: str = "") -> Caller:
        """By a password, or by an API token (`bt_…`) with any name. via: the server and address."""

    def by_certificate(self, der: bytes, via: str = "") -> Caller:
        """By a client certificate (DER) whose key the client has proved."""

    def account(self, name: str) -> Caller:
        """Whom the configuration names: an account, or `device:name`. Nothing was proved."""

    def again(self, caller: Caller) -> Caller:
        """The same one as of now: Denied when it was locked, revoked or has expired meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """An outside client of one of our servers. name: what it is called in logs. source: its
    address, empty where the protocol hides it (a broker). ticket: what `Feed.sign_in` gave it,
    empty for who proved nothing."""

    name: str
    source: str = ""
    ticket: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """An interlock of a write as it stands now. why: empty when it holds."""

    text: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a write of this tag would meet, for those who are about to ask for it.

    value, quality, time: the newest sample; None, 0, 0 when there is none. refused: why it would
    be refused now whatever the value; empty when it would not. policies: that decide it. who_may:
    who may write it. approvers: who may approve it, when somebody has to (`approval`).
    """

    tag: str
    kind: str
    unit: str = ""
    title: str = ""
    low: float | None = None
    high: float | None = None
    value: float | str | None = None
    quality: int = 0
    time: int = 0
    refused: str = ""
    policies: tuple[str, ...] = ()
    who_may: tuple[str, ...] = ()
    approval: bool = False
    approvers: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


class Writing(Protocol):
    """The one way to the plant for faces. Refusals are raised: Denied, Invalid, Refused, …"""

    def write(
        self,
        tag: str,
        value: float | str,
        caller: Caller,
        reason: str,
        *,
        key: str = "",
        override: bool = False,
    ) -> Reply:
        """Decide, check, carry out, read back. `Reply.request`: it waits for an approver.

        key: asked again with the same one, nothing is done twice. override: beyond the limits of
        the tag, for who may (`tags.override`)."""

    def outlook(self, tag: str, caller: Caller) -> Outlook: ...

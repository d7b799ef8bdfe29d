"""OpenID Connect as the console offers it: the port between its routes and the room that answers.

An answer is a value; nothing here knows HTTP servers, so each side is tested without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .app import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to send. `location`: a redirect; else `body` as JSON. `sign_in`: somebody has to sign in
    first, then the same address is asked again. `wrong`: to be shown to the person, never sent on,
    because where to is not known to be safe."""

    status: int = 200
    body: Mapping[str, object] = field(default_factory=dict)
    location: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    sign_in: bool = False
    wrong: str = ""


class Holders(Protocol):
    """The people whose identity is told. subject: a name for ever, unlike the one on the screen."""

    def subject(self, caller: Caller) -> str: ...

    def caller(self, subject: str, via: str) -> Caller | None:
        """Who that is now in this session of theirs (`Caller.via`), with the roles that work in it;
        None when the account is disabled or gone, or the session is over."""

    def signed_in(self, caller: Caller) -> int:
        """When the person last proved to be there in this session, seconds since 1970; 0: never."""

    def title(self, subject: str) -> str:
        """The name people know."""

    def end(self, subject: str, via: str) -> None:
        """End this session of theirs."""


class Provider(Protocol):
    """OpenID Connect Core 1.0 with the authorization code flow and PKCE, and nothing older."""

    def discovery(self, base: str) -> Answer: ...

    def keys(self) -> Answer: ...

    def authorize(self, base: str, asked: Mapping[str, str], caller: Caller | None) -> Answer: ...

    def token(self, base: str, form: Mapping[str, str], authorization: str) -> Answer: ...

    def userinfo(self, base: str, authorization: str) -> Answer: ...

    def revoke(self, form: Mapping[str, str], authorization: str) -> Answer: ...

    def leave(self, base: str, asked: Mapping[str, str], caller: Caller | None) -> Answer: ...

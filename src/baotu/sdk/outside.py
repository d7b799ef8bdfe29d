"""Signing in with an identity of somebody else's provider, as the console offers it.

A person leaves this site and comes back; what is refused on the way is a word of `Refusal`, which the
page says kindly in its language. Nothing here knows HTTP or OpenID Connect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from .app import Caller
from .people import Step, Visit

Refusal = Literal[
    "",
    "late",  # not begun here, or too long ago
    "browser",  # begun in another browser
    "refused",  # by the other provider, or by the person there
    "untrusted",  # what came back proves nothing
    "away",  # nobody could be asked
    "unknown",  # this identity has no account here
    "taken",  # it would get one, and its name is somebody else's
    "disabled",
    "often",
    "session",  # linking was begun in a session that is over
    "linked",  # the identity belongs to another account
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A provider that people may choose."""

    name: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What is remembered while somebody is away. next: where to afterwards, a path of the console.
    language: of the page it began on. via: of the session that links an identity to its account,
    empty when somebody signs in."""

    next: str = ""
    language: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """step: of a sign-in, None when an identity was linked or something was refused. identity: who
    came, as the provider calls them, for a person who must tell an administrator."""

    way: Way = field(default_factory=Way)
    step: Step | None = None
    refused: Refusal = ""
    identity: str = ""


class Outside(Protocol):
    """Safe to call from any thread."""

    def offered(self) -> Sequence[Offered]: ...

    def begin(self, name: str, redirect: str, browser: str, way: Way) -> tuple[str, str]:
        """(where to send the browser, the secret for its cookie). browser: the one it has already.
        Raises Invalid for an unknown provider, Unreachable, Denied."""

    def finish(
        self, name: str, asked: Mapping[str, str], browser: str, visit: Visit, caller: Caller | None
    ) -> Arrived:
        """asked: what the provider sent along. Nothing is raised that a person can do something
        about."""

"""A console where everybody says who he is by a bearer token or a cookie: the name of his role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import HTTPConnection

from baotu.console import Rooms
from baotu.sdk import Anonymous, Caller, Denied
from baotu.sdk.trust import ACTIONS, ROLES, Permissions
from tests.console.fake import rooms

NOW = 1_780_000_000_500_000_000


@dataclass
class Sessions:
    """Who is known, by token; `end` is heard by those who listen."""

    known: dict[str, Caller]
    tellers: list[Callable[[str], None]] = field(default_factory=list)
    asked: int = 0

    def identify(self, connection: HTTPConnection) -> Caller:
        self.asked += 1
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        token = token if scheme.lower() == "bearer" else connection.cookies.get("session", "")
        if not token:
            raise Anonymous("sign in")
        if token == "locked":
            raise Denied("this account is locked")
        if token not in self.known:
            raise Anonymous("the session has ended")
        return self.known[token]

    def ended(self, tell: Callable[[str], None]) -> Callable[[], None]:
        self.tellers.append(tell)
        return lambda: self.tellers.remove(tell)

    def end(self, token: str) -> None:
        caller = self.known.pop(token)
        for tell in list(self.tellers):
            tell(caller.via)


def permissions_of(role: str, door: Any) -> frozenset[str]:
    duties = ROLES[role].duties
    own = {name for name, (duty, _) in ACTIONS.items() if duty in duties}
    return frozenset(own | {v.permission for v in door.verbs() if v.duty in duties})


def roled(
    size: int = 200, mode: str = "fire", now: Callable[[], int] = lambda: NOW, **more: Any
) -> tuple[Rooms, Sessions]:
    """Rooms in which each role of the trade has one caller, named after it; `more` replaces rooms."""
    plain = rooms(size, mode, now=now)
    granted = {role: permissions_of(role, plain.door) for role in ROLES}
    sessions = Sessions(
        {
            role: Caller(role, "spring", granted[role], frozenset({role}), via=f"session:{role}")
            for role in ROLES
        }
    )
    made = replace(
        plain, identify=sessions.identify, ended=sessions.ended, policy=Permissions(granted), **more
    )
    return made, sessions


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}

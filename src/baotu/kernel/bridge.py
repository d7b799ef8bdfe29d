"""Writes of outside clients of our servers: who they are, then the same chain as for everyone.

A client proves who it is (a ticket), or the configuration says on whose behalf a protocol without
identities writes. Nobody else writes. A bridged caller may write and nothing more.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from secrets import token_urlsafe

from baotu.sdk import BaotuError, Caller, Denied
from baotu.sdk.link import Bridged, SignIn
from baotu.sdk.reply import Reply
from baotu.sdk.writing import Authenticator

from .outlook import PERMISSION
from .writes import Writes

HOUR = 3600 * 10**9
LIFE = 12 * HOUR  # of a ticket; a session that lasts longer signs in again
TICKETS = 10_000
ONLY = frozenset({PERMISSION})
DEVICE = "device:"


@dataclass(frozen=True, slots=True)
class Ticket:
    caller: Caller
    edge: str
    server: str
    until: int


class OutsideWrites:
    """own: the node whose configuration is this hub's too. people: None, there are no accounts."""

    def __init__(self, writes: Writes, people: Authenticator | None, organisation: str, own: str):
        self.writes, self.people, self.own = writes, people, own
        self.organisation = organisation
        self._tickets: dict[str, Ticket] = {}
        self._lock = threading.Lock()

    def sign_in(self, edge: str, asked: SignIn) -> str:
        via = way(asked.server, edge, self.own, asked.source)
        try:
            if self.people is None:
                raise Denied("there are no accounts on this platform: nobody can sign in")
            if asked.certificate:
                caller = self.people.by_certificate(asked.certificate, via)
            else:
                caller = self.people.sign_in(asked.name, asked.secret, via)
        except Denied as error:
            self._note(asked.name or "certificate", "sign_in", str(error), via)
            raise
        ticket, now = token_urlsafe(24), self.writes.chain.clock.now()
        with self._lock:
            for old in [t for t, one in self._tickets.items() if one.until <= now]:
                del self._tickets[old]
            if len(self._tickets) >= TICKETS:
                del self._tickets[next(iter(self._tickets))]
            self._tickets[ticket] = Ticket(caller, edge, asked.server, now + LIFE)
        return ticket

    def write(self, edge: str, number: int, asked: Bridged) -> Reply:
        """number: the hub's of the tag."""
        source = way(asked.server, edge, self.own, asked.source)
        try:
            if asked.refused:
                raise Denied(asked.refused)
            who = self._who(edge, asked)
        except Denied as error:
            name = self.writes.guard.name(number)
            self._note(asked.peer, "write", f"{name} = {asked.value}: {error}", source)
            raise
        reason = f"外部写入 bridged from {asked.peer}"
        return self.writes.write(number, asked.value, who, reason, asked.within_s, source=source)

    def _who(self, edge: str, asked: Bridged) -> Caller:
        if asked.ticket:
            found = self._tickets.get(asked.ticket)
            now = self.writes.chain.clock.now()
            if (
                found is None
                or found.until <= now
                or (found.edge, found.server) != (edge, asked.server)
            ):
                raise Denied(f"{asked.peer} signed in too long ago: sign in again")
            caller = self.people.again(found.caller) if self.people else found.caller
        elif asked.writes_as:
            caller = self._named(edge, asked.writes_as, asked.server)
        else:
            raise Denied(
                f"{asked.peer} may not write: it has not said who it is; sign in, or see writes_as"
            )
        return replace(caller, permissions=caller.permissions & ONLY)

    def _named(self, edge: str, name: str, server: str) -> Caller:
        """Whom the configuration names. An edge elsewhere speaks for devices, never for people."""
        if name.startswith(DEVICE):
            try:
                if self.people is not None:
                    return self.people.account(name)
            except BaotuError as error:
                raise Denied(str(error)) from None
            return Caller(name, self.organisation, ONLY, kind="device", via=server)
        if edge != self.own:
            raise Denied(f'edge {edge} may speak for devices only: writes_as = "{DEVICE}{name}"')
        if self.people is None:
            raise Denied(f"{name}: there are no accounts on this platform")
        return self.people.account(name)

    def _note(self, name: str, verb: str, why: str, source: str) -> None:
        who = Caller(name, self.organisation, frozenset(), kind="device", via=source)
        self.writes.chain.note("tags", verb, who, "denied", f"{why} [{source}]", PERMISSION)


def way(server: str, edge: str, own: str, source: str) -> str:
    """`modbus-out@edge-2 fd00::7`: how it came, for the audit."""
    at = "" if edge == own else f"@{edge}"
    return f"{server}{at} {source}".rstrip()

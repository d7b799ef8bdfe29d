"""Whose identity our OpenID provider tells: accounts, each only as long as its session lasts.

The subject is the account's handle: 256 random bits that were drawn when it was made, say nothing of
the person and are never drawn again, unlike a name.
"""

from __future__ import annotations

from baotu.sdk import Caller, Records

from .base import SECOND
from .service import Service
from .tables import Session


class Holders:
    """Implements `sdk.oidc.Holders`. Safe to call from any thread."""

    def __init__(self, people: Service) -> None:
        self._people = people

    def subject(self, caller: Caller) -> str:
        """Raises Denied for whoever has no session."""
        account, _ = self._people.own(caller)
        return account.handle

    def caller(self, subject: str, via: str) -> Caller | None:
        return self._people.sessions.still(subject, via)

    def signed_in(self, caller: Caller) -> int:
        _, session = self._people.own(caller)
        rows = self._people.ask("SELECT proved FROM people_session WHERE id = ?", session)
        return int(rows[0][0]) // SECOND if rows else 0

    def title(self, subject: str) -> str:
        rows = self._people.ask("SELECT title FROM people_account WHERE handle = ?", subject)
        return str(rows[0][0]) if rows else ""

    def end(self, subject: str, via: str) -> None:
        caller = self.caller(subject, via)
        if caller is None:
            return

        def body(records: Records) -> None:
            row = records.find(Session, int(via.partition(":")[2]))
            row.ended = self._people.now()

        self._people.do("sign_out", caller.name, caller.organisation, body, "by a program")

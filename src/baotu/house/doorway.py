"""Accounts at the machine: what `baotu account`, `baotu token` and a start ask of a running hub.

Whoever may open the control socket may do this: the rights of its file decide, and the audit says
`local`. Nothing here goes over the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from baotu.sdk import Conflict
from baotu.sdk.people import Link
from baotu.trust.people import Service

KINDS = {
    "first": "第一位系统管理员 First system administrator",
    "officer": "三员之一 An officer",
    "enrol": "首次登录 First sign-in",
    "reset": "重设口令 New password",
    "visit": "登录 Sign in",
}


class Doorway:
    """visits: links sign in without a password; for a demo plant, whose people are made up."""

    def __init__(self, people: Service, address: Callable[[], str]) -> None:
        self._people, self._address, self.visits = people, address, False

    def deeds(self) -> dict[str, Callable[..., Any]]:
        return {
            "account_link": self.link,
            "account_create": self.create,
            "account_list": self._people.machine_accounts,
            "account_reset": self._people.machine_reset,
            "token_create": self.token,
        }

    def first(self) -> str:
        """The address with which the first person begins; empty when there are accounts."""
        link = self._people.first_link()
        return self._told(link)["address"] if link else ""

    def link(self, account: str = "") -> dict[str, Any]:
        """For an account or an officer's role; without one, for the first administrator."""
        if account:
            return self._told(self._people.machine_link(account, visit=self.visits))
        link = self._people.first_link()
        if link is None:
            raise Conflict(
                "account",
                "已有账户，写明是谁的链接 There are accounts: name the one the link is for",
            )
        return self._told(link)

    def create(self, name: str, title: str = "", roles: Sequence[str] = ()) -> str:
        return self._people.machine_account(name, title, roles)

    def token(self, account: str, scope: Sequence[str], days: int, title: str = "") -> str:
        return self._people.machine_token(account, scope, days, title)

    def visitors(self, people: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        """(title, role, address) for each (name, title, role) of a demo; made when they are not there."""
        known = {row["name"] for row in self._people.machine_accounts()}
        for name, title, role in people:
            if name not in known:
                self.create(name, title, (role,))
        return [(title, role, self.link(name)["address"]) for name, title, role in people]

    def _told(self, link: Link) -> dict[str, Any]:
        return {
            "address": f"{self._address()}welcome#{link.secret}",
            "what": KINDS[link.kind],
            "role": link.role,
            "account": link.account,
            "ends": link.ends,
        }

"""What the parts of the service share: deeds with their audit line, rows by name, tickets."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from baotu.kernel.effects import Chain, Deed
from baotu.sdk import Anonymous, Caller, Denied, Records
from baotu.sdk.people import Visit

from .keys import Seal, random_secret
from .passwords import Hasher
from .rights import Rights, rights_of
from .sessions import Sessions
from .settings import PeopleSettings
from .tables import Account, Session
from .throttle import Key, Throttle

APP = "people"
SECOND = 10**9
TICKET_S, TRIES, TICKETS = 300, 5, 10_000
FRESH_S = 900  # keys and tokens change only so soon after the person proved to be there
AGAIN = "登录步骤已过期，请从头再来 This sign-in took too long: begin again"
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Known:
    """An account as it stood when it was looked up."""

    id: int
    organisation: str
    name: str
    title: str
    state: str
    handle: str
    password: str
    password_set: int
    totp: str
    step: int


@dataclass(slots=True)
class Ticket:
    """A sign-in, or a new passkey, on its way. account: 0 while nobody is known."""

    kind: str  # second | password | passkey | new
    account: int
    ends: int
    keys: list[Key] = field(default_factory=list)
    level: int = 1
    how: str = "password"
    state: Any = None  # of WebAuthn
    site: str = ""
    rehash: str = ""
    tries: int = 0
    outside: bool = False  # somebody else's provider knows the person: our passwords do not matter


class Base:
    """Ports and helpers; the parts below add what people do."""

    def __init__(
        self,
        chain: Chain,
        settings: PeopleSettings,
        organisation: str,
        data: Path,
        *,
        rights: Rights | None = None,
        issuer: str = "Baotu",
    ) -> None:
        self.chain, self.settings, self.organisation = chain, settings, organisation
        self.issuer = issuer
        self.now: Callable[[], int] = chain.clock.now
        self.seal = Seal(settings.key or data / "people.key")
        self.hasher = Hasher(settings.hash_mb, settings.hash_rounds)
        self.throttle = Throttle(self.now)
        self.sessions = Sessions(chain.store, self.now, settings, rights or rights_of(chain.verbs))
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self._lock = threading.Lock()
        self._pending: dict[str, str] = {}  # via → seed of an authenticator that is being set up
        self.failures: dict[tuple[str, str, str], int] = {}

    # deeds -------------------------------------------------------------------------------------
    def do(
        self,
        what: str,
        who: str,
        organisation: str,
        body: Callable[[Records], Answer],
        why: str = "",
    ) -> Answer:
        """One transaction with its line in the audit; what the body answers."""
        caller = Caller(who, organisation, frozenset())
        deed = Deed(
            app=APP, name=what, caller=caller, body=lambda records: (body(records), ()), why=why
        )
        answer: Answer = self.chain.submit(deed)
        return answer

    def quietly(self, organisation: str, body: Callable[[Records], Any]) -> None:
        """The same for what nobody did: no line in the audit."""
        caller = Caller("platform", organisation, frozenset(), kind="platform")
        self.chain.submit(
            Deed(app=APP, name="turn", caller=caller, body=lambda r: (body(r), ()), audited=False)
        )

    def failed(self, what: str, account: Known | None, visit: Visit) -> None:
        """For the audit, told later and together: an attacker fills no table, and who waits for the
        answer cannot tell whether the name exists. A name that does not exist is not written down:
        it may be a password that was typed into the wrong field."""
        key = (what, account.name if account else "", visit.address)
        with self._lock:
            if key in self.failures or len(self.failures) < 1000:
                self.failures[key] = self.failures.get(key, 0) + 1

    # rows --------------------------------------------------------------------------------------
    def by_name(self, name: str) -> Known | None:
        return self._known("name = ?", name)

    def by_id(self, id: int) -> Known | None:
        return self._known("id = ?", id)

    def _known(self, where: str, value: Any) -> Known | None:
        columns = ", ".join(Known.__dataclass_fields__)
        rows = self.chain.store.ask(f"SELECT {columns} FROM people_account WHERE {where}", (value,))
        return Known(*rows[0]) if rows else None

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.chain.store.ask(sql, values)

    def own(self, caller: Caller) -> tuple[Known, int]:
        """The account and the number of the session. Raises Denied for a token and for whoever has
        no account: at the machine, `baotu account` does what is needed."""
        kind, _, number = caller.via.partition(":")
        account = self.by_name(caller.name) if kind == "session" else None
        if account is None:
            raise Denied(
                "这要本人登录控制台来做，令牌不行 Only a person who is signed in to the console does this, no token"
            )
        return account, int(number)

    def fresh(self, caller: Caller) -> tuple[Known, int]:
        """The same, a short while after the person proved to be there."""
        account, session = self.own(caller)
        rows = self.ask("SELECT proved FROM people_session WHERE id = ?", session)
        if not rows or self.now() - rows[0][0] > FRESH_S * SECOND:
            raise Denied(CONFIRM)
        return account, session

    def row(self, records: Records, account: Known) -> Account:
        """To be changed; only while it is active. Raises Anonymous."""
        row = records.find(Account, account.id)
        if row.state == "disabled":
            raise Anonymous("账户已停用 The account is disabled: ask an administrator")
        return row

    def raise_level(self, records: Records, session: int) -> None:
        row = records.find(Session, session)
        row.level = 2

    # tickets -----------------------------------------------------------------------------------
    def ticket(self, ticket: Ticket) -> str:
        secret = random_secret()
        with self._lock:
            self._tickets[secret] = ticket
            while len(self._tickets) > TICKETS:
                self._tickets.popitem(last=False)
        return secret

    def new_ticket(self, kind: str, account: int, **more: Any) -> str:
        return self.ticket(Ticket(kind, account, self.now() + TICKET_S * SECOND, **more))

    def take(self, secret: str, kind: str) -> Ticket:
        """Once for a passkey, a few times for a code. Raises Anonymous."""
        with self._lock:
            ticket = self._tickets.get(secret)
            if ticket is not None:
                ticket.tries += 1
                if ticket.tries >= TRIES or kind in ("passkey", "new"):
                    del self._tickets[secret]
        if ticket is None or ticket.kind != kind or self.now() > ticket.ends:
            raise Anonymous(AGAIN)
        return ticket

    def drop(self, secret: str) -> None:
        with self._lock:
            self._tickets.pop(secret, None)


CONFIRM = "请再输入一次口令 Confirm with your password first"

"""The port `sdk.people.People`, with the thread that looks after it, and the deeds of the machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from sqlalchemy import delete, update

from baotu.kernel.effects import Chain
from baotu.sdk import Caller, Conflict, Records, Unreachable
from baotu.sdk.door import Change
from baotu.sdk.people import Stop

from .app import account_name, end_all, forget_factors, found, grant, made
from .base import APP, SECOND
from .outside import Identities
from .own import DAY
from .rights import Rights
from .settings import PeopleSettings
from .tables import Account, Link, Session, Token

log = structlog.get_logger("baotu.people")
TURN_S, WRITE_S, TIDY_S, TELL_S = 0.5, 30, 600, 60
MOST_LINES = 20  # of failed sign-ins in the audit, each TELL_S; what is beyond is one line together
KEPT = 90 * DAY


class Service(Identities):
    """Implements `sdk.people.People`. Safe to call from any thread. `start` begins its own."""

    def __init__(
        self, chain: Chain, settings: PeopleSettings, organisation: str, data: Path, *,
        rights: Rights | None = None, issuer: str = "Baotu",
    ) -> None:  # fmt: skip
        super().__init__(chain, settings, organisation, data, rights=rights, issuer=issuer)
        self._wake, self._over = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="people", daemon=True)
        self._wrote = self._tidied = self._told = self.now()
        self._lines = 0
        self._stop: Stop = chain.watch(self._heard)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop()
        self._over = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self._safely(self._write)

    # who asks ----------------------------------------------------------------------------------
    def session(self, secret: str, *, active: bool) -> Caller:
        return self.sessions.session(secret, active)

    def token(self, secret: str) -> Caller:
        return self.sessions.token(secret)

    def ended(self, tell: Callable[[str], None]) -> Stop:
        return self.sessions.ended(tell)

    def _heard(self, change: Change) -> None:
        if any(table.startswith("people_") for table in change.tables):
            self.sessions.forget()
            self._wake.set()

    # its thread --------------------------------------------------------------------------------
    def _run(self) -> None:
        while not self._over:
            self._wake.wait(TURN_S)
            self._wake.clear()
            self._safely(self.turn)

    def turn(self) -> None:
        """Cut what has ended; now and then tell the audit and the records what happened meanwhile."""
        self.sessions.turn()
        now = self.now()
        if self.failures:
            self._tell_failures(now)
        if now - self._wrote > WRITE_S * SECOND:
            self._wrote = now
            self._write()
        if now - self._tidied > TIDY_S * SECOND:
            self._tidied = now
            self._tidy(now)

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Unreachable as away:  # the records are away: everything is asked again next time
            log.warning("accounts could not be looked after", why=str(away))

    def _tell_failures(self, now: int) -> None:
        """Each line says how many; a flood is a few lines a minute."""
        if now - self._told > TELL_S * SECOND:
            self._told, self._lines = now, 0
        if self._lines >= MOST_LINES:
            return
        with self._lock:
            told, self.failures = self.failures, {}
        rest = 0
        for (what, name, address), count in told.items():
            if self._lines >= MOST_LINES - 1:
                rest += count
            else:
                self._lines += 1
                self._tell_failure(what, name, address, count)
        if rest:
            self._lines = MOST_LINES
            self._line("sign_in", "", f"{rest} more failed, from several addresses")

    def _tell_failure(self, what: str, name: str, address: str, count: int) -> None:
        known = self.by_name(name) if name else None
        times = f"{count} × " if count > 1 else ""
        self._line(
            what,
            name,
            f"{times}failed from {address or 'unknown'}",
            known.organisation if known else "",
        )
        if known is not None:
            add = update(Account).where(Account.id == known.id)
            body = lambda r: r.execute(add.values(failed=Account.failed + count))  # noqa: E731
            self.quietly(known.organisation, body)

    def _line(self, what: str, name: str, why: str, organisation: str = "") -> None:
        caller = Caller(name or "unknown", organisation or self.organisation, frozenset())
        self.chain.note(APP, what, caller, "denied", why)

    def _write(self) -> None:
        """When sessions and tokens were last used."""
        news = self.sessions.unwritten()
        if not news:
            return
        homes = self._homes()

        for organisation in {homes[via] for via, _ in news if via in homes}:
            mine = [(via, at) for via, at in news if homes.get(via) == organisation]

            def body(records: Records, mine: Sequence[tuple[str, int]] = tuple(mine)) -> None:
                for via, at in mine:
                    kind, _, id = via.partition(":")
                    if kind == "session":
                        one = update(Session).where(Session.id == int(id), Session.seen < at)
                        records.execute(one.values(seen=at))
                    else:
                        records.execute(update(Token).where(Token.id == int(id)).values(used=at))

            self.quietly(organisation, body)

    def _homes(self) -> dict[str, str]:
        """via → organisation, of what has not ended."""
        found = {
            f"session:{id}": o
            for id, o in self.ask("SELECT id, organisation FROM people_session WHERE ended = 0")
        }
        return found | {
            f"token:{id}": o
            for id, o in self.ask("SELECT id, organisation FROM people_token WHERE ended = 0")
        }

    def _tidy(self, now: int) -> None:
        """End what has run out, forget what ended long ago."""
        idle = now - int(self.settings.idle_min * 60 * SECOND) - 2 * WRITE_S * SECOND

        def body(records: Records) -> None:
            over = (Session.ends < now) | (Session.seen < idle)
            records.execute(update(Session).where(Session.ended == 0, over).values(ended=now))
            records.execute(delete(Session).where(Session.ended > 0, Session.ended < now - KEPT))
            records.execute(delete(Link).where(Link.ends < now - KEPT))

        for (organisation,) in self.ask("SELECT DISTINCT organisation FROM people_account"):
            self.quietly(organisation, body)

    # at the machine: file rights of the control socket have decided ---------------------------
    def machine_account(self, name: str, title: str, roles: Sequence[str]) -> str:
        """A new account with its roles, for a program or for a start without hands."""

        def body(records: Records) -> str:
            row = made(records, name, title or name, self.now())
            row.state = "active"  # by tokens and links only, until it has a password
            for role in roles:
                grant(records, row, role, "local", self.now())
            return row.name

        return self.do("create", "local", self.organisation, body, f"{name}: {', '.join(roles)}")

    def machine_token(self, account: str, scope: Sequence[str], days: int, title: str) -> str:
        """A token of this account; scope `*` is everything its roles allow now."""
        known = self.by_name(account_name(account))
        if known is None or known.state != "active":
            raise Conflict(
                "account",
                f"there is no active account {account}: make it with `baotu account create`",
            )
        bound = self.sessions.rights(self.sessions.roles(known.id))
        wanted = sorted(bound) if list(scope) == ["*"] else scope
        return self.token_for(known, title, wanted, days, bound, 2, "local")

    def machine_accounts(self) -> list[dict[str, object]]:
        rows = self.ask("SELECT id, name, title, state FROM people_account ORDER BY name")
        return [
            {"name": n, "title": t, "state": s, "roles": sorted(self.sessions.roles(i))}
            for i, n, t, s in rows
        ]

    def machine_reset(self, account: str) -> str:
        """A lost phone of an officer: second factors off, sessions ended."""

        def body(records: Records) -> str:
            row = found(records, account)
            forget_factors(records, row)
            end_all(records, row, self.now())
            return row.name

        return self.do("forget_factors", "local", self.organisation, body, account)

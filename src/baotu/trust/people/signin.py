"""Signing in: a password, then a second factor; or a passkey, which is both."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import delete, select, update

from baotu.sdk import Anonymous, Caller, Denied, Invalid, Records
from baotu.sdk.people import Step, Visit

from . import passkeys, totp
from .base import SECOND, Base, Known, Ticket
from .keys import digest, random_secret
from .passwords import LONGEST, check
from .tables import Account, Browser, Code, Former, Passkey, Session

WRONG = "登录名或口令不对 The name or the password is wrong"
WRONG_CODE = "验证码不对或已用过；等下一个，或用恢复码 The code is wrong or was used: wait for the next one, or use a recovery code"
MOST_SESSIONS, MOST_BROWSERS = 20, 10
Use = Callable[[Records, Account], None]


def nothing(records: Records, row: Account) -> None:
    """Use up nothing."""


class SignIn(Base):
    """Whatever is wrong with a name or a password has the same words and takes the same time."""

    def sign_in(self, name: str, password: str, visit: Visit) -> Step:
        name = unicodedata.normalize("NFKC", name[:100]).strip().lower()
        account = self.by_name(name)
        keys = self.throttle.begin(name, visit.address, self._browser(account, visit.known))
        right = self.hasher.verify(account.password if account else "", password[:LONGEST])
        if account is None or not right or account.state != "active":
            self.failed("sign_in", account, visit)
            raise Denied(WRONG)
        rehash = self.hasher.hash(password) if self.hasher.stale(account.password) else ""
        if factors := self.factors(account, visit):
            ticket = self.new_ticket("second", account.id, keys=keys, rehash=rehash)
            return Step(next="second", ticket=ticket, factors=factors)
        return self._last(account, Ticket("", account.id, 0, keys, rehash=rehash), visit)

    def second(self, ticket: str, code: str, visit: Visit) -> Step:
        taken = self.take(ticket, "second")
        account = self._holder(taken)
        keys = self.throttle.begin(account.name, visit.address, self._browser(account, visit.known))
        taken.keys = [*taken.keys, *keys]
        plain = "".join(code.split())
        use = self._totp(account, plain) if plain.isdigit() else self._code(account, plain)
        if use is None:
            self.failed("second_factor", account, visit)
            raise Denied(WRONG_CODE)
        self.drop(ticket)
        taken.level, taken.how = 2, "password + " + ("totp" if plain.isdigit() else "recovery code")
        return self._last(account, taken, visit, use)

    def renew(self, ticket: str, password: str, visit: Visit) -> Step:
        taken = self.take(ticket, "password")
        account = self._holder(taken)
        keep = self.changed(account, password)
        self.drop(ticket)
        return self.open(account, taken, visit, lambda records, row: keep(records, row))

    def passkey_options(self, ticket: str, visit: Visit) -> tuple[str, Mapping[str, Any]]:
        site, account, keys = passkeys.site_of(visit.origin), 0, []
        if ticket:
            taken = self.take(ticket, "second")
            account, keys = taken.account, taken.keys
        rows = self.ask(
            "SELECT key FROM people_passkey WHERE account = ? AND site = ?", account, site
        )
        state, options = passkeys.ask(site, [key for (key,) in rows])
        made = self.new_ticket(
            "passkey",
            account,
            keys=keys,
            state=state,
            site=site,
            level=2,
            how="password + passkey" if account else "passkey",
        )
        return made, options

    def passkey(self, ticket: str, answer: Mapping[str, Any], visit: Visit) -> Step:
        taken = self.take(ticket, "passkey")
        keys = self.throttle.begin("", visit.address, digest("passkey" + ticket))
        rows = self.ask(
            "SELECT id, account, key, count FROM people_passkey WHERE credential = ? AND site = ?",
            passkeys.credential_of(answer), taken.site,
        )  # fmt: skip
        account = self.by_id(rows[0][1]) if rows else None
        mine = account is not None and passkeys.handle_of(answer) in ("", account.handle)
        if account is None or not mine or taken.account not in (0, account.id):
            self.failed("passkey", account, visit)
            raise Denied(passkeys.WRONG)
        try:
            count = passkeys.check(taken.site, taken.state, rows[0][2], rows[0][3], answer)
        except Denied:
            self.failed("passkey", account, visit)
            raise
        taken.keys = [*taken.keys, *keys]

        def use(records: Records, row: Account) -> None:
            key = records.find(Passkey, rows[0][0])
            if key.count != rows[0][3] and key.count >= count:
                raise Denied(passkeys.WRONG)
            key.count, key.used = count, self.now()

        return self.open(account, taken, visit, use)

    def sign_out(self, caller: Caller) -> None:
        account, session = self.own(caller)

        def body(records: Records) -> None:
            records.find(Session, session).ended = self.now()

        self.do("sign_out", account.name, account.organisation, body)

    # steps -------------------------------------------------------------------------------------
    def factors(self, account: Known, visit: Visit) -> tuple[str, ...]:
        """What this account can show besides a password. A passkey of another site counts too: it
        is asked for, and cannot be shown here."""
        found = ("totp",) if account.totp else ()
        if self.ask("SELECT 1 FROM people_passkey WHERE account = ? LIMIT 1", account.id):
            found = (*found, "passkey")
        return (*found, "code") if found else ()

    def _last(self, account: Known, ticket: Ticket, visit: Visit, use: Use = nothing) -> Step:
        """A new password, when the old one is too old; else the session."""
        days = self.settings.password_days
        if not days or self.now() - account.password_set < days * 86400 * SECOND:
            return self.open(account, ticket, visit, use)
        if use is not nothing:
            body = lambda records: use(records, self.row(records, account))  # noqa: E731
            self.do("second_factor", account.name, account.organisation, body)
        more = {"keys": ticket.keys, "level": ticket.level, "how": ticket.how}
        return Step(next="password", ticket=self.new_ticket("password", account.id, **more))

    def open(
        self,
        account: Known,
        ticket: Ticket,
        visit: Visit,
        use: Use = nothing,
        what: str = "sign_in",
    ) -> Step:
        """The session, with whatever was used up for it in the same transaction."""
        secret, known, now = random_secret(), visit.known, self.now()

        def body(records: Records) -> str:
            row = self.row(records, account)
            use(records, row)
            if row.state != "active":
                raise Anonymous(WRONG)
            if ticket.rehash and row.password == account.password:
                row.password = ticket.rehash
            row.before, row.before_from = row.last, row.last_from
            row.last, row.last_from = now, visit.address
            row.missed, row.failed = row.failed, 0
            self._fewer_sessions(records, account.id, now)
            records.put(
                Session(
                    account=account.id, digest=digest(secret), level=ticket.level, how=ticket.how,
                    began=now, proved=now, seen=now, address=visit.address, browser=visit.browser[:200],
                    ends=now + int(self.settings.session_h * 3600 * SECOND),
                )
            )  # fmt: skip
            return self._remember(records, account.id, known, now)

        why = f"{ticket.how}, {visit.address}" if visit.address else ticket.how
        kept = self.do(what, account.name, account.organisation, body, why)
        self.throttle.passed(ticket.keys)
        return Step(next="done", session=secret, known=kept)

    def _fewer_sessions(self, records: Records, account: int, now: int) -> None:
        mine = select(Session).where(Session.account == account, Session.ended == 0)
        for old in list(records.scalars(mine.order_by(Session.seen.desc())))[MOST_SESSIONS - 1 :]:
            old.ended = now

    def _remember(self, records: Records, account: int, known: str, now: int) -> str:
        """The secret that marks this browser as one the account has signed in from."""
        mine = select(Browser).where(Browser.account == account)
        rows = list(records.scalars(mine.order_by(Browser.used.desc())))
        for row in rows:
            if known and row.digest == digest(known):
                row.used = now
                return known
        for old in rows[MOST_BROWSERS - 1 :]:
            records.delete(old)
        made = random_secret()
        records.put(Browser(account=account, digest=digest(made), used=now))
        return made

    def _browser(self, account: Known | None, known: str) -> str:
        """The digest of what this browser kept, when it is this account's."""
        kept = digest(known) if known else ""
        sql = "SELECT 1 FROM people_browser WHERE digest = ? AND account = ?"
        return kept if self.ask(sql, kept, account.id if account else 0) else ""

    def _holder(self, ticket: Ticket) -> Known:
        account = self.by_id(ticket.account)
        if account is None or account.state != "active":
            raise Anonymous(WRONG)
        return account

    def _totp(self, account: Known, code: str) -> Use | None:
        if not account.totp:
            return None
        secret = self.seal.open(account.totp, f"totp {account.id}")
        step = totp.matched(secret, code, self.now(), account.step)

        def use(records: Records, row: Account) -> None:
            if row.step >= step:  # somebody was faster with the same code
                raise Denied(WRONG_CODE)
            row.step = step

        return use if step else None

    def _code(self, account: Known, code: str) -> Use | None:
        kept = self.seal.code(code, account.id)
        if not self.ask(
            "SELECT 1 FROM people_code WHERE account = ? AND digest = ?", account.id, kept
        ):
            return None

        def use(records: Records, row: Account) -> None:
            mine = delete(Code).where(Code.account == row.id, Code.digest == kept)
            if records.execute(mine).rowcount != 1:
                raise Denied(WRONG_CODE)

        return use

    # a new password ----------------------------------------------------------------------------
    def changed(self, account: Known, password: str) -> Use:
        """Check and hash a new password, outside of any transaction; what then keeps it."""
        check(password, (account.name, account.title, self.issuer))
        self._not_again(account, password)
        made, now, keep = self.hasher.hash(password), self.now(), self.settings.password_history

        def use(records: Records, row: Account) -> None:
            if row.password and keep:
                records.put(Former(account=row.id, password=row.password))
                mine = select(Former).where(Former.account == row.id).order_by(Former.id.desc())
                for old in list(records.scalars(mine))[keep:]:
                    records.delete(old)
            row.password, row.password_set, row.state = made, now, "active"

        return use

    def _not_again(self, account: Known, password: str) -> None:
        keep = self.settings.password_history
        sql = "SELECT password FROM people_former WHERE account = ? ORDER BY id DESC LIMIT ?"
        rows = self.ask(sql, account.id, keep) if keep else []
        for kept in (account.password, *(former for (former,) in rows)):
            if kept and self.hasher.verify(kept, password):
                raise Invalid("password", "这个口令用过了 Was used before: choose another one")

    def end_others(self, records: Records, account: int, but: int) -> int:
        """End all sessions of the account but this one; how many."""
        mine = update(Session).where(
            Session.account == account, Session.ended == 0, Session.id != but
        )
        return int(records.execute(mine.values(ended=self.now())).rowcount)

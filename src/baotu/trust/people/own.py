"""One's own account: password, authenticator, passkeys, recovery codes, sessions, tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select

from baotu.sdk import Caller, Conflict, Denied, Invalid, Records
from baotu.sdk.people import Me, OwnIdentity, OwnKey, OwnSession, Visit

from . import passkeys, totp
from .base import SECOND, Known
from .keys import TOKEN, digest, random_secret, recovery_code
from .links import Links
from .signin import WRONG_CODE
from .tables import Code, Passkey, Session, Token

CODES, MOST_TOKENS, MOST_KEYS, MOST_DAYS = 10, 50, 20, 730
WRONG_OLD = "口令不对 The password is wrong"
DAY = 86400 * SECOND


class Own(Links):
    """Each of these is about whoever calls, and needs a session: a token changes no account."""

    def me(self, caller: Caller) -> Me:
        account, here = self.own(caller)
        roles = self.sessions.roles(account.id)
        [about] = self.ask(
            "SELECT before, before_from, missed FROM people_account WHERE id = ?", account.id
        )
        [(codes,)] = self.ask("SELECT COUNT(*) FROM people_code WHERE account = ?", account.id)
        return Me(
            name=account.name, title=account.title, organisation=account.organisation,
            roles=tuple(sorted(roles)), waits=tuple(sorted(roles - caller.roles)),
            totp=bool(account.totp), codes=codes, password_set=account.password_set,
            last=about[0], last_from=about[1], failed=about[2],
            sessions=self._sessions(account.id, here), passkeys=self._passkeys(account.id),
            tokens=self._tokens(account.id), scopes=tuple(sorted(caller.permissions)),
            identities=self.identities(account.id),
        )  # fmt: skip

    def identities(self, account: int) -> tuple[OwnIdentity, ...]:
        rows = self.ask(
            "SELECT id, provider, name, created FROM people_identity WHERE account = ? ORDER BY id",
            account,
        )
        return tuple(OwnIdentity(id=i, provider=p, name=n, created=c) for i, p, n, c in rows)

    def _sessions(self, account: int, here: int) -> tuple[OwnSession, ...]:
        idle = int(self.settings.idle_min * 60 * SECOND)
        rows = self.ask(
            "SELECT id, began, seen, ends, address, browser, how FROM people_session WHERE account = ? "
            "AND ended = 0 AND ends > ? ORDER BY seen DESC", account, self.now(),
        )  # fmt: skip
        found = [OwnSession(id=i, began=b, seen=self.sessions.seen(i, s), ends=e, address=a, browser=w,
                            how=h, here=i == here) for i, b, s, e, a, w, h in rows]  # fmt: skip
        return tuple(s for s in found if s.here or self.now() - s.seen <= idle)

    def _passkeys(self, account: int) -> tuple[OwnKey, ...]:
        rows = self.ask(
            "SELECT id, name, created, used, site FROM people_passkey WHERE account = ? ORDER BY id",
            account,
        )
        return tuple(
            OwnKey(id=i, name=n, created=c, used=u, scope=(site,)) for i, n, c, u, site in rows
        )

    def _tokens(self, account: int) -> tuple[OwnKey, ...]:
        rows = self.ask(
            "SELECT id, name, created, used, ends, scope FROM people_token WHERE account = ? AND ended = 0 "
            "ORDER BY id DESC", account,
        )  # fmt: skip
        return tuple(
            OwnKey(id=i, name=n, created=c, used=u, ends=e, scope=tuple(s.split()))
            for i, n, c, u, e, s in rows
        )

    def confirm(self, caller: Caller, password: str, visit: Visit) -> None:
        account, session = self.own(caller)
        self._right(account, password, visit)

        def body(records: Records) -> None:
            records.find(Session, session).proved = self.now()

        self.do("confirm", account.name, account.organisation, body)

    def set_password(self, caller: Caller, old: str, new: str, visit: Visit) -> None:
        account, session = self.own(caller)
        self._right(account, old, visit)
        keep = self.changed(account, new)

        def body(records: Records) -> None:
            keep(records, self.row(records, account))
            self.end_others(records, account.id, session)

        self.do("password", account.name, account.organisation, body)

    def _right(self, account: Known, password: str, visit: Visit) -> None:
        keys = self.throttle.begin(account.name, visit.address, self._browser(account, visit.known))
        if not self.hasher.verify(account.password, password):
            self.failed("confirm", account, visit)
            raise Invalid("password", WRONG_OLD)
        self.throttle.passed(keys)

    def end_session(self, caller: Caller, session: int) -> None:
        account, here = self.own(caller)

        def body(records: Records) -> None:
            if not session:
                self.end_others(records, account.id, here)
                return
            row = records.find(Session, session)
            if row.account != account.id:
                raise Conflict("session", f"{session} does not exist")
            row.ended = self.now()

        self.do("end_session", account.name, account.organisation, body)

    # authenticator app -------------------------------------------------------------------------
    def totp_begin(self, caller: Caller) -> tuple[str, str]:
        account, _ = self.fresh(caller)
        secret = totp.new_secret()
        self._pending[caller.via] = secret
        while len(self._pending) > 1000:
            del self._pending[next(iter(self._pending))]
        return secret, totp.address(secret, account.name, self.issuer)

    def totp_done(self, caller: Caller, code: str) -> Sequence[str]:
        account, session = self.fresh(caller)
        secret = self._pending.get(caller.via)
        if secret is None:
            raise Conflict("code", "先显示二维码 Show the QR code first")
        step = totp.matched(secret, "".join(code.split()), self.now(), 0)
        if not step:
            raise Invalid("code", WRONG_CODE)
        sealed = self.seal.close(secret, f"totp {account.id}")

        def body(records: Records) -> list[str]:
            row = self.row(records, account)
            row.totp, row.step = sealed, step
            self.raise_level(records, session)
            return self._first_codes(records, account)

        codes = self.do("totp_add", account.name, account.organisation, body)
        self._pending.pop(caller.via, None)
        return codes

    def totp_remove(self, caller: Caller) -> None:
        account, _ = self.fresh(caller)

        def body(records: Records) -> None:
            row = self.row(records, account)
            row.totp, row.step = "", 0
            self._codes_if_last(records, account)

        self.do("totp_remove", account.name, account.organisation, body)

    def codes(self, caller: Caller) -> Sequence[str]:
        account, _ = self.fresh(caller)
        if not account.totp and not self._passkeys(account.id):
            raise Conflict("codes", "先设置第二因素 Set up a second factor first")
        body = lambda records: self._new_codes(records, account)  # noqa: E731
        return self.do("codes", account.name, account.organisation, body)

    def _new_codes(self, records: Records, account: Known) -> list[str]:
        records.execute(delete(Code).where(Code.account == account.id))
        made = [recovery_code() for _ in range(CODES)]
        for code in made:
            records.put(Code(account=account.id, digest=self.seal.code(code, account.id)))
        return made

    def _first_codes(self, records: Records, account: Known) -> list[str]:
        mine = select(func.count(Code.id)).where(Code.account == account.id)
        return [] if records.scalar(mine) else self._new_codes(records, account)

    def _codes_if_last(self, records: Records, account: Known) -> None:
        """Without a second factor, codes stand for nothing."""
        row = self.row(records, account)
        keys = records.scalar(select(func.count(Passkey.id)).where(Passkey.account == account.id))
        if not row.totp and not keys:
            records.execute(delete(Code).where(Code.account == account.id))

    # passkeys ----------------------------------------------------------------------------------
    def passkey_new(self, caller: Caller, visit: Visit) -> tuple[str, Mapping[str, Any]]:
        account, _ = self.fresh(caller)
        site = passkeys.site_of(visit.origin)
        rows = self.ask(
            "SELECT key FROM people_passkey WHERE account = ? AND site = ?", account.id, site
        )
        known = [key for (key,) in rows]
        state, options = passkeys.ask_new(site, account.handle, account.name, account.title, known)
        return self.new_ticket("new", account.id, state=state, site=site), options

    def passkey_add(
        self, caller: Caller, ticket: str, name: str, answer: Mapping[str, Any], visit: Visit
    ) -> Sequence[str]:
        account, session = self.fresh(caller)
        taken = self.take(ticket, "new")
        if taken.account != account.id:
            raise Denied(passkeys.WRONG)
        new, label = passkeys.new(taken.site, taken.state, answer), name.strip()[:60] or taken.site

        def body(records: Records) -> list[str]:
            mine = select(func.count(Passkey.id)).where(Passkey.account == account.id)
            if (records.scalar(mine) or 0) >= MOST_KEYS:
                raise Conflict("passkey", f"至多 {MOST_KEYS} 把 At most {MOST_KEYS}")
            records.put(
                Passkey(account=account.id, credential=new.credential, key=new.key, site=taken.site,
                        name=label, count=new.count, created=self.now())
            )  # fmt: skip
            self.raise_level(records, session)
            return self._first_codes(records, account)

        return self.do("passkey_add", account.name, account.organisation, body, label)

    def passkey_remove(self, caller: Caller, passkey: int) -> None:
        account, _ = self.fresh(caller)

        def body(records: Records) -> None:
            row = records.find(Passkey, passkey)
            if row.account != account.id:
                raise Conflict("passkey", f"{passkey} does not exist")
            records.delete(row)
            records.flush()
            self._codes_if_last(records, account)

        self.do("passkey_remove", account.name, account.organisation, body)

    # tokens ------------------------------------------------------------------------------------
    def token_new(self, caller: Caller, name: str, scope: Sequence[str], days: int) -> str:
        account, session = self.fresh(caller)
        [(level,)] = self.ask("SELECT level FROM people_session WHERE id = ?", session)
        return self.token_for(account, name, scope, days, caller.permissions, level, caller.name)

    def token_for(
        self, account: Known, name: str, scope: Sequence[str], days: int,
        bound: frozenset[str], level: int, by: str,
    ) -> str:  # fmt: skip
        """A token of this account, whose scope lies within the bound; shown this once."""
        if not scope:
            raise Invalid("scope", "至少选一项 Choose at least one")
        if beyond := sorted(set(scope) - bound):
            raise Invalid(
                "scope", f"不在您的权限之内：{beyond[0]} Is beyond what you may do: {beyond[0]}"
            )
        if not 1 <= days <= MOST_DAYS:
            raise Invalid("days", f"1 到 {MOST_DAYS} 天 From 1 to {MOST_DAYS} days")
        secret, label = TOKEN + random_secret(), name.strip()[:60] or "API"

        def body(records: Records) -> None:
            mine = select(func.count(Token.id)).where(Token.account == account.id, Token.ended == 0)
            if (records.scalar(mine) or 0) >= MOST_TOKENS:
                raise Conflict(
                    "token",
                    f"至多 {MOST_TOKENS} 个，先吊销旧的 At most {MOST_TOKENS}: revoke an old one",
                )
            records.put(
                Token(account=account.id, digest=digest(secret), name=label, level=level,
                      scope=" ".join(sorted(set(scope))), created=self.now(),
                      ends=self.now() + days * DAY)
            )  # fmt: skip

        self.do("token_new", by, account.organisation, body, f"{account.name}: {label}, {days} d")
        return secret

    def token_revoke(self, caller: Caller, token: int) -> None:
        account, _ = self.own(caller)

        def body(records: Records) -> None:
            row = records.find(Token, token)
            if row.account != account.id:
                raise Conflict("token", f"{token} does not exist")
            row.ended = self.now()

        self.do("token_revoke", account.name, account.organisation, body)

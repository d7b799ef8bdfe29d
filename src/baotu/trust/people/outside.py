"""Identities of other providers: which account each belongs to, and signing in with one.

(issuer, subject) is the identity; a name or an address proves nothing and links nothing. Trusts
whoever calls that the identity was proved. Officers' roles never come from outside: groups give roles
of the trade only, and an officer shows a second factor of this platform in any case.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select

from baotu.sdk import Caller, Conflict, Denied, Invalid, Records
from baotu.sdk.people import Step, Visit
from baotu.sdk.trust import ROLES

from .app import account_name, end_all, made
from .base import APP, Known, Ticket
from .keys import digest
from .own import Own
from .tables import Account, Granted, Identity

MOST_IDENTITIES = 10
TAKEN = "这个外部身份已属于别的账户 This identity belongs to another account"


class NoAccount(Denied):
    """A proved identity that nobody here has, and that gets no account: unknown, taken (its name is
    another's) or disabled."""

    def __init__(self, why: str, code: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """An identity as its provider told it. provider, provider_title: as configured. second: the
    provider's sign-in counts as two factors. make: whoever has no account gets one."""

    provider: str
    provider_title: str
    issuer: str
    subject: str
    name: str
    title: str = ""
    roles: Collection[str] = ()
    second: bool = False
    make: bool = False


class Identities(Own):
    """enter() signs in, link_own() links."""

    def enter(self, who: Proved, visit: Visit) -> Step:
        """Raises NoAccount, TooMany."""
        keys = self.throttle.begin("", visit.address, digest(f"{who.issuer} {who.subject}"))
        id, fresh = self._account_of(who)
        if not id:
            self._stranger(who, visit)
            id, fresh = self._account_of(who)
        account = self.by_id(id)
        assert account is not None  # an identity goes with its account
        if account.state == "disabled":
            self.failed("outside", account, visit)
            raise NoAccount("账户已停用 The account is disabled: ask an administrator", "disabled")
        if fresh:
            self._follow(who, account)
        ticket = Ticket("", account.id, 0, keys, how=who.provider_title, outside=True)
        officer = any(ROLES[r].officer for r in self.sessions.roles(account.id) if r in ROLES)
        if who.second and not officer:
            ticket.level = 2
        elif factors := self.factors(account, visit):
            secret = self.new_ticket("second", account.id, keys=keys, how=ticket.how, outside=True)
            return Step(next="second", ticket=secret, factors=factors)
        return self.open(account, ticket, visit)

    def _account_of(self, who: Proved) -> tuple[int, bool]:
        """(account, whether it was made for this identity); (0, False) for none."""
        sql = "SELECT account, made FROM people_identity WHERE issuer = ? AND subject = ?"
        rows = self.ask(sql, who.issuer, who.subject)
        return (int(rows[0][0]), bool(rows[0][1])) if rows else (0, False)

    def _stranger(self, who: Proved, visit: Visit) -> None:
        """An account for who has none. Raises NoAccount."""
        if not who.make:
            why = f"{who.provider}: {who.name} ({who.subject}) has no account, {visit.address}"
            nobody = Caller("unknown", self.organisation, frozenset())
            self.chain.note(APP, "outside", nobody, "denied", why)
            raise NoAccount(
                "这个身份在本平台没有账户 This identity has no account here: ask an administrator",
                "unknown",
            )
        try:
            name = account_name(who.name)
            self.do("create", name, self.organisation, lambda records: self._made(records, who, name),
                    f"{who.provider}: {who.subject}")  # fmt: skip
        except (Invalid, Conflict) as error:
            why = f"{who.provider}: {who.name} ({who.subject}) gets no account: {error}"
            nobody = Caller("unknown", self.organisation, frozenset())
            self.chain.note(APP, "outside", nobody, "denied", why)
            raise NoAccount(str(error), "taken") from None

    def _made(self, records: Records, who: Proved, name: str) -> None:
        row = made(records, name, (who.title or who.name).strip()[:80] or name, self.now())
        row.state = "active"  # by this identity only, until it has a password
        records.flush()
        self._linked(records, row, who, who.provider, True)

    def _linked(self, records: Records, row: Account, who: Proved, by: str, made_: bool) -> None:
        same = select(Identity).where(
            Identity.issuer == who.issuer, Identity.subject == who.subject
        )
        if (known := records.scalar(same)) is not None:
            raise Conflict(
                "identity", "已经关联 Is linked already" if known.account == row.id else TAKEN
            )
        mine = list(records.scalars(select(Identity.id).where(Identity.account == row.id)))
        if len(mine) >= MOST_IDENTITIES:
            raise Conflict("identity", f"至多 {MOST_IDENTITIES} 个 At most {MOST_IDENTITIES}")
        records.put(
            Identity(account=row.id, issuer=who.issuer, subject=who.subject, provider=who.provider,
                     name=who.name[:200], by=by, made=made_, created=self.now())
        )  # fmt: skip

    def _follow(self, who: Proved, account: Known) -> None:
        """An account that was made from outside holds what its groups give, and what officers gave;
        whoever loses a role begins anew everywhere."""
        mark = f"{who.provider} group"

        def body(records: Records) -> None:
            row = self.row(records, account)
            mine = select(Granted).where(Granted.account == row.id)
            held = {one.role: one for one in records.scalars(mine)}
            gained, lost = changes({r: one.by for r, one in held.items()}, mark, who.roles)
            for role in lost:
                records.delete(held[role])
            if lost:
                end_all(records, row, self.now())
            for role in sorted(gained):
                records.put(Granted(account=row.id, role=role, by=mark, time=self.now()))

        held = self.ask("SELECT role, by FROM people_granted WHERE account = ?", account.id)
        if any(found := changes(dict(held), mark, who.roles)):
            told = ", ".join(
                [*(f"+{r}" for r in sorted(found[0])), *(f"-{r}" for r in sorted(found[1]))]
            )
            self.do("roles", account.name, account.organisation, body, f"{mark}: {told}")

    # one's own ---------------------------------------------------------------------------------
    def recent(self, caller: Caller) -> None:
        self.fresh(caller)

    def link_own(self, caller: Caller, who: Proved) -> None:
        """Whoever is signed in here, and there too, says that both are the same."""
        account, _ = self.fresh(caller)

        def body(records: Records) -> None:
            self._linked(records, self.row(records, account), who, account.name, False)

        why = f"{who.provider}: {who.name} ({who.subject})"
        self.do("link_identity", account.name, account.organisation, body, why)

    def identity_remove(self, caller: Caller, identity: int) -> None:
        account, _ = self.fresh(caller)

        def body(records: Records) -> None:
            row = records.find(Identity, identity)
            if row.account != account.id:
                raise Conflict("identity", f"{identity} does not exist")
            if not self.row(records, account).password and not self._another(records, row):
                raise Conflict(
                    "identity",
                    "这是唯一的登录方式，先设口令 It is the only way to sign in: ask for a link first, and set a password",
                )
            records.delete(row)

        self.do("unlink_identity", account.name, account.organisation, body)

    def _another(self, records: Records, but: Identity) -> bool:
        mine = select(Identity.id).where(Identity.account == but.account, Identity.id != but.id)
        return records.scalar(mine) is not None


def changes(
    held: Mapping[str, str], mark: str, given: Collection[str]
) -> tuple[set[str], set[str]]:
    """(roles gained, roles lost). held: role → by whom. Officers' roles are neither given nor mixed
    with others."""
    officer = any(ROLES[role].officer for role in held if role in ROLES)
    wanted = {r for r in given if r in ROLES and not ROLES[r].officer} if not officer else set()
    return wanted - held.keys(), {role for role, by in held.items() if by == mark} - wanted

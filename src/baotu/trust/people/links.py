"""One-time links: the first administrator, the other officers, a new account, a lost password.

A link's secret stands behind the `#` of its address: browsers send that to nobody.
"""

from __future__ import annotations

from sqlalchemy import select, update

from baotu.sdk import Anonymous, Caller, Conflict, Records, Resource
from baotu.sdk.people import Invitation, LinkKind, Step, Visit
from baotu.sdk.people import Link as Made
from baotu.sdk.trust import ROLES

from .app import SYSTEM, found, grant, made, no_officer
from .base import SECOND, Known, Ticket
from .keys import digest, random_secret
from .signin import SignIn, Use
from .tables import Account, Granted, Link

SPENT = "这个链接用过了、过期了或已作废；请要一个新的 This link was used, has expired or is void: ask for a new one"
OFFICERS = tuple(name for name, role in ROLES.items() if role.officer)


class Links(SignIn):
    """invitation() looks, accept() uses up."""

    def invitation(self, secret: str) -> Invitation:
        _, kind, account, role, ends = self._open_link(secret)
        known = self.by_id(account) if account else None
        return Invitation(
            kind=kind, ends=ends, role=role,
            account=known.name if known else "", title=known.title if known else "",
        )  # fmt: skip

    def accept(self, secret: str, name: str, title: str, password: str, visit: Visit) -> Step:
        keys = self.throttle.begin("", visit.address, digest("link" + secret))
        id, kind, account, role, _ = self._open_link(secret)
        ticket = Ticket("", account, 0, keys, how=f"{kind} link")
        if kind == "visit":
            ticket.level = 2  # a plant that is not there: the link itself is all there is to prove
            return self.open(self._whose(account), ticket, visit, self._spend(id))
        if kind in ("first", "officer"):
            return self._officer(id, kind, role, (name, title, password), ticket, visit)
        known = self._whose(account)
        keep, spend = self.changed(known, password), self._spend(id)

        def use(records: Records, row: Account) -> None:
            spend(records, row)
            keep(records, row)
            self.end_others(records, row.id, 0)

        if factors := self.factors(known, visit):
            body = lambda records: use(records, self.row(records, known))  # noqa: E731
            self.do("password", known.name, known.organisation, body, ticket.how)
            made = self.new_ticket("second", known.id, keys=keys)
            return Step(next="second", ticket=made, factors=factors)
        return self.open(known, ticket, visit, use)

    def link(self, account: str, caller: Caller) -> Made:
        self.chain.policy.decide(caller, SYSTEM, Resource("account", account))
        if account.strip().lower() == caller.name:
            raise Conflict("account", "自己的口令在「我的账户」里改 Change your own on My account")

        def body(records: Records) -> Made:
            row = found(records, account)
            no_officer(records, row)
            return self._for_account(records, row, caller.name)

        return self.do("link", caller.name, caller.organisation, body, account)

    # at the machine ----------------------------------------------------------------------------
    def first_link(self) -> Made | None:
        """For the first administrator, as long as there is no account; those before are void."""
        if self.ask("SELECT 1 FROM people_account LIMIT 1"):
            return None

        def body(records: Records) -> Made:
            unused = update(Link).where(Link.kind == "first", Link.used == 0)
            records.execute(unused.values(used=-1))
            return self._new(records, "first", "system_admin", 0, "platform")

        return self.do("first_link", "platform", self.organisation, body)

    def machine_link(self, whom: str, *, visit: bool = False) -> Made:
        """For an account, or for an officer's role that nobody holds yet. Raises Conflict."""

        def body(records: Records) -> Made:
            if whom in OFFICERS:
                held = select(Granted).where(Granted.role == whom)
                if records.scalar(held) is not None:
                    raise Conflict(
                        "account",
                        f"{whom} is held already: name the account",
                    )
                return self._for_officer(records, whom, "local")
            row = found(records, whom)
            return self._for_account(records, row, "local", visit=visit)

        return self.do("link", "local", self.organisation, body, whom)

    def _officer(
        self,
        id: int,
        kind: str,
        role: str,
        given: tuple[str, str, str],
        ticket: Ticket,
        visit: Visit,
    ) -> Step:
        """A new account that holds an officer's role; the first one gets links for the others."""
        name, title, password = given
        blank = Known(0, self.organisation, name, title, "invited", "", "", 0, "", 0)
        keep = self.changed(blank, password)

        def body(records: Records) -> tuple[int, tuple[Made, ...]]:
            self._spent(records, id)
            if kind == "first" and records.scalar(select(Account).limit(1)) is not None:
                raise Anonymous(SPENT)
            row = made(records, name, title, self.now())
            keep(records, row)
            grant(records, row, role, kind + " link", self.now())
            others = [o for o in OFFICERS if o != role] if kind == "first" else []
            return row.id, tuple(self._for_officer(records, o, row.name) for o in others)

        account, links = self.do("welcome", name, self.organisation, body, f"{role}, {ticket.how}")
        step = self.open(self._whose(account), ticket, visit)
        return Step(next="done", session=step.session, known=step.known, links=links)

    def _for_officer(self, records: Records, role: str, by: str) -> Made:
        unused = update(Link).where(Link.kind == "officer", Link.role == role, Link.used == 0)
        records.execute(unused.values(used=-1))
        return self._new(records, "officer", role, 0, by)

    def _for_account(self, records: Records, row: Account, by: str, visit: bool = False) -> Made:
        if row.state == "disabled":
            raise Conflict("account", f"{row.name} is disabled: enable it first")
        unused = update(Link).where(Link.account == row.id, Link.used == 0)
        records.execute(unused.values(used=-1))
        kind = "visit" if visit else "reset" if row.password else "enrol"
        link = self._new(records, kind, "", row.id, by)
        return Made(
            kind=link.kind, secret=link.secret, ends=link.ends, account=row.name, title=row.title
        )

    def _new(self, records: Records, kind: str, role: str, account: int, by: str) -> Made:
        secret, now = random_secret(), self.now()
        ends = now + int(self.settings.link_h * 3600 * SECOND)
        records.put(
            Link(
                digest=digest(secret),
                kind=kind,
                account=account,
                role=role,
                by=by,
                created=now,
                ends=ends,
            )
        )
        return Made(kind=kind, secret=secret, ends=ends, role=role)  # type: ignore[arg-type]

    def _open_link(self, secret: str) -> tuple[int, LinkKind, int, str, int]:
        rows = self.ask(
            "SELECT id, kind, account, role, ends FROM people_link WHERE digest = ? AND used = 0",
            digest(secret),
        )
        if not rows or self.now() > rows[0][4]:
            raise Anonymous(SPENT)
        return rows[0]

    def _spent(self, records: Records, id: int) -> None:
        unused = update(Link).where(Link.id == id, Link.used == 0, Link.ends >= self.now())
        if records.execute(unused.values(used=self.now())).rowcount != 1:
            raise Anonymous(SPENT)

    def _spend(self, id: int) -> Use:
        return lambda records, row: self._spent(records, id)

    def _whose(self, account: int) -> Known:
        known = self.by_id(account)
        if known is None or known.state == "disabled":
            raise Anonymous(SPENT)
        return known

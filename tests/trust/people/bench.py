"""Accounts on a store in a folder, with a clock that jumps."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from baotu.kernel.effects import Chain
from baotu.records import RecordsSettings, open_store
from baotu.sdk import Caller
from baotu.sdk.people import Step, Visit
from baotu.sdk.testing.clock import JumpingClock
from baotu.trust.people import People, PeopleSettings, Service
from baotu.trust.people.tables import Account

SECOND = 10**9
HERE = Visit(address="2001:db8::1", browser="Test", origin="http://localhost:8080")
PASSWORD = "Drei blaue Pumpen 7"
OTHER = "vier Loks fahren spät"


class Bench:
    """`with Bench(folder) as bench:`; the thread of the service does not run: call `turn`."""

    def __init__(self, folder: Path, url: str = "", **settings: object) -> None:
        self.clock = JumpingClock()
        self.store = open_store(RecordsSettings(url=url), folder)
        self.chain = Chain(self.store, self.clock, [People()])
        given = {"second_factor": (), "hash_rounds": 2, **settings}
        self.people = Service(self.chain, PeopleSettings(**given), "plant", folder)  # type: ignore[arg-type]

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.people.stop()
        self.store.close()

    def later(self, seconds: float) -> None:
        self.clock.stall(seconds)

    def person(self, name: str = "wang", *roles: str, password: str = PASSWORD) -> Step:
        """An account with this password and these roles, signed in by its link."""
        self.people.machine_account(name, name.title(), roles)
        link = self.people.machine_link(name)
        return self.people.accept(link.secret, "", "", password, HERE)

    def caller(self, step: Step) -> Caller:
        return self.people.session(step.session, active=True)

    def call(self, who: Caller, verb: str, **arguments: object) -> object:
        return self.chain.call("people", verb, arguments, who)

    def account(self, name: str) -> Account:
        with self.store.reading("plant") as records:
            return records.scalar(select(Account).where(Account.name == name))

    def audit(self) -> list[tuple[str, str, str, str]]:
        """(caller, verb, outcome, reason), the oldest first."""
        return self.store.ask(
            "SELECT caller, verb, outcome, reason FROM ledger_audit_record ORDER BY id"
        )

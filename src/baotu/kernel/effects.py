"""handler → fact → policy → effect → audit, once, for every face and every app."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog

from baotu.sdk import App, Call, Caller, Denied, Fact, Invalid, Records, Resource, Table
from baotu.sdk.clock import Clock
from baotu.sdk.door import Change, Happening, Look, Verb
from baotu.sdk.jobs import JobRun
from baotu.sdk.trust import Permissions, Policy

from .alarms import TABLES as ALARM_TABLES
from .approvals import TABLES as APPROVAL_TABLES
from .blame import Blame
from .commit import Body, Committer, Deed
from .facts import Order, Part, Reach
from .handlers import Handler, all_handlers, beforehand, path_of
from .lanes import Lanes
from .ledger import FIND_RECEIPTS, TABLES, Rows
from .store import Store

log = structlog.get_logger("baotu.chain")
DAY = 24 * 3600 * 10**9
RECEIPTS_KEPT, EVENTS_KEPT = 7 * DAY, 30 * DAY
LANES = 3  # questions under way at once, all but one of them slow: see `Lanes`
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SORTED = json.JSONEncoder(sort_keys=True, default=str)
Answer = TypeVar("Answer")
__all__ = ["Chain", "Deed"]


class Chain:
    """Implements `sdk.door.Door`. Safe to call from any thread; it has none of its own."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        apps: Sequence[App],
        *,
        policy: Policy | None = None,
        reach: Reach | None = None,
    ) -> None:
        self.store, self.clock, self.apps = store, clock, list(apps)
        self.policy, self.reach = policy or Permissions(), reach or Reach()
        self.blame = Blame(clock, self.reach.board)
        self.handlers = all_handlers(apps)
        self.solvers = {
            (h.verb.app, path_of(h.mark.solve)): h for h in self.handlers.values() if h.mark.solve
        }
        own: list[type[Table]] = [*TABLES, *ALARM_TABLES, *APPROVAL_TABLES, JobRun]
        store.create([*own, *(table for app in apps for table in app.tables)])
        self.orders: Callable[[Order], None] | None = None  # set by Writes.start
        self._watchers: list[Callable[[Change], None]] = []
        self.committer = Committer(store, clock, self.blame, self._after)
        self.lanes = Lanes(LANES)

    # -- the door -------------------------------------------------------------------------------
    def verbs(self) -> list[Verb]:
        shown = ("command", "query", "page")
        return [h.verb for h in self.handlers.values() if h.mark.kind in shown]

    def watch(self, tell: Callable[[Change], None]) -> Callable[[], None]:
        self._watchers.append(tell)
        return lambda: self._watchers.remove(tell)

    def call(
        self, app: str, name: str, arguments: Mapping[str, Any], caller: Caller, key: str = ""
    ) -> Any:
        handler = self.find(app, name)
        if handler.mark.kind == "command":
            return self.command(handler, arguments, caller, key)
        return self._ask(handler, arguments, caller, lambda a, _: handler.signature.dump(a))

    def look(self, app: str, name: str, arguments: Mapping[str, Any], caller: Caller) -> Look:
        handler = self.find(app, name)
        return self._ask(handler, arguments, caller, lambda v, r: Look(v, frozenset(r.read)))

    def events(self, after: int, limit: int = 1000) -> list[Happening]:
        rows = self.store.ask(
            "SELECT id, time, organisation, app, kind, fact FROM ledger_outbox "
            "WHERE id > ? ORDER BY id LIMIT ?",
            (after, limit),
        )
        return [
            Happening(
                position=id,
                time=time,
                organisation=whose,
                app=app,
                kind=kind,
                data=json.loads(fact),
            )
            for id, time, whose, app, kind, fact in rows
        ]

    # -- commands and questions -----------------------------------------------------------------
    def command(
        self, handler: Handler, arguments: Mapping[str, Any], caller: Caller, key: str = ""
    ) -> Any:
        self._decide(handler, caller)
        given = handler.signature.parse(arguments)
        came = self._apart(handler, given, caller, key)

        def body(records: Records) -> tuple[Any, Sequence[Fact]]:
            if came is not None:
                return came()
            gifts = self._gifts(handler, records, caller, key)
            answer, facts = handler.run(given, gifts)
            records.flush()  # ids and refusals before the answer is made
            return handler.signature.dump(answer), facts

        return self.submit(
            Deed(
                app=handler.verb.app,
                name=handler.verb.name,
                caller=caller,
                body=body,
                permission=handler.verb.permission,
                key=key,
                told_once=handler.mark.told_once,
                asked=digest(arguments, handler.signature.secrets) if key else "",
            )
        )

    def _apart(
        self, handler: Handler, given: Mapping[str, Any], caller: Caller, key: str
    ) -> Callable[[], tuple[Any, Sequence[Fact]]] | None:
        """What came of a handler in another process; None: run it in the transaction."""
        if not handler.apart:
            return None
        place = (caller.organisation, handler.name, key)
        if key and self.store.ask(FIND_RECEIPTS % "(?, ?, ?)", place):
            return lambda: (None, ())  # it was answered before: the receipt is the answer
        return beforehand(handler, given, {Call: self.call_of(caller, key)})

    def _ask(
        self,
        handler: Handler,
        arguments: Mapping[str, Any],
        caller: Caller,
        made: Callable[[Any, Records], Answer],
    ) -> Answer:
        """Run a question; `made` turns what it answers into a reply while rows can be loaded."""
        if handler.mark.kind not in ("query", "page"):
            raise Invalid("verb", f"{handler.name} is a {handler.mark.kind}, not for asking")
        self._decide(handler, caller)
        given = handler.signature.parse(arguments)

        came = None
        if handler.apart:  # no turn is taken and no snapshot held while a stranger's code runs
            came = handler.run(given, {Call: self.call_of(caller)})[0]

        def work() -> Answer:
            with self.store.reading(caller.organisation) as records:
                if handler.apart:
                    return made(came, records)
                answer, _ = handler.run(given, self._gifts(handler, records, caller))
                return made(answer, records)

        return self.lanes.do(work)

    def _decide(self, handler: Handler, caller: Caller) -> None:
        try:
            verb = Resource("verb", handler.name)
            found = self.policy.decide(caller, handler.verb.permission, verb)
            if found.needs:  # only writes to the plant wait for a second person
                raise Denied(f"「{handler.verb.title}」要第二人批准，这里还不能 Needs a second person, "
                             "which is not possible here")  # fmt: skip
        except Denied as error:
            app, name = handler.verb.app, handler.verb.name
            self.note(app, name, caller, "denied", str(error), handler.verb.permission)
            raise

    def note(
        self, app: str, name: str, caller: Caller, outcome: str, why: str, permission: str = ""
    ) -> None:
        """One line in the audit, durable when this returns."""
        rows = Rows()
        rows.add(
            "audit",
            caller.organisation,
            self.clock.now(),
            caller.name,
            f"{app}.{name}",
            permission,
            outcome,
            why,
        )
        nothing: Body = lambda records: (None, ())  # noqa: E731 - a body that does nothing
        self.submit(Deed(app=app, name=name, caller=caller, body=nothing, audited=False, rows=rows))

    def find(self, app: str, name: str) -> Handler:
        try:
            return self.handlers[app, name]
        except KeyError:
            raise Invalid("verb", f"{app} has no {name}") from None

    def _gifts(
        self, handler: Handler, records: Records, caller: Caller, key: str = ""
    ) -> dict[type, Any]:
        gifts: dict[type, Any] = {Records: records}
        if handler.takes(Call):
            gifts[Call] = self.call_of(caller, key)
        return gifts

    def call_of(self, caller: Caller, key: str = "") -> Call:
        return Call(caller, EPOCH + timedelta(microseconds=self.clock.now() // 1000), key)

    # -- one transaction for all who wait -------------------------------------------------------
    def submit(self, deed: Deed) -> Any:
        """Do it, durably; what it answers, or the error it raised."""
        return self.committer.submit(deed)

    def submit_all(self, deeds: Sequence[Deed]) -> Sequence[Any]:
        """Several in one transaction; for each what it answers, or the error it raised."""
        return self.committer.submit_all(deeds)

    def tidy(self) -> None:
        """Forget receipts and events that nobody asks for any more; once an hour is enough."""
        now = self.clock.now()
        with self.store.writing() as writer:
            writer.run("DELETE FROM ledger_receipt WHERE time < ?", (now - RECEIPTS_KEPT,))
            writer.run("DELETE FROM ledger_outbox WHERE time < ?", (now - EVENTS_KEPT,))

    def _after(self, changes: Sequence[Change], parts: Sequence[Part]) -> None:
        """What follows a commit: samples go to history, writes to their hands, watchers hear.

        The change stands whatever happens here, so nothing here may fail the caller.
        """
        for part in parts:
            for samples in part.samples if self.reach.emit else ():
                self._safely(self.reach.emit, samples)
            for order in part.orders:
                self._safely(self.orders or self._no_hands, order)
        for change in changes:
            for tell in tuple(self._watchers):
                if not self._safely(tell, change) and tell in self._watchers:
                    self._watchers.remove(tell)

    def _safely(self, tell: Callable[[Any], None] | None, what: Any) -> bool:
        try:
            if tell is not None:
                tell(what)
        except Exception:
            name = getattr(tell, "__qualname__", str(tell))
            log.exception("after a commit", told=name, what=type(what).__name__)
            return False
        return True

    def _no_hands(self, order: Order) -> None:
        why = "writes are off on this node"
        self.note(order.app, "write", order.caller, "refused", why, "tags.write")


def digest(arguments: Mapping[str, Any], secrets: Collection[str] = ()) -> str:
    """Of all arguments but the secret ones: a short secret is found again from its hash."""
    told = {name: value for name, value in arguments.items() if name not in secrets}
    return hashlib.sha256(SORTED.encode(told).encode()).hexdigest()

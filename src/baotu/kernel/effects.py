"""handler → fact → policy → effect → audit, once, for every face and every app.

Whoever asks first while nobody leads becomes the leader: it runs all who wait in one transaction,
each in a savepoint, then hands the lead on. So under load one fsync serves many, and one thread
at a time does the work instead of many that contend for the interpreter.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog

from baotu.sdk import App, Call, Caller, Conflict, Denied, Fact, Invalid, Records, Table
from baotu.sdk.clock import Clock
from baotu.sdk.door import Change, Happening, Look, Policy, Verb
from baotu.sdk.jobs import JobRun

from .alarms import TABLES as ALARM_TABLES
from .blame import Blame
from .facts import Order, Part, Reach, apply
from .handlers import Handler, all_handlers, path_of
from .lanes import Lanes
from .ledger import FIND_RECEIPT, TABLES, Rows
from .store import Store, Writer

log = structlog.get_logger("baotu.chain")
GROUP = 64  # commands in one transaction at most
LANES = 3  # questions under way at once: more only contend (benchmarks/commands.py)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Answer = TypeVar("Answer")
Body = Callable[[Records], tuple[Any, Sequence[Fact]]]


class Permissions:
    """The plain policy: a caller may do what its permissions name."""

    def decide(self, caller: Caller, action: str, resource: str) -> None:
        if action and action not in caller.permissions:
            raise Denied(f"{caller.name} may not {resource}: needs {action}")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Deed:
    """One change, which stands or falls alone inside its group.

    body: does it and says what it answers and which facts follow. key, asked: for the receipt.
    audited: leaves a record when it succeeds; what fails leaves one in any case.
    """

    app: str
    name: str
    caller: Caller
    body: Body
    permission: str = ""
    key: str = ""
    asked: str = ""
    audited: bool = True
    streaming: bool = False
    rows: Rows = field(default_factory=Rows)  # of the kernel's own, kept with what the body does


class Place:
    """Deeds in the queue, and the latch their caller waits at."""

    __slots__ = ("deeds", "done", "latch", "leads", "replies")

    def __init__(self, deeds: Sequence[Deed]) -> None:
        self.deeds, self.done, self.leads = deeds, False, False
        self.replies: Sequence[Any] = ()
        self.latch = threading.Lock()
        self.latch.acquire()


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
        own: list[type[Table]] = [*TABLES, *ALARM_TABLES, JobRun]
        store.create([*own, *(table for app in apps for table in app.tables)])
        self.orders: Callable[[Order], None] | None = None  # set by Writes.start
        self._watchers: list[Callable[[Change], None]] = []
        self._waiting: deque[Place] = deque()
        self._gate = threading.Lock()
        self._led = False
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

        def body(records: Records) -> tuple[Any, Sequence[Fact]]:
            gifts = {Records: records, Call: self.call_of(caller, key)}
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
                asked=digest(arguments) if key else "",
            )
        )

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

        def work() -> Answer:
            with self.store.reading(caller.organisation) as records:
                gifts = {Records: records, Call: self.call_of(caller)}
                answer, _ = handler.run(given, gifts)
                return made(answer, records)

        return self.lanes.do(work)

    def _decide(self, handler: Handler, caller: Caller) -> None:
        try:
            self.policy.decide(caller, handler.verb.permission, handler.name)
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

    def call_of(self, caller: Caller, key: str = "") -> Call:
        return Call(caller, EPOCH + timedelta(microseconds=self.clock.now() // 1000), key)

    # -- one transaction for all who wait -------------------------------------------------------
    def submit(self, deed: Deed) -> Any:
        """Do it, durably; what it answers, or the error it raised."""
        [reply] = self.submit_all([deed])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def submit_all(self, deeds: Sequence[Deed]) -> Sequence[Any]:
        """Several in one transaction; for each what it answers, or the error it raised."""
        place = Place(deeds)
        with self._gate:
            self._waiting.append(place)
            leads, self._led = not self._led, True
        if not leads:
            place.latch.acquire()
        if leads or place.leads:
            self._lead(place)
        return place.replies

    def _lead(self, own: Place) -> None:
        changes: list[Change] = []
        parts: list[Part] = []
        while not own.done:
            group = self._group()
            deeds = [deed for place in group for deed in place.deeds]
            replies: Sequence[Any] = [Denied("the platform was interrupted")] * len(deeds)
            try:
                replies = self._commit(deeds, changes, parts)
            finally:
                answers = iter(replies)
                for place in group:
                    place.replies = [next(answers) for _ in place.deeds]
                    place.done = True
                    if place is not own:
                        place.latch.release()
        with self._gate:
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].latch.release()
            else:
                self._led = False
        self._after(changes, parts)

    def _group(self) -> list[Place]:
        group: list[Place] = []
        with self._gate:
            size = 0
            while self._waiting and size < GROUP:
                place = self._waiting.popleft()
                group.append(place)
                size += len(place.deeds)
        return group

    def _commit(self, deeds: Sequence[Deed], changes: list[Change], parts: list[Part]) -> list[Any]:
        replies: list[Any] = []
        stood: list[tuple[Deed, Part]] = []
        receipts: dict[tuple[str, str, str], tuple[str, str]] = {}
        try:
            with self.store.writing() as writer:
                rows = Rows()
                for deed in deeds:
                    reply, part = self._one(deed, writer, rows, receipts)
                    replies.append(reply)
                    stood.append((deed, part))
                rows.write(writer)
        except Exception as error:  # noqa: BLE001 - the commit failed: nobody's change stands
            if isinstance(error, Conflict) and len(deeds) > 1:  # another node took a key: alone
                return [self._commit([deed], changes, parts)[0] for deed in deeds]
            return [error] * len(deeds)
        for deed, part in stood:
            parts.append(part)
            if part.tables or part.facts:
                organisation = deed.caller.organisation
                changes.append(Change(organisation, frozenset(part.tables), tuple(part.facts)))
        return replies

    def _one(
        self,
        deed: Deed,
        writer: Writer,
        rows: Rows,
        receipts: dict[tuple[str, str, str], tuple[str, str]],
    ) -> tuple[Any, Part]:
        now, part = self.clock.now(), Part()
        whose, verb = deed.caller.organisation, f"{deed.app}.{deed.name}"
        outcome, why, reply = "done", "", None
        writer.mark()
        try:
            seen = self._receipt(deed, verb, writer, receipts)
            if seen is not None:
                writer.keep()
                return json.loads(seen), part
            with writer.records(whose) as records:
                reply, facts = deed.body(records)
                records.flush()
                apply(facts, deed.app, deed.caller, now, writer, part)
                part.tables |= records.written
            if deed.key:
                answer = json.dumps(reply)
                part.rows.add("receipt", whose, verb, deed.key, deed.asked, answer, now)
                receipts[whose, verb, deed.key] = deed.asked, answer
            part.rows.extend(deed.rows)
            writer.keep()
        except Exception as error:  # noqa: BLE001 - the plant goes on, the caller is told
            writer.undo()
            part, reply, why = Part(), error, str(error)
            outcome = self._outcome(deed, error)
        rows.extend(part.rows)
        if (deed.audited or outcome != "done") and outcome != "invalid":
            who, need = deed.caller.name, deed.permission
            rows.add("audit", whose, now, who, verb, need, outcome, why)
        return reply, part

    def _outcome(self, deed: Deed, error: Exception) -> str:
        refusals = {Conflict: "conflict", Invalid: "invalid", Denied: "denied"}
        outcome = next((word for kind, word in refusals.items() if isinstance(error, kind)), "bug")
        if outcome == "bug" or deed.streaming:  # nobody is there to ask otherwise
            self.blame.bug(deed.app, error, deed.streaming)
            return "bug"
        return outcome

    def _receipt(
        self,
        deed: Deed,
        verb: str,
        writer: Writer,
        receipts: Mapping[tuple[str, str, str], tuple[str, str]],
    ) -> str | None:
        """The answer that was given to this key before."""
        if not deed.key:
            return None
        at = (deed.caller.organisation, verb, deed.key)
        found = receipts.get(at) or next(iter(writer.rows(FIND_RECEIPT, at)), None)
        if found is None:
            return None
        if found[0] != deed.asked:
            raise Conflict("key", f"{deed.key} was used before for other arguments")
        return str(found[1])

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


def digest(arguments: Mapping[str, Any]) -> str:
    text = json.dumps(arguments, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()

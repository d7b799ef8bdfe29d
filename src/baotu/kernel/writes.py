"""Writes to the plant: decided, checked, carried out, read back and audited; never forgotten.

policy → interlocks, limits, pace → second person where one is needed → a row that says it is on
its way → device → read-back → audit. Never inside a transaction and never on the thread of an app:
hands are slow. What is cut off by a fall is told at the next start, and is never sent again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import Empty, Full, Queue
from secrets import token_hex
from typing import Any

import structlog

from baotu.sdk import (
    BaotuError,
    Caller,
    Decision,
    Denied,
    Event,
    Fact,
    Invalid,
    Records,
    Refused,
    Resource,
    Tag,
    Unreachable,
    Write,
)
from baotu.sdk.door import Change
from baotu.sdk.ports import Reply
from baotu.sdk.writing import Authenticator, Outlook

from .approvals import Approvals
from .effects import Chain, Deed, digest
from .facts import Order
from .guard import Guard, WriteSettings, within
from .ledger import Rows
from .outlook import APPROVE, PERMISSION, outlook, wholes, with_who
from .receipts import Receipts
from .requests import Requests

log = structlog.get_logger("baotu.writes")
SECOND = 1_000_000_000
BOUND = 1000  # writes that wait in one lane; more are refused and audited
OVERRIDE = "tags.override"
GIVEN = frozenset({"approver", "reason", "evidence"})  # needs of a decision that are met here
CUT_OFF = "the platform stopped while it was on its way: it may have been done, look at the device"
Job = Order | tuple[int, str]  # or: number and organisation of an approved request


class Writes:
    """Implements `sdk.writing.Writing`; takes what apps yield and what people approved.

    `lanes` threads carry writes out; those of one tag keep their order.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        lanes: int = 4,
        settings: WriteSettings | None = None,
        people: Authenticator | None = None,
    ) -> None:
        self.chain, self.people = chain, people
        settings = settings or WriteSettings()
        self.guard = Guard(chain.reach.plant, chain.reach.history, settings)
        self.requests = Requests(chain, settings.approval_min, settings.waiting)
        self.receipts = Receipts(chain)
        for app in chain.apps:
            if isinstance(app, Approvals):
                app.may = self._may
        self._queues: list[Queue[Job | None]] = [Queue(BOUND) for _ in range(lanes)]
        self._threads: list[threading.Thread] = []
        self._unwatch: Callable[[], None] = lambda: None

    def start(self) -> None:
        self.recover()
        self.chain.orders = self.put
        self._unwatch = self.chain.watch(self._heard)
        for number, queue in enumerate(self._queues):
            thread = threading.Thread(
                target=self._loop, args=(queue,), name=f"writes-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self, deadline_s: float = 5.0) -> None:
        """What still waits is refused and audited; an approved request at the next start."""
        self.chain.orders = None
        self._unwatch()
        self._unwatch = lambda: None
        for queue in self._queues:
            while True:
                try:
                    job = queue.get_nowait()
                except Empty:
                    break
                if isinstance(job, Order):
                    self._tell(job, "refused", "the platform stops")
            queue.put(None)
        for thread in self._threads:
            thread.join(deadline_s / max(1, len(self._threads)))
        self._threads.clear()

    def recover(self) -> None:
        """Tell of every write that a fall has cut off; approved requests are not done late."""
        found = self.chain.store.ask(
            "SELECT mark, organisation, caller, verb, words FROM ledger_sent"
        )
        for mark, organisation, caller, verb, words in found:
            rows, now = Rows(), self.chain.clock.now()
            why = f"{words}; {CUT_OFF}"
            rows.add("audit", organisation, now, caller, verb, PERMISSION, "unknown", why)
            rows.add("landed", organisation, mark)
            self._commit(Caller("clock", organisation, frozenset(), kind="platform"), rows)
        self.requests.recover()

    def put(self, order: Order) -> None:
        """From the chain, after the commit. Never blocks."""
        try:
            self._queues[order.write.tag % len(self._queues)].put_nowait(order)
        except Full:
            self._tell(order, "refused", f"{BOUND} writes wait already; the device is too slow")

    def _heard(self, change: Change) -> None:
        """Approved by a commit just now: carry it out. Never blocks."""
        for fact in change.facts:
            if isinstance(fact, Event) and fact.kind == "write.approved":
                number = int(fact.data["request"])
                try:
                    job = number, change.organisation
                    self._queues[number % len(self._queues)].put_nowait(job)
                except Full:
                    log.warning("too many writes wait; the request expires", request=number)

    # -- asking ---------------------------------------------------------------------------------
    def write(
        self,
        tag: int | str,
        value: float | str,
        caller: Caller,
        reason: str,
        expires_s: float = 5.0,
        *,
        key: str = "",
        override: bool = False,
        source: str = "",
    ) -> Reply:
        """A write that a person or a bridged protocol asks for; waits for the read-back.

        Raises Denied, Invalid, Conflict, Refused, Unreachable; each outcome is audited.
        """
        number = tag if isinstance(tag, int) else self._number(tag)
        if not reason.strip():
            raise Invalid("reason", "say why: it stays in the audit")
        write = Write(tag=number, value=value, reason=reason.strip(), expires_s=expires_s)
        asked = self.chain.clock.now()
        order = Order(app="tags", caller=caller, write=write, asked=asked, key=key,
                      override=override, source=source)  # fmt: skip
        return self._audited(order, caller)

    def outlook(self, tag: str, caller: Caller) -> Outlook:
        """See `Writing`."""
        found, now = self._tag(self._number(tag)), self.chain.clock.now()
        return outlook(self.chain.policy, self.guard, found, caller, now)

    def carry_out(self, order: Order) -> None:
        """Do what an app asked for; every outcome is audited, none is raised."""
        granted = self.chain.reach.grants.get(order.app, frozenset())
        who = Caller(f"app:{order.app}", order.caller.organisation, granted, kind="app")
        try:
            self._audited(order, who)
        except BaotuError:
            return  # the audit has it: nobody else waits for it

    def carry_request(self, number: int, organisation: str) -> None:
        """Do what was approved, if it still may be done; every outcome is told to both sides."""
        found = self.requests.load(number, organisation)
        if found is None:
            return
        order, who = found
        try:
            try:
                who = self._again(who)
            except Denied as error:
                self._tell(order, "denied", str(error))
                raise
            self._audited(order, who)
        except BaotuError as error:
            late = self.chain.clock.now() > self._deadline(order)
            state = "expired" if late and isinstance(error, Refused) else "failed"
            end = self.requests.end(number, state, str(error), of=("approved",))
            self._commit(who, Rows(), lambda records: (None, end(records)))

    def _loop(self, queue: Queue[Job | None]) -> None:
        while (job := queue.get()) is not None:
            try:
                if isinstance(job, Order):
                    self.carry_out(job)
                else:
                    self.carry_request(*job)
            except Exception as error:
                if isinstance(job, Order):
                    self._tell(job, "bug", f"{type(error).__name__}: {error}")
                else:
                    log.exception("a request failed", request=job[0])

    # -- the chain ------------------------------------------------------------------------------
    def _audited(self, order: Order, who: Caller) -> Reply:
        try:
            return self._done(order, who)
        except Denied as error:
            self._tell(order, "denied", str(error))
            raise
        except (Invalid, Refused, Unreachable) as error:
            expired = self.chain.clock.now() > self._deadline(order)
            self._tell(order, "expired" if expired else "refused", str(error))
            raise

    def _done(self, order: Order, who: Caller) -> Reply:
        write = order.write
        tag = self._tag(write.tag)
        asked = digest({"who": who.name, "tag": tag.name, "value": write.value})
        decision = self._decide(order, who, tag)
        if (seen := self.receipts.find(who.organisation, order.key, asked)) is not None:
            return seen
        self.guard.check_tag(tag)
        self.guard.check_value(tag, write.value, override=self._beyond(order, who, tag))
        if self.chain.reach.actuators is None:
            raise Unreachable("this node reaches no device; write where the hub runs")
        now = self.chain.clock.now()
        self.guard.check_evidence(write.evidence, now)
        self.guard.check_needs(tag, now)
        if now > self._deadline(order):
            raise Refused(
                f"{tag.name}: not carried out within {write.expires_s:g} s, so not at all"
            )
        self.guard.check_pace(tag, who.name, now)
        if "approver" in decision.needs and order.approver is None:
            return self._wait(order, who, tag, asked)
        return self._send(order, who, tag, asked)

    def _decide(self, order: Order, who: Caller, tag: Tag) -> Decision:
        """Also of who approved it, by what holds now."""
        value = order.write.value
        about: dict[str, object] = {
            "via": order.source or order.app, "override": order.override,
            "inside": isinstance(value, str) or within(value, tag.low, tag.high),
        }  # fmt: skip
        if order.approver is not None:
            about["approver"] = order.approver.name
            self._may(self._again(order.approver), APPROVE, tag.name)
        decision, needs = Decision(allowed=False, why=""), frozenset[str]()
        for whole in wholes(value):
            decision = self._may(who, PERMISSION, tag.name, about | whole)
            needs |= decision.needs
        decision = replace(decision, needs=needs)
        if missing := decision.needs - GIVEN:
            raise Denied(f"{tag.name}: the policy wants {', '.join(sorted(missing))}")
        return decision

    def _may(
        self, caller: Caller, action: str, tag: str, context: dict[str, object] | None = None
    ) -> Decision:
        """Raises Denied with the policy's reason and who could."""
        policy, on = self.chain.policy, Resource("tag", tag)
        found = policy.judge(caller, action, on, context or {})
        if not found.allowed:
            raise Denied(with_who(found.why, policy.who_may(action, on)))
        return found

    def _beyond(self, order: Order, who: Caller, tag: Tag) -> bool:
        """Whether the limits of the tag may be left out for this write."""
        if order.override:
            self._may(who, OVERRIDE, tag.name)
        return order.override

    def _again(self, caller: Caller) -> Caller:
        """With the rights of now. Apps, nodes and the platform itself have no account."""
        if self.people is None or caller.kind not in ("person", "token", "device"):
            return caller
        return self.people.again(caller)

    def _wait(self, order: Order, who: Caller, tag: Tag, asked: str) -> Reply:
        """Nothing is sent: somebody else decides first."""
        newest = self.guard.newest(tag.id)
        before = newest[0] if newest and newest[0] == newest[0] else None
        number = self.requests.make(order, who, tag, before, asked, self._words(order))
        names = self.chain.policy.who_may(APPROVE, Resource("tag", tag.name))
        why = f"{tag.name}: request {number} waits for approval"
        return Reply(done=False, why=with_who(why, names), request=number)

    def _send(self, order: Order, who: Caller, tag: Tag, asked: str) -> Reply:
        """On record, to the device, off the record: in this order."""
        mark = self._intend(order, who, asked)
        if isinstance(mark, Reply):
            return mark
        reach, write = self.chain.reach, order.write
        assert reach.actuators is not None
        try:
            reply = reach.actuators.write(write.tag, write.value, self._deadline(order))
        except BaotuError as error:
            self._land(order, mark, Reply(done=False, why=str(error)))
            raise
        except Exception as error:
            self._land(order, mark, Reply(done=False, why=f"{type(error).__name__}: {error}"))
            raise
        self._land(order, mark, reply)
        return reply

    def _intend(self, order: Order, who: Caller, asked: str) -> str | Reply:
        """The mark of a write that may go now; or what became of it when it went before."""
        mark, fresh, rows = token_hex(8), [], Rows()
        take = self.requests.take(order.request) if order.request else None

        def body(records: Records) -> tuple[Any, Sequence[Fact]]:
            if take is not None:
                take(records)
            fresh.append(True)
            return {"mark": mark}, ()

        app, name = self._verb(order)
        now, words = self.chain.clock.now(), self._words(order)
        rows.add("sent", who.organisation, mark, now, order.caller.name, f"{app}.{name}", words)
        deed = Deed(app="tags", name="write", caller=who, body=body, audited=False, rows=rows,
                    key=order.key, asked=asked)  # fmt: skip
        answer = self.chain.submit(deed)
        return mark if fresh else self.receipts.reply(answer)

    def _land(self, order: Order, mark: str, reply: Reply) -> None:
        """Audit, receipt and request in one transaction with the end of the mark."""
        rows, organisation = Rows(), order.caller.organisation
        why = reply.why
        if reply.value is not None:
            why = f"read back {reply.value}" if reply.done else f"{why}; read back {reply.value}"
        app, name = self._verb(order)
        by, words = order.caller.name, self._words(order, why)
        outcome = "done" if reply.done else "refused"
        now = self.chain.clock.now()
        rows.add("audit", organisation, now, by, f"{app}.{name}", PERMISSION, outcome, words)
        rows.add("landed", organisation, mark)
        self.receipts.keep(rows, organisation, order.key, reply)
        end = None
        if order.request:
            end = self.requests.end(order.request, "done" if reply.done else "failed", why)
        self._commit(order.caller, rows, lambda r: (None, end(r) if end else ()))

    def _commit(
        self, who: Caller, rows: Rows,
        body: Callable[[Records], tuple[Any, Sequence[Fact]]] = lambda records: (None, ()),
    ) -> None:  # fmt: skip
        self.chain.submit(
            Deed(app="tags", name="write", caller=who, body=body, audited=False, rows=rows)
        )

    # -- words ----------------------------------------------------------------------------------
    def _number(self, tag: str) -> int:
        if self.chain.reach.plant is None:
            raise Invalid("tag", f"{tag} is not in the tag table")
        return self.chain.reach.plant.tag(tag).id

    def _tag(self, number: int) -> Tag:
        plant = self.chain.reach.plant
        tag = plant.by_id(number) if plant else None
        if tag is None:
            raise Invalid("tag", f"{number} is not in the tag table")
        return tag

    def _deadline(self, order: Order) -> int:
        return order.asked + int(order.write.expires_s * SECOND)

    def _verb(self, order: Order) -> tuple[str, str]:
        named = f"write {self.guard.name(order.write.tag)}"
        return order.app, "write" if order.app == "tags" else named

    def _words(self, order: Order, why: str = "") -> str:
        """Who else had a part in it stands here: the audit has one name a line."""
        write = order.write
        by = (
            f", approved by {order.approver.name} as request {order.request}"
            if order.approver
            else ""
        )
        way = f" [{order.source}]" if order.source else ""
        beyond = " beyond its limits" if order.override else ""
        words = (
            f"{self.guard.name(write.tag)} = {write.value}{beyond}: {write.reason}{way}{by}; {why}"
        )
        return words.rstrip("; ")

    def _tell(self, order: Order, outcome: str, why: str) -> None:
        app, name = self._verb(order)
        self.chain.note(app, name, order.caller, outcome, self._words(order, why), PERMISSION)

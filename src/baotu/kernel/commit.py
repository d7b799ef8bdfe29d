"""One transaction for all who wait: each deed in a savepoint, receipts and audit with it.

Whoever asks first while nobody leads becomes the leader: it runs all who wait in one transaction,
then hands the lead on. So under load one fsync serves many, and one thread at a time does the
work instead of many that contend for the interpreter.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from baotu.sdk import Caller, Conflict, Denied, Fact, Invalid, Records
from baotu.sdk.clock import Clock
from baotu.sdk.door import Change

from .blame import Blame
from .facts import Part, apply
from .ledger import FIND_RECEIPTS, Rows
from .store import Store, Writer

GROUP = 64  # commands in one transaction at most
Body = Callable[[Records], tuple[Any, Sequence[Fact]]]
Receipts = dict[tuple[str, str, str], tuple[str, str]]  # place: asked, answer
After = Callable[[Sequence[Change], Sequence[Part]], None]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Deed:
    """One change, which stands or falls alone inside its group.

    body: does it and says what it answers and which facts follow. key, asked: for the receipt.
    told_once: the answer is a secret and kept nowhere. audited: leaves a record when it succeeds;
    what fails leaves one in any case. why: what that record says besides.
    """

    app: str
    name: str
    caller: Caller
    body: Body
    permission: str = ""
    key: str = ""
    asked: str = ""
    told_once: bool = False
    audited: bool = True
    why: str = ""
    streaming: bool = False
    rows: Rows = field(default_factory=Rows)  # of the kernel's own, kept with what the body does

    @property
    def place(self) -> tuple[str, str, str]:
        """Organisation, verb, key: where its receipt is."""
        return self.caller.organisation, f"{self.app}.{self.name}", self.key


class Place:
    """Deeds in the queue, and the latch their caller waits at."""

    __slots__ = ("deeds", "done", "latch", "leads", "replies")

    def __init__(self, deeds: Sequence[Deed]) -> None:
        self.deeds, self.done, self.leads = deeds, False, False
        self.replies: Sequence[Any] = ()
        self.latch = threading.Lock()
        self.latch.acquire()


class Committer:
    """Runs deeds. Safe to call from any thread; it has none of its own.

    after: what follows a commit, on the thread of a leader, once the lead is handed on.
    """

    def __init__(self, store: Store, clock: Clock, blame: Blame, after: After) -> None:
        self.store, self.clock, self.blame, self.after = store, clock, blame, after
        self._waiting: deque[Place] = deque()
        self._gate = threading.Lock()
        self._led = False
        self._shared = False  # the last group had several callers
        self._told: deque[tuple[Sequence[Change], Sequence[Part]]] = deque()
        self._telling = False

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
            self._told.append((changes, parts))
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].latch.release()
            else:
                self._led = False
        self._tell()

    def _tell(self) -> None:
        """What follows the commits, in their order; whoever is at it does what comes meanwhile."""
        while True:
            with self._gate:
                if self._telling or not self._told:
                    return
                changes, parts = self._told.popleft()
                self._telling = True
            try:
                self.after(changes, parts)
            finally:
                with self._gate:
                    self._telling = False

    def _group(self) -> list[Place]:
        group: list[Place] = []
        if self._shared:  # those who were just answered come again: one turn of the interpreter
            os.sched_yield()  # for them, or this group is one deed with an fsync of its own
        with self._gate:
            size = 0
            while self._waiting and size < GROUP:
                place = self._waiting.popleft()
                group.append(place)
                size += len(place.deeds)
            self._shared = len(group) > 1
        return group

    def _commit(self, deeds: Sequence[Deed], changes: list[Change], parts: list[Part]) -> list[Any]:
        replies: list[Any] = []
        stood: list[tuple[Deed, Part]] = []
        try:
            with self.store.writing() as writer:
                rows, receipts = Rows(), self._receipts(deeds, writer)
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
        receipts: Receipts,
    ) -> tuple[Any, Part]:
        now, part = self.clock.now(), Part()
        whose, verb, key = deed.place
        outcome, why, reply = "done", deed.why, None
        writer.mark()
        try:
            seen = self._receipt(deed, receipts)
            if seen is not None:
                writer.keep()
                return json.loads(seen), part
            with writer.records(whose) as records:
                reply, facts = deed.body(records)
                records.flush()
                apply(facts, deed.app, deed.caller, now, writer, part)
                part.tables |= records.written
            if key:
                answer = "" if deed.told_once else json.dumps(reply)
                part.rows.add("receipt", whose, verb, key, deed.asked, answer, now)
                receipts[deed.place] = deed.asked, answer
            part.rows.extend(deed.rows)
            writer.keep()
            if deed.audited or deed.streaming:  # it ran a handler of the app
                self.blame.fine(deed.app, deed.streaming)
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

    def _receipts(self, deeds: Sequence[Deed], writer: Writer) -> Receipts:
        """What was answered before to the keys of these deeds, in one question."""
        places = {deed.place for deed in deeds if deed.key}
        if not places:
            return {}
        sql = FIND_RECEIPTS % ", ".join(["(?, ?, ?)"] * len(places))
        found = writer.rows(sql, [value for place in places for value in place])
        return {(whose, verb, key): (asked, answer) for whose, verb, key, asked, answer in found}

    def _receipt(self, deed: Deed, receipts: Receipts) -> str | None:
        """The answer that was given to this key before, in an earlier group or in this one."""
        found = receipts.get(deed.place) if deed.key else None
        if found is None:
            return None
        if found[0] != deed.asked:
            raise Conflict("key", f"{deed.key} was used before for other arguments")
        if not found[1]:
            raise Conflict("key", f"{deed.key} was done before; its answer was told once, then")
        return found[1]

"""Rows of writes that wait for approval, as `Writes` makes, takes and ends them.

Each step is one transaction with its line in the audit. A request is taken once: only the state
`approved` becomes `sending`, and only then is a device touched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from baotu.sdk import Caller, Conflict, Fact, Records, Tag, Write

from .approvals import OPEN, WriteRequest, event, packed, unpacked
from .effects import Chain, Deed
from .facts import Order
from .ledger import Rows

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
TABLE = WriteRequest.__tablename__
DUE = f"SELECT id, organisation FROM {TABLE} WHERE state IN ('waiting', 'approved') AND until <= ? LIMIT 100"
CUT = f"SELECT id, organisation, state FROM {TABLE} WHERE state IN ('approved', 'sending')"
STOPPED = "批准后平台停止，没有执行，需要时重新申请 It was approved, but the platform stopped before it was carried out: ask again if it is still wanted"
CUT_OFF = "发出后平台停止，结果不明，查看设备 The platform stopped while it was on its way: it may have been done, look at the device"
TOO_LATE = "没有人及时批准 Nobody approved it in time"


class Requests:
    """now: ns UTC. Every method is one transaction."""

    def __init__(self, chain: Chain, approval_min: float, most: int) -> None:
        self.chain, self.life, self.most = chain, int(approval_min * MINUTE), most

    def make(
        self, order: Order, who: Caller, tag: Tag, before: Any, digest: str, words: str
    ) -> int:
        """The number of the request; the one that waits already when it is the same."""
        write, now = order.write, order.asked
        fields: dict[str, Any] = {
            "tag": tag.id, "name": tag.name, "title": tag.title, "unit": tag.unit, "low": tag.low, "high": tag.high,
            "before": json.dumps(before), "value": json.dumps(write.value), "reason": write.reason,
            "evidence": json.dumps([self._name(t) for t in write.evidence]), "override": order.override,
            "expires_s": write.expires_s, "app": order.app, "asker": who.name, "caller": packed(who),
            "source": order.source, "asked": now, "until": now + self.life, "state": "waiting",
        }  # fmt: skip

        def body(records: Records) -> tuple[Any, Sequence[Fact]]:
            wanted = select(WriteRequest).where(WriteRequest.state == "waiting")
            waiting = list(records.scalars(wanted))
            for row in waiting:
                if (row.tag, row.asker) == (tag.id, who.name):
                    if row.value == fields["value"]:
                        return {"request": row.id}, ()
                    raise Conflict("tag", f"{tag.name}: your request {row.id} waits already")
            if len(waiting) >= self.most:
                raise Conflict("tag", f"{self.most} writes wait for approval already")
            row = records.put(WriteRequest(**fields))
            return {"request": row.id}, (event("write.asked", row),)

        rows = self._audit(who, f"{words}; waiting", "waiting")
        told = self._submit(who, body, "write", rows, order.key, digest)
        return int(told["request"])

    def load(self, id: int, organisation: str) -> tuple[Order, Caller] | None:
        """An approved request as an order, and who asked; None when it is not to be done."""
        with self.chain.store.reading(organisation) as records:
            row = records.scalar(select(WriteRequest).where(WriteRequest.id == id))
            if row is None or row.state != "approved":
                return None
            who, by = unpacked(row.caller), unpacked(row.approver)
            evidence = tuple(self._number(name) for name in json.loads(row.evidence))
            write = Write(row.tag, json.loads(row.value), row.reason, row.expires_s, evidence)
            order = Order(
                app=row.app, caller=who, write=write, asked=row.decided_at, override=row.override,
                source=row.source, request=row.id, approver=by,
            )  # fmt: skip
        return order, who

    def take(self, id: int) -> Callable[[Records], None]:
        """For the transaction before a device is touched: it is sent now, and never again."""

        def body(records: Records) -> None:
            row = records.find(WriteRequest, id)
            if row.state != "approved":
                raise Conflict("request", f"request {id} was taken before")
            row.state = "sending"

        return body

    def end(
        self, id: int, state: str, result: str, of: Sequence[str] = OPEN
    ) -> Callable[[Records], Sequence[Fact]]:
        """For the transaction that tells what became of it. of: the states that it may be in."""

        def body(records: Records) -> Sequence[Fact]:
            row = records.find(WriteRequest, id)
            if row.state not in of:
                return ()
            row.state, row.result = state, result
            return (event(f"write.{state}", row),)

        return body

    def expire(self) -> float:
        """End what nobody decided in time; seconds until it should be asked again."""
        for id, organisation in self.chain.store.ask(DUE, (self.chain.clock.now(),)):
            self._close(id, organisation, "expired", TOO_LATE)
        return 1.0

    def recover(self) -> None:
        """After a start: what was approved is not done late, what was under way is unknown."""
        for id, organisation, state in self.chain.store.ask(CUT):
            if state == "approved":
                self._close(id, organisation, "expired", STOPPED)
            else:
                self._close(id, organisation, "unknown", CUT_OFF)

    def _close(self, id: int, organisation: str, state: str, why: str) -> None:
        clock = Caller("clock", organisation, frozenset(), kind="platform")

        def body(records: Records) -> tuple[Any, Sequence[Fact]]:
            return None, self.end(id, state, why)(records)

        self._submit(clock, body, "write", self._audit(clock, f"request {id}: {why}", state))

    def _audit(self, who: Caller, words: str, outcome: str) -> Rows:
        rows = Rows()
        now = self.chain.clock.now()
        rows.add(
            "audit", who.organisation, now, who.name, "tags.write", "tags.write", outcome, words
        )
        return rows

    def _submit(
        self, who: Caller, body: Callable[[Records], Any], name: str, rows: Rows,
        key: str = "", asked: str = "",
    ) -> Mapping[str, Any]:  # fmt: skip
        deed = Deed(
            app="tags", name=name, caller=who, body=body, audited=False, rows=rows, key=key,
            asked=asked,
        )  # fmt: skip
        answer: Mapping[str, Any] = self.chain.submit(deed)
        return answer

    def _name(self, id: int) -> str:
        plant = self.chain.reach.plant
        tag = plant.by_id(id) if plant else None
        return tag.name if tag else str(id)

    def _number(self, name: str) -> int:
        plant = self.chain.reach.plant
        return plant.tag(name).id if plant else -1

"""Writes that need a second person: asked by one, approved by another, carried out at once or never.

A request is decided when it is made and once more, with the state of then, when it was approved
(see `Writes`). This app keeps what people said; it never touches a device.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated as A

from sqlalchemy import BigInteger, func, select
from sqlalchemy.orm import Mapped, mapped_column

from baotu.sdk import (
    App,
    Call,
    Caller,
    Conflict,
    Denied,
    Event,
    Facts,
    Invalid,
    Records,
    Table,
    command,
    nanoseconds,
    page,
    query,
    view,
)

STATES = {
    "waiting": "待批 Waits for approval",
    "approved": "已批准，执行中 Approved, on its way",
    "sending": "已发出 Sent to the device",
    "done": "已写入 Done",
    "failed": "未写成 Not done",
    "refused": "不批准 Refused",
    "withdrawn": "已撤回 Withdrawn",
    "expired": "已过期 Expired",
    "unknown": "结果不明，查看设备 End unknown: look at the device",
}
OPEN = ("waiting", "approved", "sending")
LONGEST = 500  # characters of a reason
NONE = "没有待批的写入。策略要求第二人批准的写入会出现在这里。 No writes wait. What a policy wants a second person to approve appears here."


class WriteRequest(Table):
    """A write that waits for its approver, and what became of it. Times are ns UTC.

    caller: of who asked, as JSON. value, before: as JSON. evidence: tags, as JSON.
    """

    tag: Mapped[int]
    name: Mapped[str]
    title: Mapped[str]
    unit: Mapped[str]
    low: Mapped[float | None]
    high: Mapped[float | None]
    before: Mapped[str]
    value: Mapped[str]
    reason: Mapped[str]
    evidence: Mapped[str]
    override: Mapped[bool]
    expires_s: Mapped[float]
    app: Mapped[str]
    asker: Mapped[str]
    caller: Mapped[str]
    source: Mapped[str]
    asked: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(index=True)
    decided_by: Mapped[str] = mapped_column(default="")
    decided_why: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[int] = mapped_column(BigInteger, default=0)
    approver: Mapped[str] = mapped_column(default="")
    result: Mapped[str] = mapped_column(default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for people and programs. evidence: names of the tags that it rests on."""

    id: int
    tag: str
    title: str
    unit: str
    low: float | None
    high: float | None
    before: float | str | None
    value: float | str
    reason: str
    evidence: list[str]
    override: bool
    asker: str
    source: str
    asked: datetime
    until: datetime
    state: str
    decided_by: str
    decided_why: str
    result: str

    @classmethod
    def of(cls, row: WriteRequest) -> Asked:
        return cls(
            id=row.id, tag=row.name, title=row.title, unit=row.unit, low=row.low, high=row.high,
            before=json.loads(row.before), value=json.loads(row.value), reason=row.reason,
            evidence=json.loads(row.evidence), override=row.override, asker=row.asker,
            source=row.source, asked=moment(row.asked), until=moment(row.until), state=row.state,
            decided_by=row.decided_by, decided_why=row.decided_why, result=row.result,
        )  # fmt: skip


def nobody(caller: Caller, action: str, tag: str) -> None:
    raise Denied("writes are off on this node")


TABLES: tuple[type[Table], ...] = (WriteRequest,)


class Approvals(App):
    """Shows writes that wait for a second person, and keeps who decided and why. 待批写入。"""

    title = "待批写入 Writes to approve"
    tables = TABLES

    may: Callable[[Caller, str, str], object] = staticmethod(nobody)
    """(caller, action, tag): raises Denied; set by `Writes`."""

    @command(permission="tags.approve", title="批准 Approve")
    def approve(
        self,
        records: Records,
        call: Call,
        request: A[int, "编号 Number"],
        reason: A[str, "理由 Reason"],
    ) -> Facts[str]:
        """Let this write of somebody else be carried out now. 批准他人的写入，立即执行。"""
        row = self._decided(records, call, request, reason)
        row.state = "approved"
        row.approver = packed(call.caller)
        yield event("write.approved", row)
        return row.state

    @command(permission="tags.approve", title="不批准 Refuse")
    def refuse(
        self,
        records: Records,
        call: Call,
        request: A[int, "编号 Number"],
        reason: A[str, "理由 Reason"],
    ) -> Facts[str]:
        """Say no to this write; who asked is told why. 不批准，告知原因。"""
        row = self._decided(records, call, request, reason)
        row.state, row.result = "refused", reason.strip()
        yield event("write.refused", row)
        return row.state

    @command(permission="tags.write", title="撤回 Withdraw")
    def withdraw(self, records: Records, call: Call, request: A[int, "编号 Number"]) -> Facts[str]:
        """Take a write back that one has asked for. 撤回自己的申请。"""
        row = self._waiting(records, call, request)
        if row.asker != call.caller.name:
            raise Denied("只有申请人可以撤回 Only who asked may withdraw it")
        row.state, row.decided_by, row.decided_at = "withdrawn", row.asker, nanoseconds(call.now)
        yield event("write.withdrawn", row)
        return row.state

    @query(title="待批 Waiting")
    def waiting(self, records: Records, limit: A[int, "条数 Limit"] = 200) -> list[Asked]:
        """Writes that nobody has decided yet, or that are on their way; the oldest first."""
        wanted = select(WriteRequest).where(WriteRequest.state.in_(OPEN))
        return [Asked.of(r) for r in records.scalars(wanted.order_by(WriteRequest.id).limit(limit))]

    @query(title="一件申请 One request")
    def request(self, records: Records, request: A[int, "编号 Number"]) -> Asked:
        """A request and what became of it."""
        return Asked.of(records.find(WriteRequest, request))

    @query(title="已办 Decided")
    def history(self, records: Records, limit: A[int, "条数 Limit"] = 100) -> list[Asked]:
        """All requests, the newest first."""
        wanted = select(WriteRequest).order_by(WriteRequest.id.desc()).limit(limit)
        return [Asked.of(row) for row in records.scalars(wanted)]

    @query(title="待批件数 How many wait")
    def count(self, records: Records) -> int:
        wanted = select(func.count(WriteRequest.id)).where(WriteRequest.state == "waiting")
        return int(records.scalar(wanted))

    @page(title="待批写入 Writes to approve")
    def overview(self, records: Records) -> view.View:
        rows = [row for row in self.waiting(records) if row.state == "waiting"]
        done = [row for row in self.history(records) if row.state not in OPEN]
        heads = ("编号 No.", "位号 Tag", "现值 Before", "写入 After", "单位 Unit", "限值 Limits",
                 "原因 Reason", "申请人 Asked by", "截止 Until")  # fmt: skip
        cells = tuple((
            r.id, r.tag, plain(r.before), r.value, r.unit, limits(r), r.reason,
            f"{r.asker} {r.source}".strip(), r.until,
        ) for r in rows)  # fmt: skip
        acts = tuple(view.Action(n, (("request", 0),)) for n in ("approve", "refuse", "withdraw"))
        links = tuple(f"/asset/{r.tag.rpartition('/')[0]}" for r in rows)
        after = ("编号 No.", "位号 Tag", "写入 After", "状态 State", "申请人 Asked by", "决定人 Decided by",
                 "理由 Reason", "结果 Result", "时间 Time")  # fmt: skip
        past = tuple((
            r.id, r.tag, r.value, STATES[r.state], r.asker, r.decided_by, r.decided_why, r.result,
            r.asked,
        ) for r in done)  # fmt: skip
        table = view.Table(heads, cells, title="待批 Waiting", links=links, actions=acts)
        return view.column(
            table if cells else view.Markdown(NONE),
            *((view.Table(after, past, title="已办 Decided"),) if past else ()),
        )

    def _decided(self, records: Records, call: Call, request: int, reason: str) -> WriteRequest:
        row, who = self._waiting(records, call, request), call.caller
        if not reason.strip():
            raise Invalid("reason", "say why: it stays in the audit")
        if len(reason) > LONGEST:
            raise Invalid("reason", f"至多 {LONGEST} 字 At most {LONGEST} characters")
        if who.kind != "person":
            raise Denied("批准须由人作出，不能用令牌或应用 A person approves, no token and no app")
        if who.name == row.asker:
            raise Denied("申请人不能批准自己的写入 Who asked for a write may not approve it")
        self.may(who, "tags.approve", row.name)
        row.decided_by, row.decided_why = who.name, reason.strip()
        row.decided_at = nanoseconds(call.now)
        return row

    def _waiting(self, records: Records, call: Call, request: int) -> WriteRequest:
        row = records.find(WriteRequest, request)
        if row.state != "waiting" or row.until <= nanoseconds(call.now):
            state = STATES["expired" if row.state == "waiting" else row.state]
            raise Conflict(
                "request",
                f"{request} 已不再等待：{view.in_language(state, 'zh')} No. {request} does not wait any more: {view.in_language(state, 'en')}",
            )
        return row


def event(kind: str, row: WriteRequest) -> Event:
    """For both sides: who asked and who decides find their own name in it."""
    return Event(kind, {
        "request": row.id, "tag": row.name, "value": row.value, "asker": row.asker,
        "decided_by": row.decided_by, "why": row.decided_why, "state": row.state,
        "result": row.result,
    })  # fmt: skip


def packed(caller: Caller) -> str:
    return json.dumps({
        "name": caller.name, "organisation": caller.organisation,
        "permissions": sorted(caller.permissions), "roles": sorted(caller.roles),
        "kind": caller.kind, "via": caller.via,
    })  # fmt: skip


def unpacked(text: str) -> Caller:
    told = json.loads(text)
    return Caller(
        told["name"], told["organisation"], frozenset(told["permissions"]),
        frozenset(told["roles"]), told["kind"], told["via"],
    )  # fmt: skip


def plain(value: float | str | None) -> float | str:
    return "–" if value is None else value


def limits(row: Asked) -> str:
    if row.low is None and row.high is None:
        return ""
    return " … ".join("" if limit is None else f"{limit:g}" for limit in (row.low, row.high))


def moment(time: int) -> datetime:
    return datetime.fromtimestamp(time // 10**9, UTC)

"""What people do with alarms: acknowledge, shelve, suppress, comment; after ISA-18.2 / IEC 62682."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated as A

from sqlalchemy import func, select

from baotu.sdk import (
    App,
    Call,
    Caller,
    Conflict,
    Fact,
    Invalid,
    Records,
    command,
    nanoseconds,
    page,
    query,
    view,
)
from baotu.sdk.alarms import AlarmEvent, AlarmRow

from .alarms import TABLES, state_of
from .effects import Chain, Deed

MINUTE = 60 * 10**9
LONGEST_MIN = 7 * 24 * 60  # a shelf is for a time, never for good (ISA-18.2, 11.7)
DUE = (
    "SELECT id, organisation FROM alarms_alarm_row "
    "WHERE shelved_until > 0 AND shelved_until <= ? LIMIT 100"
)
STATES = {
    "unacknowledged": "未确认 Unacknowledged",
    "acknowledged": "已确认 Acknowledged",
    "returned": "已恢复未确认 Returned, unacknowledged",
    "shelved": "已搁置 Shelved",
    "suppressed": "已抑制 Suppressed",
    "normal": "正常 Normal",
}
PRIORITIES = {1: "紧急 Urgent", 2: "高 High", 3: "中 Medium", 4: "低 Low"}


class Alarms(App):
    """Shows alarms by state and priority, and keeps what people did about them. 报警管理。"""

    title = "报警 Alarms"
    tables = TABLES
    serves = ("2.7",)

    @command(permission="alarms.acknowledge", title="确认 Acknowledge")
    def acknowledge(self, records: Records, call: Call, alarm: A[int, "报警编号 Alarm id"]) -> str:
        """Someone has seen it."""
        row = records.find(AlarmRow, alarm)
        if row.acknowledged:
            raise Conflict(
                "alarm", f"was acknowledged before, by {row.acknowledged_by or 'nobody'}"
            )
        return see(records, call, row)

    @command(permission="alarms.acknowledge", title="全部确认 Acknowledge all")
    def acknowledge_all(
        self,
        records: Records,
        call: Call,
        priority: A[int, "优先级，0 为全部 Priority, 0 for all"] = 0,
    ) -> int:
        """Someone has seen all of them, or all of a priority; how many."""
        wanted = select(AlarmRow).where(AlarmRow.state.in_(("unacknowledged", "returned")))
        if priority:
            wanted = wanted.where(AlarmRow.priority == priority)
        rows = records.scalars(wanted).all()
        for row in rows:
            see(records, call, row)
        return len(rows)

    @command(permission="alarms.shelve", title="搁置 Shelve")
    def shelve(
        self,
        records: Records,
        call: Call,
        alarm: A[int, "报警编号 Alarm id"],
        minutes: A[float, "分钟 Minutes"] = 30.0,
        reason: A[str, "原因 Reason"] = "",
    ) -> str:
        """Hide it for a time."""
        if not 0 < minutes <= LONGEST_MIN:
            raise Invalid("minutes", f"more than 0, at most {LONGEST_MIN}")
        row = records.find(AlarmRow, alarm)
        row.shelved_until = nanoseconds(call.now) + int(minutes * MINUTE)
        return moved(records, call, row, "shelved", f"{minutes:g} min {reason}".strip())

    @command(permission="alarms.shelve", title="取消搁置 Unshelve")
    def unshelve(self, records: Records, call: Call, alarm: A[int, "报警编号 Alarm id"]) -> str:
        """Show it again; while it is active somebody has to acknowledge it."""
        row = records.find(AlarmRow, alarm)
        if not row.shelved_until:
            raise Conflict("alarm", "is not shelved")
        return shown(records, call, row, "by hand")

    @command(permission="alarms.suppress", title="抑制 Suppress", duty="maintain")
    def suppress(
        self,
        records: Records,
        call: Call,
        alarm: A[int, "报警编号 Alarm id"],
        reason: A[str, "原因 Reason"],
    ) -> str:
        """Hide it by design or because its equipment is out of service, until told otherwise."""
        if not reason.strip():
            raise Invalid("reason", "say why nobody should see this alarm")
        row = records.find(AlarmRow, alarm)
        row.suppressed = reason
        return moved(records, call, row, "suppressed", reason)

    @command(permission="alarms.suppress", title="取消抑制 Unsuppress", duty="maintain")
    def unsuppress(self, records: Records, call: Call, alarm: A[int, "报警编号 Alarm id"]) -> str:
        row = records.find(AlarmRow, alarm)
        if not row.suppressed:
            raise Conflict("alarm", "is not suppressed")
        row.suppressed, row.acknowledged = "", not row.active
        return moved(records, call, row, "unsuppressed", "")

    @command(permission="alarms.acknowledge", title="备注 Comment")
    def comment(
        self,
        records: Records,
        call: Call,
        alarm: A[int, "报警编号 Alarm id"],
        text: A[str, "内容 Text"],
    ) -> str:
        row = records.find(AlarmRow, alarm)
        row.comment = text
        return moved(records, call, row, "commented", text)

    @query(title="未处理报警 Open alarms")
    def open(self, records: Records, limit: A[int, "条数 Limit"] = 500) -> list[AlarmRow]:
        """All but those that are normal, hidden ones last; then by priority, the newest first."""
        hidden = AlarmRow.state.in_(("shelved", "suppressed"))
        wanted = select(AlarmRow).where(AlarmRow.state != "normal")
        order = wanted.order_by(hidden, AlarmRow.priority, AlarmRow.raised.desc(), AlarmRow.id)
        return list(records.scalars(order.limit(limit)))

    @query(title="报警历史 Alarm history")
    def history(
        self,
        records: Records,
        alarm: A[int, "报警编号，0 为全部 Alarm id, 0 for all"] = 0,
        before: A[int, "早于 Before, ns UTC"] = 0,
        limit: A[int, "条数 Limit"] = 200,
    ) -> list[AlarmEvent]:
        wanted = select(AlarmEvent).order_by(AlarmEvent.time.desc(), AlarmEvent.id.desc())
        if alarm:
            wanted = wanted.where(AlarmEvent.alarm == alarm)
        if before:
            wanted = wanted.where(AlarmEvent.time < before)
        return list(records.scalars(wanted.limit(limit)))

    @query(title="按优先级计数 Counts by priority")
    def counts(self, records: Records) -> dict[int, int]:
        """How many need somebody, by priority 1 to 4."""
        wanted = (
            select(AlarmRow.priority, func.count(AlarmRow.id))
            .where(AlarmRow.state.in_(("unacknowledged", "acknowledged", "returned")))
            .group_by(AlarmRow.priority)
        )
        return {row[0]: row[1] for row in records.execute(wanted)}

    @page(title="报警 Alarms")
    def overview(self, records: Records) -> view.View:
        columns = (
            "编号 Id", "优先级 Priority", "状态 State", "应用 App", "位号 Tag", "说明 Message",
            "开始 Raised", "次数 Count", "备注 Comment",
        )  # fmt: skip
        rows = tuple(
            (
                a.id, PRIORITIES.get(a.priority, str(a.priority)), STATES[a.state], a.app, a.tag,
                a.message, when(a.raised), a.count, a.comment,
            )
            for a in self.open(records)
        )  # fmt: skip
        forms = ("acknowledge", "acknowledge_all", "shelve", "unshelve", "suppress",
                 "unsuppress", "comment")  # fmt: skip
        return view.column(
            view.Table(columns, rows, title="未处理报警 Open alarms"),
            view.row(*(view.Form(name) for name in forms)),
        )


def see(records: Records, call: Call, row: AlarmRow) -> str:
    row.acknowledged = True
    row.acknowledged_at, row.acknowledged_by = nanoseconds(call.now), call.caller.name
    return moved(records, call, row, "acknowledged", "")


def shown(records: Records, call: Call, row: AlarmRow, why: str) -> str:
    row.shelved_until, row.acknowledged = 0, not row.active
    return moved(records, call, row, "unshelved", why)


def moved(records: Records, call: Call, row: AlarmRow, what: str, message: str) -> str:
    """Write the state that follows from the row's four facts, and the event; the state."""
    row.state = state_of(
        row.active, row.acknowledged, bool(row.shelved_until), bool(row.suppressed)
    )
    records.flush()
    who, time = call.caller.name, nanoseconds(call.now)
    records.put(AlarmEvent(alarm=row.id, time=time, what=what, who=who, message=message))
    return row.state


def when(time: int) -> datetime:
    return datetime.fromtimestamp(time // 10**9, UTC)


def unshelve_due(chain: Chain) -> float:
    """Bring back what was shelved until now; seconds until it should be asked again."""
    deeds = []
    for id, organisation in chain.store.ask(DUE, (chain.clock.now(),)):
        who = Caller("clock", organisation, frozenset(), kind="platform")

        def body(records: Records, id: int = id, who: Caller = who) -> tuple[str, Sequence[Fact]]:
            return shown(records, chain.call_of(who), records.find(AlarmRow, id), "time is up"), ()

        deeds.append(Deed(app="alarms", name="unshelve", caller=who, body=body, audited=False))
    if deeds:
        chain.submit_all(deeds)
    return 1.0

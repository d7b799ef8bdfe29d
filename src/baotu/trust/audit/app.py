"""The auditor's own verbs: ask for a verification, see what earlier ones found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated as A

from sqlalchemy import select

from baotu.sdk import App, Call, Conflict, Records, command, page, query, view
from baotu.sdk.samples import nanoseconds

from .tables import TABLES, Kept, Verification

OPEN = ("asked", "running")
STATES = {
    "asked": "等待 Waiting", "running": "验证中 Under way", "good": "已证明 Proved",
    "damaged": "已损坏 Damaged", "failed": "未能验证 Not possible",
}  # fmt: skip
NONE = "还没有验证过整个日志。按下面的按钮开始。 The whole log was not verified yet. Press the button below."


class Audit(App):
    """Verifies the log of the audit on demand. 按需验证审计日志。"""

    title = "审计 Audit"
    serves = ("3.3",)
    tables = TABLES

    @command(permission="audit.prove", duty="review", title="验证整个审计日志 Verify the whole log")
    def verify(self, records: Records, call: Call) -> int:
        """Hash every record again; its number. 重算每一条记录。"""
        if records.scalars(select(Verification).where(Verification.state.in_(OPEN))).first():
            raise Conflict("verify", "已在验证 A verification is under way")
        now = nanoseconds(call.now)
        return records.put(Verification(asked=now, who=call.caller.name, state="asked")).id

    @query(permission="audit.read", duty="review", title="验证 Verifications")
    def verifications(
        self, records: Records, limit: A[int, "条数 Limit"] = 20
    ) -> list[Verification]:
        """The newest first. 最近的在前。"""
        wanted = select(Verification).order_by(Verification.id.desc())
        return list(records.scalars(wanted.limit(limit)))

    @query(permission="audit.read", duty="review", title="检查点 Checkpoints")
    def checkpoints(self, records: Records, limit: A[int, "条数 Limit"] = 20) -> list[Kept]:
        """Signed heads of the log that the records keep, the newest first. 记录库保存的检查点。"""
        return list(records.scalars(select(Kept).order_by(Kept.id.desc()).limit(limit)))

    @page(permission="audit.read", duty="review", title="审计验证 Verification of the audit")
    def overview(self, records: Records) -> view.View:
        rows = self.verifications(records)
        columns = (
            "编号 Id",
            "提出 Asked",
            "谁 Who",
            "结果 Outcome",
            "记录数 Records",
            "发现 Found",
        )
        cells = tuple(
            (r.id, _when(r.asked), r.who, STATES[r.state], r.size, r.found.partition("\n")[0])
            for r in rows
        )
        table: view.View = view.Table(columns, cells, title="验证 Verifications")
        return view.column(table if rows else view.Markdown(NONE), view.Form("verify"))


def _when(time: int) -> datetime:
    return datetime.fromtimestamp(time // 10**9, UTC)

"""What the system administrator sees and does of backups: how they fare, one now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from baotu.sdk import App, Conflict, command, page, query, view

PERMISSION = "backup.manage"
NEVER = "尚未 never"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupState:
    """Times in ns UTC, 0 for never. why: what is wrong, empty when all is well."""

    to: str
    state: str
    why: str
    number: int
    taken: int
    checked: int
    proved: int
    bytes: int
    written: int


NONE = BackupState(
    to="", state="off", why="没有设置 [backup] to is not set", number=0, taken=0, checked=0, proved=0,
    bytes=0, written=0,
)  # fmt: skip


class Backups(App):
    """Shows how the backups of this node fare. 本节点的备份。"""

    title = "备份 Backups"
    serves = ("3.5",)
    status: Callable[[], BackupState] = staticmethod(lambda: NONE)
    ask: Callable[[], None] | None = None

    @command(permission=PERMISSION, duty="administer", title="立即备份 Back up now")
    def take(self) -> str:
        """Ask for a backup; it is taken while everything goes on. 请求一次备份。"""
        if self.ask is None:
            raise Conflict("backup", NONE.why)
        self.ask()
        return "已请求 asked for"

    @query(permission=PERMISSION, duty="administer", title="备份状态 State of backups")
    def state(self) -> BackupState:
        return self.status()

    @page(permission=PERMISSION, duty="administer", title="备份 Backups")
    def overview(self) -> view.View:
        told = self.status()
        rows = (
            ("目标 To", told.to or "—"),
            ("状态 State", f"{told.state} {told.why}".strip()),
            ("最近一次 Newest", f"{told.number}, {_when(told.taken)}"),
            ("全库校验 Whole store checked", _when(told.checked)),
            ("试恢复通过 Restore proved", _when(told.proved)),
            ("字节 Bytes kept, written last", f"{told.bytes:,}, {told.written:,}"),
        )
        return view.column(
            view.Table(("项 Item", "值 Value"), rows, title="备份 Backups"), view.Form("take")
        )


def _when(time: int) -> str:
    return datetime.fromtimestamp(time // 10**9, UTC).isoformat() if time else NEVER

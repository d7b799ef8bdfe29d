"""What the security officer does with secrets: keep, forget, change the key; never read a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated as A

from baotu.sdk import App, Call, command, page, query, view
from baotu.sdk.secret import Secret

from .vault import Secrets as Store

HOW = (
    "在配置里写 `secret:名称`，值只在使用时打开，任何页面、日志和接口都不显示它。 "
    "Write `secret:NAME` in the configuration; the value is opened when it is used and shown nowhere."
)
PERMISSION = "secrets.manage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    name: str
    version: int
    set_at: datetime
    set_by: str
    versions: int


class Secrets(App):
    """Keeps passwords and keys by name; shows none. 密钥库。"""

    title = "密钥 Secrets"
    store: Store  # given by `over`: an app cannot open files of its own

    @classmethod
    def over(cls, store: Store) -> Secrets:
        made = cls()
        made.store = store
        return made

    @command(permission=PERMISSION, duty="guard", title="保存密钥 Keep a secret")
    def set(
        self,
        call: Call,
        name: A[str, "名称，如 mqtt-line1 Name"],
        value: A[Secret, "值 Value"],
    ) -> int:
        """Keep a value under a name, or a new version of it; its number. 保存值或新版本。"""
        return self.store.set(name, value, call.caller.name)

    @command(permission=PERMISSION, duty="guard", title="删除密钥 Remove a secret")
    def remove(self, name: A[str, "名称 Name"]) -> str:
        """Forget a secret with all its versions. 连同所有版本一起删除。"""
        self.store.remove(name)
        return name

    @command(permission=PERMISSION, duty="guard", title="更换主密钥 Change the node's key")
    def rotate(self) -> int:
        """Wrap all secrets under a fresh key, while everything goes on; how many versions."""
        return self.store.rotate()

    @query(permission=PERMISSION, duty="guard", title="密钥名称 Names of secrets")
    def names(self) -> list[Named]:
        """Names, versions, when and by whom; no values."""
        return [
            Named(name=k.name, version=k.version, set_at=datetime.fromisoformat(k.set_at),
                  set_by=k.set_by, versions=k.versions)
            for k in self.store.names()
        ]  # fmt: skip

    @page(permission=PERMISSION, duty="guard", title="密钥 Secrets")
    def overview(self) -> view.View:
        columns = ("名称 Name", "版本 Version", "保存时间 Kept at", "保存者 By")
        rows = tuple((k.name, k.version, k.set_at, k.set_by) for k in self.names())
        forms = (view.Form("set"), view.Form("remove"), view.Form("rotate"))
        return view.column(
            view.Markdown(HOW),
            view.Table(columns, rows, title="已保存 Kept"),
            view.row(*forms),
        )

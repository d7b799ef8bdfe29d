"""What third-party apps were granted: installing one is a record that somebody signed.

A grant is for an app from one source: another file or package of the same name has none. It holds
what was declared then; a version that declares more waits for a new one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated as A

from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from baotu.kernel.store import Store
from baotu.sdk import (
    App,
    Call,
    Conflict,
    Event,
    Facts,
    Invalid,
    Records,
    Table,
    command,
    page,
    query,
    view,
)
from baotu.sdk.door import Change
from baotu.sdk.trust import ACTIONS

STATES = {
    "granted": "已授权 Granted",
    "waiting": "等待授权 Waiting for a grant",
    "more": "要求更多，等待授权 Declares more, waiting for a grant",
    "revoked": "已收回 Revoked",
}


class AppGrant(Table):
    """Rows are only added: the newest of an app and its source counts."""

    app: Mapped[str] = mapped_column(index=True)
    source: Mapped[str]
    seal: Mapped[str]  # version of the package, SHA-256 of the file
    declared: Mapped[str]  # actions, with blanks between
    granted: Mapped[bool]
    at: Mapped[datetime]
    by: Mapped[str]
    reason: Mapped[str]


READ = (
    f"SELECT app, source, declared, granted FROM {AppGrant.__tablename__} "
    "WHERE organisation = ? ORDER BY id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What an app that is here asks for."""

    app: str
    title: str
    source: str
    seal: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An app with what it asks for and what it was given, as the page shows it."""

    app: str
    title: str
    source: str
    version: str
    state: str
    asks: list[str]
    granted: list[str]


class Book(Mapping[str, frozenset[str]]):
    """Implements `Reach.grants`: what each app may do now. Safe to read from any thread.

    own: apps that run in the hub. told: hears of an app whose grant has changed.
    """

    def __init__(self, own: Mapping[str, frozenset[str]], guests: Sequence[Declared]) -> None:
        self._own, self.guests = dict(own), {one.app: one for one in guests}
        self._rows: dict[tuple[str, str], tuple[frozenset[str], bool]] = {}
        self._lock = threading.Lock()

    def read(self, store: Store, organisation: str) -> None:
        rows = {
            (app, source): (frozenset(declared.split()), bool(granted))
            for app, source, declared, granted in store.ask(READ, (organisation,))
        }
        with self._lock:
            self._rows = rows

    def state(self, app: str) -> str:
        """granted, waiting, more or revoked."""
        one = self.guests[app]
        declared, granted = self._rows.get((app, one.source), (frozenset(), None))
        if not granted:
            return "waiting" if granted is None else "revoked"
        return "granted" if one.permissions <= declared else "more"

    def runs(self, app: str) -> bool:
        return app not in self.guests or self.state(app) == "granted"

    def given(self, app: str) -> frozenset[str]:
        """What the record says, whatever the app declares today."""
        one = self.guests[app]
        declared, granted = self._rows.get((app, one.source), (frozenset(), False))
        return declared if granted else frozenset()

    def __getitem__(self, app: str) -> frozenset[str]:
        if app in self.guests:
            return self.guests[app].permissions if self.runs(app) else frozenset()
        return self._own[app]

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from self.guests

    def __len__(self) -> int:
        return len(self._own) + len(self.guests)

    def follow(
        self, store: Store, organisation: str, told: Callable[[], None]
    ) -> Callable[[Change], None]:
        """For `Chain.watch`: read again when a grant was written, then tell."""

        def heard(change: Change) -> None:
            if AppGrant.__tablename__ in change.tables:
                self.read(store, organisation)
                told()

        return heard


class Apps(App):
    """Grants third-party apps what they declare, and takes it back. 第三方应用的授权。"""

    title = "应用授权 App grants"
    tables = (AppGrant,)
    book: Book = Book({}, ())

    @command(permission="apps.install", title="授权 Grant", duty="engineer")
    def grant(
        self,
        records: Records,
        call: Call,
        app: A[str, "应用 App"],
        reason: A[str, "原因 Reason"],
    ) -> Facts[str]:
        """Install a third-party app: grant all that it declares. 安装并授予其声明的全部权限。"""
        one = self._signed(records, call, app, reason, granted=True)
        yield Event("app.granted", {"app": app, "permissions": " ".join(sorted(one.permissions))})
        return "granted"

    @command(permission="apps.install", title="收回授权 Revoke", duty="engineer")
    def revoke(
        self,
        records: Records,
        call: Call,
        app: A[str, "应用 App"],
        reason: A[str, "原因 Reason"],
    ) -> Facts[str]:
        """Stop a third-party app at once and take back what it was granted. 立即停止并收回授权。"""
        if self.book.state(self._known(app).app) in ("waiting", "revoked"):
            raise Conflict("app", "没有授权 It has no grant")
        self._signed(records, call, app, reason, granted=False)
        yield Event("app.revoked", {"app": app})
        return "revoked"

    @query(title="第三方应用 Third-party apps", permission="apps.read")
    def installed(self) -> list[Installed]:
        """What each asks for and what it was given."""
        book = self.book
        return [
            Installed(
                app=one.app, title=one.title, source=one.source, version=one.seal,
                state=book.state(one.app), asks=sorted(one.permissions),
                granted=sorted(book.given(one.app)),
            )
            for one in book.guests.values()
        ]  # fmt: skip

    @query(title="授权记录 Grants over time", permission="apps.read")
    def grants(self, records: Records, limit: A[int, "条数 Limit"] = 200) -> list[AppGrant]:
        """Who granted or revoked what, the newest first."""
        return list(records.scalars(select(AppGrant).order_by(AppGrant.id.desc()).limit(limit)))

    @page(title="应用授权 App grants", permission="apps.read")
    def overview(self, records: Records) -> view.View:
        """What waits, what was given, and who gave it."""
        apps = self.installed()
        signed = self.grants(records, 50)
        asks = (
            "应用 App", "名称 Title", "来源 Source", "版本 Version", "状态 State", "要求 Asks for",
            "已授予 Granted",
        )  # fmt: skip
        cells = tuple(
            (a.app, a.title, a.source, a.version, STATES[a.state], words(a.asks), words(a.granted))
            for a in apps
        )
        acts = (view.Action("grant", (("app", 0),)), view.Action("revoke", (("app", 0),)))
        past = ("时间 Time", "应用 App", "来源 Source", "决定 Decision", "谁 Who", "原因 Reason")
        rows = tuple(
            (g.at, g.app, g.source, STATES["granted" if g.granted else "revoked"], g.by, g.reason)
            for g in signed
        )
        none = view.Markdown(
            "没有第三方应用。带 baotu.apps 入口的包与 plugins/ 中的文件会出现在这里。 No third-party apps. Packages with a"
            " baotu.apps entry point and files in plugins/ appear here."
        )
        here = view.Table(asks, cells, title="第三方应用 Third-party apps", actions=acts)
        return view.column(
            here if apps else none, view.Table(past, rows, title="授权记录 Grants over time")
        )

    def _known(self, app: str) -> Declared:
        found = self.book.guests.get(app)
        if found is None:
            known = ", ".join(self.book.guests) or "—"
            raise Invalid(
                "app", f"没有这个第三方应用，有： no such third-party app; there are: {known}"
            )
        return found

    def _signed(
        self, records: Records, call: Call, app: str, reason: str, *, granted: bool
    ) -> Declared:
        one = self._known(app)
        if not reason.strip():
            raise Invalid("reason", "写上原因，它留在审计里 say why: it stays in the audit")
        records.put(
            AppGrant(
                app=app, source=one.source, seal=one.seal, granted=granted, at=call.now,
                declared=" ".join(sorted(one.permissions)), by=call.caller.name, reason=reason,
            )
        )  # fmt: skip
        return one


def words(actions: Sequence[str]) -> str:
    """`tags.write 写设备 Write to the plant`, one after the other; a dash for none."""
    told = [f"{one} ({ACTIONS[one][1]})" if one in ACTIONS else one for one in actions]
    return "; ".join(told) or "—"

"""The app for firms on one platform: made and switched off by the house, sharing by agreement.

A firm sees its own; what another firm shares begins when both have signed and ends at once when
either revokes. Each side's signature is a row of its own organisation, so none can sign for the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated as A

from sqlalchemy import UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from baotu.sdk import (
    App,
    Call,
    Conflict,
    Denied,
    Invalid,
    Records,
    Table,
    command,
    page,
    query,
    view,
)

from .agreements import OPEN_DUTIES, Deal, terms_hash
from .engine import CedarPolicy

NAME = re.compile(r"[\w][\w.-]{0,62}")
REASON = "原因 Reason"
ABOUT = """**组织 Organisations** 是本平台上的租户。一个组织只看得到自己的资产、数据、应用与人员；要共享，双方签署协议，
任何一方撤销，立即失效。

Organisations are the tenants of this platform. Each sees its own assets, data, apps and people; to share, both
sides sign an agreement. It ends at once when either side revokes it."""
STATES = {
    "proposed": "待对方接受 Proposed",
    "in force": "生效 In force",
    "expired": "到期 Expired",
    "revoked": "已撤销 Revoked",
}


class Firm(Table):
    """A tenant. The house keeps these rows. disabled: why nobody of it may do anything now."""

    __table_args__ = (UniqueConstraint("organisation", "name"),)
    name: Mapped[str]
    title: Mapped[str]
    made: Mapped[datetime]
    made_by: Mapped[str]
    disabled: Mapped[str] = mapped_column(default="")


class Agreement(Table):
    """What its organisation offers to share. assets, actions: separated by commas."""

    partner: Mapped[str]
    assets: Mapped[str]
    actions: Mapped[str]
    until: Mapped[datetime | None]
    purpose: Mapped[str]
    author: Mapped[str]
    written: Mapped[datetime]
    hash: Mapped[str]


class Signature(Table):
    """What its organisation said to an agreement: `accepted` or `revoked`. Only ever added."""

    __table_args__ = (UniqueConstraint("organisation", "agreement", "what"),)
    agreement: Mapped[int]
    what: Mapped[str]
    hash: Mapped[str]
    author: Mapped[str]
    signed: Mapped[datetime]
    reason: Mapped[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """An agreement as one of its two sides sees it."""

    id: int
    owner: str
    partner: str
    assets: list[str]
    actions: list[str]
    until: datetime | None
    purpose: str
    state: str


class Organisations(App):
    """Keeps the firms on this platform and what they agreed to share. 组织与共享协议。"""

    title = "组织 Organisations"
    tables = (Firm, Agreement, Signature)

    def start(self) -> None:
        self.engine = CedarPolicy()
        self.deals: Callable[[], Sequence[Deal]] = lambda: ()  # of all organisations

    # the house --------------------------------------------------------------------------------
    @command(permission="organisations.manage", title="新建组织 Make an organisation",
             duty="administer")  # fmt: skip
    def make(
        self, records: Records, call: Call, name: A[str, "名称，唯一 Name, unique"],
        title: A[str, "标题，中文 English Title"],
    ) -> int:  # fmt: skip
        """A tenant of its own. 新建一个租户。"""
        if not NAME.fullmatch(name):
            raise Invalid(
                "name", "字母、数字、- . _，至多 63 个 Letters, digits, - . _, at most 63"
            )
        if name == self.engine.house:
            raise Conflict("name", f"{name} 是运营本节点的组织 runs this node")
        if records.scalar(select(Firm).where(Firm.name == name)) is not None:
            raise Conflict("name", f"{name} 已有 exists already")
        row = Firm(name=name, title=title, made=call.now, made_by=call.caller.name)
        return records.put(row).id

    @command(permission="organisations.manage", title="停用组织 Switch an organisation off",
             duty="administer")  # fmt: skip
    def disable(
        self, records: Records, name: A[str, "组织 Organisation"], reason: A[str, REASON]
    ) -> str:
        """From now on nobody of it may do anything; its data stay. 停用，数据保留。"""
        row = self._firm(records, name)
        if row.disabled:
            raise Conflict("name", f"{name} 已停用 is off already")
        row.disabled = _said(reason)
        return name

    @command(permission="organisations.manage", title="启用组织 Switch an organisation on",
             duty="administer")  # fmt: skip
    def enable(
        self, records: Records, name: A[str, "组织 Organisation"], reason: A[str, REASON]
    ) -> str:
        _said(reason)
        row = self._firm(records, name)
        if not row.disabled:
            raise Conflict("name", f"{name} 没有停用 is not off")
        row.disabled = ""
        return name

    @staticmethod
    def _firm(records: Records, name: str) -> Firm:
        row = records.scalar(select(Firm).where(Firm.name == name))
        if row is None:
            raise Conflict("name", f"没有组织 {name} There is no organisation {name}")
        return row

    @query(permission="organisations.manage", title="组织 Organisations", duty="administer")
    def firms(self, records: Records) -> list[Firm]:
        return list(records.scalars(select(Firm).order_by(Firm.name)))

    # both sides -------------------------------------------------------------------------------
    @command(permission="organisations.agree", title="提出共享 Propose to share",
             duty="administer")  # fmt: skip
    def propose(
        self,
        records: Records,
        call: Call,
        partner: A[str, "对方组织 Partner"],
        assets: A[str, "共享的资产，用逗号分开 Assets to share, separated by commas"],
        actions: A[str, "动作，用逗号分开 Actions, separated by commas"],
        purpose: A[str, "用途 Purpose"],
        until: A[datetime | None, "到期，空为直至撤销 End, empty until revoked"] = None,
    ) -> int:
        """Offer a partner actions on our assets; it begins when the partner accepts. 提出共享。"""
        owner = call.caller.organisation
        if partner == owner:
            raise Invalid("partner", "自己不需要协议 Nobody needs an agreement with itself")
        what, how = _listed("assets", assets), _listed("actions", actions)
        self._sharable(how)
        for path in what:
            if self.engine.terrain.asset(path.strip("/"), owner).organisation != owner:
                raise Invalid("assets", f"{path} 不归 {owner} does not belong to {owner}")
        if until is not None and until <= call.now:
            raise Invalid("until", "已过 Is past")
        row = Agreement(
            partner=partner, assets=", ".join(what), actions=", ".join(how), until=until,
            purpose=_said(purpose, "purpose"), author=call.caller.name, written=call.now,
            hash=terms_hash(owner, partner, what, how, until, purpose.strip()),
        )  # fmt: skip
        return records.put(row).id

    def _sharable(self, actions: Sequence[str]) -> None:
        for action in actions:
            duties = self.engine.catalogue.duties.get(action)
            if duties is None:
                raise Invalid("actions", f"没有动作 {action} There is no action {action}")
            if not set(duties) <= set(OPEN_DUTIES):
                raise Invalid("actions", f"{action} 不能共享 is not for sharing")

    @command(permission="organisations.agree", title="接受 Accept", duty="administer")
    def accept(
        self, records: Records, call: Call, agreement: A[int, "协议编号 Agreement id"],
        reason: A[str, REASON],
    ) -> int:  # fmt: skip
        """Sign what another organisation offers ours. 接受共享。"""
        deal = self._ours(call, agreement)
        if call.caller.organisation != deal.partner:
            raise Denied("由对方接受 The partner accepts it")
        if (state := deal.state(call.now)) != "proposed":
            raise Conflict("agreement", f"现在是 {STATES[state]} now")
        return self._sign(records, call, deal, "accepted", reason)

    @command(permission="organisations.agree", title="撤销 Revoke", duty="administer")
    def revoke(
        self, records: Records, call: Call, agreement: A[int, "协议编号 Agreement id"],
        reason: A[str, REASON],
    ) -> int:  # fmt: skip
        """End it now; either side can. 立即终止，任一方都可以。"""
        deal = self._ours(call, agreement)
        if deal.state(call.now) == "revoked":
            raise Conflict("agreement", "已撤销 Is revoked already")
        return self._sign(records, call, deal, "revoked", reason)

    @staticmethod
    def _sign(records: Records, call: Call, deal: Deal, what: str, reason: str) -> int:
        records.put(
            Signature(agreement=deal.id, what=what, hash=deal.hash, author=call.caller.name,
                      signed=call.now, reason=_said(reason))
        )  # fmt: skip
        return deal.id

    def _ours(self, call: Call, agreement: int) -> Deal:
        ours = call.caller.organisation
        for deal in self.deals():
            if deal.id == agreement and ours in (deal.owner, deal.partner):
                return deal
        raise Conflict("agreement", f"没有协议 {agreement} There is no agreement {agreement}")

    @query(permission="organisations.agree", title="协议 Agreements", duty="administer")
    def agreements(self, call: Call) -> list[Shared]:
        """Those of which our organisation is one side; the newest first."""
        ours = call.caller.organisation
        return [
            Shared(
                id=d.id, owner=d.owner, partner=d.partner, assets=list(d.assets),
                actions=list(d.actions), until=d.until, purpose=d.purpose, state=d.state(call.now),
            )
            for d in reversed(self.deals())
            if ours in (d.owner, d.partner)
        ]  # fmt: skip

    @page(permission="organisations.agree", title="组织与共享 Organisations and sharing",
          duty="administer")  # fmt: skip
    def overview(self, records: Records, call: Call) -> view.View:
        rows = tuple(
            (s.id, s.owner, s.partner, ", ".join(s.assets), ", ".join(s.actions), s.until,
             s.purpose, STATES[s.state])
            for s in self.agreements(call)
        )  # fmt: skip
        columns = ("编号 Id", "归属 Owner", "对方 Partner", "资产 Assets", "动作 Actions", "到期 Until",
                   "用途 Purpose", "状态 State")  # fmt: skip
        acts = tuple(view.Action(name, (("agreement", 0),)) for name in ("accept", "revoke"))
        parts: list[view.View] = [
            view.Markdown(ABOUT),
            view.Table(columns, rows, title="共享协议 Agreements", actions=acts),
            view.Form("propose"),
        ]
        if call.caller.organisation == self.engine.house:
            firms = tuple(
                (f.name, f.title, f.made, f.made_by, f.disabled) for f in self.firms(records)
            )
            named = ("名称 Name", "标题 Title", "建立 Made", "由 By", "停用原因 Why it is off")
            switch = tuple(view.Action(name, (("name", 0),)) for name in ("disable", "enable"))
            parts += [
                view.Table(named, firms, title="组织 Organisations", actions=switch),
                view.Form("make"),
            ]
        return view.column(*parts)


def _listed(field: str, text: str) -> list[str]:
    """`a, b` is ["a", "b"]; each once."""
    found = list(dict.fromkeys(one.strip().strip("/") for one in text.split(",") if one.strip()))
    if not found:
        raise Invalid(field, "至少写一个 Name at least one")
    return found


def _said(text: str, field: str = "reason") -> str:
    if not text.strip():
        raise Invalid(field, "写上，会记入审计 Say it; the audit keeps it")
    return text.strip()

"""The app with which policies are changed with care: proposed, compared, applied, rolled back.

Versions are only ever added; the newest is in force. Each carries a hash over itself and the one
before, so that a row that was changed is found. What is in force, the `keeper` tells the engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
    Resource,
    Table,
    command,
    page,
    parameter,
    query,
    view,
)
from baotu.sdk.app import Caller
from baotu.sdk.messages import halves
from baotu.sdk.trust import ROLES

from .check import Problem, problems
from .dryrun import DryRun, dry_run
from .engine import EVERYTHING, CedarPolicy
from .model import KINDS
from .words import both

EMPTY = "// 本站的策略写在这里。 The policies of this site go here.\n"
REASON = "原因 Reason"
APPLY = "policies.apply"
LOCKED = both(
    "这样以后谁也改不了策略：机器旁的工程师要能改",
    "nobody could change policies any more: the engineer at the machine has to be able to",
)
TEXT = "策略（Cedar）Policies in Cedar"
ABOUT = """**策略 Policy** 决定谁可以做什么：默认拒绝，禁止优先于准许。基础策略随平台而来，不能去掉；本站的策略加在其上。
先提交，试运行看改变了什么，再生效；每次改变都有版本，可以回退。

Policies decide who may do what: denied by default, «forbid» wins over «permit». The base comes with the platform
and stays; the site's own are added to it. Propose, look at the dry run, apply; each change is a version, and
any version can be brought back."""


class Proposal(Table):
    """A text that was found right. base: the version it was written against."""

    text: Mapped[str]
    base: Mapped[int]
    author: Mapped[str]
    written: Mapped[datetime]
    reason: Mapped[str]


class PolicyVersion(Table):
    """A text that was put in force. Rows are only ever added. before: hash of the one before."""

    __table_args__ = (UniqueConstraint("organisation", "number"),)
    number: Mapped[int]
    text: Mapped[str]
    author: Mapped[str]
    approved: Mapped[str]  # who put it in force
    applied: Mapped[datetime]
    reason: Mapped[str]
    proposal: Mapped[int] = mapped_column(default=0)
    restores: Mapped[int] = mapped_column(default=0)
    before: Mapped[str] = mapped_column(default="")
    hash: Mapped[str] = mapped_column(default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A mistake in a text, with its place from 1."""

    line: int
    column: int
    policy: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Why something is allowed or not, the policies that decided, and who else may."""

    allowed: bool
    why: str
    policies: list[str]
    needs: list[str]
    who_may: list[str]


class Policies(App):
    """Changes and explains the policies of this site. 策略：修改、试运行、解释。"""

    title = "策略 Policy"
    tables = (Proposal, PolicyVersion)
    second = parameter(False, title="须由第二位安全管理员生效 A second officer puts it in force")

    def start(self) -> None:
        self.engine = CedarPolicy()

    # changing ---------------------------------------------------------------------------------
    @command(permission="policy.change", title="提交策略 Propose policies", duty="guard")
    def propose(
        self, records: Records, call: Call, text: A[str, TEXT], reason: A[str, REASON]
    ) -> int:
        """Submit the whole text of the site's policies; the number of the proposal. 提交整份策略。"""
        self._checked(text)
        newest = latest(records)
        return records.put(
            Proposal(
                text=text, base=newest.number if newest else 0, author=call.caller.name,
                written=call.now, reason=_said(reason),
            )
        ).id  # fmt: skip

    @command(permission="policy.change", title="生效 Apply", duty="guard")
    def apply(
        self,
        records: Records,
        call: Call,
        proposal: A[int, "提交编号 Proposal id"],
        reason: A[str, REASON],
    ) -> int:
        """Put a proposal in force; the number of the version. 使提交的策略生效。"""
        row, newest = records.find(Proposal, proposal), latest(records)
        if row.base != (newest.number if newest else 0):
            raise Conflict(
                "proposal",
                "此后策略已变，请重新提交 The policies changed after it was written: propose it again",
            )
        if self.second and row.author == call.caller.name:
            raise Denied("须由另一位安全管理员生效 Another officer has to put it in force")
        self._checked(row.text)  # an app may be gone since, and its actions with it
        return self._put(records, call, row.text, reason, author=row.author, proposal=row.id)

    @command(permission="policy.change", title="回退 Roll back", duty="guard")
    def roll_back(
        self,
        records: Records,
        call: Call,
        version: A[int, "回到版本，0 为没有本站策略 Version to bring back, 0 for none"],
        reason: A[str, REASON],
    ) -> int:
        """Bring an earlier version back, as a new one; its number. 回退到以前的版本。"""
        newest = latest(records)
        if newest is None or newest.number == version:
            raise Conflict("version", "它正在生效 It is in force already")
        text = EMPTY
        if version:
            found = records.scalar(select(PolicyVersion).where(PolicyVersion.number == version))
            if found is None:
                raise Conflict("version", f"没有版本 {version} There is no version {version}")
            text = found.text
        if self.second and newest.approved == call.caller.name:
            raise Denied("须由另一位安全管理员回退 Another officer has to roll it back")
        self._checked(text)
        return self._put(
            records, call, text, reason, author=call.caller.name, restores=version
        )  # fmt: skip

    def _put(
        self, records: Records, call: Call, text: str, reason: str, *, author: str,
        proposal: int = 0, restores: int = 0,
    ) -> int:  # fmt: skip
        newest = latest(records)
        number, before = (newest.number + 1, newest.hash) if newest else (1, "")
        row = PolicyVersion(
            number=number, text=text, author=author, approved=call.caller.name, applied=call.now,
            reason=_said(reason), proposal=proposal, restores=restores, before=before,
            hash=hashed(number, text, before),
        )  # fmt: skip
        records.put(row)
        return number

    def _checked(self, text: str) -> None:
        found = self._problems(text)
        if found:
            raise Invalid("text", mistakes(found))
        owner = Caller("local", self.engine.house, frozenset((EVERYTHING,)), kind="platform")
        other = self.engine.with_text(text)
        after = other.probe(owner, "policy.change", Resource("verb", APPLY))
        if not after.allowed or after.needs:
            raise Invalid("text", LOCKED)

    def _problems(self, text: str) -> list[Problem]:
        taken = (rule.id for rule in self.engine.base)
        return problems(text, self.engine.catalogue, taken)

    # asking -----------------------------------------------------------------------------------
    @query(permission="policy.read", title="校验策略 Check policies", duty="guard")
    def check(self, text: A[str, TEXT]) -> list[Wrong]:
        """Everything that is wrong with a text, with line and column. 校验策略文本。"""
        return [
            Wrong(line=p.line, column=p.column, policy=p.policy, why=p.why)
            for p in self._problems(text)
        ]

    @query(permission="policy.read", title="试运行 Dry run", duty="guard")
    def compare(self, text: A[str, TEXT]) -> DryRun:
        """What would be decided otherwise if this text were in force. 生效后什么会不同。"""
        self._checked(text)
        return dry_run(self.engine, text)

    @query(permission="policy.read", title="策略文本 Text of the policies", duty="guard")
    def text(
        self, records: Records, version: A[int, "版本，0 为现行 Version, 0 for the newest"] = 0
    ) -> str:
        if not version:
            newest = latest(records)
            return newest.text if newest else EMPTY
        found = records.scalar(select(PolicyVersion).where(PolicyVersion.number == version))
        if found is None:
            raise Conflict("version", f"没有版本 {version} There is no version {version}")
        return found.text

    @query(permission="policy.read", title="版本 Versions", duty="guard")
    def versions(self, records: Records) -> list[PolicyVersion]:
        """The newest first."""
        wanted = select(PolicyVersion).order_by(PolicyVersion.number.desc()).limit(500)
        return list(records.scalars(wanted))

    @query(permission="policy.read", title="谁可以 Who may", duty="guard")
    def who_may(
        self, action: A[str, "动作 Action"], kind: A[str, "资源种类 Kind of resource"],
        id: A[str, "资源 Resource"] = "",
    ) -> list[str]:  # fmt: skip
        """Roles, people and programs that may do this. 谁可以做这件事。"""
        return list(self.engine.who_may(action, _resource(kind, id)))

    @query(permission="policy.read", title="为何 Why", duty="guard")
    def explain(
        self,
        who: A[str, "姓名 Name"],
        action: A[str, "动作 Action"],
        kind: A[str, "资源种类 Kind of resource"],
        id: A[str, "资源 Resource"] = "",
        roles: A[str, "岗位，用逗号分开 Roles, separated by commas"] = "",
        organisation: A[str, "组织 Organisation"] = "",
    ) -> Answer:
        """Would this be allowed, and why. 是否准许，为何。"""
        held = frozenset(role.strip() for role in roles.split(",") if role.strip())
        if more := held - ROLES.keys():
            raise Invalid("roles", f"没有岗位 {sorted(more)[0]} There is no role {sorted(more)[0]}")
        resource = _resource(kind, id)
        caller = Caller(
            who, organisation or self.engine.house, frozenset((EVERYTHING,)), roles=held
        )
        found = self.engine.probe(caller, action, resource)
        return Answer(
            allowed=found.allowed, why=found.why, policies=list(found.policies),
            needs=sorted(found.needs), who_may=list(self.engine.who_may(action, resource)),
        )  # fmt: skip

    # pages ------------------------------------------------------------------------------------
    @page(permission="policy.read", title="策略 Policy", duty="guard")
    def overview(self, records: Records) -> view.View:
        newest = latest(records)
        own = newest.text if newest else EMPTY
        waiting = records.scalars(select(Proposal).order_by(Proposal.id.desc()).limit(20)).all()
        done = {v.proposal for v in self.versions(records)}
        base = newest.number if newest else 0
        open_ = tuple(
            (p.id, p.author, p.written, p.reason)
            for p in waiting
            if p.id not in done and p.base == base
        )
        apply_ = view.Action("apply", (("proposal", 0),))
        back = view.Action("roll_back", (("version", 0),))
        versions = tuple(
            (v.number, v.author, v.approved, v.applied, v.reason, v.hash[:12])
            for v in self.versions(records)
        )
        return view.column(
            view.Markdown(ABOUT),
            view.Table(
                ("编号 Id", "作者 Author", "时间 Time", "原因 Reason"), open_,
                title="待生效 Proposed", actions=(apply_,),
                links=tuple(f"/app/policies/proposal?proposal={row[0]}" for row in open_),
            ),
            view.Table(
                ("版本 Version", "作者 Author", "生效者 Applied by", "时间 Time", "原因 Reason", "散列 Hash"),
                versions, title="版本 Versions", actions=(back,),
            ),
            self._rules(),
            view.Form("propose", (("text", own),)),
            view.Form("why"),
        )  # fmt: skip

    def _rules(self) -> view.Table:
        base = {id(rule) for rule in self.engine.base}
        rows = tuple(
            (
                rule.id, rule.title, "禁止 Forbid" if rule.forbids else "准许 Permit",
                "平台 Platform" if id(rule) in base else "本站 Site", rule.text,
            )
            for rule in list(self.engine.rules)[:500]
        )  # fmt: skip
        columns = ("名字 Name", "标题 Title", "效果 Effect", "来自 From", "策略 Policy")
        return view.Table(columns, rows, title="现行策略 Policies in force")

    @page(permission="policy.read", title="试运行 Dry run of a proposal", duty="guard")
    def proposal(self, records: Records, proposal: A[int, "提交编号 Proposal id"]) -> view.View:
        row = records.find(Proposal, proposal)
        return view.column(told(dry_run(self.engine, row.text)), view.Form("apply"))

    @page(permission="policy.read", title="谁可以、为何 Who may, and why", duty="guard")
    def why(
        self,
        who: A[str, "姓名 Name"] = "",
        roles: A[str, "岗位，用逗号分开 Roles, separated by commas"] = "viewer",
        organisation: A[str, "组织 Organisation"] = "",
        action: A[str, "动作 Action"] = "assets.read",
        kind: A[str, "资源种类 Kind of resource"] = "platform",
        id: A[str, "资源 Resource"] = "",
    ) -> view.View:
        found = self.explain(who, action, kind, id, roles, organisation)
        rows = tuple((name,) for name in found.who_may)
        asked = (("who", who), ("roles", roles), ("organisation", organisation),
                 ("action", action), ("kind", kind), ("id", id))  # fmt: skip
        return view.column(
            view.Form("why", asked),
            view.Markdown(found.why),
            view.Table(("谁可以 Who may",), rows, title="谁可以 Who may"),
        )


def told(run: DryRun) -> view.View:
    """A dry run as a page shows it."""
    tiles = view.Tiles(
        (
            view.Tile("将准许 Allowed then", run.allowed_now),
            view.Tile("将拒绝 Denied then", run.denied_now, high=0),
            view.Tile("重放的决定 Decisions replayed", run.recent_asked),
            view.Tile("矩阵 Matrix", run.matrix_asked),
        )
    )
    names = tuple(
        (name, what)
        for what, some in (("新增 Added", run.added), ("去掉 Removed", run.removed),
                           ("改动 Changed", run.changed))
        for name in some
    )  # fmt: skip
    rows = tuple(
        (d.where, d.who, d.action, d.resource, yes(d.before), yes(d.after), d.why)
        for d in run.differences
    )
    columns = (
        "来自 From",
        "谁 Who",
        "动作 Action",
        "资源 Resource",
        "此前 Before",
        "此后 After",
        "原因 Why",
    )
    return view.column(
        tiles,
        view.Table(("策略 Policy", "改变 Change"), names, title="策略的改变 Policies that change"),
        view.Table(columns, rows, title="决定的改变 Decisions that change"),
    )


def mistakes(found: Sequence[Problem]) -> str:
    """The first, with its place, and how many more there are."""
    first, more = found[0], len(found) - 1
    zh, en = halves(first.why)
    rest = (f"（另有 {more} 处）", f" (and {more} more)") if more else ("", "")
    return both(
        f"第 {first.line} 行第 {first.column} 列：{zh}{rest[0]}",
        f"line {first.line}, column {first.column}: {en}{rest[1]}",
    )


def yes(allowed: bool) -> str:
    return "准许 Allowed" if allowed else "拒绝 Denied"


def latest(records: Records) -> PolicyVersion | None:
    wanted = select(PolicyVersion).order_by(PolicyVersion.number.desc()).limit(1)
    return records.scalar(wanted)


def hashed(number: int, text: str, before: str) -> str:
    return hashlib.sha256(f"{before}\n{number}\n{text}".encode()).hexdigest()


def _resource(kind: str, id: str) -> Resource:
    if kind not in KINDS:
        raise Invalid(
            "kind", f"没有这种资源，可写 There is none; known: {', '.join(sorted(KINDS))}"
        )
    return Resource(kind, id)


def _said(reason: str) -> str:
    if not reason.strip():
        raise Invalid("reason", "写上原因，会记入审计 Say why; the audit keeps it")
    return reason.strip()

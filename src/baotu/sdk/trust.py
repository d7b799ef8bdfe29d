"""Who may do what: values and ports between the room that decides and all who ask it.

An *action* is a permission by its name (`alarms.acknowledge`). Each belongs to one *duty*; a *role*
is a set of duties. So a policy speaks of duties, and an app that is installed tomorrow needs none of
its own. Nothing here decides: see the room `trust`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .app import Caller, Duty
from .errors import Denied

DUTIES: Mapping[Duty, str] = {
    "see": "看 See values, assets, alarms and pages",
    "operate": "操作 Operate: acknowledge, write, run commands",
    "maintain": "维护 Maintain: suppress alarms, diagnose, repair",
    "engineer": "工程 Engineer: configure devices, assets and apps",
    "administer": "系统管理 Administer accounts, organisations, nodes and backups",
    "guard": "安全管理 Guard: policies, roles, admission of devices, secrets",
    "review": "审计 Review the audit and prove it",
}
"""中文 English of each duty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What people are on the plant. officer: none may hold it together with another officer's."""

    name: str
    title: str  # 中文 English
    duties: frozenset[Duty]
    officer: bool = False


def _role(name: str, title: str, *duties: Duty, officer: bool = False) -> Role:
    return Role(name=name, title=title, duties=frozenset(duties), officer=officer)


ROLES: Mapping[str, Role] = {
    role.name: role
    for role in (
        _role("viewer", "查看员 Viewer", "see"),
        _role("operator", "操作员 Operator", "see", "operate"),
        _role("maintainer", "维护员 Maintainer", "see", "operate", "maintain"),
        _role("engineer", "工程师 Engineer", "see", "operate", "maintain", "engineer"),
        _role("system_admin", "系统管理员 System administrator", "administer", officer=True),
        _role("security_admin", "安全管理员 Security administrator", "guard", officer=True),
        _role("audit_admin", "审计管理员 Audit administrator", "review", officer=True),
    )
}
"""GB/T 22239-2019 8.1.5 separates the three officers; the other roles are the trade's."""

ACTIONS: Mapping[str, tuple[Duty, str]] = {
    "assets.read": ("see", "看资产与位号 See assets and tags"),
    "history.read": ("see", "看数值与历史 See values and history"),
    "platform.read": ("see", "看平台状态 See how the platform fares"),
    "apps.read": ("see", "看应用 See apps and elements"),
    "tags.write": ("operate", "写设备 Write to the plant"),
    "tags.approve": ("operate", "批准写入 Approve a write of somebody else"),
    "tags.bring": ("engineer", "带来位号（边缘节点） Bring tags of an asset, as an edge does"),
    "tags.override": ("engineer", "越限写入 Write beyond the limits of a tag"),
    "history.export": ("engineer", "导出历史 Export history"),
    "config.read": ("engineer", "看配置 Read the configuration"),
    "config.change": ("engineer", "改配置 Change the configuration"),
    "plant.faults": ("engineer", "示例工厂的故障 Switch faults of the demo plant"),
    "apps.install": ("engineer", "安装应用 Install apps and grant what they declare"),
    "people.manage": ("administer", "管理账户 Manage accounts"),
    "organisations.manage": ("administer", "管理组织 Manage organisations"),
    "organisations.agree": ("administer", "签署共享协议 Sign agreements to share"),
    "nodes.manage": ("administer", "管理节点 Manage nodes"),
    "backup.manage": ("administer", "备份与恢复 Back up and restore"),
    "roles.grant": ("guard", "授予角色 Grant roles"),
    "policy.read": ("guard", "看策略 Read policies"),
    "policy.change": ("guard", "改策略 Change policies"),
    "devices.admit": ("guard", "接纳与吊销设备 Admit and revoke devices"),
    "secrets.manage": ("guard", "管理密钥 Manage secrets"),
    "audit.read": ("review", "看审计 Read the audit"),
    "audit.prove": ("review", "验证审计 Prove and export the audit"),
}
"""Actions of the platform itself: duty and title. Those of apps stand at their verbs."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What is acted upon. `str()` of it is how people call it.

    kind: verb, tag, asset, account, role, organisation, device, node, app, policy, config, secret,
    audit, identifier or platform. id: `app.verb`, a tag's name, an asset's path, … organisation:
    whose it is; empty: the caller's own. A tag lies in its asset, an asset in those above it and in
    its zone; the room that decides knows that.
    """

    kind: str
    id: str = ""
    organisation: str = ""

    def __str__(self) -> str:
        return self.id or self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided and why, in words for people (中文 English).

    policies: those that decided, by name. needs: what has to be there besides, such as `approver`.
    """

    allowed: bool
    why: str
    policies: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()


class Policy(Protocol):
    """Deny by default. Safe to call from any thread; a decision takes well under a millisecond."""

    def judge(
        self, caller: Caller, action: str, resource: Resource, context: Mapping[str, object] = ...
    ) -> Decision: ...

    def decide(
        self, caller: Caller, action: str, resource: Resource, context: Mapping[str, object] = ...
    ) -> Decision:
        """The same, but raises Denied with the reason when it is not allowed."""

    def who_may(self, action: str, resource: Resource) -> Sequence[str]:
        """Roles, people and apps that may, by title; for «ask one of these»."""

    def visible(self, caller: Caller, action: str, kind: str) -> frozenset[str] | None:
        """Ids of this kind on which the caller may do that; None: on every one there is."""

    def actions(self, caller: Caller) -> frozenset[str]:
        """What the caller may do on something at least; for menus, never for a decision."""

    def version(self) -> int:
        """Grows with every change: what was decided before may be decided otherwise now."""


class Admission(Protocol):
    """Which nodes may link to this one now. Safe to call from any thread."""

    def nodes(self) -> frozenset[str]:
        """By the common names of their certificates."""

    def watch(self, tell: Callable[[], None]) -> Callable[[], None]:
        """`tell` is called soon after a node was admitted or revoked; returns the way to stop."""


class Deciding:
    """`decide` for whoever judges."""

    judge: Callable[..., Decision]

    def decide(
        self,
        caller: Caller,
        action: str,
        resource: Resource,
        context: Mapping[str, object] | None = None,
    ) -> Decision:
        found = self.judge(caller, action, resource, context)
        if not found.allowed:
            raise Denied(found.why)
        return found


@dataclass(frozen=True)
class Permissions(Deciding):
    """The plain policy, for tests and for a platform of one: who has the permission may."""

    granted: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def judge(
        self,
        caller: Caller,
        action: str,
        resource: Resource,
        context: Mapping[str, object] | None = None,
    ) -> Decision:
        if not action or action in caller.permissions:
            return Decision(allowed=True, why="许可 has the permission", policies=("permissions",))
        return Decision(allowed=False, why=f"{caller.name} may not {resource}: needs {action}")

    def who_may(self, action: str, resource: Resource) -> Sequence[str]:
        return [name for name, actions in self.granted.items() if action in actions]

    def visible(self, caller: Caller, action: str, kind: str) -> frozenset[str] | None:
        return None if action in caller.permissions else frozenset()

    def actions(self, caller: Caller) -> frozenset[str]:
        return caller.permissions

    def version(self) -> int:
        return 0

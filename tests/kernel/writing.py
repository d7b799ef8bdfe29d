"""A policy with zones in a few lines, hands that count, and the platform around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from baotu.bench import Bench
from baotu.kernel.approvals import Approvals
from baotu.kernel.guard import WriteSettings
from baotu.kernel.writes import Writes
from baotu.sdk import App, Caller, Decision, Resource, Tag
from baotu.sdk.ports import Reply
from baotu.sdk.trust import Permissions

MAY = frozenset({"tags.write", "tags.approve", "tags.override", "approvals.read"})
WU = Caller("wu", "spring", MAY, frozenset({"operator"}))
LI = Caller("li", "spring", MAY, frozenset({"operator"}))
SLOW = WriteSettings(tag_interval_s=0, tag_per_min=100_000, caller_per_min=100_000)


@dataclass(frozen=True)
class Zones(Permissions):
    """`off` tags are never written, `approved` ones need a second person, the rest go."""

    off: set[str] = field(default_factory=set)
    approved: set[str] = field(default_factory=set)
    barred: set[tuple[str, str]] = field(default_factory=set)  # (who, action)
    asked: list[tuple[str, str, str, Mapping[str, object]]] = field(default_factory=list)

    def judge(
        self,
        caller: Caller,
        action: str,
        resource: Resource,
        context: Mapping[str, object] | None = None,
    ) -> Decision:
        self.asked.append((caller.name, action, str(resource), context or {}))
        if resource.kind == "tag" and (
            resource.id in self.off or (caller.name, action) in self.barred
        ):
            why = "区域「熔炼」关闭写入 Zone melting has writes off"
            return Decision(allowed=False, why=why, policies=("zone-melting",))
        found = super().judge(caller, action, resource, context)
        needs = frozenset(
            {"approver"} if resource.id in self.approved and action == "tags.write" else ()
        )
        return replace(found, needs=needs)

    def who_may(self, action: str, resource: Resource) -> Sequence[str]:
        return ["操作员 Operator", "li"] if action == "tags.approve" else ["工程师 Engineer"]


class Hands:
    """Actuators that count what reaches the plant."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors, self.told = list(errors), list[tuple[int, float | str]]()

    def write(self, tag: int, value: float | str, deadline: int) -> Reply:
        self.told.append((tag, value))
        if self.errors:
            raise self.errors.pop(0)
        return Reply(done=True, value=value)


class Platform:
    """A bench with `Writes` on it; tag 8 is a setpoint of 0 to 100, tag 9 an interlock."""

    def __init__(
        self, *apps: App, policy: Zones | None = None, hands: Hands | None = None,
        settings: WriteSettings = SLOW, after: Platform | None = None, people: Any = None,
        grants: Mapping[str, frozenset[str]] | None = None,
    ) -> None:  # fmt: skip
        self.hands = hands or Hands()
        self.policy = policy or (after.policy if after else Zones())
        self.bench = Bench(
            *apps, Approvals(), policy=self.policy, actuators=self.hands, grants=grants,
            after=after.bench if after else None,
        )  # fmt: skip
        self.bench.app = "approvals"
        if after is None:
            self.bench.plant.know("Motor", "speed", [8])
            self.bench.plant.know("Motor", "running", [9])
            self.change(8, low=0.0, high=100.0, unit="/min")
        self.writes = Writes(self.bench.chain, settings=settings, people=people)

    def change(self, tag: int, **fields: Any) -> Tag:
        tags = self.bench.plant._tags
        tags[tag] = replace(tags[tag], **fields)
        return tags[tag]

    @property
    def speed(self) -> str:
        return self.bench.plant._tags[8].name

    def do(self, name: str, who: Caller, key: str = "", **arguments: Any) -> Any:
        return self.bench.chain.call("approvals", name, arguments, who, key)

    def ask(self, name: str, **arguments: Any) -> Any:
        return self.bench.chain.call("approvals", name, arguments, LI)

    def audits(self) -> list[tuple[str, str, str]]:
        """(who, outcome, words)"""
        rows = self.bench.dump()["ledger_audit_record"]
        return [(row[1], row[4], row[5]) for row in rows if row[2].startswith("tags.")]

    def events(self) -> list[str]:
        return [one.kind for one in self.bench.chain.events(0)]

"""How every node that may link to this hub fares: on the page of edges, a part each.

What the hub itself knows of it, whatever the node says of itself: whether it is linked and how, until
when its certificate is good, what was refused of it last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from baotu.kernel.board import HealthBoard
from baotu.sdk.clock import Clock
from baotu.sdk.health import Health, State
from baotu.sdk.messages import SEAM
from baotu.trust.devices.nodes import Known

from .bringing import Refused

KIND = "peer"
STATES = {
    "admitted": "已接纳，还没有用票据加入 Admitted, has not joined with its ticket yet",
    "revoked": "已吊销 Revoked", "retired": "已退役 Retired",
}  # fmt: skip
NOT_UNIQUE = (
    "两个组织有同名节点，均不受理 Two organisations have a node of this name: neither is heard"
)
SILENT = "没有连接，其余是它最后所说 Not linked: the rest is what it told last"
AWAY = "已接纳，现在没有连接 Admitted, not linked now"
PLAIN = "明文，仅本机回环 Plain, within this machine only"
TLS = "TLS 1.3 双向认证 TLS 1.3, both sides proved"


class Peers:
    """register: nodes by name. linked: how many links each has. heard: edges that
    sent a tag table. outside: how those are secured that are not in the register.
    `refusals` is filled by who refuses: name → (ns UTC, why)."""

    def __init__(
        self, board: HealthBoard, clock: Clock, node: str, *,
        register: Callable[[], Mapping[str, Known]], linked: Callable[[], Mapping[str, int]],
        heard: Callable[[], Iterable[str]], refused: Callable[[], Mapping[str, Refused]],
        outside: str = PLAIN,
    ) -> None:  # fmt: skip
        self._board, self._clock, self._node = board, clock, node
        self._register, self._linked, self._heard, self._refused = register, linked, heard, refused
        self._outside = outside
        self.refusals: dict[str, tuple[int, str]] = {}
        self.cloned: set[str] = set()
        self._shown: dict[str, Health] = {}

    def tick(self) -> None:
        rows, linked = self._register(), self._linked()
        names = {*rows, *(n for n in self._heard() if n not in rows and n != self._node)}
        for name in sorted(names):
            health = self._health(name, rows.get(name), linked.get(name, 0))
            self._put(health)
            if name in rows and health.state in ("off", "down"):
                self._silent(name)
        for name in self._shown.keys() - names:
            self._board.drop(KIND, name, self._node)
            del self._shown[name]

    def _health(self, name: str, row: Known | None, links: int) -> Health:
        state, why = self._state(name, row, links)
        figures: dict[str, float | str] = {"secured": self._outside if row is None else TLS}
        if row is not None:
            figures |= {"organisation": row.organisation, "links": float(links)}
            if row.until is not None:
                figures["certificate_until"] = f"{row.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        refused = self._refused().get(name)
        figures["tags_refused"] = float(refused.tags if refused else 0)
        if name in self.refusals:
            at, said = self.refusals[name]
            when = datetime.fromtimestamp(at // 10**9, UTC)
            figures["last_refusal"] = said
            figures["last_refusal_at"] = f"{when:%Y-%m-%d %H:%M:%S} UTC"
        return Health(
            kind=KIND, name=name, state=state, since=self._clock.now(), why=why, node=self._node,
            figures=figures,
        )  # fmt: skip

    def _state(self, name: str, row: Known | None, links: int) -> tuple[State, str]:
        refused = self._refused().get(name)
        if name in self.cloned:
            return "down", self.refusals.get(name, (0, ""))[1]
        if row is not None and not row.unique:
            return "down", NOT_UNIQUE
        if row is not None and not row.stands:
            return "off", STATES.get(row.state, row.state)
        if refused:
            named = ", ".join(refused.assets[:3]) + (", …" if len(refused.assets) > 3 else "")
            return "degraded", (
                f"策略不准它带来 {refused.tags} 个位号：{named}{SEAM}"
                f"policy does not let it bring {refused.tags} tags: {named}"
            )
        if row is not None and not links:
            return "down", AWAY
        return "up", ""

    def _silent(self, name: str) -> None:
        """What a node told last is not what is: its link is down, whatever it said of it."""
        for told in self._board.healths("link"):
            if told.node == name and (told.state, told.why) != ("down", SILENT):
                now = self._clock.now()
                self._board.put(replace(told, state="down", why=SILENT, since=now))

    def _put(self, health: Health) -> None:
        before = self._shown.get(health.name)
        if before is not None and before.state == health.state:
            health = replace(health, since=before.since)
        self._shown[health.name] = health
        self._board.put(health)

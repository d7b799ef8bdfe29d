"""Evidence that only the whole platform can give: looked for once a minute, from what really runs.

A claim is a row: an element, what is claimed, and a function that gives the figures or None. None
leaves the element as it was; nothing is claimed that was not seen just then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from baotu.kernel.effects import Chain, Deed
from baotu.sdk import Caller, Evidence, Fact, Records
from baotu.sdk.facts import Plain
from baotu.sdk.health import Health
from baotu.sdk.ports import Board, History, Plant

PERIOD_S = 60.0
FIRST_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a claim is judged by."""

    healths: Sequence[Health]
    figures: dict[str, float]
    tags: int
    apps: int

    def up(self, kind: str) -> list[Health]:
        return [h for h in self.healths if h.kind == kind and h.state == "up"]


Figures = dict[str, Plain]


def interconnection(seen: Seen) -> Figures | None:
    """Machines of several protocols, every frame of every link committed, none missing."""
    devices = seen.up("device")
    protocols = sorted({str(h.figures.get("driver", "")) for h in devices} - {""})
    links = [h for h in seen.up("link") if h.figures.get("missing", 1) == 0]
    if len(protocols) < 2 or not links or not seen.figures.get("samples"):
        return None
    return {
        "protocols": ", ".join(protocols), "devices": len(devices), "tags": seen.tags,
        "samples_kept": int(seen.figures["samples"]), "frames_missing": 0,
    }  # fmt: skip


def architecture(seen: Seen) -> Figures | None:
    """Acquisition, conversion to another protocol, history and apps at work together."""
    servers = seen.up("server")
    if not servers or not seen.apps or not seen.figures.get("samples") or not seen.up("device"):
        return None
    return {
        "devices": len(seen.up("device")), "served_as": ", ".join(sorted(h.name for h in servers)),
        "apps": seen.apps, "samples_kept": int(seen.figures["samples"]),
    }  # fmt: skip


def recovery(seen: Seen) -> Figures | None:
    """An edge was cut off, kept its samples and delivered them late, none missing."""
    late = {h.name: int(h.figures.get("late_frames", 0)) for h in seen.up("link")}
    missing = sum(float(h.figures.get("missing", 1)) for h in seen.up("link"))
    if not sum(late.values()) or missing:
        return None
    return {
        "frames_delivered_late": sum(late.values()),
        "edges": ", ".join(sorted(late)),
        "frames_missing": 0,
    }


CLAIMS: tuple[tuple[str, str, str, Callable[[Seen], Figures | None]], ...] = (
    ("1.1", "多种协议的设备数据已全部落库 Machines of several protocols, every frame kept", "/edges", interconnection),
    ("2.0", "采集、协议转换、历史与应用同时工作 Acquisition, conversion, history and apps at work", "/edges", architecture),
    ("2.1", "断网期间边缘保存并补传 The edge kept and delivered what a cut link held up", "/edges", recovery),
)  # fmt: skip


class Prover:
    """`tick` belongs to the thread of the apps; it tells in how many seconds again."""

    def __init__(
        self, chain: Chain, board: Board, history: History, plant: Plant, organisation: str
    ) -> None:
        self._chain, self._board, self._history, self._plant = chain, board, history, plant
        self._caller = Caller("platform", organisation, frozenset(), kind="platform")
        self._due = chain.clock.monotonic() + FIRST_S

    def tick(self) -> float:
        now = self._chain.clock.monotonic()
        if now < self._due:
            return self._due - now
        self._due = now + PERIOD_S
        facts = list(self.facts())
        if facts:
            self._chain.submit(self._deed(facts))
        return PERIOD_S

    def facts(self) -> list[Evidence]:
        seen = Seen(
            healths=self._board.healths(),
            figures=dict(self._history.figures()),
            tags=self._plant.tags(limit=1).total,
            apps=len(self._chain.apps),
        )
        proved = ((element, claim, page, judge(seen)) for element, claim, page, judge in CLAIMS)
        return [Evidence(e, claim, figures, page) for e, claim, page, figures in proved if figures]

    def _deed(self, facts: Sequence[Fact]) -> Deed:
        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            return None, facts

        return Deed(app="platform", name="prove", caller=self._caller, body=body, audited=False)

"""How a part of the platform fares: shown in the console, exported in /metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

State = Literal["up", "starting", "degraded", "down", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """kind: edge | device | server | link | history | app | node. name: unique within the kind.

    since: when this state began, ns UTC. why: the reason in one sentence, empty when up.
    figures: counters and facts; those that are numbers are exported as metrics.
    """

    kind: str
    name: str
    state: State
    since: int
    why: str = ""
    node: str = ""
    figures: Mapping[str, float | str] = field(default_factory=dict)

"""What the console is given: the ports it stands on and who is asking. Nothing else reaches it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from baotu.sdk import Caller
from baotu.sdk.door import Door
from baotu.sdk.ports import Apps, Audit, Board, Desk, Elements, Faults, History, Live, Plant
from baotu.sdk.writing import Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Filled by whoever wires the house.

    identify: who asks, from an HTTP request or a WebSocket; raises Denied.
    node, title: name of this node, and of the plant in both languages (中文 English).
    key_values: tag names shown on the overview; empty: the console picks some with limits.
    shift_h: how many hours «the last shift» is. now: ns UTC.
    """

    door: Door
    history: History
    plant: Plant
    live: Live
    board: Board
    desk: Desk
    elements: Elements
    audit: Audit
    apps: Apps
    identify: Callable[[HTTPConnection], Caller]
    faults: Faults | None = None
    writing: Writing | None = None
    node: str = "hub"
    title: str = "趵突 Baotu"
    version: str = ""
    key_values: tuple[str, ...] = ()
    shift_h: float = 8.0
    now: Callable[[], int] = time.time_ns

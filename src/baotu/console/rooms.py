"""What the console is given: the ports it stands on and who is asking. Nothing else reaches it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from baotu.sdk import Caller
from baotu.sdk.door import Door
from baotu.sdk.people import People
from baotu.sdk.ports import (
    Apps,
    Audit,
    AuditLog,
    Board,
    Desk,
    Elements,
    Faults,
    History,
    Live,
    Plant,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Filled by whoever wires the house.

    address: how others reach the console, `https://name`; empty: as each request says.
    identify: who asks, from an HTTP request or a WebSocket; raises Denied, Anonymous for nobody.
    people: accounts and sign-in; None: everybody who reaches this console is whom `identify` says.
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
    people: People | None = None
    faults: Faults | None = None
    audit_log: AuditLog | None = None
    node: str = "hub"
    title: str = "趵突 Baotu"
    version: str = ""
    address: str = ""
    key_values: tuple[str, ...] = ()
    shift_h: float = 8.0
    now: Callable[[], int] = time.time_ns

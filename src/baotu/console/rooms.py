"""What the console is given: the ports it stands on and who is asking. Nothing else reaches it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from baotu.sdk import Caller
from baotu.sdk.door import Door
from baotu.sdk.oidc import Provider
from baotu.sdk.outside import Outside
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
    Stop,
)
from baotu.sdk.trust import Permissions, Policy
from baotu.sdk.writing import Writing

from .limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Filled by whoever wires the house.

    identify: who asks, from an HTTP request or a WebSocket; raises Anonymous, or Denied when he is
    known and may not. Called on the console's own thread, so it takes well under a millisecond.
    With `baotu.recheck` in the scope it is only asked whether an open page still has its session.
    people: accounts and sign-in; None: everybody who reaches this console is whom `identify` says.
    oidc: sign-in for other programs. outside: sign-in with other providers. policy: who may do what. ended: its `tell` hears `Caller.via` of each session, token or
    certificate that has ended, on any thread; absent: open sockets notice within half a second.
    names: host names of this node besides localhost and addresses. address: how others reach the
    console, `https://name`; empty: as each request says.
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
    oidc: Provider | None = None
    outside: Outside | None = None
    faults: Faults | None = None
    audit_log: AuditLog | None = None
    writing: Writing | None = None
    node: str = "hub"
    title: str = "趵突 Baotu"
    version: str = ""
    address: str = ""
    key_values: tuple[str, ...] = ()
    shift_h: float = 8.0
    now: Callable[[], int] = time.time_ns
    policy: Policy = field(default_factory=Permissions)
    ended: Callable[[Callable[[str], None]], Stop] | None = None
    names: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

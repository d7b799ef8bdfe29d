"""Keeps the wire of a hub open to the nodes that are admitted, and to no other.

Zenoh fixes access control when a session opens. So when a node is admitted or revoked, the session
is opened anew: every link ends within milliseconds, and those who may come back do within a second.
What was under way is sent again from the edges' logs.

A node that is seen from two places for long is two machines with one key: until one of them has
gone, neither is heard.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Literal

import structlog
import zenoh

from baotu.sdk.errors import ConfigError
from baotu.sdk.trust import Admission

from .session import Role, opening
from .settings import FabricSettings
from .wire import ZenohWire

log = structlog.get_logger("baotu.fabric")
TWICE_S = 15.0  # longer than Zenoh keeps a link whose other end has died (its lease: 10 s)
RETRY_S = 0.2
AGAIN_S = 60.0  # the same refusal is told once in so long
Kind = Literal["unknown", "cloned", "alone", "cut"]
Refuse = Callable[[Kind, str, Mapping[str, str]], None]


class Gate:
    """refuse(kind, node, facts): a node is not heard, and why; on the gate's own thread.

    `unknown`: its certificate is ours, but it is not admitted, or no longer. `cloned`: seen twice;
    `alone`: no longer, so it is heard again. `cut`: it was linked, and is no longer admitted.
    """

    def __init__(
        self,
        wire: ZenohWire,
        settings: FabricSettings,
        role: Role,
        admission: Admission,
        refuse: Refuse,
        *,
        twice_s: float = TWICE_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wire, self._settings, self._role = wire, settings, role
        self._admission, self._refuse, self._twice_s, self._now = admission, refuse, twice_s, now
        self._lock = threading.Lock()
        self._links: dict[str, tuple[str, str]] = {}  # Zenoh id: name in the certificate, address
        self._since: dict[str, float] = {}  # when a name was first seen twice, or alone again
        self._told: dict[str, float] = {}
        self._suspended: set[str] = set()
        self._open: frozenset[str] | None = None
        self._wake, self._ended = threading.Event(), threading.Event()
        self._stops = [admission.watch(self._wake.set)]
        self._turn()
        self._stops.append(wire.hold(self._listen))
        self._thread = threading.Thread(target=self._run, name="fabric-gate", daemon=True)
        self._thread.start()

    def linked(self) -> Mapping[str, int]:
        """How many links each name has now."""
        with self._lock:
            names = [name for name, _ in self._links.values()]
        return {name: names.count(name) for name in sorted(set(names))}

    def renew(self, settings: FabricSettings) -> None:
        """Certificates have changed."""
        self._settings, self._open = settings, None
        self._wake.set()

    def close(self) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join(5.0)
        for stop in self._stops:
            stop()

    # on a thread of the wire -------------------------------------------------------------------
    def _listen(self, session: zenoh.Session) -> zenoh.LinkEventsListener[None]:
        with self._lock:
            self._links.clear()  # of the session before
        return session.info.declare_link_events_listener(self._seen, history=True)

    def _seen(self, event: zenoh.LinkEvent) -> None:
        link = event.link
        with self._lock:
            if event.kind == zenoh.SampleKind.DELETE:
                self._links.pop(str(link.zid), None)
            elif link.auth_identifier:
                self._links[str(link.zid)] = (link.auth_identifier, str(link.dst))
        self._wake.set()

    # the gate's own thread ---------------------------------------------------------------------
    def _run(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(min(1.0, self._twice_s / 4) if self._watching() else None)
            self._wake.clear()
            if self._ended.is_set():
                return
            try:
                self._turn()
            except ConfigError as error:  # the port is not free yet: nobody is linked meanwhile
                log.warning("cannot open the fabric again", why=str(error))
                self._ended.wait(RETRY_S)
                self._wake.set()

    def _watching(self) -> bool:
        return bool(self._suspended or self._since)

    def _turn(self) -> None:
        admitted = self._admission.nodes()
        self._judge(admitted)
        wanted = admitted - self._suspended
        if wanted != self._open:
            before, linked = self._open or frozenset(), self.linked()
            self._open = None  # should opening fail, it is tried again
            self._wire.reopen(opening(self._settings, self._role, wanted))
            self._open = wanted
            for name in sorted((before - admitted) & linked.keys()):
                self._refuse("cut", name, {"links": str(linked[name])})

    def _judge(self, admitted: frozenset[str]) -> None:
        with self._lock:
            links = list(self._links.values())
        places: dict[str, list[str]] = {}
        for name, where in links:
            places.setdefault(name, []).append(where)
        now = self._now()
        for name in places.keys() - admitted:
            if now - self._told.get(name, -AGAIN_S) >= AGAIN_S:
                self._told[name] = now
                self._refuse("unknown", name, {"from": ", ".join(places[name])})
        for name in {*places, *self._suspended, *self._since}:
            self._doubles(name, places.get(name, []), now)

    def _doubles(self, name: str, places: list[str], now: float) -> None:
        """A change that lasts is believed; a link that died lingers for some seconds."""
        twice = len(places) > 1
        if twice == (name in self._suspended):
            self._since.pop(name, None)
        elif now - self._since.setdefault(name, now) >= self._twice_s:
            self._since.pop(name, None)
            (self._suspended.add if twice else self._suspended.discard)(name)
            self._refuse("cloned" if twice else "alone", name, {"from": ", ".join(places)})

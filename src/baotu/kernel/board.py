"""How every part fares, in one place. A change of state is logged once, never a state."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import structlog

from baotu.sdk.health import Health

log = structlog.get_logger("baotu.health")


class HealthBoard:
    """Implements `sdk.ports.Board`. told: kinds whose owners log their changes themselves.

    clean: takes out of a reason what nobody may see.
    """

    def __init__(
        self,
        node: str = "",
        told: tuple[str, ...] = (),
        clean: Callable[[str], str] = str,
    ) -> None:
        self._node, self._told, self._clean = node, told, clean
        self._lock = threading.Lock()
        self._of: dict[tuple[str, str, str], Health] = {}

    def put(self, health: Health) -> None:
        if health.why and (why := self._clean(health.why)) != health.why:
            health = replace(health, why=why)
        with self._lock:
            key = (health.node or self._node, health.kind, health.name)
            before = self._of.get(key)
            self._of[key] = health
        changed = before is None or before.state != health.state
        if changed and health.kind not in self._told:
            tell = log.warning if health.state in ("down", "degraded") else log.info
            tell(health.state, part=f"{health.kind}/{health.name}", why=health.why or None)

    def drop(self, kind: str, name: str, node: str = "") -> None:
        with self._lock:
            self._of.pop((node or self._node, kind, name), None)

    def healths(self, kind: str = "") -> list[Health]:
        with self._lock:
            found = list(self._of.values())
        return sorted(
            (h for h in found if not kind or h.kind == kind), key=lambda h: (h.kind, h.node, h.name)
        )

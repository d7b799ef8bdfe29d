"""Which nodes may link: those that are enrolled and whose certificate stands."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from baotu.kernel.effects import Chain
from baotu.sdk.door import Change

from .tables import Certificate, Device

TABLES = frozenset({Device.__tablename__, Certificate.__tablename__})
READ = (
    "SELECT DISTINCT d.name, d.organisation FROM devices_device d "
    "JOIN devices_certificate c ON c.device = d.id "
    "WHERE d.kind = 'node' AND d.state = 'enrolled' AND c.state IN ('valid', 'renewed')"
)


class Nodes:
    """Implements `sdk.trust.Admission`. A name that two organisations use is nobody's: certificates
    are told apart by it. `close` ends its watch of the chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []
        self._known: frozenset[str] | None = None
        self.close = chain.watch(self._heard)

    def nodes(self) -> frozenset[str]:
        if self._known is None:
            count = Counter(name for name, _ in self._chain.store.ask(READ))
            self._known = frozenset(name for name, times in count.items() if times == 1)
        return self._known

    def watch(self, tell: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._watchers.append(tell)
        return lambda: self._watchers.remove(tell)

    def _heard(self, change: Change) -> None:
        if change.tables & TABLES:
            self._known = None
            with self._lock:
                watchers = tuple(self._watchers)
            for tell in watchers:
                tell()

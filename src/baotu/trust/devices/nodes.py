"""Which nodes may link: those that are enrolled and whose certificate stands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from baotu.kernel.effects import Chain
from baotu.sdk.door import Change

from .status import moment
from .tables import Certificate, Device

TABLES = frozenset({Device.__tablename__, Certificate.__tablename__})
READ = (
    "SELECT d.name, d.organisation, d.state, "
    "MAX(CASE WHEN c.state IN ('valid', 'renewed') THEN c.ends END) "
    "FROM devices_device d LEFT JOIN devices_certificate c ON c.device = d.id "
    "WHERE d.kind = 'node' GROUP BY d.id, d.name, d.organisation, d.state"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A node as the register has it. state: of its device. until: when its last good certificate
    ends, None: it has none. unique: no other organisation has a node of that name."""

    organisation: str
    state: str
    until: datetime | None
    unique: bool = True

    @property
    def stands(self) -> bool:
        return self.unique and self.state == "enrolled" and self.until is not None


class Nodes:
    """Implements `sdk.trust.Admission`. A name that two organisations use is nobody's: certificates
    are told apart by it. `close` ends its watch of the chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []
        self._version = 0
        self._known: Mapping[str, Known] | None = None
        self.close = chain.watch(self._heard)

    def nodes(self) -> frozenset[str]:
        return frozenset(name for name, row in self.rows().items() if row.stands)

    def rows(self) -> Mapping[str, Known]:
        """Every node that was ever admitted here, by name."""
        known, version = self._known, self._version
        if known is None:
            known = _rows(self._chain.store.ask(READ))
            if version == self._version:  # nothing was changed meanwhile
                self._known = known
        return known

    def watch(self, tell: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._watchers.append(tell)
        return lambda: self._watchers.remove(tell)

    def _heard(self, change: Change) -> None:
        if change.tables & TABLES:
            self._version += 1
            self._known = None
            with self._lock:
                watchers = tuple(self._watchers)
            for tell in watchers:
                tell()


def _rows(told: Sequence[tuple[Any, ...]]) -> Mapping[str, Known]:
    found: dict[str, Known] = {}
    for name, organisation, state, ends in told:
        until = None if ends is None else moment(ends)
        row = Known(organisation=str(organisation), state=str(state), until=until)
        other = found.get(str(name))
        if other is not None and other.stands and row.stands:
            row = replace(row, unique=False)
        elif other is not None and other.stands:
            row = other
        found[str(name)] = row
    return found

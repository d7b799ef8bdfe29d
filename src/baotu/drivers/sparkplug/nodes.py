"""What a host knows of one edge node and its devices between messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from baotu.sdk import Found

from . import codec
from .births import Metric
from .topics import Scope

Entry = tuple[int, int, bool]  # tag (-1: not wanted), data type, whether a text
_TABLE_LIMIT = 1 << 20  # aliases above it are looked up one by one
_ASK_AGAIN_S = 60.0


class Unit:
    """An edge node's own metrics, or those of one device: names and aliases of its last birth.

    wanted: tags that the configuration puts here, born or not.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.online = False
        self.wanted: set[int] = set()
        self.metrics: Sequence[Metric] = ()
        self.by_alias: dict[int, Entry] = {}
        self.by_name: dict[bytes, Entry] = {}
        self._table: tuple[np.ndarray, np.ndarray] | None = None

    def born(self, metrics: Sequence[Metric]) -> None:
        self.online, self.metrics, self._table = True, metrics, None
        self.by_alias, self.by_name = {}, {}
        for metric in metrics:
            entry = (metric.tag.id if metric.fits else -1, metric.datatype, metric.is_text)
            self.by_name[metric.name.encode()] = entry
            if metric.alias >= 0:
                self.by_alias[metric.alias] = entry

    def tag_ids(self) -> set[int]:
        return {m.tag.id for m in self.metrics if m.tag.id >= 0}

    def table(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(tag, type) as int32 and uint8 columns indexed by alias; -2 is no alias of ours.

        A text has tag -1 here. None when the aliases are too far apart for a table.
        """
        if self._table is None:
            top = max(self.by_alias, default=-1)
            if top >= _TABLE_LIMIT:
                return None
            tags, types = np.full(top + 2, -2, "i4"), np.zeros(top + 2, "u1")
            for alias, (tag, kind, is_text) in self.by_alias.items():
                tags[alias], types[alias] = -1 if is_text else tag, kind
            self._table = tags, types
        return self._table


def listed(unit: Unit, under: str) -> dict[str, Found]:
    """What of this unit lies directly under an address, by address; branches end with "/"."""
    rows: dict[str, Found] = {}
    for metric in unit.metrics:
        address = unit.scope.prefix + metric.name
        if not address.startswith(under):
            continue
        head, slash, _ = address[len(under) :].partition("/")
        path = under + head + slash
        if slash:
            rows[path] = Found(address=path, name=head or "节点 node", has_children=True)
        else:
            rows[path] = Found(address=path, name=head, kind=metric.kind, unit=metric.unit)
    return rows


Held = tuple[str, Scope, codec.Payload]


class Node:
    """An edge node's session. expected: the sequence number due next, -1 when any will do.

    held: messages that came too early, by sequence number; give_up: until when to wait.
    doubtful: a message was lost, so its aliases may have changed. ask_at: when to ask it to be
    born again, None when nothing is amiss. Seconds are monotonic.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.online = False
        self.bdseq = -1
        self.expected = -1
        self.held: dict[int, Held] = {}
        self.give_up = 0.0
        self.doubtful = False
        self.devices_until = 0.0
        self.ask_at: float | None = None
        self.units: dict[Scope, Unit] = {scope: Unit(scope)}
        self._pause = 0.0
        self._quiet_until = 0.0

    def unit(self, scope: Scope) -> Unit:
        found = self.units.get(scope)
        if found is None:
            found = self.units[scope] = Unit(scope)
        return found

    def devices(self) -> Iterator[Unit]:
        return (unit for scope, unit in self.units.items() if scope.device)

    def born(self, seq: int, bdseq: int, now: float, births_s: float) -> None:
        """A new birth: its devices are offline until each is born again, within `births_s`."""
        self.online, self.doubtful, self.bdseq = True, False, bdseq
        self.expected = seq + 1 & 0xFF if seq >= 0 else -1
        self.ask_at, self._pause = None, 0.0
        self.devices_until = now + births_s
        for unit in self.devices():
            unit.online = False

    def die(self) -> None:
        self.online = self.doubtful = False
        self.held.clear()
        self.ask_at, self.devices_until = None, 0.0
        for unit in self.units.values():
            unit.online = False

    def want_birth(self, now: float, pause: float) -> None:
        """Ask soon, but not more often than the pause, which doubles while nothing comes."""
        self._pause = self._pause or pause
        if self.ask_at is None:
            self.ask_at = max(now, self._quiet_until)

    def asked(self, now: float) -> None:
        self.ask_at = self._quiet_until = now + self._pause
        self._pause = min(_ASK_AGAIN_S, 2 * self._pause)

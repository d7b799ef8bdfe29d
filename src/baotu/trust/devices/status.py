"""Which certificates were revoked: known in memory, told to all who watch when it is committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from baotu.kernel.effects import Chain
from baotu.sdk import Event
from baotu.sdk.door import Change

from .rows import REVOKED

log = structlog.get_logger("baotu.devices")
READ = (
    "SELECT c.serial, c.issuer, c.revoked, c.reason, c.ends, c.organisation, d.name "
    "FROM devices_certificate c JOIN devices_device d ON d.id = c.device "
    "WHERE c.state IN ('revoked', 'superseded')"
)
REASONS = (  # RFC 5280 5.3.1, as the words of x509.ReasonFlags
    "unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation",
    "privilegeWithdrawn",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """serial: hex. issuer: subject key identifier of who had signed it, hex."""

    serial: str
    issuer: str
    time: datetime
    reason: str
    ends: datetime
    organisation: str
    device: str


class Revocations:
    """Safe to call from any thread. `close` ends its watch of the chain."""

    def __init__(self, chain: Chain) -> None:
        self._lock = threading.Lock()
        self._watchers: list[Callable[[Revoked], None]] = []
        self._version = 0
        self._of: dict[str, Revoked] = {}
        self.close = chain.watch(self._heard)  # before it reads: none is missed in between
        rows = [_row(*row) for row in chain.store.ask(READ)]
        with self._lock:
            self._of = {row.serial: row for row in rows} | self._of

    def revoked(self, serial: str) -> Revoked | None:
        """What is known against this certificate; None: nothing."""
        return self._of.get(serial)

    def all(self) -> Mapping[str, Revoked]:
        with self._lock:
            return dict(self._of)

    @property
    def version(self) -> int:
        """Grows with each revocation."""
        return self._version

    def watch(self, tell: Callable[[Revoked], None]) -> Callable[[], None]:
        """`tell` hears each revocation right after its commit, on the thread of who committed:
        it must be quick. Returns the way to stop."""
        with self._lock:
            self._watchers.append(tell)
        return lambda: self._watchers.remove(tell)

    def _heard(self, change: Change) -> None:
        for fact in change.facts:
            if isinstance(fact, Event) and fact.kind == REVOKED:
                self._add(_told(fact, change.organisation))

    def _add(self, row: Revoked) -> None:
        with self._lock:
            self._of[row.serial] = row
            self._version += 1
            watchers = tuple(self._watchers)
        for tell in watchers:
            tell(row)


def _row(
    serial: str, issuer: str, time: object, reason: str, ends: object, whose: str, device: str
) -> Revoked:
    return Revoked(
        serial=serial, issuer=issuer, time=moment(time), reason=reason, ends=moment(ends),
        organisation=whose, device=device,
    )  # fmt: skip


def _told(fact: Event, organisation: str) -> Revoked:
    data = fact.data
    return Revoked(
        serial=str(data["serial"]), issuer=str(data["issuer"]), reason=str(data["reason"]),
        time=moment(data["time"]), ends=moment(data["ends"]), organisation=organisation,
        device=str(data["device"]),
    )  # fmt: skip


def moment(value: object) -> datetime:
    """A time as a store gives it to a plain question: text without a zone in SQLite."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)

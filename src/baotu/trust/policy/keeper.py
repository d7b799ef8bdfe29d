"""Tells the engine what is in force: the newest version of the policies, agreements, firms.

It hears every commit of this node and looks into the records twice a second besides, so a change
made on another node of the same records, or an agreement that expires, is seen within a second.
Never writes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from baotu.sdk import Unreachable
from baotu.sdk.clock import Clock
from baotu.sdk.door import Change

from .agreements import Deal, rules_for
from .engine import CedarPolicy
from .organisations import Agreement, Firm, Signature
from .policies import EMPTY, PolicyVersion, hashed

log = structlog.get_logger("baotu.policy")
PERIOD_S = 0.5
NEVER = 2**31 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WATCHED = {t.__tablename__ for t in (PolicyVersion, Firm, Agreement, Signature)}
NEWEST = (
    f"SELECT number, text, before, hash FROM {PolicyVersion.__tablename__} "
    "WHERE organisation = ? AND number > ? AND number < ? ORDER BY number DESC LIMIT 1"
)
DISABLED = f"SELECT name FROM {Firm.__tablename__} WHERE organisation = ? AND disabled <> ''"
AGREEMENTS = (
    "SELECT id, organisation, partner, assets, actions, until, purpose, hash "
    f"FROM {Agreement.__tablename__} ORDER BY id"
)
SIGNATURES = f"SELECT agreement, organisation, what, hash FROM {Signature.__tablename__}"


class Asks(Protocol):
    """What the keeper needs of the store."""

    def ask(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]: ...


class PolicyKeeper:
    """Owns one thread. `look` is safe to call from any."""

    def __init__(self, store: Asks, engine: CedarPolicy, clock: Clock) -> None:
        self.store, self.engine, self.clock = store, engine, clock
        self._looked = self._newest = 0  # numbers of versions
        self._agreed: tuple[object, ...] = ()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, watch: Callable[[Callable[[Change], None]], Callable[[], None]]) -> None:
        """watch: of the chain. What is in force is loaded before this returns."""
        self.look()
        self._unwatch = watch(self.heard)
        self._thread = threading.Thread(target=self._loop, name="policy", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._unwatch()
            self._thread.join(5.0)

    def _loop(self) -> None:
        away = False
        while not self._ended.wait(PERIOD_S):
            try:
                self.look()
                away = False
            except Unreachable as error:  # what was in force stays in force
                if not away:
                    log.warning("policies cannot be looked at", records=str(error))
                away = True

    def heard(self, change: Change) -> None:
        if change.tables & WATCHED:
            self.look()

    def look(self) -> None:
        """Load what is new."""
        with self._lock:
            self._versions()
            self._agreements()

    def _versions(self) -> None:
        """The newest that is sound. One that was changed by hand is passed over, for ever."""
        below = NEVER
        while rows := self.store.ask(NEWEST, (self.engine.house, self._looked, below)):
            number, text, before, hash = rows[0]
            assert isinstance(number, int) and isinstance(text, str)
            newest = number if below == NEVER else self._newest
            self._newest, below = newest, number
            if self._taken(number, text, str(before), str(hash)):
                break
        if below != NEVER:
            self._looked = self._newest

    def _taken(self, number: int, text: str, before: str, hash: str) -> bool:
        if hashed(number, text, before) != hash:
            log.error("policies not loaded: the row was changed by hand", version=number)
            return False
        try:
            self.engine.load("" if text == EMPTY else text)
        except ValueError as error:
            log.error("policies not loaded", version=number, why=str(error))
            return False
        log.info("policies in force", version=number)
        return True

    def _agreements(self) -> None:
        now = EPOCH + timedelta(microseconds=self.clock.now() // 1000)
        disabled = tuple(str(name) for (name,) in self.store.ask(DISABLED, (self.engine.house,)))
        deals = self.deals()
        in_force = tuple(deal for deal in deals if deal.state(now) == "in force")
        agreed = (disabled, in_force, self.engine.catalogue)
        if agreed != self._agreed:
            rules = rules_for(in_force, disabled, self.engine.catalogue, now)
            self.engine.add("organisations", rules)
            self._agreed = agreed

    def deals(self) -> list[Deal]:
        """Agreements of all organisations, with what both sides signed. A signature counts only
        from one of the two, over the very terms."""
        made = {}
        for id, owner, partner, assets, actions, until, purpose, hash in self.store.ask(AGREEMENTS):
            made[id] = Deal(
                id=int(str(id)), owner=str(owner), partner=str(partner),
                assets=tuple(str(assets).split(", ")), actions=tuple(str(actions).split(", ")),
                until=_moment(until), purpose=str(purpose), hash=str(hash),
            )  # fmt: skip
        signed: dict[object, set[str]] = {}
        for id, who, what, hash in self.store.ask(SIGNATURES):
            deal = made.get(id)
            if deal is None or hash != deal.hash or not deal.sound():
                continue
            if (what == "accepted" and who == deal.partner) or (
                what == "revoked" and who in (deal.owner, deal.partner)
            ):
                signed.setdefault(id, set()).add(str(what))
        return [
            Deal(
                id=d.id, owner=d.owner, partner=d.partner, assets=d.assets, actions=d.actions,
                until=d.until, purpose=d.purpose, hash=d.hash,
                accepted="accepted" in signed.get(id, ()), revoked="revoked" in signed.get(id, ()),
            )
            for id, d in made.items()
        ]  # fmt: skip


def _moment(kept: object) -> datetime | None:
    """A time as a plain statement gives it: text in SQLite, a time in PostgreSQL; UTC."""
    if kept is None:
        return None
    moment = kept if isinstance(kept, datetime) else datetime.fromisoformat(str(kept))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

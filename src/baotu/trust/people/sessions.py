"""Who holds this cookie or this token, fast; and telling those who watch when it has ended.

What was found is kept for half a second, and forgotten at once when this node changes an account, so
a change by another node on the same records is seen within a second. A turn every half second looks
after open channels, which ask nothing by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from baotu.kernel.store import Store
from baotu.sdk import Anonymous, Caller, Unreachable
from baotu.sdk.people import Stop

from .keys import TOKEN, digest
from .rights import Rights
from .settings import PeopleSettings

SECOND = 10**9
FRESH = SECOND // 2
AWAY = 300 * SECOND  # so long what was known still counts while the records do not answer
KEPT = 20_000
SESSION = (
    "SELECT s.id, s.account, s.level, s.seen, s.ends, a.organisation, a.name, a.state, '' "
    "FROM people_session s JOIN people_account a ON a.id = s.account "
    "WHERE s.digest = ? AND s.ended = 0"
)
TOKENS = (
    "SELECT t.id, t.account, t.level, t.used, t.ends, a.organisation, a.name, a.state, t.scope "
    "FROM people_token t JOIN people_account a ON a.id = t.account "
    "WHERE t.digest = ? AND t.ended = 0"
)
STILL = (
    "SELECT s.id, s.account, s.level, s.seen, s.ends, a.organisation, a.name, a.state, '' "
    "FROM people_session s JOIN people_account a ON a.id = s.account "
    "WHERE a.handle = ? AND s.id = ? AND s.ended = 0 AND a.state = 'active'"
)
ALIVE = {
    "session": "SELECT s.id, s.seen, s.ends FROM people_session s JOIN people_account a "
    "ON a.id = s.account WHERE s.ended = 0 AND a.state = 'active' AND s.id IN (%s)",
    "token": "SELECT t.id, t.ends, t.ends FROM people_token t JOIN people_account a "
    "ON a.id = t.account WHERE t.ended = 0 AND a.state = 'active' AND t.id IN (%s)",
}
GONE = "登录已结束，请重新登录 You are signed out: sign in again"
NO_TOKEN = "API 令牌无效、过期或已吊销 The API token is unknown, expired or revoked"


@dataclass(slots=True)
class _Held:
    """checked, ends: ns."""

    caller: Caller
    checked: int
    ends: int


class Sessions:
    """Safe to call from any thread; it has none of its own: somebody calls `turn`."""

    def __init__(
        self, store: Store, now: Callable[[], int], settings: PeopleSettings, rights: Rights
    ) -> None:
        self._store, self._now, self._settings, self.rights = store, now, settings, rights
        self._idle = int(settings.idle_min * 60 * SECOND)
        self._held: dict[str, _Held] = {}
        self._epoch = 0  # what was being read while something changed is not kept
        self._seen: dict[str, int] = {}  # via → when a person last did something, on this node
        self._told: dict[str, int] = {}  # the same as it stands in the records
        self._open: set[str] = set()  # what was found good here and not yet told as ended
        self._tellers: list[Callable[[str], None]] = []

    def session(self, secret: str, active: bool) -> Caller:
        """Raises Anonymous."""
        held = self._find("session", digest(secret), GONE)
        now, via = self._now(), held.caller.via
        if now > held.ends or now - self._seen.get(via, 0) > self._idle:
            raise Anonymous(GONE)
        if active:
            self._seen[via] = now
        return held.caller

    def token(self, secret: str) -> Caller:
        """Raises Anonymous."""
        if not secret.startswith(TOKEN):
            raise Anonymous(NO_TOKEN)
        held, now = self._find("token", digest(secret), NO_TOKEN), self._now()
        if now > held.ends:
            raise Anonymous(NO_TOKEN)
        self._seen[held.caller.via] = now
        return held.caller

    def still(self, handle: str, via: str) -> Caller | None:
        """Who holds this session, asked without its secret; None when it is over or another's."""
        kind, _, number = via.partition(":")
        if kind != "session" or not number.isdecimal():
            return None
        rows, now = self._store.ask(STILL, (handle, int(number))), self._now()
        if not rows:
            return None
        held = self._made("session", rows[0], now)
        idle = now - self._seen.get(via, 0) > self._idle
        return None if now > held.ends or idle else held.caller

    def forget(self) -> None:
        """Something about accounts changed: look again."""
        self._epoch += 1
        self._held.clear()

    def ended(self, tell: Callable[[str], None]) -> Stop:
        self._tellers.append(tell)
        return lambda: self._tellers.remove(tell) if tell in self._tellers else None

    def turn(self) -> None:
        """Tell of those that were open on this node and have ended."""
        watched = set(self._open) if self._tellers else set()
        alive = {v for kind in ALIVE for v in self._alive(kind, watched)}
        for via in watched - alive:
            self._open.discard(via)
            for tell in tuple(self._tellers):
                tell(via)

    def unwritten(self) -> list[tuple[str, int]]:
        """(via, when) of everything that was used since the records were told."""
        news = [(via, at) for via, at in list(self._seen.items()) if self._told.get(via, 0) < at]
        self._told.update(news)
        if len(self._seen) > KEPT:
            for via, at in list(self._seen.items()):
                if self._now() - at > self._idle and self._told.get(via) == at:
                    self._seen.pop(via, None)
                    self._told.pop(via, None)
                    self._open.discard(via)
        return news

    def _find(self, kind: str, key: str, gone: str) -> _Held:
        held, now = self._held.get(key), self._now()
        if held is not None and 0 <= now - held.checked < FRESH:
            return held
        epoch = self._epoch
        try:
            rows = self._store.ask(SESSION if kind == "session" else TOKENS, (key,))
        except Unreachable:  # nobody can change an account either; but not without end
            if held is not None and now - held.checked < AWAY:
                return held
            raise
        if not rows or rows[0][7] != "active":
            self._held.pop(key, None)
            raise Anonymous(gone)
        held = self._made(kind, rows[0], now)
        if epoch == self._epoch:
            if len(self._held) >= KEPT:
                self._held.clear()
            self._held[key] = held
        self._open.add(held.caller.via)
        return held

    def _made(self, kind: str, row: Sequence[Any], now: int) -> _Held:
        id, account, level, seen, ends, organisation, name, _, scope = row
        via = f"{kind}:{id}"
        if kind == "session":
            self._seen[via] = max(self._seen.get(via, 0), seen)
        roles = self.roles(account)
        works = roles if level > 1 else roles - frozenset(self._settings.second_factor)
        may = self.rights(works)
        if kind == "token":
            may &= frozenset(scope.split())
        caller = Caller(
            name, organisation, may, works, "person" if kind == "session" else "token", via
        )
        return _Held(caller, now, ends)

    def seen(self, session: int, written: int) -> int:
        """When a person last did something in it, as far as this node knows."""
        return max(written, self._seen.get(f"session:{session}", 0))

    def roles(self, account: int) -> frozenset[str]:
        rows = self._store.ask("SELECT role FROM people_granted WHERE account = ?", (account,))
        return frozenset(role for (role,) in rows)

    def _alive(self, kind: str, watched: set[str]) -> list[str]:
        ids = [int(via.partition(":")[2]) for via in watched if via.startswith(f"{kind}:")]
        alive, now = [], self._now()
        for at in range(0, len(ids), 500):
            some = ids[at : at + 500]
            for id, seen, ends in self._store.ask(ALIVE[kind] % ", ".join("?" * len(some)), some):
                touched = max(seen, self._seen.get(f"{kind}:{id}", 0))
                if now <= ends and (kind == "token" or now - touched <= self._idle):
                    alive.append(f"{kind}:{id}")
        return alive

"""People for the provider, without accounts: a dictionary, and who can be disabled."""

from __future__ import annotations

from baotu.bench import Bench
from baotu.sdk import Caller

WANG = Caller(
    "wang", "spring", frozenset(), roles=frozenset({"operator", "viewer"}), via="session-1"
)


class People:
    """Implements `sdk.oidc.Holders`."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.disabled = bench, set[str]()
        self.ended: list[tuple[str, str]] = []
        self.since: int | None = None

    def subject(self, caller: Caller) -> str:
        return f"id-of-{caller.name}"

    def caller(self, subject: str, via: str) -> Caller | None:
        over = subject in self.disabled or (subject, via) in self.ended
        return WANG if (subject, via) == ("id-of-wang", WANG.via) and not over else None

    def signed_in(self, caller: Caller) -> int:
        return self.bench.clock.now() // 10**9 - 5 if self.since is None else self.since

    def title(self, subject: str) -> str:
        return "王工"

    def end(self, subject: str, via: str) -> None:
        self.ended.append((subject, via))

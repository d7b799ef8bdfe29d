"""Time is an argument: tests jump, simulation and replay run faster than life."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Nanoseconds since 1970-01-01 UTC: the wall clock, which may jump."""

    def monotonic(self) -> float:
        """Seconds that never go back, for time-outs and schedules."""

    async def sleep(self, seconds: float) -> None:
        """Wait this long by the monotonic clock."""

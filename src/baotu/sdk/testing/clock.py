"""A clock that jumps, so that tests never sleep."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class JumpingClock:
    """Implements `sdk.clock.Clock`. `await clock.advance(60)` wakes all who would have waked."""

    def __init__(self, now: int = 1_780_000_000_000_000_000) -> None:
        self._now, self._monotonic, self._order = now, 0.0, count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), place))
        await place

    async def advance(self, seconds: float, turns: int = 20) -> None:
        """Go forward; between wake-ups the loop gets `turns` turns to do its work."""
        end = self._monotonic + seconds
        await self._settle(turns)
        while self._sleepers and self._sleepers[0][0] <= end:
            when, _, place = heapq.heappop(self._sleepers)
            self._step(max(when, self._monotonic))
            if not place.done():
                place.set_result(None)
            await self._settle(turns)
        self._step(end)

    def stall(self, seconds: float) -> None:
        """Time passes and nobody runs: a busy or suspended machine. Sleepers wake late."""
        self._step(self._monotonic + seconds)

    def jump_wall(self, seconds: float) -> None:
        """Someone set the clock: the wall jumps, the monotonic clock does not."""
        self._now += round(seconds * 1e9)

    def _step(self, to: float) -> None:
        self._now += round((to - self._monotonic) * 1e9)
        self._monotonic = to

    async def _settle(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

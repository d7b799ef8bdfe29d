"""Waiting, always with an owner and a deadline, by the node's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from baotu.sdk.clock import Clock

Given = TypeVar("Given")


async def stop(*tasks: asyncio.Future[Any], deadline_s: float = 5.0) -> list[asyncio.Future[Any]]:
    """Cancel and wait until they are over; those that would not end by the deadline."""
    for task in tasks:
        task.cancel()
    left = (await asyncio.wait(tasks, timeout=deadline_s))[1] if tasks else set()
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # looked at: what it raises is its owner's, not the loop's
    return list(left)


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, Given]) -> Given:
    """The result of `work`, or TimeoutError after `seconds` of the clock; never left running."""
    doing = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({doing, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise TimeoutError(f"no end within {seconds:g} s")
        return doing.result()
    finally:
        await stop(doing, alarm)


async def first_end(*works: Coroutine[Any, Any, None]) -> None:
    """Run side by side until the first one ends or fails; then all are over."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await stop(*tasks)


class Backoff:
    """How long to wait before the next try: doubling from `first_s` to `most_s`, with jitter."""

    def __init__(
        self, jitter: Callable[[], float], first_s: float = 0.5, most_s: float = 30.0
    ) -> None:
        self._jitter, self._first, self._most, self._tries = jitter, first_s, most_s, 0

    def next(self) -> float:
        """Between half of and the whole step, so that many devices do not come back at once."""
        step = min(self._most, self._first * 2.0 ** min(self._tries, 16))
        self._tries += 1
        return step * (0.5 + 0.5 * self._jitter())

    def reset(self) -> None:
        self._tries = 0

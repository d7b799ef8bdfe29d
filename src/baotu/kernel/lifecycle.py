"""Owners of running things: start in order, stop in reverse, each with a deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

SLOW_S = 2.0

log = structlog.get_logger("baotu.lifecycle")
Answer = TypeVar("Answer")


class LoopThread:
    """An asyncio loop in a thread of its own, so that a busy neighbour cannot delay it.

    `call` runs a coroutine there and waits for its answer; safe from any other thread.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, Answer], deadline_s: float = 10.0) -> Answer:
        """Raises TimeoutError when there is no answer in time; the work is then cancelled."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(deadline_s)
        except TimeoutError:
            future.cancel()
            raise

    def soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Run a plain function in the loop's thread, without waiting."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def stop(self, deadline_s: float = 5.0) -> None:
        """Cancels what is left and ends the thread."""
        if not self._thread.is_alive():
            return
        try:
            self.call(_cancel_all(), deadline_s)
        except TimeoutError:
            log.warning(
                "tasks did not end in time", thread=self._thread.name, deadline_s=deadline_s
            )
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(deadline_s)


async def _cancel_all() -> None:
    others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Stack:
    """What was started, stopped in reverse; one that fails to stop does not keep the others."""

    def __init__(self) -> None:
        self._stops: list[tuple[str, Callable[[], object]]] = []

    def add(self, name: str, stop: Callable[[], object]) -> None:
        self._stops.append((name, stop))

    def close(self) -> None:
        while self._stops:
            name, stop = self._stops.pop()
            begun = time.monotonic()
            try:
                stop()
            except Exception:
                log.exception("did not stop cleanly", part=name)
            if (took := time.monotonic() - begun) > SLOW_S:
                log.info("was slow to stop", part=name, seconds=round(took, 1))

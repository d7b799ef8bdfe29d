"""Who owns which task: every device, server and part of the edge has one, and none outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import structlog

from baotu.sdk import ConfigError, Quality

from .blame import frames_of
from .device import Device
from .serving import Server
from .waits import stop

log = structlog.get_logger("baotu.edge")


class Crew:
    """Tasks by name: `device/press3`, `server/opcua`, `edge/drain`."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.broken: dict[str, str] = {}  # parts of the edge itself that failed, and why

    def own(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[name] = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: self._ended(name, done))

    async def end(self, names: Iterable[str], deadline_s: float = 5.0) -> None:
        """Cancel and wait; what will not end is named and left behind."""
        tasks = {name: self._tasks.pop(name) for name in list(names) if name in self._tasks}
        left = await stop(*tasks.values(), deadline_s=deadline_s)
        for name, task in tasks.items():
            if task in left:
                log.error("does not end, left behind", part=name)

    async def end_all(self, kind: str, deadline_s: float) -> None:
        await self.end([name for name in self._tasks if name.startswith(kind)], deadline_s)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        """Supervision does not fail; if it does, that is our bug, and it must be seen."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken[name] = repr(error)
            log.critical("a part of the edge failed", part=name, error=repr(error),
                         frames=frames_of(error, None))  # fmt: skip


async def supervise(part: Device | Server) -> None:
    """Run it; when its plugin fails, stop this one alone and say where it failed."""
    plugin = part.spec.entry.client if isinstance(part, Device) else part.spec.entry.server
    task = asyncio.ensure_future(part.run())
    try:
        await asyncio.wait({task})
    finally:
        await stop(task)
    error = None if task.cancelled() else task.exception()
    if isinstance(error, ConfigError):
        why, quality = str(error), Quality.BAD_CONFIGURATION
        log.error("cannot run as configured", part=part.spec.name, why=why)
    else:
        why, quality = f"its driver failed and was stopped: {error!r}", Quality.BAD_INTERNAL
        log.error("driver failed and was stopped", part=part.spec.name, driver=part.spec.driver,
                  error=repr(error), frames=frames_of(error, plugin) if error else [])  # fmt: skip
    if isinstance(part, Device):
        part.mark(part.tags, quality, None)
    else:
        part.feed.close()
    part.enter("down", why)

"""Committed samples, told once to everyone who watches."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from baotu.sdk import Samples
from baotu.sdk.ports import Stop

log = structlog.get_logger("baotu.live")


class LiveBus:
    """Implements `sdk.ports.Live`. A watcher that raises is told off once and dropped."""

    def __init__(self) -> None:
        self._watchers: tuple[Callable[[Samples], None], ...] = ()
        self._lock = threading.Lock()

    def watch(self, tell: Callable[[Samples], None]) -> Stop:
        with self._lock:
            self._watchers += (tell,)

        def stop() -> None:
            with self._lock:
                self._watchers = tuple(w for w in self._watchers if w is not tell)

        return stop

    def publish(self, samples: Samples) -> None:
        """Called on the hub's commit thread, after the commit."""
        for tell in self._watchers:
            try:
                tell(samples)
            except Exception:
                log.exception("watcher dropped", watcher=getattr(tell, "__qualname__", str(tell)))
                with self._lock:
                    self._watchers = tuple(w for w in self._watchers if w is not tell)

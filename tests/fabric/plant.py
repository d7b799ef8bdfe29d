"""A hub and edges in one process, for tests: real log, real wire, real history."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from baotu.fabric.edge import EdgeLink
from baotu.fabric.hub import HubLink
from baotu.fabric.settings import FabricSettings
from baotu.fabric.wire import Wire
from baotu.history.duck import DuckHistory
from baotu.history.settings import HistorySettings
from baotu.kernel.clock import SystemClock
from baotu.sdk import Samples, Tag
from baotu.sdk.clock import Clock
from baotu.sdk.health import Health
from baotu.sdk.ports import Reply

SMALL = HistorySettings(memory_mb=64)


def tags(count: int) -> list[Tag]:
    return [Tag(id=i, asset=f"site/unit-{i}", property="speed") for i in range(count)]


def frame(number: int, size: int = 3, time: int | None = None) -> Samples:
    """Tag k says `number` at `number` seconds: history alone then proves order and completeness."""
    at = number * 10**9 if time is None else time
    return Samples.of(np.arange(size), at, np.full(size, float(number)))


class Hub:
    """A HubLink whose ids are the edge's plus `shift`, and everything it says."""

    def __init__(self, wire: Wire, folder: Path, shift: int = 100, **more: object) -> None:
        self.history = DuckHistory(folder / "history", SMALL)
        self.audit: list[tuple[str, Mapping[str, str | int]]] = []
        self.published: list[tuple[Samples, bool, str]] = []
        self.tables: list[tuple[str, int]] = []
        self.statuses: list[tuple[str, list[Health]]] = []
        self.shift = shift
        self.link = HubLink(
            wire,
            hub="hub",
            history=self.history,
            adopt=self.adopt,
            publish=lambda s, live, edge: self.published.append((s, live, edge)),
            on_status=lambda edge, healths: self.statuses.append((edge, list(healths))),
            audit=lambda what, facts: self.audit.append((what, facts)),
            folder=folder / "quarantine",
            clock=SystemClock(),
            **more,  # type: ignore[arg-type]
        )

    def adopt(self, edge: str, tags: Sequence[Tag]) -> np.ndarray:
        self.tables.append((edge, len(tags)))
        return np.arange(len(tags), dtype="i4") + self.shift

    def values(self, tag: int) -> list[float]:
        return self.history.read(tag, 0, 2**62).value.tolist()

    def close(self) -> None:
        self.link.close()
        self.history.close()


def edge(
    wire: Wire,
    folder: Path,
    name: str = "e1",
    on_write: Callable[[int, float | str, int], Reply] | None = None,
    clock: Clock | None = None,
    **settings: object,
) -> EdgeLink:
    return EdgeLink(
        folder,
        wire,
        edge=name,
        settings=FabricSettings(flush_ms=1, **settings),  # type: ignore[arg-type]
        clock=clock or SystemClock(),
        on_write=on_write,
    )


def until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if true():
            return True
        pause.wait(0.01)
    return true()

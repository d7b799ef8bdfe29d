"""What every device has, polled or kept by a library: a state, a tally, a place for its samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import structlog

from baotu.sdk import Found, Malformed, Quality, Samples, Tag
from baotu.sdk.clock import Clock
from baotu.sdk.health import Health, State
from baotu.sdk.ports import Board
from baotu.sdk.tags import ById, Tags

from .intake import Intake
from .recordings import Recordings
from .spec import DeviceSpec, EdgeSettings
from .tally import Tally
from .ticks import Wall, rounded

log = structlog.get_logger("baotu.edge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the edge gives all its devices."""

    node: str
    clock: Clock
    wall: Wall
    board: Board
    settings: EdgeSettings
    recordings: Recordings
    jitter: Callable[[], float]
    arrived: Callable[[], None]
    voids: Callable[[np.ndarray, int, Quality], Sequence[Samples]]
    discover: Callable[[DeviceSpec, Sequence[Found]], list[Tag]]
    last_time: Callable[[int], int | None]


class Device(ABC):
    """One connection to the field. `run` goes on until it is cancelled or its plugin fails."""

    def __init__(self, spec: DeviceSpec, tags: Sequence[Tag], ground: Ground) -> None:
        self.spec, self.ground = spec, ground
        self.tags = ById(Tags.of(tags))
        self.tally = Tally()
        self.intake = Intake(ground.settings.queue_samples, ground.arrived)
        self.state: State = "starting"
        self.why = ""
        self.since = ground.clock.now()
        self.notes: dict[str, float | str] = {}
        self._lost_since: int | None = None
        self._was_up = False
        self._rate = (ground.clock.monotonic(), 0)

    @abstractmethod
    async def run(self) -> None: ...

    @abstractmethod
    async def write(self, tag: Tag, raw: float | str) -> float | str:
        """Set a raw value; the raw value read back. Raises Refused, Unreachable, Invalid."""

    @abstractmethod
    async def browse(self, under: str) -> list[Found]: ...

    @abstractmethod
    def change(self, spec: DeviceSpec, tags: Sequence[Tag]) -> None:
        """Other tags on the same connection."""

    def deliver(self, samples: Samples) -> None:
        self.tally.samples += len(samples)
        self.intake.put(samples)

    def mark(self, ids: Iterable[int] | np.ndarray, quality: Quality, time: int | None) -> None:
        """A (bad) quality without a value, from this time on."""
        chosen = np.fromiter(ids, "i8")
        when = rounded(self.ground.clock.now()) if time is None else time
        for part in self.ground.voids(chosen, when, quality):
            self.intake.put(part)

    def back(self) -> None:
        """It answers: noted once for each time it was lost."""
        if self.state == "up":
            return
        if self._lost_since is not None:
            away = (self.ground.clock.now() - self._lost_since) / 1e9
            log.info("device is back", device=self.spec.name, away_s=round(away, 1))
        elif not self._was_up:
            log.info("device is up", device=self.spec.name, tags=len(self.tags))
        self._lost_since, self._was_up = None, True
        self.enter("up")

    def lost(self, why: str, quality: Quality) -> None:
        """It does not answer: noted once, its tags become bad once."""
        why = why.encode("utf-8", "replace").decode()  # a library's words may hold half characters
        if self._lost_since is None:
            self._lost_since = self.ground.clock.now()
            self.tally.losses += 1
            log.warning("device is lost", device=self.spec.name, why=why)
        self.mark(self.tags, quality, None)
        self.enter("down", why)

    def nonsense(self, error: Malformed) -> None:
        """Bytes that are not the protocol: kept and counted."""
        self.tally.malformed += 1
        now = self.ground.clock.now()
        kept = self.ground.recordings.keep(self.spec.name, error.frame, str(error), now)
        log.warning(
            "malformed frame", device=self.spec.name, why=str(error),
            kept=kept.name if kept else None, count=self.tally.malformed,
        )  # fmt: skip

    def enter(self, state: State, why: str = "") -> None:
        if state != self.state:
            self.state, self.since, self.why = state, self.ground.clock.now(), why
            self.report()
        self.why = why

    def report(self) -> None:
        """Tell the board how it fares."""
        self.tally.dropped = self.intake.dropped
        self.ground.board.put(
            Health(
                kind="device", name=self.spec.name, state=self.state, since=self.since,
                why=self.why, node=self.ground.node, figures=self.figures(),
            )
        )  # fmt: skip

    def figures(self) -> Mapping[str, float | str]:
        now, (then, samples) = self.ground.clock.monotonic(), self._rate
        if now - then >= 1.0:
            rate = (self.tally.samples - samples) / (now - then)
            self._rate = now, self.tally.samples
            self.notes["samples_per_s"] = round(rate, 1)
        return {
            "driver": self.spec.driver, "tags": len(self.tags), "waiting": self.intake.waiting,
            **asdict(self.tally), **self.notes,
        }  # fmt: skip

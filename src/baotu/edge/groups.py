"""Tags of one device read in one period: their questions, their rounds, and those given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import structlog

from baotu.sdk import (
    ConfigError,
    PolledDriver,
    Quality,
    Refused,
    Request,
    Samples,
    Tag,
    Unreachable,
)
from baotu.sdk.samples import SECOND
from baotu.sdk.tags import ById, Tags

from .device import Device
from .exchange import Exchange
from .refusals import quality_of
from .ticks import Ticks, rounded
from .transport import Silent

STRIKES = 3  # unanswered so often in a row while others are answered: asked rarely
STORM = 16  # other questions in place of refused ones, for each tag and round, at most

log = structlog.get_logger("baotu.edge")


class Group:
    """The unit of a schedule. Never waits."""

    def __init__(self, device: Device, driver: PolledDriver, period_s: float, tags: Tags):
        self.device, self.driver = device, driver
        self.period_s = period_s
        self.ticks = Ticks(max(1_000_000, round(period_s * SECOND)))
        self.tags = ById(tags)
        self.parked: dict[int, tuple[Quality, str]] = {}  # refused or silent ones, and why
        self.strikes: dict[Request, int] = {}  # the plan: how often each alone was not answered
        self._unheard: set[Request] = set()  # not answered, and nobody else was since
        self._round: Round | None = None
        self._retry_at = 0.0
        for request in plan(driver, tags, self._misplaced):
            self.strikes[request] = 0

    def anchor(self, now: int) -> None:
        """A new connection or another wall clock: what runs is no business of ours any more."""
        self._round = None
        self.ticks.anchor(now)

    def opened(self) -> None:
        """A new connection: with nothing but refused ones to ask, these are asked at once, or
        nobody would notice that the device is back."""
        if not self.strikes:
            self._retry_at = 0.0

    def due(self, now: int, exchange: Exchange) -> None:
        """Start a round when its tick has come and the last round is over."""
        tick, missed = self.ticks.take(now)
        if tick is not None and self._round is not None:
            tick, missed = None, missed + 1
        self.device.tally.missed_ticks += missed
        if tick is not None:
            self.start(tick, exchange)

    def start(self, tick: int, exchange: Exchange) -> None:
        requests = list(self.strikes)
        if self.parked and self.device.ground.clock.monotonic() >= self._retry_at:
            requests += self._second_chance()
        if requests:
            self._round = Round(self, tick, len(requests))
            exchange.ask(requests, self._round, self.period_s)

    def complaint(self) -> str:
        """About one parked tag; empty when there is none."""
        for id, (_, why) in self.parked.items():
            return f"{self.tags[id].name}: {why}"
        return ""

    def remark(self) -> None:
        """After a loss: the parked tags are bad for their own reasons again."""
        for quality in {quality for quality, _ in self.parked.values()}:
            ids = [id for id, (told, _) in self.parked.items() if told == quality]
            self.device.mark(ids, quality, None)

    def over(self, round: Round) -> None:
        if self._round is round:
            self._round = None

    def heard(self, request: Request) -> None:
        if self.parked:
            for id in request.tags.tolist():
                self.parked.pop(id, None)
        self.strikes[request] = 0
        self._unheard.discard(request)

    def refused(self, request: Request, refusal: Refused, storm: bool) -> Sequence[Request]:
        """Other questions take its place in the plan; tags in none of them are parked."""
        others = [] if storm else self.driver.replan(request, refusal)
        self.strikes.pop(request, None)
        self._unheard.discard(request)
        left = set(request.tags.tolist())
        for other in others:
            self.strikes[other] = 0
            left.difference_update(other.tags.tolist())
        if left:
            self._park(left, quality_of(refusal), str(refusal))
        return others

    def silent(self, request: Request) -> None:
        """Another question goes first next time. Whose fault it was is not known yet."""
        self.strikes[request] = self.strikes.pop(request, 0)
        self._unheard.add(request)
        self.device.mark(request.tags, Quality.BAD_TIMEOUT, None)

    def alive(self) -> None:
        """The device has just answered another question: those that it left unanswered are at
        fault themselves, and soon asked rarely, so that they do not keep the others waiting."""
        unheard, self._unheard = self._unheard, set()
        for request in unheard & self.strikes.keys():
            self.strikes[request] += 1
            if self.strikes[request] >= STRIKES:
                del self.strikes[request]
                self._park(set(request.tags.tolist()), Quality.BAD_TIMEOUT, "never answered")

    def _park(self, ids: set[int], quality: Quality, why: str) -> None:
        ids &= self.tags.keys()
        if fresh := ids - self.parked.keys():
            some = ", ".join(self.tags[id].name for id in sorted(fresh)[:3])
            log.warning("tags refused", device=self.device.spec.name, why=why, tags=len(fresh),
                        some=some)  # fmt: skip
        self.parked.update(dict.fromkeys(ids, (quality, why)))
        self.device.mark(ids, quality, None)
        self._retry_at = self._slowly()

    def _second_chance(self) -> list[Request]:
        """Questions for the parked tags; those that are answered stay in the plan."""
        self._retry_at = self._slowly()
        asked = {id for request in self.strikes for id in request.tags.tolist()}
        again = [self.tags[id] for id in self.parked if id not in asked]
        requests = plan(self.driver, again, self._misplaced)
        for request in requests:
            self.strikes[request] = STRIKES - 1  # one more silence and they are parked again
        return requests

    def _misplaced(self, tag: Tag, error: ConfigError) -> None:
        if tag.id not in self.parked:
            log.error(
                "tag cannot be read", device=self.device.spec.name, tag=tag.name, why=str(error)
            )
        self.parked[tag.id] = (Quality.BAD_CONFIGURATION, str(error))
        self.device.mark([tag.id], Quality.BAD_CONFIGURATION, None)
        self._retry_at = self._slowly()

    def _slowly(self) -> float:
        ground = self.device.ground
        return ground.clock.monotonic() + ground.settings.retry_refused_s


class Round:
    """One reading of a whole group. Implements `exchange.Owner`."""

    def __init__(self, group: Group, tick: int, left: int) -> None:
        self._group, self._tick, self._left = group, tick, left
        self._storm = STORM * (len(group.tags) + 1)
        # read within the period, and within a second: then it is what was true at the tick
        self._in_time = min(group.ticks.period_ns, SECOND)

    def wanted(self) -> bool:
        return True

    def stamp(self) -> int:
        now = self._group.device.ground.clock.now()
        return self._tick if 0 <= now - self._tick < self._in_time else rounded(now)

    def told(self, request: Request, parts: list[Samples]) -> None:
        self._group.heard(request)
        device = self._group.device
        for part in parts:
            device.deliver(part)
        device.back()
        self._one_less()

    def refused(self, request: Request, refusal: Refused) -> Sequence[Request]:
        others = self._group.refused(request, refusal, storm=self._storm <= 0)
        self._group.device.back()  # a no is an answer
        self._storm -= len(others)
        self._left += len(others)
        self._one_less()
        return others

    def silent(self, request: Request, why: Silent) -> None:
        self._group.silent(request)
        self._one_less()

    def gone(self, why: Unreachable) -> None:
        self._group.over(self)

    def _one_less(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self._group.over(self)


def plan(
    driver: PolledDriver, tags: Sequence[Tag], misplaced: Callable[[Tag, ConfigError], None]
) -> list[Request]:
    """The driver's questions; a tag with a wrong address does not spoil those of the others."""
    if not tags:
        return []
    try:
        return list(driver.plan(tags))
    except ConfigError as error:
        if len(tags) == 1:
            misplaced(tags[0], error)
            return []
    fit = []
    for tag in tags:
        try:
            driver.plan([tag])
            fit.append(tag)
        except ConfigError as error:
            misplaced(tag, error)
    return list(driver.plan(fit)) if fit else []


def grouped(device: Device, driver: PolledDriver, tags: Tags) -> list[Group]:
    """One group for each period, the fastest first."""
    period_s = tags.numbers("period_s")
    return [
        Group(device, driver, period, tags.pick(period_s == period))
        for period in np.unique(period_s).tolist()
    ]

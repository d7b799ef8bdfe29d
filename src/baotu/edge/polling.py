"""A polled device: connect, ask on absolute ticks, lose, back off, come back. For ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from baotu.sdk import (
    ConfigError,
    Endpoint,
    Found,
    Malformed,
    PolledDriver,
    Quality,
    Refused,
    Request,
    Samples,
    Tag,
    Unreachable,
)
from baotu.sdk.tags import ById, Tags

from .device import Device, Ground
from .exchange import Exchange
from .groups import Group, grouped
from .spec import DeviceSpec
from .ticks import rounded
from .transport import Silent, dial
from .waits import Backoff, first_end

NAP_S = 1.0  # never asleep longer: a wall clock that jumps is noticed in between
SLOW_S = 2.0  # from this period on the first reading does not wait for its tick


class PolledDevice(Device):
    """One task for each connection; a dead device keeps only its own task waiting."""

    def __init__(self, spec: DeviceSpec, tags: Sequence[Tag], ground: Ground) -> None:
        super().__init__(spec, tags, ground)
        self._driver: PolledDriver | None = None
        self._groups: list[Group] = []
        self._backoff = Backoff(ground.jitter)
        self._exchange: Exchange | None = None
        self._changed = False
        self._jumps = ground.wall.jumps

    async def run(self) -> None:
        """The driver is made here, so that what it raises stops this device alone."""
        kind = self.spec.entry.client
        if kind is None or not issubclass(kind, PolledDriver):
            raise ConfigError(f"driver {self.spec.driver} cannot read", self.spec.name)
        self._driver = kind(self.spec.settings)
        self._regroup(self._driver)
        while True:
            try:
                await self._session(self._driver)
            except Unreachable as error:
                self.lost(str(error), self._reason(error))
            except Malformed as error:
                self.nonsense(error)
                self.lost(f"malformed: {error}", Quality.BAD_DECODING)
            await self.ground.clock.sleep(self._backoff.next())

    async def write(self, tag: Tag, raw: float | str) -> float | str:
        driver = self._driver
        if driver is None or self._exchange is None:
            raise Unreachable(f"{self.spec.name} is not connected")
        for request in driver.write(tag, raw):
            await self._ask(request)
        self.tally.writes += 1
        found: float | str | None = None
        for request in driver.plan([tag]):
            for part in await self._ask(request):
                if len(mine := part.where(part.tag == tag.id)):
                    self.deliver(mine)
                    found = mine.value.tolist()[-1]
        if found is None:
            raise Refused(f"{tag.name}: written, but the device does not tell it back")
        return found

    async def browse(self, under: str) -> list[Found]:
        raise Refused(f"{self.spec.driver} cannot be browsed: write the addresses down")

    def change(self, spec: DeviceSpec, tags: Sequence[Tag]) -> None:
        self.spec = spec
        self.tags = ById(Tags.of(tags))
        self._changed = True  # the device's own task asks its driver for a new plan

    def back(self) -> None:
        for group in self._groups:
            group.alive()
        parked = sum(len(group.parked) for group in self._groups)
        if self.state == "down":
            for group in self._groups:
                group.remark()
        if not parked or self.state != "degraded":
            super().back()
        if parked:
            why = next(group.complaint() for group in self._groups if group.parked)
            self.enter("degraded", f"{parked} tags refused: {why}")
        self._backoff.reset()

    async def _session(self, driver: PolledDriver) -> None:
        endpoint = driver.endpoint()
        wire = await dial(endpoint, self.ground.clock)
        self.tally.connects += 1
        exchange = self._exchange = Exchange(
            driver, wire, self.ground.clock, self.tally, endpoint.timeout_s
        )
        self._anchor()
        try:
            for group in self._groups:
                group.opened()
                if group.period_s >= SLOW_S:
                    group.start(rounded(self.ground.clock.now()), exchange)
            await first_end(exchange.answers(), self._ticking(driver, exchange, endpoint))
        finally:
            self._exchange = None
            exchange.close(Unreachable("the connection was lost"))

    async def _ticking(self, driver: PolledDriver, exchange: Exchange, endpoint: Endpoint) -> None:
        clock = self.ground.clock
        while True:
            now = self.ground.wall.now()
            if self._changed:
                self._regroup(driver)
            if self._jumps != self.ground.wall.jumps:
                self._anchor()
            for group in self._groups:
                group.due(now, exchange)
            exchange.expire()
            exchange.pump()
            next_tick = min((group.ticks.next for group in self._groups), default=now + 10**9)
            nap = min(NAP_S, max(0.0, (next_tick - clock.now()) / 1e9))
            await clock.sleep(min(nap, endpoint.timeout_s / 4) if exchange.busy else nap)

    async def _ask(self, request: Request) -> list[Samples]:
        if self._exchange is None:
            raise Unreachable(f"{self.spec.name} is not connected")
        question = Question(self.ground)
        self._exchange.ask([request], question, -1.0)  # before everything that is scheduled
        self._exchange.pump()
        return await question.answer

    def _regroup(self, driver: PolledDriver) -> None:
        self._changed = False
        self._groups = grouped(self, driver, self.tags.tags)
        self._anchor()

    def _anchor(self) -> None:
        self._jumps = self.ground.wall.jumps
        for group in self._groups:
            group.anchor(self.ground.clock.now())

    def _reason(self, error: Unreachable) -> Quality:
        if isinstance(error, Silent):
            return Quality.BAD_TIMEOUT
        return Quality.BAD_NO_COMMUNICATION if self.tally.answers else Quality.BAD_NOT_CONNECTED


class Question:
    """One question whose answer somebody awaits. Implements `exchange.Owner`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.answer: asyncio.Future[list[Samples]] = asyncio.get_running_loop().create_future()

    def wanted(self) -> bool:
        """Not when whoever asked has gone: a write that is late must not happen."""
        return not self.answer.done()

    def stamp(self) -> int:
        return rounded(self._ground.clock.now())

    def told(self, request: Request, parts: list[Samples]) -> None:
        if not self.answer.done():
            self.answer.set_result(parts)

    def refused(self, request: Request, refusal: Refused) -> Sequence[Request]:
        self._fail(refusal)
        return ()

    def silent(self, request: Request, why: Silent) -> None:
        self._fail(why)

    def gone(self, why: Unreachable) -> None:
        self._fail(why)

    def _fail(self, error: Refused | Unreachable) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

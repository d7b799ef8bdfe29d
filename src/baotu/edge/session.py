"""A device whose connection a library keeps: its driver runs, ends, and is run again. For ever."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import numpy as np

from baotu.sdk import (
    ConfigError,
    Found,
    Malformed,
    Quality,
    Refused,
    Samples,
    SessionDriver,
    Tag,
    Unreachable,
)
from baotu.sdk.mqtt import Broker, MqttSession, Will
from baotu.sdk.tags import ById, Tags

from . import mqtt
from .device import Device, Ground
from .refusals import quality_of
from .spec import DeviceSpec
from .waits import Backoff

REFUSED_S = 10.0  # a peer that said no is not asked again at once


class SessionDevice(Device):
    """Supervises `SessionDriver.run` and implements what it is given as its `Line`."""

    def __init__(self, spec: DeviceSpec, tags: Sequence[Tag], ground: Ground) -> None:
        super().__init__(spec, tags, ground)
        self.driver: SessionDriver | None = None
        self._backoff = Backoff(ground.jitter)
        self._least_s = 0.0

    async def run(self) -> None:
        kind = self.spec.entry.client
        if kind is None or not issubclass(kind, SessionDriver):
            raise ConfigError(f"driver {self.spec.driver} cannot read", self.spec.name)
        driver = self.driver = kind(self.spec.settings)
        while True:
            line = DeviceLine(self)
            addressed = self.tags.tags.mask("address", bool)
            self._least_s = 0.0
            self.tally.connects += 1
            try:
                await driver.run(list(self.tags.tags.pick(addressed)), line)
                self.lost("the session ended", Quality.BAD_NO_COMMUNICATION)
            except Unreachable as error:
                self.lost(str(error), self._reason())
            except Refused as error:
                self._least_s = REFUSED_S
                self.lost(f"refused: {error}", quality_of(error))
            except Malformed as error:
                self.nonsense(error)
                self.lost(f"malformed: {error}", Quality.BAD_DECODING)
            finally:
                line.close()
            await self.ground.clock.sleep(max(self._least_s, self._backoff.next()))

    async def write(self, tag: Tag, raw: float | str) -> float | str:
        if self.driver is None or self.state not in ("up", "degraded"):
            raise Unreachable(f"{self.spec.name} is not connected")
        found = await self.driver.write(tag, raw)
        self.tally.writes += 1
        return found

    async def browse(self, under: str) -> list[Found]:
        if self.driver is None or self.state not in ("up", "degraded"):
            raise Unreachable(f"{self.spec.name} is not connected")
        return await self.driver.browse(under)

    def change(self, spec: DeviceSpec, tags: Sequence[Tag]) -> None:
        raise TypeError("a session driver learns its tags when it starts: start it anew")

    def adopt(self, found: Sequence[Found]) -> list[Tag]:
        """Tags for what was met at run time, as the settings allow."""
        tags = self.ground.discover(self.spec, found)
        if fresh := [tag for tag in tags if tag.id >= 0 and tag.id not in self.tags]:
            self.tags = ById(Tags.concat([self.tags.tags, Tags.of(fresh)]))
        return tags

    def stands(self) -> None:
        self._backoff.reset()
        self.back()

    def _reason(self) -> Quality:
        return Quality.BAD_NO_COMMUNICATION if self._was_up else Quality.BAD_NOT_CONNECTED


class DeviceLine:
    """Implements `sdk.driver.Line` for one run; what comes after its end is not taken."""

    def __init__(self, device: SessionDevice) -> None:
        self.device = device.spec.name
        self._of = device
        self._open = True

    def deliver(self, samples: Samples) -> None:
        if self._open:
            self._of.deliver(samples)

    def mark(self, tags: np.ndarray, quality: Quality, time: int | None = None) -> None:
        if self._open:
            self._of.mark(np.asarray(tags), quality, time)

    def declare(self, found: Sequence[Found]) -> list[Tag]:
        return self._of.adopt(found)

    def last_time(self, tag: int) -> int | None:
        return self._of.ground.last_time(tag)

    def now(self) -> int:
        return self._of.ground.clock.now()

    def up(self) -> None:
        if self._open:
            self._of.stands()

    def mqtt(
        self, broker: Broker, will: Will | None = None
    ) -> AbstractAsyncContextManager[MqttSession]:
        return mqtt.connect(broker, will)

    def note(self, **figures: float | str) -> None:
        self._of.notes.update(figures)

    def close(self) -> None:
        self._open = False

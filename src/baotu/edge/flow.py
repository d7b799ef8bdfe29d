"""From the devices' queues through the pipeline to the sink and the servers, a little at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog

from baotu.sdk import BaotuError, Samples
from baotu.sdk.clock import Clock

from .device import Device
from .feeds import EdgeFeed
from .pipeline import Pipeline
from .ticks import Wall

Sink = Callable[[Samples], int | None]  # its sequence in the log, where there is one
QUOTA = 8_192  # samples of one device in one pass: a flood waits in its own queue

log = structlog.get_logger("baotu.edge")


class Flow:
    """Collects for `linger_s`, then makes one frame of all devices' samples."""

    def __init__(self, sink: Sink, clock: Clock, wall: Wall, linger_s: float) -> None:
        self.pipeline = Pipeline()
        self.devices: Mapping[str, Device] = {}
        self.feeds: list[EdgeFeed] = []
        self.arrived = asyncio.Event()
        self.taken = self.told = self.refused = 0  # samples in, out, not taken by the sink
        self.why = ""  # what the sink said last, empty when it took
        self._sink, self._clock, self._wall, self._linger = sink, clock, wall, linger_s
        self._jumps = wall.jumps
        self._position = 0  # of what the sink took last

    async def drain(self) -> None:
        """For ever; between two passes the loop serves whoever waits."""
        while True:
            await self.arrived.wait()
            await self._clock.sleep(self._linger)
            self.arrived.clear()
            more = True
            while more:
                more = self.once()
                await asyncio.sleep(0)

    def once(self) -> bool:
        """One pass; whether more waits."""
        self._rewound()
        parts: list[Samples] = []
        for device in self.devices.values():
            if device.intake.waiting:
                parts += device.intake.take(QUOTA)
        if not parts:
            return False
        self.taken += sum(map(len, parts))
        self.hand_on(self.pipeline.process(parts, self._clock.monotonic()))
        return any(device.intake.waiting for device in self.devices.values())

    def flush(self) -> None:
        """Everything that waits, now."""
        while self.once():
            pass

    def settle(self) -> None:
        """What the pipeline held back long enough."""
        self._rewound()
        self.hand_on(self.pipeline.settle(self._clock.monotonic(), self._clock.now()))

    def hand_on(self, parts: Iterable[Samples]) -> None:
        for samples in parts:
            self._give(samples)
            for feed in self.feeds:
                feed.put(samples, self._position)

    def _give(self, samples: Samples) -> None:
        try:
            self._position = self._sink(samples) or self._position
        except BaotuError as error:
            if not self.why:
                log.error("samples are lost: the log takes no more", why=str(error))
            self.refused += len(samples)
            self.why = str(error)
        else:
            self.told += len(samples)
            self.why = ""

    def _rewound(self) -> None:
        if self._wall.jumps != self._jumps:
            self._jumps = self._wall.jumps
            self.pipeline.rewind(self._clock.now())

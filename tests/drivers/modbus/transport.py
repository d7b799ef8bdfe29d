"""The smallest transport that can drive a polled driver over a real socket, for tests only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from baotu.sdk import PolledDriver, Refused, Request, Samples, Tag

TIME = 1_780_000_000_000_000_000


@dataclass
class Told:
    """What a reading brought: values and qualities by tag number, and what was given up."""

    value: dict[int, float | str] = field(default_factory=dict)
    quality: dict[int, int] = field(default_factory=dict)
    refused: dict[int, Refused] = field(default_factory=dict)
    asked: int = 0


class Wire:
    """One connection; keeps as many questions under way as the driver's window allows."""

    def __init__(self, driver: PolledDriver, port: int) -> None:
        self.driver, self.port, self._number, self._buffer = driver, port, 0, bytearray()
        self._early: dict[int | None, bytes] = {}

    async def __aenter__(self) -> Wire:
        self._reader, self._writer = await asyncio.open_connection("::1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def read(self, tags: Sequence[Tag]) -> Told:
        told, waiting = Told(), deque(self.driver.plan(tags))
        under_way: deque[tuple[int, Request]] = deque()
        while waiting or under_way:
            while waiting and len(under_way) < self.driver.window:
                under_way.append(self._send(waiting.popleft()))
                told.asked += 1
            number, request = under_way.popleft()
            try:
                samples = self.driver.decode(request, await self._answer(number), TIME)
            except Refused as refusal:
                smaller = self.driver.replan(request, refusal)
                waiting += smaller
                kept = {int(tag) for r in smaller for tag in r.tags}
                told.refused |= {int(t): refusal for t in request.tags if int(t) not in kept}
            else:
                _keep(told, samples)
        return told

    async def write(self, tag: Tag, value: float | str) -> Told:
        """One question after the other, then the samples that they told, if any."""
        told = Told()
        for request in self.driver.write(tag, value):
            number, _ = self._send(request)
            _keep(told, self.driver.decode(request, await self._answer(number), TIME))
        return told

    def _send(self, request: Request) -> tuple[int, Request]:
        self._number = self._number % 65535 + 1
        self._writer.write(self.driver.numbered(request, self._number))
        return self._number, request

    async def _answer(self, number: int) -> bytes:
        async with asyncio.timeout(5):
            while number not in self._early and None not in self._early:
                length, told = self.driver.whole(self._buffer)
                if length:
                    self._early[told] = bytes(self._buffer[:length])
                    del self._buffer[:length]
                    continue
                more = await self._reader.read(4096)
                assert more, "the device closed the connection"
                self._buffer += more
        return self._early.pop(number if number in self._early else None)


def _keep(told: Told, samples: Sequence[Samples]) -> None:
    for part in samples:
        told.value |= dict(zip(part.tag.tolist(), part.value.tolist(), strict=True))
        told.quality |= dict(zip(part.tag.tolist(), part.quality.tolist(), strict=True))

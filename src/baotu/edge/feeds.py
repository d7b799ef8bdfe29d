"""What servers are fed with: the tag tree, the latest values and everything that is acquired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

import numpy as np

from baotu.sdk import Denied, Samples
from baotu.sdk.tags import Tags

from .intake import Intake

Ask = Callable[[int, float | str, str], Awaitable[None]]
CHUNK = 8_192  # samples handed over at once


class Source(Protocol):
    """What a feed needs of the edge."""

    def tags(self) -> Tags: ...
    def latest(self, ids: np.ndarray | None = None) -> list[Samples]: ...


class EdgeFeed:
    """Implements `sdk.driver.Feed` for tags below the asset paths `under`; () means all."""

    def __init__(self, source: Source, under: Sequence[str], most: int, ask: Ask | None) -> None:
        self._source, self._under, self._most, self._ask = source, tuple(under), most, ask
        self._streams: list[Stream] = []
        self._seen = self._mine = Tags.of(())
        self._chosen = np.zeros(0, bool)  # by tag number

    @property
    def dropped(self) -> int:
        """Samples that slow readers have lost."""
        return sum(stream.intake.dropped for stream in self._streams)

    def tags(self) -> Tags:
        tags = self._source.tags()
        if tags is not self._seen:
            self._seen = tags
            self._mine = tags.pick(tags.mask("asset", self._below)) if self._under else tags
            self._chosen = np.zeros(int(tags.id.max(initial=-1)) + 1, bool)
            self._chosen[self._mine.id] = True
        return self._mine

    def latest(self) -> list[Samples]:
        self.tags()
        return self._source.latest(np.flatnonzero(self._chosen))

    def samples(self) -> AsyncIterator[Samples]:
        stream = Stream(self._most)
        self._streams.append(stream)
        return stream

    async def write(self, tag: int, value: float | str, who: str) -> None:
        if self._ask is None:
            raise Denied("writing from outside is switched off on this node")
        if tag not in self.tags().id:
            raise Denied(f"tag {tag} is not offered here")
        await self._ask(tag, value, who)

    def put(self, samples: Samples) -> None:
        """From the edge: never blocks."""
        if not self._streams:
            return
        if self._under:
            self.tags()
            samples = samples.where(self._chosen[samples.tag])
        for stream in self._streams:
            stream.intake.put(samples)

    def close(self) -> None:
        self._streams.clear()

    def _below(self, asset: str) -> bool:
        return any(asset == path or asset.startswith(f"{path}/") for path in self._under)


class Stream:
    """Everything from its making on; a slow reader loses the oldest."""

    def __init__(self, most: int) -> None:
        self._arrived = asyncio.Event()
        self.intake = Intake(most, self._arrived.set)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Samples:
        while not self.intake.waiting:
            self._arrived.clear()
            await self._arrived.wait()  # ends with the server that reads
        return self.intake.take_one(CHUNK)

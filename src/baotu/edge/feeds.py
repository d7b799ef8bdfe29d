"""What servers are fed with: the tag tree, the latest values and everything that is acquired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import numpy as np

from baotu.sdk import BaotuError, Conflict, Denied, Peer, Samples
from baotu.sdk.link import Bridged, SignIn
from baotu.sdk.mqtt import Broker, MqttSession, Will
from baotu.sdk.ports import Past
from baotu.sdk.reply import Reply
from baotu.sdk.tags import Tags

from . import mqtt
from .forward import Forward
from .gate import Gate
from .intake import Intake

WRITES = 64  # of outside clients under way at once, for each server; more are refused at once
WITHIN_S = 5.0  # from a client's question to the device's answer
CLOSED = Gate()
CHUNK = 8_192  # samples handed over at once


class Source(Protocol):
    """What a feed needs of the edge."""

    def tags(self) -> Tags: ...
    def latest(self, ids: np.ndarray | None = None) -> list[Samples]: ...


class Outside(Protocol):
    """The way to the hub for outside clients. Raises what `Feed.write` and `sign_in` do."""

    async def sign_in(self, asked: SignIn) -> str: ...
    async def write(self, asked: Bridged) -> Reply: ...


class EdgeFeed:
    """Implements `sdk.driver.Feed` for tags below the asset paths `under`; () means all.

    past, book: the edge's log, and the file in which is kept how far the peer has got in it.
    """

    def __init__(
        self, source: Source, under: Sequence[str], most: int, ask: Outside | None,
        past: Past | None = None, book: Path = Path("forward"), name: str = "", gate: Gate = CLOSED,
    ) -> None:  # fmt: skip
        self.name, self.gate, self._writing = name, gate, 0
        self.writes = self.writes_refused = 0
        self._forward = Forward(past, book, most, self._chosen_of)
        self._source, self._under, self._most, self._ask = source, tuple(under), most, ask
        self._streams: list[Stream] = []
        self._seen = self._mine = Tags.of(())
        self._chosen = np.zeros(0, bool)  # by tag number

    @property
    def dropped(self) -> int:
        """Samples that slow readers have lost."""
        return sum(stream.intake.dropped for stream in self._streams) + self._forward.dropped

    def figures(self) -> Mapping[str, float]:
        """Of outside writes; of store and forward: frames that wait, frames that were given up."""
        told: dict[str, float] = {}
        if self._forward.limit_mb:
            told = {"waiting": self._forward.owed, "missed": self._forward.missed}
        if self.writes:
            told |= {"writes": self.writes, "writes_refused": self.writes_refused}
        return told

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

    def mqtt(
        self, broker: Broker, will: Will | None = None
    ) -> AbstractAsyncContextManager[MqttSession]:
        return mqtt.connect(broker, will)

    def forward(self, limit_mb: int, when_full: str) -> Forward:
        self._forward.limit_mb, self._forward.full = limit_mb, when_full
        return self._forward

    async def sign_in(self, name: str, secret: str, source: str) -> str:
        asked = SignIn(server=self.name, source=source, name=name, secret=secret)
        return await self._outside().sign_in(asked)

    async def show(self, certificate: bytes, source: str) -> str:
        asked = SignIn(server=self.name, source=source, certificate=certificate)
        return await self._outside().sign_in(asked)

    async def write(self, tag: int, value: float | str, peer: Peer) -> Reply:
        self.writes += 1
        try:
            return await self._write(tag, value, peer)
        except BaotuError:
            self.writes_refused += 1
            raise

    async def _write(self, tag: int, value: float | str, peer: Peer) -> Reply:
        outside = self._outside()
        place = np.flatnonzero(self.tags().id == tag)
        if not len(place):
            raise Denied(f"tag {tag} is not offered here")
        if self._writing >= WRITES:
            raise Conflict("caller", f"{WRITES} writes are under way already; ask again later")
        asked = Bridged(
            server=self.name, tag=tag, value=value, peer=peer.name, source=peer.source,
            ticket=peer.ticket, writes_as=self.gate.writes_as, within_s=WITHIN_S,
            refused=self.gate.refusal(self.tags()[int(place[0])], peer),
        )  # fmt: skip
        self._writing += 1
        try:
            return await outside.write(asked)
        finally:
            self._writing -= 1

    def _outside(self) -> Outside:
        if self._ask is None:
            raise Denied("writing from outside is switched off on this node")
        return self._ask

    def put(self, samples: Samples, position: int = 0) -> None:
        """From the edge: never blocks. position: of its last frame in the log."""
        if not self._streams and not self._forward.open:
            return
        samples = self._chosen_of(samples)
        self._forward.put(samples, position)
        for stream in self._streams:
            stream.intake.put(samples)

    def _chosen_of(self, samples: Samples) -> Samples:
        """What is offered here; tags of former times are not."""
        if not self._under:
            return samples
        self.tags()
        known = samples.tag < len(self._chosen)
        known[known] = self._chosen[samples.tag[known]]
        return samples.where(known)

    def close(self) -> None:
        self._streams.clear()
        self._forward.close()

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

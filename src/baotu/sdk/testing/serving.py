"""For checking serving drivers: a feed that is given its tags and samples by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import NoReturn

from ..errors import Anonymous
from ..mqtt import Broker, Mqtt, Will
from ..reply import Reply
from ..samples import Samples
from ..tag import Tag
from ..writing import Peer


def no_mqtt(broker: Broker, will: Will | None = None) -> NoReturn:
    raise AssertionError("this test gave no MQTT: pass mqtt=baotu.edge.mqtt.connect")


class PlayedFeed:
    """A `Feed` for checking serving drivers: give it tags and newest samples, then `push` more.

    Writes of the peer are kept in `writes`; `refuse` is raised for them when set.
    """

    def __init__(
        self, tags: Sequence[Tag], latest: Sequence[Samples] = (), mqtt: Mqtt | None = None
    ) -> None:
        self.mqtt = mqtt or no_mqtt
        self._tags, self._latest = list(tags), list(latest)
        self._queue: asyncio.Queue[Samples] = asyncio.Queue(1000)
        self.writes: list[tuple[int, float | str, str]] = []
        self.missed: list[Samples] = []  # what a peer has not got, see `StoreAndForward`
        self.confirmed = 0
        self.refuse: Exception | None = None
        self.reply: Reply | None = None  # in place of a read-back of the value
        self.peers: list[Peer] = []  # who wrote, beside `writes`
        self.accounts: dict[str, str] = {}  # names and secrets that `sign_in` knows

    def tags(self) -> Sequence[Tag]:
        return self._tags

    def latest(self) -> list[Samples]:
        return list(self._latest)

    async def samples(self) -> AsyncIterator[Samples]:
        while True:
            yield await self._queue.get()

    def push(self, samples: Samples) -> None:
        self._queue.put_nowait(samples)

    def forward(self, limit_mb: int, when_full: str) -> PlayedFeed:
        return self

    def begin(self) -> None:
        """What is pushed from now on is live; `missed` is the past. See StoreAndForward."""
        while not self._queue.empty():
            self._queue.get_nowait()

    def live(self) -> list[Samples]:
        return [self._queue.get_nowait() for _ in range(self._queue.qsize())]

    async def past(self, most: int) -> list[Samples]:
        parts: list[Samples] = []
        while self.missed and sum(map(len, parts)) < most:
            parts.append(self.missed.pop(0))
        return parts

    async def confirm(self) -> bool:
        self.confirmed += 1
        return True

    async def sign_in(self, name: str, secret: str, source: str) -> str:
        if self.accounts.get(name) != secret:
            raise Anonymous(f"{name}: wrong name or password")
        return f"ticket of {name}"

    async def show(self, certificate: bytes, source: str) -> str:
        return "ticket of a certificate"

    async def write(self, tag: int, value: float | str, peer: Peer) -> Reply:
        if self.refuse is not None:
            raise self.refuse
        self.writes.append((tag, value, peer.name))
        self.peers.append(peer)
        return self.reply or Reply(done=True, value=value)

"""Writes of outside clients: from an edge's server to the hub, in this process or over the link."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from baotu.fabric.asking import Asked, Told
from baotu.fabric.edge import EdgeLink
from baotu.sdk.link import Bridge, Bridged, SignIn
from baotu.sdk.reply import Reply

THREADS = 4


class HubByLink:
    """Implements `edge.feeds.Outside` on a node whose hub is elsewhere: away, nothing is written."""

    def __init__(self, link: EdgeLink) -> None:
        self.link = link

    async def sign_in(self, asked: SignIn) -> str:
        return (await self._told(Asked(sign_in=asked))).ticket

    async def write(self, asked: Bridged) -> Reply:
        reply = (await self._told(Asked(write=asked))).reply
        return reply or Reply(done=False, why="the hub answered nothing")

    async def _told(self, asked: Asked) -> Told:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Told] = loop.create_future()

        def done(told: Told) -> None:
            loop.call_soon_threadsafe(give, told)

        def give(told: Told) -> None:
            if not answer.done():
                answer.set_result(told)

        self.link.ask(asked, done)
        told = await answer  # the wire ends every question by its time-out
        if told.error:
            raise told.raised()
        return told


class HubHere:
    """The same, where the hub is in this process: no password leaves it."""

    def __init__(self, bridge: Bridge, edge: str) -> None:
        self.bridge, self.edge = bridge, edge
        self._threads = ThreadPoolExecutor(THREADS, "outside-writes")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def sign_in(self, asked: SignIn) -> str:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.bridge.sign_in, self.edge, asked)

    async def write(self, asked: Bridged) -> Reply:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.bridge.write, self.edge, asked)

"""The JavaScript peers as processes that are told lines and tell lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.peers import need, need_npm

HERE = Path(__file__).parent / "peer"


class Peer:
    """A node program; `lines` is what it said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())
            self._news.set()

    async def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()

    async def heard(self, start: str, count: int = 1) -> str:
        """The last of `count` lines that start so; AssertionError after ten seconds."""
        async with asyncio.timeout(40):
            while True:
                found = [line for line in self.lines if line.startswith(start)]
                if len(found) >= count:
                    return found[count - 1]
                self._news.clear()
                await self._news.wait()

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()
        self._reader.cancel()


@asynccontextmanager
async def js_peer(program: str, *arguments: str) -> AsyncIterator[Peer]:
    modules = need_npm("sparkplug-payload", "mqtt")
    process = await asyncio.create_subprocess_exec(
        need("node"), str(HERE / program), *arguments, str(modules),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    peer = Peer(process)
    try:
        yield peer
    finally:
        await peer.end()

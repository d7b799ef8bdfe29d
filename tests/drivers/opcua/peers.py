"""Programs of node-opcua as peers: started, spoken with in JSON lines, ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.peers import need_npm

HERE = Path(__file__).parent / "peer"


class Peer:
    """A node program: `say` a command, `hear` an event."""

    def __init__(self, program: str, **options: Any) -> None:
        self.folder = need_npm("node-opcua")
        self.program, self.options = HERE / program, options
        self.heard: list[dict[str, Any]] = []
        self._asked = 0

    async def __aenter__(self) -> Peer:
        self._process = await asyncio.create_subprocess_exec(
            "node", str(self.program), json.dumps(self.options),
            env={**os.environ, "NODE_PATH": str(self.folder / "node_modules"), "NODE_NO_WARNINGS": "1"},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, limit=1 << 26,
        )  # fmt: skip
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.stop()

    async def hear(self, word: str, within_s: float = 40.0) -> Any:
        """The next event with this key; its value."""
        async with asyncio.timeout(within_s):
            while True:
                for event in self.heard:
                    if word in event:
                        self.heard.remove(event)
                        return event[word]
                text = await self._process.stdout.readline()
                assert text, f"{self.program.name} ended: {self.heard}"
                if text.startswith(b"{"):
                    event = json.loads(text)
                    assert "error" not in event or word == "error", event
                    self.heard.append(event)

    async def say(self, *command: Any) -> None:
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()

    async def do(self, *command: Any) -> None:
        """Say it, and wait until it and all said before is done."""
        await self.say(*command)
        self._asked += 1
        await self.say("sync", self._asked)
        await self.hear(f"sync{self._asked}")

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), 5)
            except TimeoutError:
                self._process.kill()
        await self._process.wait()

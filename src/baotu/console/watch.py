"""Open sockets: each ends when its session does, and takes no more messages than are allowed.

A request is judged once and over; a socket stays. So it is looked after: the end of a session is
heard at once, and everybody is asked for again twice a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from starlette.requests import HTTPConnection

from baotu.sdk import Caller, Denied
from baotu.sdk.ports import Stop

from .limits import Bucket
from .rooms import Rooms

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
LOOK_S = 0.5
POLICY, TOO_BIG = 1008, 1009  # RFC 6455 7.4.1
log = structlog.get_logger("baotu.console")


class Held:
    """One open socket."""

    def __init__(self, scope: Scope, caller: Caller, send: Send) -> None:
        self.scope, self.caller, self._send, self.cut = scope, caller, send, False

    async def end(self, code: int, reason: str) -> None:
        """Nothing passes any more, in either direction; then the other side is told."""
        if not self.cut:
            self.cut = True
            try:
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
            except (OSError, RuntimeError):  # it went by itself
                log.debug("a socket was gone before it was ended", caller=self.caller.name)


class Watch:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms, self._limits = rooms, rooms.limits
        self._held: set[Held] = set()
        self._looking: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._stop: Stop | None = None

    def __len__(self) -> int:
        return len(self._held)

    async def over(
        self, app: App, scope: Scope, receive: Receive, send: Send, caller: Caller
    ) -> None:
        """Run an app on a socket until one of the three ends it: the client, the app, the watch."""
        held = Held(scope, caller, send)

        async def sent(message: Message) -> None:
            if held.cut:
                raise OSError("the session has ended")
            await send(message)

        self._begin(held)
        try:
            await app(scope, self._counted(held, receive), sent)
        except OSError:
            if not held.cut:
                raise
        finally:
            self._held.discard(held)
            if not self._held:
                self._rest()

    def _counted(self, held: Held, receive: Receive) -> Receive:
        rate, most = self._limits.messages_per_s, self._limits.message_bytes
        bucket = Bucket(max(rate * 10, 1.0), time.monotonic())

        async def received() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and not held.cut:
                size = len(message.get("text") or "") + len(message.get("bytes") or b"")
                if size > most:
                    await held.end(TOO_BIG, f"at most {most} bytes in a message")
                elif rate and bucket.draw(rate, time.monotonic()):
                    await held.end(POLICY, f"at most {rate:g} messages a second")
            if held.cut:
                return {"type": "websocket.disconnect", "code": POLICY}
            return message

        return received

    def _begin(self, held: Held) -> None:
        self._held.add(held)
        if self._looking is None:
            loop = asyncio.get_running_loop()
            self._looking = loop.create_task(self._look())
            if self._rooms.ended is not None:
                self._stop = self._rooms.ended(lambda via: self._heard(loop, via))

    def _rest(self) -> None:
        """Nobody is there: no task, no ear."""
        if self._looking is not None:
            self._looking.cancel()
        if self._stop is not None:
            self._stop()
        self._looking = self._stop = None

    def _heard(self, loop: asyncio.AbstractEventLoop, via: str) -> None:
        """On any thread: what proved a caller's name is no longer good."""
        try:
            loop.call_soon_threadsafe(
                self._cut, lambda held: held.caller.via == via, "the session has ended"
            )
        except RuntimeError:  # the loop has closed, and the sockets with it
            log.debug("a session ended after the console", via=via)

    def _cut(self, which: Callable[[Held], bool], reason: str) -> None:
        for held in [h for h in self._held if which(h)]:
            task = asyncio.get_running_loop().create_task(held.end(POLICY, reason))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _look(self) -> None:
        version = self._rooms.policy.version()
        while True:
            await asyncio.sleep(LOOK_S)
            if (now := self._rooms.policy.version()) != version:
                version = now  # what each may see may be different: all come anew
                self._cut(lambda held: True, "the policy has changed")
            self._cut(self._changed, "the session has ended")

    def _changed(self, held: Held) -> bool:
        """Whether the same socket would now be somebody else's, or nobody's."""
        if held.cut:
            return False
        held.scope["baotu.recheck"] = True  # a page that is only open is no sign of life
        try:
            return self._rooms.identify(HTTPConnection(held.scope)) != held.caller
        except Denied:
            return True

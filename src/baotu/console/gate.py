"""What stands before every request: whose rooms, same origin for changes, time taken."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.websockets import WebSocketClose

from .metrics import Metrics
from .problem import answer
from .rooms import Rooms

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
HARMLESS = ("GET", "HEAD", "OPTIONS")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
]


class Gate:
    """Pure ASGI. A page of another site that the operator has open cannot change anything here."""

    def __init__(self, app: App, rooms: Rooms, metrics: Metrics) -> None:
        self._app, self._rooms, self._metrics = app, rooms, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["baotu.rooms"] = self._rooms
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif foreign(scope):
            await _refuse(scope, receive, send)
        elif scope["type"] == "http":
            await self._timed(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _timed(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 500

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", None) or _group(scope["path"])
            self._metrics.note(scope["method"], route, status, time.perf_counter() - began)


def foreign(scope: Scope) -> bool:
    """A change or a live channel asked for by a page of another origin."""
    if scope["type"] == "http" and scope["method"] in HARMLESS:
        return False
    headers = {k: v for k, v in scope["headers"] if k in (b"origin", b"host")}
    origin = headers.get(b"origin", b"").decode("latin-1")
    return bool(origin) and urlsplit(origin).netloc != headers.get(b"host", b"").decode("latin-1")


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocketClose(1008, "another site may not open this channel")(scope, receive, send)
        return
    detail = "a page of another site asked for this change; use the console's own pages"
    await answer(None, 403, "foreign-origin", "Forbidden", detail)(scope, receive, send)


def _group(path: str) -> str:
    """Few words for many addresses, so that the metrics stay small."""
    head = path.split("/")[1]
    return (
        "pages"
        if head in ("zh", "en")
        else f"/{head}"
        if head in ("static", "_nicegui")
        else "other"
    )

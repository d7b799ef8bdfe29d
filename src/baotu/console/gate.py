"""What stands before every request: which host, who asks, how often, from where, whether he may.

Pure ASGI, and outermost: what it refuses has reached nothing. Identity is found out here once; the
rest of the console reads it from the scope.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response

from baotu.sdk import Anonymous, Caller, Denied, Unreachable
from baotu.sdk.trust import Resource

from . import headers
from .language import LANGUAGES, language_of
from .limits import Bucket, Buckets, place_of
from .metrics import Metrics
from .origin import foreign, header, named, simple_form
from .problem import answer
from .rights import NOTHING, PUBLIC, SOCKET, Right, Table, may
from .rooms import Rooms
from .scoped import Sights
from .watch import Watch

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
DROPPED = (b"x-forwarded-prefix", b"x-forwarded-host")  # NiceGUI would write it into its page
PageRefusal = Callable[[Request, Caller, str, Sequence[str]], Response]
CLOSE = {"connection": "close"}


class Turned(Exception):
    """A request that goes no further, with what is answered."""

    def __init__(self, response: Response, why: str = "") -> None:
        self.response, self.why = response, why


class Gate:
    def __init__(
        self,
        app: App,
        rooms: Rooms,
        metrics: Metrics,
        table: Table,
        sights: Sights,
        refuse_page: PageRefusal | None = None,
    ) -> None:
        """refuse_page: what a person is shown instead of a page that he may not open."""
        self._refuse_page = refuse_page
        self._app, self._rooms, self._metrics = app, rooms, metrics
        self._table, self._sights, self._limits = table, sights, rooms.limits
        self._somebody = Buckets(rooms.limits.requests_per_s)
        self._nobody = Buckets(rooms.limits.anonymous_per_s)
        self._names = frozenset(name.lower().rstrip(".") for name in rooms.names)
        self.watch = Watch(rooms)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["baotu.rooms"], scope["baotu.sights"] = self._rooms, self._sights
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    # one request ------------------------------------------------------------------------------
    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 500
        more: headers.Pairs = []
        nonce = scope["baotu.nonce"] = headers.new_nonce()
        secure, bucket = scope["scheme"] == "https", None

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                about = [*message.get("headers", ()), *more]
                message["headers"] = headers.dressed(scope["path"], about, secure, nonce)
            async with asyncio.timeout(self._limits.idle_s):  # nobody takes the answer
                await send(message)

        try:
            bucket = self._admit(scope, more)
            bucket.busy += 1
            await self._app(scope, self._measured(receive), sent)
        except Turned as turned:
            await turned.response(scope, receive, sent)
        except TimeoutError:
            return  # the server closes what is not answered in full
        finally:
            if bucket is not None:
                bucket.busy -= 1
            route = getattr(scope.get("route"), "path", None) or _group(scope["path"])
            self._metrics.note(scope["method"], route, status, time.perf_counter() - began)

    def _measured(self, receive: Receive) -> Receive:
        """A body that neither ends nor comes, and one that is too long, is not read."""
        size, done, limits = 0, False, self._limits

        async def received() -> Message:
            nonlocal size, done
            if done:
                return await receive()
            try:
                async with asyncio.timeout(limits.idle_s):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "the body does not come", CLOSE) from None
            size += len(message.get("body", b""))
            if size > limits.body_bytes:
                raise HTTPException(413, _too_long(limits.body_bytes), CLOSE)
            done = not message.get("more_body", False)
            return message

        return received

    def _admit(self, scope: Scope, more: headers.Pairs) -> Bucket:
        """Everything that is known before the first byte of the body. Raises Turned."""
        self._sizes(scope)
        right, caller, refused = self._who(scope)
        bucket = self._drawn(scope, caller, more)
        request = Request(scope)
        if foreign(scope):
            detail = "a page of another site asked for this; use the console's own pages"
            raise Turned(answer(request, 403, "foreign-origin", "Forbidden", detail))
        if refused is not None:
            raise Turned(_denied(request, str(refused)))
        self._judge(request, right, caller)
        if right is not PUBLIC and simple_form(scope):
            detail = "the body must be JSON; send `content-type: application/json`"
            raise Turned(answer(request, 415, "media-type", "Unsupported Media Type", detail))
        if bucket.busy >= self._limits.at_once:
            more.append((b"retry-after", b"1"))
            detail = f"{self._limits.at_once} requests of yours are being answered; wait for one"
            raise Turned(answer(request, 429, "too-many", "Too Many Requests", detail))
        return bucket

    def _sizes(self, scope: Scope) -> None:
        limits = self._limits
        if not scope["path"].startswith("/"):  # `*` and the like, RFC 9112 3.2.4
            raise Turned(answer(None, 400, "address", "Bad Request", "the address has no path"))
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in DROPPED]
        if not named(scope, self._names):
            detail = "this node has no such name; list it in [console] names if it has"
            raise Turned(answer(None, 421, "host", "Misdirected Request", detail))
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > limits.url_bytes:
            detail = f"the address is longer than {limits.url_bytes} bytes"
            raise Turned(answer(None, 414, "address-too-long", "URI Too Long", detail))
        weight = sum(len(name) + len(value) for name, value in scope["headers"])
        if weight > limits.header_bytes or len(scope["headers"]) > limits.headers:
            title = "Request Header Fields Too Large"
            raise Turned(answer(None, 431, "headers-too-long", title, "the headers are too long"))
        length = header(scope, b"content-length")
        if length.isdecimal() and int(length[:20]) > limits.body_bytes:
            refusal = answer(
                None, 413, "body-too-long", "Content Too Large", _too_long(limits.body_bytes)
            )
            refusal.headers.update(CLOSE)
            raise Turned(refusal)

    def _who(self, scope: Scope) -> tuple[Right | None, Caller | None, Denied | None]:
        """What is needed, who asks, and why he is refused although he is known."""
        right = self._table.needs(scope["path"], scope.get("method", SOCKET))
        scope["baotu.caller"] = caller = None
        refused: Denied | None = None
        if right is not PUBLIC or not scope["path"].startswith(("/static/", "/_nicegui/")):
            try:
                caller = self._rooms.identify(HTTPConnection(scope))
            except Anonymous:
                pass
            except Denied as error:
                refused = error
            except Unreachable as error:  # the records are away: nobody can say who this is
                refusal = answer(None, 503, "unreachable", "Service Unavailable", str(error))
                raise Turned(refusal, str(error)) from None
        scope["baotu.caller"] = caller
        return right, caller, refused if right is not PUBLIC else None

    def _drawn(self, scope: Scope, caller: Caller | None, more: headers.Pairs) -> Bucket:
        """One request less for this caller; of nobody: for his address."""
        now = time.monotonic()
        if caller is None:
            buckets, name = self._nobody, "address"
            bucket = buckets.of(place_of((scope.get("client") or ("",))[0]), now)
        else:
            buckets, name = self._somebody, "caller"
            bucket = buckets.of((caller.organisation, caller.name), now)
        if buckets.rate:
            wait = bucket.draw(buckets.rate, now)
            more.extend(buckets.headers(bucket, name))
            if wait:
                more.append((b"retry-after", b"%d" % max(1, round(wait + 0.5))))
                detail = f"at most {buckets.rate:g} requests a second; wait and ask again"
                raise Turned(answer(None, 429, "too-many", "Too Many Requests", detail), detail)
        return bucket

    def _judge(self, request: Request, right: Right | None, caller: Caller | None) -> None:
        if right is PUBLIC or (right is not None and right.public):
            return
        if caller is None:
            raise Turned(_sign_in(request))
        if right is None:
            detail = f"{request.url.path} is not open to anybody: it has no line in the rights"
            raise Turned(_denied(request, detail))
        if right is NOTHING:
            detail = f"there is nothing at {request.url.path}; see /openapi.json for what there is"
            raise Turned(answer(request, 404, "not-found", "Not Found", detail))
        if not may(self._rooms.policy, caller, right):
            raise Turned(self._explained(request, right, caller))

    def _explained(self, request: Request, right: Right, caller: Caller) -> Response:
        """Which policy, what is needed, who may (CONSOLE: never a dead end)."""
        resource = Resource(right.kind)
        decision = self._rooms.policy.judge(caller, right.action, resource)
        why = f"{caller.name} may not: needs {right.action}" if decision.allowed else decision.why
        who_may = list(self._rooms.policy.who_may(right.action, resource))
        if self._refuse_page and request.url.path[1:].partition("/")[0] in LANGUAGES:
            return self._refuse_page(request, caller, why, who_may)
        return _denied(
            request, why, action=right.action, policies=list(decision.policies),
            needs=sorted(decision.needs), who_may=who_may,
        )  # fmt: skip

    # one socket -------------------------------------------------------------------------------
    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._sizes(scope)
            right, caller, refused = self._who(scope)
            bucket = self._drawn(scope, caller, [])
            if foreign(scope):
                raise Turned(Response(), "another site may not open this channel")
            if caller is None or refused is not None:
                raise Turned(Response(), str(refused or "sign in first"))
            if right is None or right is NOTHING or not may(self._rooms.policy, caller, right):
                raise Turned(Response(), f"{caller.name} may not open this channel")
            if bucket.sockets >= self._limits.sockets:
                raise Turned(Response(), "too many open channels")
        except Turned as turned:
            await receive()
            reason = turned.why.encode()[:120].decode(errors="ignore")  # RFC 6455 5.5: 125 bytes
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
            return
        bucket.sockets += 1
        try:
            await self.watch.over(self._app, scope, receive, send, caller)
        finally:
            bucket.sockets -= 1


def _denied(request: Request, detail: str, **more: Any) -> Response:
    return answer(request, 403, "denied", "Forbidden", detail, **more)


def _sign_in(request: Request) -> Response:
    """A program is told how; a person is led to the page, and from there back."""
    path = request.url.path
    first = path[1:].partition("/")[0]
    programs = first in ("api", "metrics", "openapi.json", "_nicegui", "_nicegui_ws")
    if programs or request.method not in ("GET", "HEAD"):
        detail = "sign in, or send `authorization: Bearer` with a token"
        refusal = answer(request, 401, "anonymous", "Unauthorized", detail)
        refusal.headers["www-authenticate"] = 'Bearer realm="baotu"'  # RFC 6750 3
        return refusal
    language = first if first in LANGUAGES else language_of(request)
    query = f"?{request.url.query}" if request.url.query else ""
    back = "/" + path.lstrip("/\\") + query
    return RedirectResponse(f"/{language}/sign-in?next={quote(back, safe='/')}", 303)


def _too_long(most: int) -> str:
    return f"the body is longer than {most} bytes; see [console] body_kb"


def _group(path: str) -> str:
    """Few words for many addresses, so that the metrics stay small."""
    head = path[1:].partition("/")[0]
    if head in LANGUAGES:
        return "pages"
    return f"/{head}" if head in ("static", "_nicegui") else "other"

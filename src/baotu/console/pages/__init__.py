"""Pages: one frame, one address for every object, `/zh/…` and `/en/…`.

NiceGUI registers pages once for a whole process. So a page finds its rooms in the request, where
the gate put them, and installing a second console adds nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from nicegui import app as nice
from nicegui import ui
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from baotu.sdk import Caller
from baotu.sdk.ports import Plant
from baotu.sdk.view import in_language

from ..headers import with_nonce
from ..language import LANGUAGES, language_of
from ..rights import page_right
from ..rooms import Rooms
from ..scoped import caller_of, part_of
from ..signin import pages as signin
from . import apps, config, own
from .denied import denied
from .frame import entries, frame, part, ways
from .words import PLACES, Place

STATIC = Path(__file__).parent.parent / "static"
Refusal = Callable[[Request, Caller, str, Sequence[str]], Response]
HEADS = (*(p.name for p in PLACES if p.name), "asset", "app", "account", "people")


def install(app: FastAPI, rooms: Rooms) -> Refusal:
    """The pages; what shows a person a page that he may not open."""
    static = f"/static/{fingerprint()}"
    app.mount(static, Immutable(directory=STATIC), name="static")
    app.add_api_route("/", _home, include_in_schema=False)
    for name in HEADS:
        app.add_api_route(f"/{name}", _to_language, include_in_schema=False)
        app.add_api_route(f"/{name}/{{rest:path}}", _to_language, include_in_schema=False)
    signin.install(app, rooms, static, language_of)
    if "/zh" not in {getattr(route, "path", "") for route in nice.routes}:
        for language in LANGUAGES:
            _register(language, static)
    # NiceGUI's own app outlives a node that was stopped; it takes its middleware anew
    nice.user_middleware.clear()
    nice.middleware_stack = None
    nice.add_middleware(Nonce)  # inside of what compresses
    own.bind()
    ui.run_with(
        app, title="趵突 Baotu", favicon=STATIC / "icon.svg", dark=None, tailwind=False,
        reconnect_timeout=10, show_welcome_message=False, message_history_length=200,
    )  # fmt: skip

    def refuse(request: Request, caller: Caller, detail: str, who_may: Sequence[str]) -> Response:
        first, _, rest = request.url.path[1:].partition("/")
        language = first if first in LANGUAGES else language_of(request)
        found = entries(rooms, caller)
        if found and not rest:  # the first page: of what he may see
            return RedirectResponse(f"/{language}{found[0][0]}", 303)
        return HTMLResponse(denied(rooms, caller, language, detail, who_may, static), 403)

    return refuse


def fingerprint() -> str:
    """Of every file under static: a new release has new addresses, so a cache is never stale."""
    files = sorted(path for path in STATIC.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


class Immutable(StaticFiles):
    """Files whose address changes with their content may be kept for ever."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


class Nonce:
    """Pure ASGI: marks the scripts of a page with the nonce that its policy names."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_nicegui"):
            await self._app(scope, receive, send)
            return
        start: dict[str, Any] = {}

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            if start:
                body = message.get("body", b"")
                if not message.get("more_body"):  # pages come in one piece
                    body = with_nonce(body, scope["baotu.nonce"])
                    message = {**message, "body": body}
                    lengths = [
                        (n, str(len(body)).encode() if n == b"content-length" else v)
                        for n, v in start["headers"]
                    ]
                    start["headers"] = lengths
                await send(dict(start))
                start.clear()
            await send(message)

        await self._app(scope, receive, sent)


def _home(request: Request) -> RedirectResponse:
    return RedirectResponse(f"/{language_of(request)}")


def _to_language(request: Request) -> RedirectResponse:
    """`/asset/…` in a report or a proof leads to the reader's language."""
    return RedirectResponse(request.url.replace(path=f"/{language_of(request)}{request.url.path}"))


def _register(language: str, static: str) -> None:
    """All pages of one language."""

    def page(path: str, here: Place) -> Callable[[Callable[..., Any]], Any]:
        page_right(path)  # a page that nobody may open is a mistake of ours
        title = in_language(here.title, language)
        return ui.page(f"/{language}{path}", title=title, language=LANGUAGES[language])

    for here in PLACES:
        if here.part:
            _drawn(page, here, language, static)
    apps.register(page, language, static)
    config.register(page, language, static)
    signin.register(page, language, static)
    _asset(page, language, static)
    _nowhere(page, language, static)


def _drawn(page: Callable[..., Any], here: Place, language: str, static: str) -> None:
    @page(f"/{here.name}" if here.name else "", here)
    def show(request: Request) -> None:
        rooms: Rooms = request.scope["baotu.rooms"]
        with frame(rooms, caller_of(request), language, static, here):
            part(here.part, static)


def _asset(page: Callable[..., Any], language: str, static: str) -> None:
    here = Place(name="asset", title="资产 Asset", icon="")

    @page("/asset/{path:path}", here)
    def show(request: Request, path: str) -> None:
        rooms: Rooms = request.scope["baotu.rooms"]
        names = path.split("/")
        above = ["/".join(names[:n]) for n in range(1, len(names))]
        plant = part_of(request).plant
        crumbs = tuple((titled(plant, p, language), f"/asset/{p}") for p in above)
        title = titled(plant, path, language)
        caller = caller_of(request)
        with frame(rooms, caller, language, static, here, crumbs, title):
            part("asset", static, path=path)


def _nowhere(page: Callable[..., Any], language: str, static: str) -> None:
    """An address that is none: a slash too many leads on, everything else is offered the pages."""
    here = Place(name="", title="没有这一页 No such page", icon="")

    @page("/{rest:path}", here)
    def show(request: Request, rest: str) -> Response | None:
        rooms: Rooms = request.scope["baotu.rooms"]
        if rest.endswith("/") or not rest:
            plain = f"/{language}/{rest}".rstrip("/")
            return RedirectResponse(request.url.replace(path=plain))
        caller = caller_of(request)
        with frame(rooms, caller, language, static, here):
            say = "这里什么也没有。去这些页面，或用上方的查找。 There is nothing at this address. Go to one of these pages, or try the search above."
            with ui.element("div").classes("panel empty"):
                ui.label(in_language(say, language))
                ui.html(ways(rooms, caller, language), sanitize=False)
        return None


def titled(plant: Plant, path: str, language: str) -> str:
    known = plant.asset(path)
    return in_language(known.title, language) if known and known.title else path.split("/")[-1]

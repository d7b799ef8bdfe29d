"""Pages of signing in, plain: no channel, no NiceGUI, nothing that costs the node memory for nobody.

What stands in the frame (`/account`, `/people`) is for people who are signed in, as every other page.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from baotu.sdk.view import in_language

from ..headers import with_nonce
from ..pages.frame import THEME, frame, part
from ..pages.words import Place
from ..rooms import Rooms

TITLES = {"sign-in": "登录 Sign in", "welcome": "欢迎 Welcome"}
ACCOUNT = Place(name="account", title="我的账户 My account", icon="", part="account")
PEOPLE = Place(name="people", title="人员 People", icon="", part="people")
LANGUAGES = {"zh": "zh-CN", "en": "en-US"}


def install(app: FastAPI, rooms: Rooms, static: str, language_of: Callable[[Request], str]) -> None:
    """The public pages. static: address of the scripts and sheets."""
    if rooms.people is None:
        return
    for name in TITLES:
        app.add_api_route(
            f"/{name}", _led(name, language_of), include_in_schema=False, name=f"to {name}"
        )
        for language in LANGUAGES:
            path = f"/{language}/{name}"
            app.add_api_route(
                path, _shown(name, language, static), include_in_schema=False, name=f"page {name}"
            )


def register(page: Callable[[str, Place], Any], language: str, static: str) -> None:
    """The pages in the frame; NiceGUI keeps them for the whole process."""
    for here in (ACCOUNT, PEOPLE):
        _drawn(page, here, language, static)


def _drawn(page: Callable[[str, Place], Any], here: Place, language: str, static: str) -> None:
    @page(f"/{here.name}", here)
    def show(request: Request) -> None:
        rooms: Rooms = request.scope["baotu.rooms"]
        with frame(rooms, rooms.identify(request), language, static, here):
            part(here.part, static)


def _led(name: str, language_of: Callable[[Request], str]) -> Callable[[Request], Response]:
    """The browser keeps what stands behind the `#` (RFC 9110, 10.2.2)."""

    def lead(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/{language_of(request)}/{name}{query}", 303)

    return lead


def _shown(name: str, language: str, static: str) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        rooms: Rooms = request.scope["baotu.rooms"]
        page = document(name, language, static, rooms.title, rooms.node).encode()
        answer = HTMLResponse(with_nonce(page, request.scope["baotu.nonce"]))
        answer.headers["cache-control"] = "no-store"
        answer.headers["referrer-policy"] = "no-referrer"
        return answer

    return show


def document(name: str, language: str, static: str, plant: str, node: str) -> str:
    """The whole page; `signin.js` fills the card. Without scripts it says what is missing."""
    title = in_language(TITLES[name], language)
    shown = escape(in_language(plant, language))
    sheets = "".join(
        f'<link rel="stylesheet" href="{static}/css/{sheet}.css">'
        for sheet in ("tokens", "frame", "parts", "pages", "signin")
    )
    off = in_language("这一页需要 JavaScript。 This page needs JavaScript.", language)
    other = "en" if language == "zh" else "zh"
    switch = "English" if language == "zh" else "中文"
    about = in_language("开放的工业互联网平台 An open industrial internet platform", language)
    return f"""<!doctype html><html lang="{LANGUAGES[language]}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="robots" content="noindex"><title>{title} · {shown}</title>{THEME}{sheets}
<script type="module" src="{static}/js/signin.js"></script></head><body class="outside">
<header class="outside-top"><b>{"趵突" if language == "zh" else "Baotu"}</b><span>{shown}</span>
<a class="tool" data-language href="/{other}/{name}" hreflang="{other}">{switch}</a>
<button class="tool" data-theme-switch type="button"></button></header>
<main class="outside-main"><section class="card panel" id="card" data-page="{name}" aria-live="polite">
<h1>{title}</h1><noscript><p class="problem">{off}</p></noscript></section>
<p class="small muted outside-foot">{about} · {escape(node)}</p></main></body></html>"""

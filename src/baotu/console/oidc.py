"""Routes of sign-in for other programs. What they answer is decided behind the port `sdk.oidc`."""

from __future__ import annotations

import html
from urllib.parse import parse_qsl, urlencode

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from baotu.sdk import Anonymous, Caller, Denied
from baotu.sdk.messages import bilingual, halves
from baotu.sdk.oidc import Answer, Provider

from .rooms import Rooms

LONGEST = 16 << 10  # bytes of a form
PUBLIC = (
    "/.well-known/openid-configuration", "/oidc/jwks", "/oidc/authorize", "/oidc/token",
    "/oidc/userinfo", "/oidc/revoke", "/oidc/logout",
)  # fmt: skip
"""They prove who asks by themselves: a session where there is one, a secret, a token."""
FORM = "application/x-www-form-urlencoded"


def routes(app: FastAPI, rooms: Rooms, provider: Provider) -> None:
    def base(request: Request) -> str:
        return rooms.address or str(request.base_url).rstrip("/")

    @app.get(PUBLIC[0], include_in_schema=False)
    def oidc_discovery(request: Request) -> Response:
        return _sent(provider.discovery(base(request)))

    @app.get("/oidc/jwks", include_in_schema=False)
    def oidc_jwks() -> Response:
        return _sent(provider.keys())

    @app.api_route("/oidc/authorize", methods=["GET", "POST"], include_in_schema=False)
    async def oidc_authorize(request: Request) -> Response:
        asked = await _asked(request)
        if asked is None:
            return _too_much()
        caller = _caller(rooms, request)
        answer = await run_in_threadpool(provider.authorize, base(request), asked, caller)
        if answer.sign_in:
            again = f"/oidc/authorize?{urlencode(asked)}"
            return RedirectResponse(f"/sign-in?{urlencode({'next': again})}", 303)
        return _sent(answer)

    @app.post("/oidc/token", include_in_schema=False)
    async def oidc_token(request: Request) -> Response:
        form = await _form(request)
        if form is None:
            return _too_much()
        proof = request.headers.get("authorization", "")
        return _sent(await run_in_threadpool(provider.token, base(request), form, proof))

    @app.api_route("/oidc/userinfo", methods=["GET", "POST"], include_in_schema=False)
    def oidc_userinfo(request: Request) -> Response:
        return _sent(provider.userinfo(base(request), request.headers.get("authorization", "")))

    @app.post("/oidc/revoke", include_in_schema=False)
    async def oidc_revoke(request: Request) -> Response:
        form = await _form(request)
        if form is None:
            return _too_much()
        proof = request.headers.get("authorization", "")
        return _sent(await run_in_threadpool(provider.revoke, form, proof))

    @app.api_route("/oidc/logout", methods=["GET", "POST"], include_in_schema=False)
    async def oidc_logout(request: Request) -> Response:
        asked = await _asked(request)
        if asked is None:
            return _too_much()
        caller = _caller(rooms, request)
        answer = await run_in_threadpool(provider.leave, base(request), asked, caller)
        if answer.body.get("confirm"):  # then asked again, by somebody who has no session any more
            again = answer.body["again"]
            assert isinstance(again, dict)
            back = f"/oidc/logout?{urlencode(again)}" if again else ""
            return RedirectResponse(f"/sign-out?{urlencode({'next': back})}", 303)
        return _sent(answer)


async def _asked(request: Request) -> dict[str, str] | None:
    return dict(request.query_params) if request.method == "GET" else await _form(request)


async def _form(request: Request) -> dict[str, str] | None:
    """A form of plain fields; None when it is longer than any such form is. A field that comes twice
    is refused by having neither value (RFC 6749 3.1)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return {}
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST:
            return None
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=64)
    except (UnicodeDecodeError, ValueError):
        return {}
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}


def _caller(rooms: Rooms, request: Request) -> Caller | None:
    """A program of another site may send somebody here by a form; then the cookie does not count."""
    try:
        return rooms.identify(request)
    except (Anonymous, Denied):
        return None


def _sent(answer: Answer) -> Response:
    if answer.wrong:
        return HTMLResponse(_page(answer.wrong), answer.status)
    if answer.location:
        return RedirectResponse(answer.location, answer.status, dict(answer.headers))
    return JSONResponse(dict(answer.body), answer.status, dict(answer.headers))


def _too_much() -> Response:
    return JSONResponse({"error": "invalid_request", "error_description": "too long"}, 413)


def _page(why: str) -> str:
    """For a person who is sent on to nowhere, in both languages: whose it is is not known."""
    chinese, english = (html.escape(half) for half in halves(bilingual(why)))
    return (
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>趵突 Baotu</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;"
        "margin:12vh auto;padding:0 1rem;color-scheme:light dark}small{overflow-wrap:anywhere}"
        "</style><h1>无法继续 Cannot go on</h1>"
        "<p>这个程序的请求不对，已停在这里。请告诉它的管理员：<br><small>"
        f"{chinese}</small>"
        "<p lang=en>Something is wrong with what this program asked, so it ends here. Tell its "
        f"administrator:<br><small>{english}</small>"
        '<p><a href="/">回到控制台 Back to the console</a>'
    )

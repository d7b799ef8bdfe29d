"""Routes of signing in with another provider: off to it, and back. What is decided stands behind the
port `sdk.outside`; refusals go to the sign-in page as one word, which says them kindly."""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import RedirectResponse, Response

from baotu.sdk import Anonymous, Caller, Denied, Invalid, Refused, Unreachable
from baotu.sdk.outside import Arrived, Outside, Way

from .api.rows import json
from .language import LANGUAGES, language_of
from .problem import documented
from .rooms import Rooms
from .signin import models as m
from .who import cookie, inside, private, remembered, visit_of

AWAY_S = 600  # so long the cookie of who is away is kept


def routes(app: FastAPI, rooms: Rooms, outside: Outside) -> None:
    @app.get("/sign-in/with/{name}", include_in_schema=False)
    def sign_in_with(request: Request, name: str, next: str = "") -> Response:
        """Off to the provider; first to the name of this console that it was told to lead back to."""
        language = request.query_params.get("language", "")
        language = language if language in LANGUAGES else language_of(request)
        led = "led" in request.query_params
        if rooms.address and not led and not _at(request, rooms.address):
            query = urlencode({"next": inside(next), "language": language, "led": "1"})
            return RedirectResponse(f"{rooms.address}/sign-in/with/{quote(name, '')}?{query}", 303)
        way = Way(next=inside(next), language=language)
        try:
            where, browser = outside.begin(name, _back(request, rooms, name), _kept(request), way)
        except Invalid:
            return _refused(Arrived(way=way, refused="late"), name)
        except (Unreachable, Refused, Denied):
            return _refused(Arrived(way=way, refused="away"), name)
        return _gone(request, RedirectResponse(where, 303), browser)

    @app.get("/sign-in/back/{name}", include_in_schema=False)
    def sign_in_back(request: Request, name: str) -> Response:
        """Back from it: signed in, one step further, linked, or refused."""
        pairs = request.query_params.multi_items()
        asked = {key: value for key, value in pairs if [k for k, _ in pairs].count(key) == 1}
        caller = _caller(rooms, request)
        told = outside.finish(name, asked, _kept(request), visit_of(request), caller)
        if not told.way.language:
            way = Way(next=told.way.next, language=language_of(request), via=told.way.via)
            told = Arrived(way=way, step=told.step, refused=told.refused, identity=told.identity)
        answer = _refused(told, name) if told.refused else _arrived(request, told, name)
        answer.headers["cache-control"] = "no-store"
        answer.headers["referrer-policy"] = "no-referrer"
        return answer


def account_routes(api: APIRouter, rooms: Rooms, outside: Outside) -> None:
    about = {"tags": ["account"], "responses": documented(401, 403, 409, 422)}

    @api.post("/me/identities", response_model=m.Address, **about)  # type: ignore[arg-type] # of FastAPI
    def begin_identity(request: Request, given: m.ProviderName) -> Response:
        """Where to go to link an identity of another provider to one's own account."""
        caller = rooms.identify(request)
        assert rooms.people is not None
        rooms.people.recent(caller)
        language = given.language if given.language in LANGUAGES else language_of(request)
        way = Way(language=language, via=caller.via)
        back = _back(request, rooms, given.provider)
        where, browser = outside.begin(given.provider, back, _kept(request), way)
        return _gone(request, private(json({"address": where})), browser)

    @api.delete("/me/identities/{identity}", response_model=m.Done, **about)  # type: ignore[arg-type] # of FastAPI
    def remove_identity(request: Request, identity: int) -> Response:
        """It signs one in no more."""
        assert rooms.people is not None
        rooms.people.identity_remove(rooms.identify(request), identity)
        return private(json({"done": True}))


def _at(request: Request, address: str) -> bool:
    """Whether the browser called it so. Without the scheme: TLS may end before this node."""
    return request.headers.get("host", "").lower() == urlsplit(address).netloc.lower()


def _back(request: Request, rooms: Rooms, name: str) -> str:
    base = rooms.address or str(request.base_url).rstrip("/")
    return f"{base}/sign-in/back/{quote(name, safe='')}"


def _kept(request: Request) -> str:
    return request.cookies.get(cookie(request, "outside"), "")


def _caller(rooms: Rooms, request: Request) -> Caller | None:
    try:
        return rooms.identify(request)
    except (Anonymous, Denied):
        return None


def _gone(request: Request, answer: Response, browser: str) -> Response:
    """Lax: the other provider leads back by a link, and the cookie has to come along."""
    answer.set_cookie(
        cookie(request, "outside"), browser, max_age=AWAY_S, path="/",
        secure=request.url.scheme == "https", httponly=True, samesite="lax",
    )  # fmt: skip
    answer.headers["cache-control"] = "no-store"
    return answer


def _refused(told: Arrived, name: str) -> Response:
    """Behind the `#` stands who came, for their eyes only."""
    if told.way.via:
        return RedirectResponse(f"/{told.way.language}/account?refused={told.refused}", 303)
    query = {"refused": told.refused, "with": name} | (
        {"next": told.way.next} if told.way.next else {}
    )
    shown = f"#identity={quote(told.identity, safe='')}" if told.identity else ""
    return RedirectResponse(f"/{told.way.language}/sign-in?{urlencode(query)}{shown}", 303)


def _arrived(request: Request, told: Arrived, name: str) -> Response:
    step, language = told.step, told.way.language
    if step is None:
        return RedirectResponse(f"/{language}/account?linked={quote(name, safe='')}", 303)
    query = urlencode({"next": told.way.next} if told.way.next else {})
    if step.next != "done":  # a factor of this platform; its ticket is sent to nobody
        more = urlencode({"ticket": step.ticket, "factors": ",".join(step.factors)})
        return RedirectResponse(f"/{language}/sign-in?{query}#{more}", 303)
    to = told.way.next or f"/{language}/sign-in?in=1"
    answer = RedirectResponse(to, 303)
    return remembered(request, answer, step)

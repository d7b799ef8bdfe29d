"""The one entry: `build(rooms)` gives the ASGI app of API, live channel, metrics and pages."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match

from . import live, oidc, outside, pages, problem, signin
from .api import audit, house, plant, samples, statistics, verbs, writing
from .gate import Gate
from .metrics import Metrics
from .rights import Table
from .rooms import Rooms
from .scoped import Sights

ABOUT = """
Everything the console shows, for programs. Times are ISO 8601 UTC; titles are «中文 English».
Refusals are RFC 9457 problem details; what they say is Chinese, U+2002, English. Samples come as columns: `application/json`, `text/csv`
or `application/vnd.apache.arrow.stream`, by `Accept`.

**Live values**: WebSocket `/api/live?tag=…` (repeatable). Send `{"subscribe": [names]}` and
`{"unsubscribe": [names]}`; columns as in `/api/latest` arrive at most ten times a second, the
newest value of each tag; less often when many watch much. `?time=ms` for whole milliseconds.
"""


class Console(FastAPI):
    """Its gate is outermost: before what answers bugs, too."""

    rooms: Rooms
    figures: Metrics
    sights: Sights
    refuse_page: pages.Refusal | None = None
    described: list[Any]  # the routes below /api

    table: Table

    def build_middleware_stack(self) -> Any:
        own = [route for route in self.routes if hasattr(route, "path")]
        self.table = Table([*self.described, *own])
        return Gate(
            super().build_middleware_stack(), self.rooms, self.figures, self.table, self.sights,
            self.refuse_page,
        )  # fmt: skip


AT_THE_GATE = (400, 401, 403, 414, 421, 429, 431)
OF_BODIES = (408, 413, 415)
METHODS = ["GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE"]


def build(rooms: Rooms) -> Console:
    """Ready for uvicorn. NiceGUI keeps its pages for the whole process, so one may *run* at a
    time with pages; `build_api` has no such limit."""
    app = build_api(rooms)
    app.refuse_page = pages.install(app, rooms)
    return app


def build_api(rooms: Rooms) -> Console:
    """API, live channel and metrics without pages."""
    app = Console(
        title="趵突 Baotu",
        version=rooms.version or version("baotu"),
        description=ABOUT,
        docs_url=None,  # its page would load scripts from the internet
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    sights = app.sights = Sights(rooms.plant, rooms.policy)
    channel = live.LiveChannel(rooms, sights.whole.finder)
    figures = app.figures = Metrics(rooms, channel)
    app.rooms = rooms
    api = APIRouter(prefix="/api")
    house.routes(api, rooms)
    audit.routes(api, rooms)
    plant.routes(api, rooms)
    samples.routes(api, rooms)
    statistics.routes(api, rooms)
    live.routes(api, rooms, channel)
    if rooms.outside is not None and rooms.people is not None:
        outside.account_routes(api, rooms, rooms.outside)
    signin.routes(api, rooms)  # before the verbs: `/api/app/verb` would take its addresses
    writing.routes(api, rooms)
    verbs.routes(api, rooms)
    app.include_router(api)
    app.described = list(api.routes)

    if rooms.oidc is not None:
        oidc.routes(app, rooms, rooms.oidc)
    if rooms.outside is not None and rooms.people is not None:
        outside.routes(app, rooms, rooms.outside)

    @app.get("/metrics", tags=["platform"], response_class=PlainTextResponse)
    def metrics() -> Response:
        """Figures in the Prometheus text form."""
        return figures.answer()

    @app.api_route("/api/{rest:path}", methods=METHODS, include_in_schema=False)
    def nothing(request: Request, rest: str) -> None:
        if others := _methods(app, request):
            why = f"/api/{rest} takes {', '.join(others)}, not {request.method}; see /openapi.json"
            raise HTTPException(405, why, {"Allow": ", ".join(others)})
        raise problem.NotFound("path", f"there is no /api/{rest}; see /openapi.json")

    problem.install(app)
    _describe_problems(app)
    return app


def _methods(app: FastAPI, request: Request) -> list[str]:
    """What may be asked at this path, when it is only the method that does not fit."""
    return [
        method
        for method in METHODS
        for route in app.routes[:-1]
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
        and getattr(route, "name", "") != "nothing"
    ]


def _describe_problems(app: FastAPI) -> None:
    """Every route refuses in the same words: put them where `$ref` finds them."""
    plain = app.openapi

    def openapi() -> dict:
        if app.openapi_schema is None:
            schema = plain()
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = problem.Problem.model_json_schema()
            for path in schema["paths"].values():
                for operation in path.values():
                    statuses = (*AT_THE_GATE, *(OF_BODIES if "requestBody" in operation else ()))
                    for status in statuses:
                        described = problem.documented(status)[status]
                        operation["responses"].setdefault(str(status), described)
                    if "422" in operation["responses"]:
                        operation["responses"]["422"] = problem.documented(422)[422]
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

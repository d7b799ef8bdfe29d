"""One route for each verb of each app, described in OpenAPI by the verb's own schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Request
from starlette.responses import Response

from baotu.sdk.door import Verb
from baotu.sdk.view import in_language, plain

from .. import alarms
from ..problem import documented
from ..rooms import Rooms
from ..scoped import caller_of, part_of
from ..seen import not_whole, without_unseen
from .rows import json

VIEW = {"type": "object", "properties": {"view": {"type": "string"}}, "required": ["view"]}


def routes(api: APIRouter, rooms: Rooms) -> None:
    make = {"command": _command, "query": _query, "page": _page}
    for verb in rooms.door.verbs():
        api.add_api_route(
            f"/{verb.app}/{verb.name}",
            make[verb.kind](rooms, verb),
            name=f"app verb {verb.app}.{verb.name}",
            methods=["POST" if verb.kind == "command" else "GET"],
            operation_id=f"{verb.app}_{verb.name}",
            summary=in_language(verb.title, "en") or verb.name,
            description=f"{verb.summary}\n\nNeeds the permission `{verb.permission}`.",
            tags=[f"app {verb.app}"],
            responses=documented(403, 409, 422),
            openapi_extra=_described(verb),
        )


def _command(rooms: Rooms, verb: Verb) -> Callable[..., Response]:
    def run(
        request: Request,
        body: Annotated[dict[str, Any], Body(default_factory=dict)],
        idempotency_key: Annotated[
            str, Header(description="The same key has one effect and one answer")
        ] = "",
    ) -> Response:
        caller = caller_of(request)
        return json(rooms.door.call(verb.app, verb.name, body, caller, idempotency_key))

    return run


def _query(rooms: Rooms, verb: Verb) -> Callable[..., Response]:
    def run(request: Request) -> Response:
        arguments = dict(request.query_params)
        caller, plant = caller_of(request), part_of(request).plant
        not_whole(rooms, plant, verb)
        told = rooms.door.call(verb.app, verb.name, arguments, caller)

        def known() -> set[int]:
            return {row["id"] for row in alarms.listed(rooms, caller, plant)}

        return json(without_unseen(rooms, plant, verb, told, known))

    return run


def _page(rooms: Rooms, verb: Verb) -> Callable[..., Response]:
    def run(request: Request) -> Response:
        arguments = dict(request.query_params)
        caller = caller_of(request)
        not_whole(rooms, part_of(request).plant, verb)
        return json(plain(rooms.door.look(verb.app, verb.name, arguments, caller).view))

    return run


def _described(verb: Verb) -> dict[str, Any]:
    gives = VIEW if verb.kind == "page" else verb.gives
    required = verb.takes.get("required", ())
    answer = {"200": {"description": "The answer", "content": _json(gives)}}
    if verb.kind == "command":
        body = {"content": _json(verb.takes), "required": bool(required)}
        return {"requestBody": body, "responses": answer}
    asked = [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in verb.takes.get("properties", {}).items()
    ]
    return {"parameters": asked, "responses": answer}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": dict(schema)}}

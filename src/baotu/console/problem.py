"""Refusals in the words of RFC 9457: what, where, what to do next, as application/problem+json."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from baotu.sdk import (
    Anonymous,
    BaotuError,
    ConfigError,
    Conflict,
    Denied,
    Invalid,
    Refused,
    Unreachable,
)
from baotu.sdk.messages import bilingual
from baotu.sdk.people import TooMany

MEDIA = "application/problem+json"
STATUS: Mapping[type[BaotuError], int] = {
    Anonymous: 401,
    Denied: 403,
    Conflict: 409,
    Invalid: 422,
    ConfigError: 422,
    Unreachable: 503,
    Refused: 502,
}
log = structlog.get_logger("baotu.console")


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(
        description="`urn:baotu:` and the kind of problem", examples=["urn:baotu:invalid"]
    )
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do next")
    field: str | None = Field(None, description="The parameter or field that is wrong")
    instance: str | None = Field(None, description="The address that was asked")


class NotFound(Invalid):
    """What the address names does not exist."""


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: which problems it may answer."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA: {"schema": schema}},
        }
        for status in statuses
    }


def install(api: FastAPI) -> None:
    for kind in (*STATUS, NotFound):
        api.add_exception_handler(kind, _ours)
    api.add_exception_handler(RequestValidationError, _validation)
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(Exception, _bug)


def answer(
    request: Request | None, status: int, kind: str, title: str, detail: str, **more: Any
) -> Response:
    about = {
        "type": f"urn:baotu:{kind}",
        "title": title,
        "status": status,
        "detail": bilingual(detail),
    }
    if request is not None:
        about["instance"] = request.url.path
    return JSONResponse(about | more, status, media_type=MEDIA)


def _ours(request: Request, error: Exception) -> Response:
    kind = type(error)
    status = 404 if kind is NotFound else next(s for k, s in STATUS.items() if isinstance(error, k))
    more: dict[str, Any] = {}
    detail = str(error)
    if isinstance(error, Invalid):
        more["field"], detail = error.field, error.why
    elif isinstance(error, ConfigError):
        more["where"], more["hint"] = error.where, error.hint
    name = {"NotFound": "not-found", "ConfigError": "config"}.get(
        kind.__name__, kind.__name__.lower()
    )
    refusal = answer(request, status, name, HTTPStatus(status).phrase, detail, **more)
    if status == 401:  # RFC 9110 11.6.1: it says how to come back
        refusal.headers["www-authenticate"] = 'Bearer realm="baotu"'
    if isinstance(error, TooMany):  # RFC 6585, 4
        refusal.status_code = 429
        refusal.headers["retry-after"] = str(int(error.wait_s) + 1)
    return refusal


def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return answer(request, 422, "invalid", HTTPStatus(422).phrase, first["msg"], field=field)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    detail = error.detail
    if error.status_code == 404 and detail == phrase:
        detail = f"there is nothing at {request.url.path}; see /openapi.json for what there is"
    if error.status_code == 400 and error.__cause__ is not None:
        detail = f"the body cannot be read ({error.__cause__}); send JSON in UTF-8"
    kind = phrase.lower().replace(" ", "-")
    refusal = answer(request, error.status_code, kind, phrase, detail)
    refusal.headers.update(error.headers or {})
    return refusal


def _bug(request: Request, error: Exception) -> Response:
    log.exception("a request met a bug", path=request.url.path, exc_info=error)
    detail = f"{type(error).__name__}: this is a bug; its traceback is in the log of the node"
    return answer(request, 500, "bug", HTTPStatus(500).phrase, detail)

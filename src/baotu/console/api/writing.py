"""Routes for writing a tag: what a write would meet, and the write itself."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from baotu.sdk import Refused, Unreachable
from baotu.sdk.writing import Outlook, Writing

from ..problem import documented
from ..rooms import Rooms
from ..times import iso
from .models import WriteOutlook, WriteReply, WriteWish
from .rows import json

TAG = Query(description="asset/property, or the number")


def routes(api: APIRouter, rooms: Rooms) -> None:
    @api.get(
        "/write", response_model=WriteOutlook, responses=documented(403, 422, 503), tags=["plant"]
    )
    def write_outlook(request: Request, tag: Annotated[str, TAG]) -> Response:
        """What a write of this tag would meet now: value, limits, interlocks, who may, who approves."""
        return json(_row(_writing(rooms).outlook(tag, rooms.identify(request))))

    @api.post(
        "/write", response_model=WriteReply, tags=["plant"],
        responses=documented(403, 409, 422, 502, 503) | WAITS,
    )  # fmt: skip
    def write_tag(
        request: Request,
        wish: WriteWish,
        idempotency_key: Annotated[
            str, Header(description="The same key has one effect and one answer")
        ] = "",
    ) -> Response:
        """Set a tag: decided, checked, carried out and read back before it is answered; 202 when
        somebody has to approve it first, then nothing was sent yet."""
        caller = rooms.identify(request)
        reply = _writing(rooms).write(
            wish.tag, wish.value, caller, wish.reason, key=idempotency_key, override=wish.override
        )
        if not reply.done and not reply.request:
            raise Refused(reply.why)
        answer = json({"done": reply.done, "value": reply.value, "why": reply.why,
                       "request": reply.request})  # fmt: skip
        answer.status_code = 200 if reply.done else 202
        return answer


WAITS: dict[int | str, dict[str, Any]] = {
    202: {"description": "It waits for an approver, as this `request`", "model": WriteReply}
}


def _writing(rooms: Rooms) -> Writing:
    if rooms.writing is None:
        raise Unreachable("writes are off on this node")
    return rooms.writing


def _row(told: Outlook) -> dict[str, Any]:
    return {
        "tag": told.tag, "kind": told.kind, "unit": told.unit, "title": told.title,
        "low": told.low, "high": told.high, "value": told.value, "quality": told.quality,
        "time": iso(told.time) if told.time else None, "refused": told.refused,
        "policies": list(told.policies), "who_may": list(told.who_may),
        "approval": told.approval, "approvers": list(told.approvers),
        "conditions": [{"text": c.text, "why": c.why} for c in told.conditions],
    }  # fmt: skip

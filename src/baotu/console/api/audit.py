"""Routes of the tamper-evident log: its state, and everything a witness needs. All read only.

`/api/audit` is a prefix in the sense of https://c2sp.org/tlog-tiles: a client of such logs reads it.
"""

from __future__ import annotations

import base64
import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from baotu.sdk.errors import Denied
from baotu.sdk.ports import AuditLog

from ..problem import NotFound, documented
from ..rooms import Rooms
from ..times import iso
from . import models
from .rows import json

READ, PROVE = "audit.read", "audit.prove"
LEVEL = re.compile(r"0|[1-9]\d?|entries")
PLACE = re.compile(
    r"((?:x(?!000)\d{3}/(?:x\d{3}/)*)?\d{3})(?:\.p/([1-9]\d?|1\d\d|2[0-4]\d|25[0-5]))?"
)
WIDTH = 256
KEEP = {"cache-control": "private, max-age=31536000, immutable"}  # a tile never changes


def routes(api: APIRouter, rooms: Rooms) -> None:
    if rooms.audit_log is not None:
        _state(api, rooms, rooms.audit_log)
        _witness(api, rooms, rooms.audit_log)
        _records(api, rooms, rooms.audit_log)


def _may(rooms: Rooms, request: Request, permission: str) -> None:
    caller = rooms.identify(request)
    if permission not in caller.permissions:
        raise Denied(f"{caller.name} may not read this: needs {permission}")


def _state(api: APIRouter, rooms: Rooms, log: AuditLog) -> None:
    @api.get(
        "/audit/state", response_model=models.AuditState, responses=documented(403),
        tags=["audit"],
    )  # fmt: skip
    def audit_state(request: Request) -> Response:
        """How the log fares: sealed, verified, its root, what is damaged and where."""
        _may(rooms, request, READ)
        told = log.state()
        return json({
            "state": told.state, "why": told.why, "key": told.key, "origin": told.origin,
            "size": told.size, "root": told.root, "waiting": told.waiting,
            "verified": iso(told.verified) if told.verified else None, "hashed": told.hashed,
            "whole": told.whole, "witnesses": list(told.witnesses),
            "findings": list(told.findings),
        })  # fmt: skip

    @api.get(
        "/audit/proof", response_model=models.AuditProof, responses=documented(403, 404, 409),
        tags=["audit"],
    )  # fmt: skip
    def audit_proof(
        request: Request,
        record: Annotated[int, Query(ge=1, lt=2**63, description="Id of a row of the audit")],
    ) -> Response:
        """That a row is in the log: position, root, and the proof (c2sp.org/tlog-proof)."""
        _may(rooms, request, READ)
        proof = log.prove(record)
        if proof is None:
            raise NotFound("record", f"没有封存的第 {record} 行 No row {record} is sealed")
        return json({
            "record": record, "index": proof.index, "size": proof.size, "root": proof.root,
            "proof": proof.text.decode(),
        })  # fmt: skip


class Octets(Response):
    media_type = "application/octet-stream"


class Tar(Response):
    media_type = "application/x-tar"


def _witness(api: APIRouter, rooms: Rooms, log: AuditLog) -> None:
    @api.get(
        "/audit/checkpoint", response_class=PlainTextResponse, responses=documented(403, 409),
        tags=["audit"],
    )  # fmt: skip
    def audit_checkpoint(request: Request) -> Response:
        """The newest signed checkpoint (c2sp.org/tlog-checkpoint): keep it elsewhere."""
        _may(rooms, request, READ)
        return PlainTextResponse(log.checkpoint(), headers={"cache-control": "no-store"})

    @api.get(
        "/audit/consistency", response_model=models.AuditConsistency,
        responses=documented(403, 409, 422), tags=["audit"],
    )  # fmt: skip
    def audit_consistency(
        request: Request, old: Annotated[int, Query(ge=0, lt=2**63, description="An earlier size")]
    ) -> Response:
        """That the log still begins with its first `old` records (RFC 9162, 2.1.4)."""
        _may(rooms, request, PROVE)
        hashes = [base64.b64encode(one).decode() for one in log.consistency(old)]
        return json({"old": old, "checkpoint": log.checkpoint().decode(), "hashes": hashes})

    @api.get(
        "/audit/tile/{level}/{place:path}", response_class=Octets,
        responses=documented(403, 404), tags=["audit"],
    )  # fmt: skip
    def audit_tile(request: Request, level: str, place: str) -> Response:
        """Hashes of a tile, or records where level is `entries` (c2sp.org/tlog-tiles)."""
        _may(rooms, request, PROVE)
        found = PLACE.fullmatch(place)
        if not LEVEL.fullmatch(level) or found is None:
            raise NotFound("place", f"没有这样的块 There is no tile {level}/{place}")
        number = int(re.sub(r"\D", "", found[1]))
        depth = None if level == "entries" else int(level)
        data = log.tile(depth, number, int(found[2] or WIDTH))
        if data is None:
            raise NotFound("place", f"没有这样的块 There is no tile {level}/{place}")
        return Response(data, media_type="application/octet-stream", headers=KEEP)


def _records(api: APIRouter, rooms: Rooms, log: AuditLog) -> None:
    @api.get(
        "/audit/entries", response_model=models.AuditEntries, responses=documented(403, 409),
        tags=["audit"],
    )  # fmt: skip
    def audit_entries(
        request: Request,
        since: Annotated[int, Query(ge=0, lt=2**63, description="Position of the first")] = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> Response:
        """Sealed records from a position on, as the bytes that were hashed."""
        _may(rooms, request, PROVE)
        rows = [{"position": at, "entry": data.decode()} for at, data in log.entries(since, limit)]
        following = since + len(rows) if len(rows) == limit else None
        return json({"entries": rows, "next": following})

    @api.get("/audit/export", response_class=Tar, responses=documented(403, 409),
             tags=["audit"])  # fmt: skip
    def audit_export(request: Request) -> Response:
        """The whole log with its verifier, as a tar: whoever has it needs nothing else."""
        _may(rooms, request, PROVE)
        name = f'attachment; filename="audit-{rooms.node}.tar"'.encode("ascii", "replace").decode()
        return StreamingResponse(
            log.export(), media_type="application/x-tar", headers={"content-disposition": name}
        )

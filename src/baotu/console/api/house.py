"""Routes for how the platform fares: health, devices, apps, jobs, audit, configuration, elements."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from baotu.sdk.errors import ConfigError

from .. import alarms as told
from ..problem import NotFound, documented
from ..rights import ROUTES, may
from ..rooms import Rooms
from ..scoped import caller_of, part_of
from ..seen import audit_seen, healths_seen, may_use
from ..times import iso
from . import models
from .rows import element_row, health_row, json, verb_row

Search = Annotated[str, Query(description="Words to look for")]


def routes(api: APIRouter, rooms: Rooms) -> None:
    _state(api, rooms)
    _work(api, rooms)
    _configuration(api, rooms)
    _faults(api, rooms)


def _state(api: APIRouter, rooms: Rooms) -> None:
    @api.get("/health", response_model=models.Alive | models.Pulse, tags=["platform"])
    def health(request: Request) -> Response:
        """Whether this node lives; for those who may see it, how many of its parts are in which
        state. For probes: nobody is asked who he is."""
        caller = request.scope["baotu.caller"]
        if caller is None or not may(rooms.policy, caller, ROUTES["devices"]):
            return json({"status": "alive"})
        parts = Counter(h.state for h in rooms.board.healths())
        well = not (parts["down"] or parts["degraded"])
        return json({
            "status": "up" if well else "degraded", "node": rooms.node, "version": rooms.version,
            "time": iso(rooms.now()), "tags": len(part_of(request).plant.all_tags()),
            "parts": dict(parts), "history": dict(rooms.history.figures()),
        })  # fmt: skip

    @api.get("/devices", response_model=models.Devices, tags=["platform"])
    def devices(
        request: Request,
        kind: Annotated[str, Query(description="edge, device, server, link …")] = "",
    ) -> Response:
        """How edges, devices, servers, links and rooms fare, with their figures."""
        seen = healths_seen(rooms, caller_of(request), part_of(request).plant)
        return json({"healths": [health_row(h) for h in seen if not kind or h.kind == kind]})

    @api.get("/elements", response_model=models.ElementLines, tags=["platform"])
    def elements() -> Response:
        """The 25 elements with the newest evidence of each claim; `proved` is false without any."""
        return json({"elements": [element_row(row) for row in rooms.elements.elements()]})

    @api.get("/alarms", response_model=models.Alarms, tags=["platform"])
    def alarms(
        request: Request,
        state: Annotated[Literal["open", "history"], Query()] = "open",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 500,
    ) -> Response:
        """Open alarms, the most urgent first; with `history` what happened to them besides."""
        caller = caller_of(request)
        plant = part_of(request).plant
        rows = told.listed(rooms, caller, plant)
        happened = told.events(rooms, caller, plant, limit) if state == "history" else []
        note = "" if told.has(rooms.door, told.APP, "open") else told.NONE
        shown = rows[:limit] if state == "open" else []
        return json({
            "alarms": shown, "events": happened, "counts": told.counts(rows), "note": note,
        })  # fmt: skip


def _work(api: APIRouter, rooms: Rooms) -> None:
    @api.get("/apps", response_model=models.AppRows, tags=["apps"])
    def apps(request: Request) -> Response:
        """What is installed, what it may do, how it fares."""
        caller = caller_of(request)
        pages = [v for v in rooms.door.verbs() if v.kind == "page" and may_use(rooms, caller, v)]
        cards = [
            {"name": c.name, "title": c.title, "summary": c.summary, "serves": list(c.serves),
             "settings": dict(c.settings), "listens": list(c.listens),
             "permissions": list(c.permissions), "health": health_row(c.health),
             "pages": [{"name": v.name, "title": v.title} for v in pages if v.app == c.name],
             "process": asdict(c.process) if c.process else None}
            for c in rooms.apps.cards()
        ]  # fmt: skip
        return json({"apps": cards})

    @api.get("/verbs", response_model=models.VerbRows, tags=["apps"])
    def verbs(request: Request) -> Response:
        """Commands, queries and pages that the caller may use."""
        caller = caller_of(request)
        found = [v for v in rooms.door.verbs() if may_use(rooms, caller, v)]
        return json({"verbs": [verb_row(v) for v in found]})

    @api.get("/jobs", response_model=models.Jobs, tags=["apps"])
    def jobs(request: Request) -> Response:
        """Long computations, as the app `jobs` tells of them."""
        if not told.has(rooms.door, "jobs", "runs"):
            return json({"jobs": [], "note": "没有任务应用 No app named `jobs` is installed"})
        answer = rooms.door.call("jobs", "runs", {}, caller_of(request))
        rows = answer if isinstance(answer, list) else next(iter(answer.values()))
        return json({"jobs": rows, "note": ""})

    @api.get("/audit", response_model=models.AuditLines, tags=["platform"])
    def audit(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=5000)] = 200,
        search: Search = "",
        before: Annotated[
            int | None, Query(ge=0, lt=2**63, description="Older than this, ns since 1970")
        ] = None,
    ) -> Response:
        """Who asked for what, whether it was allowed, and why: the newest first."""
        records = audit_seen(rooms, caller_of(request), limit, search, before)
        lines = [
            {"id": r.id, "time": iso(r.time), "caller": r.caller, "verb": r.verb, "permission": r.permission,
             "outcome": r.outcome, "reason": r.reason}
            for r in records
        ]  # fmt: skip
        older = min(r.time for r in records) if len(records) == limit else None
        return json({"records": lines, "before": older})


def _configuration(api: APIRouter, rooms: Rooms) -> None:
    @api.get("/config", response_model=models.ConfigText, tags=["configuration"])
    def read_config() -> Response:
        """The configuration file as it is."""
        return json({"path": str(rooms.desk.path()), "text": rooms.desk.text()})

    @api.post("/config", response_model=models.ConfigVerdict, tags=["configuration"])
    def check_config(proposal: models.ConfigProposal) -> Response:
        """A dry run: everything wrong with this text, and what it would change. No effect."""
        return json(verdict(rooms, proposal.text))

    @api.put(
        "/config", response_model=models.ConfigVerdict, tags=["configuration"],
        responses=documented(403, 422),
    )  # fmt: skip
    def replace_config(request: Request, wanted: models.ConfigReplacement) -> Response:
        """Check, write and apply; the old file is kept beside it, the reason is audited."""
        caller = caller_of(request)
        return json({
            "problems": [],
            "changes": rooms.desk.replace(wanted.text, caller, wanted.reason),
        })  # fmt: skip


def verdict(rooms: Rooms, text: str) -> dict[str, Any]:
    problems = [fault(error) for error in rooms.desk.check(text)]
    return {"problems": problems, "changes": [] if problems else rooms.desk.changes(text)}


def fault(error: ConfigError) -> dict[str, Any]:
    line = re.search(r":(\d+)(?::|$)", error.where)
    return {
        "line": int(line[1]) if line else None,
        "where": error.where,
        "why": error.why,
        "hint": error.hint,
    }


def _faults(api: APIRouter, rooms: Rooms) -> None:
    @api.get(
        "/faults", response_model=models.FaultRows, responses=documented(404), tags=["demo plant"]
    )
    def faults() -> Response:
        """Faults that can be switched on in the demo plant."""
        return json({"faults": [dict(f) for f in _plant(rooms).faults()]})

    @api.post(
        "/faults", response_model=models.FaultRows, responses=documented(404, 422),
        tags=["demo plant"],
    )  # fmt: skip
    def switch_fault(wanted: models.FaultSwitch) -> Response:
        """Switch a fault of the demo plant on or off."""
        plant = _plant(rooms)
        if wanted.name not in {f["name"] for f in plant.faults()}:
            names = ", ".join(str(f["name"]) for f in plant.faults())
            raise NotFound("name", f"there is no fault {wanted.name!r}; there are {names}")
        plant.switch(wanted.name, wanted.on)
        return json({"faults": [dict(f) for f in plant.faults()]})


def _plant(rooms: Rooms) -> Any:
    if rooms.faults is None:
        raise NotFound(
            "faults",
            "这里没有演示工厂，用 `baotu demo` 启动 There is no demo plant here; `baotu demo` starts one",
        )
    return rooms.faults

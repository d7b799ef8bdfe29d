"""Alarms as the console shows them, asked through the Door of the app `alarms`, if there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from baotu.sdk import Caller, Invalid
from baotu.sdk.door import Door
from baotu.sdk.ports import Plant

from .rooms import Rooms
from .seen import may_use, tag_seen
from .times import iso

APP = "alarms"
MOST = 10_000
NONE = "没有报警应用 No app named `alarms` is installed: nothing tells of alarms"


def has(door: Door, app: str, name: str) -> bool:
    return any((v.app, v.name) == (app, name) for v in door.verbs())


def listed(rooms: Rooms, caller: Caller, plant: Plant) -> list[dict[str, Any]]:
    """Open ones as `models.AlarmRow`: hidden ones last, then by priority, the newest first.
    plant: as the caller sees it; alarms of what is outside are left out."""
    told = _asked(rooms, caller, "open", MOST)
    found = [_row(plant, row) for row in told if tag_seen(rooms, plant, row.get("tag"))]
    found.sort(key=lambda row: row["raised"] or "", reverse=True)
    found.sort(key=lambda row: (row["hidden"], row["priority"]))
    return found


def events(rooms: Rooms, caller: Caller, plant: Plant, limit: int = 200) -> list[dict[str, Any]]:
    """What happened to alarms, the newest first, as `models.AlarmEvent`."""
    known = {row["id"]: row for row in listed(rooms, caller, plant)}
    told = _asked(rooms, caller, "history", limit)
    if plant is not rooms.plant:  # an event names its alarm only; of closed ones nothing is known
        told = [row for row in told if row.get("alarm") in known]
    said = {row.get("alarm"): row["message"] for row in reversed(told) if row.get("message")
            and row.get("what") in ("raised", "returned")}  # fmt: skip
    found = []
    for row in told:
        alarm = known.get(row.get("alarm"), {})
        own = row.get("message", "")
        found.append({
            "alarm": row.get("alarm", 0), "time": _time(row.get("time")) or "",
            "what": row.get("what", ""), "who": row.get("who", ""),
            "message": said.get(row.get("alarm"), alarm.get("message", own)),
            "note": own if row.get("what") not in ("raised", "returned") else "",
            "asset": alarm.get("asset", ""), "priority": alarm.get("priority"),
        })  # fmt: skip
    return found


def counts(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Open ones by priority 1 to 4; what is shelved or suppressed is not counted."""
    seen = [r["priority"] for r in rows if not r["hidden"]]
    return [seen.count(priority) for priority in (1, 2, 3, 4)]


def _asked(rooms: Rooms, caller: Caller, name: str, limit: int) -> list[Mapping[str, Any]]:
    verb = next((v for v in rooms.door.verbs() if (v.app, v.name) == (APP, name)), None)
    if verb is None or not may_use(rooms, caller, verb):
        return []
    arguments = {"limit": limit} if "limit" in verb.takes.get("properties", {}) else {}
    return list(rooms.door.call(APP, name, arguments, caller))


def _row(plant: Plant, row: Mapping[str, Any]) -> dict[str, Any]:
    tag, asset = _tag(plant, row.get("tag"))
    shelved, suppressed = _time(row.get("shelved_until")), row.get("suppressed") or ""
    return {
        "id": row.get("id", 0), "app": row.get("app", ""), "tag": tag, "asset": asset,
        "kind": row.get("kind", ""), "priority": min(max(int(row.get("priority", 3)), 1), 4),
        "message": row.get("message", ""), "raised": _time(row.get("raised")) or "",
        "cleared": None if row.get("active") else _time(row.get("returned")),
        "active": bool(row.get("active", True)), "acknowledged": bool(row.get("acknowledged")),
        "shelved_until": shelved, "suppressed": suppressed, "hidden": bool(shelved or suppressed),
        "by": row.get("acknowledged_by") or "", "comment": row.get("comment") or "",
        "count": row.get("count", 1),
    }  # fmt: skip


def _tag(plant: Plant, told: Any) -> tuple[str, str]:
    """Name and asset of what the app called the tag: a number or a name; below 0 it is none."""
    if isinstance(told, int) and told < 0:
        return "", ""
    try:
        tag = plant.by_id(told) if isinstance(told, int) else plant.tag(str(told))
    except Invalid:
        tag = None
    return (tag.name, tag.asset) if tag else (str(told or ""), "")


def _time(told: Any) -> str | None:
    """Apps tell ns UTC (0: never) or ISO 8601; the console shows ISO in UTC."""
    if not told:
        return None
    if isinstance(told, str):
        return datetime.fromisoformat(told).isoformat()
    return iso(int(told))

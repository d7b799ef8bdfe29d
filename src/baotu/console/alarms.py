"""Alarms as the console shows them, asked through the Door of the app `alarms`, if there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baotu.sdk import Caller, Invalid
from baotu.sdk.door import Door

from .rooms import Rooms

APP = "alarms"
NONE = "没有报警应用 No app named `alarms` is installed: nothing tells of alarms"


def has(door: Door, app: str, name: str) -> bool:
    return any((v.app, v.name) == (app, name) for v in door.verbs())


def listed(rooms: Rooms, caller: Caller, which: str = "open", limit: int = 500) -> list[dict]:
    """Rows as `models.AlarmRow`, most urgent and newest first; [] when nobody tells alarms."""
    if not has(rooms.door, APP, which):
        return []
    takes = next(v.takes for v in rooms.door.verbs() if (v.app, v.name) == (APP, which))
    arguments = {"limit": limit} if "limit" in takes.get("properties", {}) else {}
    answer = rooms.door.call(APP, which, arguments, caller)
    rows = answer if isinstance(answer, list) else _inside(answer)
    found = [_row(rooms, row) for row in rows]
    if which == "open":
        found.sort(key=lambda row: row["raised"] or "", reverse=True)
        found.sort(key=lambda row: (row["shelved_until"] is not None, row["priority"]))
    return found[:limit]


def counts(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Open ones by priority 1 to 4; what is shelved is not counted."""
    seen = [r["priority"] for r in rows if not r["shelved_until"]]
    return [seen.count(priority) for priority in (1, 2, 3, 4)]


def _inside(answer: Mapping[str, Any]) -> list[Any]:
    return next((v for v in answer.values() if isinstance(v, list)), [])


def _row(rooms: Rooms, row: Mapping[str, Any]) -> dict[str, Any]:
    tag, asset = _tag(rooms, row.get("tag"))
    return {
        "id": row.get("id", 0), "app": row.get("app", ""), "tag": tag, "asset": asset,
        "kind": row.get("kind", ""), "priority": min(max(int(row.get("priority", 3)), 1), 4),
        "message": row.get("message", ""), "raised": _first(row, "raised", "since", "time") or "",
        "cleared": _first(row, "cleared", "ended"), "active": bool(row.get("active", True)),
        "acknowledged": bool(_first(row, "acknowledged", "acked", "acknowledged_at")),
        "shelved_until": _first(row, "shelved_until", "shelved"),
        "by": _first(row, "by", "acknowledged_by") or "",
    }  # fmt: skip


def _tag(rooms: Rooms, told: Any) -> tuple[str, str]:
    """Name and asset of what the app called the tag: a number or a name."""
    try:
        tag = rooms.plant.by_id(told) if isinstance(told, int) else rooms.plant.tag(str(told))
    except Invalid:
        tag = None
    return (tag.name, tag.asset) if tag else (str(told or ""), "")


def _first(row: Mapping[str, Any], *names: str) -> Any:
    return next((row[n] for n in names if row.get(n)), None)

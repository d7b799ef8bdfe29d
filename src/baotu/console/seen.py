"""What of lists that are not tags a caller may see: verbs, health, audit, rows of house apps.

Like `scoped`: what may not be seen is left out without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baotu.sdk import Caller, Denied, Invalid
from baotu.sdk.door import Verb
from baotu.sdk.health import Health
from baotu.sdk.ports import AuditRow, Plant
from baotu.sdk.tags import Tags

from .rooms import Rooms

WHOLE = frozenset({("alarms", "counts"), ("alarms", "overview"), ("notes", "overview")})
"""Verbs of house apps whose answers tell of every tag of the organisation at once."""


def may_use(rooms: Rooms, caller: Caller, verb: Verb) -> bool:
    """Whether a menu offers it; what then happens is decided behind the Door."""
    return not verb.permission or verb.permission in rooms.policy.actions(caller)


def healths_seen(rooms: Rooms, caller: Caller, plant: Plant) -> list[Health]:
    """Parts of the platform. Who sees a part of the plant sees the devices of its tags, and of the
    rest what the policy names."""
    if "platform.read" not in rooms.policy.actions(caller):
        return []
    healths = rooms.board.healths()
    if plant is rooms.plant:
        return healths
    own = {device for (device,) in Tags.of(plant.all_tags()).distinct("device")[0]}
    devices = rooms.policy.visible(caller, "platform.read", "device")
    nodes = rooms.policy.visible(caller, "platform.read", "node")

    def seen(health: Health) -> bool:
        if health.kind in ("device", "server"):
            return health.name in own or (devices is not None and health.name in devices)
        return nodes is None or health.node in nodes or health.name in nodes

    return [health for health in healths if seen(health)]


def audit_seen(
    rooms: Rooms, caller: Caller, limit: int = 200, search: str = "", before: int | None = None
) -> list[AuditRow]:
    """Of the organisations whose audit the caller may read; nothing for all others."""
    if "audit.read" not in rooms.policy.actions(caller):
        return []
    whose = rooms.policy.visible(caller, "audit.read", "organisation")
    return rooms.audit.records(limit, search, before, whose)


def tag_seen(rooms: Rooms, plant: Plant, told: Any) -> bool:
    """Whether what an app called a tag may be seen; what names none concerns everybody."""
    if plant is rooms.plant or told in (None, ""):
        return True
    try:
        return (plant.by_id(told) if isinstance(told, int) else plant.tag(str(told))) is not None
    except Invalid:
        return False


def not_whole(rooms: Rooms, plant: Plant, verb: Verb) -> None:
    """Raises Denied for what cannot be shown in part."""
    if plant is not rooms.plant and (verb.app, verb.name) in WHOLE:
        raise Denied(
            "这里列出本组织的全部位号，而您只能看其中一部分；请用控制台的同名页面"
            " This lists every tag of the organisation, and you may see a part of them; use the "
            "console's own page of that name"
        )


def without_unseen(rooms: Rooms, plant: Plant, verb: Verb, told: Any, open_ids: Any) -> Any:
    """The answer of a query of a house app without rows about tags that may not be seen.

    open_ids: gives the numbers of alarms that may be seen, when they are needed."""
    if plant is rooms.plant or not isinstance(told, list):
        return told
    if (verb.app, verb.name) == ("alarms", "open"):
        return [row for row in told if tag_seen(rooms, plant, row.get("tag"))]
    if (verb.app, verb.name) == ("alarms", "history"):
        known = open_ids()
        return [row for row in told if row.get("alarm") in known]
    if (verb.app, verb.name) == ("notes", "between"):
        return [row for row in (_cut(rooms, plant, r) for r in told) if row["tags"]]
    return told


def _cut(rooms: Rooms, plant: Plant, note: dict[str, Any]) -> dict[str, Any]:
    tags: Sequence[str] = note.get("tags", ())
    return note | {"tags": [name for name in tags if tag_seen(rooms, plant, name)]}

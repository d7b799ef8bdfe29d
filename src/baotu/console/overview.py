"""The site in one answer: areas, alarms, key values, links, what changed in the last shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from baotu.sdk import Asset, Caller, Invalid, Quality, Tag
from baotu.sdk.ports import Plant

from . import alarms as told
from .api.rows import health_row, tag_row
from .finder import Finder, ids_of
from .rooms import Rooms
from .times import iso

KEYS, CHANGES, ALARMS = 12, 30, 8
PARTS = ("edge", "link", "device", "server")


def overview(rooms: Rooms, finder: Finder, caller: Caller) -> dict[str, Any]:
    rows = told.listed(rooms, caller)
    healths = [h for h in rooms.board.healths() if h.kind in PARTS]
    healths.sort(key=lambda h: (h.state in ("up", "off"), h.kind != "edge", h.kind, h.name))
    since = rooms.now() - round(rooms.shift_h * 3600e9)
    return {
        "areas": areas(rooms, finder, rows),
        "counts": told.counts(rows),
        "alarms": rows[:ALARMS],
        "keys": [key_row(rooms.plant, t) for t in keys(rooms, finder)],
        "links": [health_row(h) for h in healths],
        "changes": changes(rooms, caller, since),
        "since": iso(since),
    }


def key_row(plant: Plant, tag: Tag) -> dict[str, Any]:
    """A tag with the title of its asset, for those who do not read paths."""
    asset = plant.asset(tag.asset)
    return tag_row(tag) | {"asset_title": asset.title if asset else ""}


def areas(rooms: Rooms, finder: Finder, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    tags = finder.found()
    places = places_of(rooms.plant)
    bad = bad_tags(rooms, tags)
    inside = {place.path: place for place in places}
    assets = dict.fromkeys(inside, 0)
    held, spoilt = dict.fromkeys(inside, 0), dict.fromkeys(inside, 0)
    open_ones = {path: [0, 0, 0, 0] for path in inside}
    for tag, is_bad in zip(tags, bad, strict=True):
        if place := _above(tag.asset, inside):
            held[place] += 1
            spoilt[place] += is_bad
    for asset in rooms.plant.assets():
        if asset.type and (place := _above(asset.path, inside)):
            assets[place] += 1
    for row in rows:
        if not row["hidden"] and (place := _above(row["asset"], inside)):
            open_ones[place][row["priority"] - 1] += 1
    return [
        {"path": p.path, "title": p.title, "level": p.level, "assets": assets[p.path],
         "tags": held[p.path], "bad": spoilt[p.path], "alarms": open_ones[p.path]}
        for p in places
    ]  # fmt: skip


def places_of(plant: Plant) -> list[Asset]:
    """Level 2 of the screens: the areas; where there are none, the places just below the top."""
    assets = plant.assets()
    if areas := [a for a in assets if a.level == "area"]:
        return areas
    depth = 1 if len([a for a in assets if "/" not in a.path]) == 1 else 0
    return [a for a in assets if a.path.count("/") == depth]


def bad_tags(rooms: Rooms, tags: Sequence[Tag]) -> list[bool]:
    """For each tag, in order, whether its newest sample is bad; one without a sample is not."""
    ids = ids_of(tags)
    if not len(ids):
        return []
    worst = np.zeros(int(ids.max()) + 1, "u1")
    for samples in rooms.history.latest(ids):
        worst[samples.tag] = samples.quality
    return (worst[ids] >= Quality.BAD).tolist()


def keys(rooms: Rooms, finder: Finder) -> list[Tag]:
    """What the settings name; else one value with limits for each (area, type, property) in turn,
    always the same ones, so that the eye finds them where they were."""
    if rooms.key_values:
        return [t for name in rooms.key_values if (t := _known(rooms.plant, name))]
    inside = {place.path: place for place in places_of(rooms.plant)}
    by_area: dict[str, dict[tuple[str, str], Tag]] = {}
    for tag in finder.found():
        if tag.kind == "number" and tag.low is not None and tag.high is not None:
            area = by_area.setdefault(_above(tag.asset, inside) or "", {})
            area.setdefault((tag.asset_type, tag.property), tag)
    rounds = [_mixed(list(area.values())) for area in by_area.values()]
    turns = [tag for n in range(KEYS) for area in rounds for tag in area[n : n + 1]]
    return turns[:KEYS]


def _mixed(tags: list[Tag]) -> list[Tag]:
    """First one of each asset type, then the second of each …"""
    seen: dict[str, int] = {}
    order: list[tuple[int, int, Tag]] = []
    for tag in tags:
        seen[tag.asset_type] = seen.get(tag.asset_type, 0) + 1
        order.append((seen[tag.asset_type], len(order), tag))
    return [tag for _, _, tag in sorted(order, key=lambda row: row[:2])]


def changes(rooms: Rooms, caller: Caller, since: int) -> list[dict[str, Any]]:
    """Newest first: alarms that came and went, what people did, parts that changed their state."""
    begin = iso(since)
    found: list[tuple[str, ...]] = []
    for event in told.events(rooms, caller, 100):
        if event["what"] in ("raised", "returned") and event["time"] >= begin:
            page = f"/asset/{event['asset']}" if event["asset"] else "/alarms"
            kind = "alarm" if event["what"] == "raised" else "returned"
            found.append((event["time"], kind, event["message"], "", page))
    for record in rooms.audit.records(limit=50):
        if record.time >= since:
            text = f"{record.caller} · {record.verb} · {record.outcome}"
            found.append((iso(record.time), "audit", text, record.reason, "/audit"))
    for health in rooms.board.healths():
        if health.since >= since and health.kind in PARTS:
            text = f"{health.kind} {health.name}: {health.state}"
            found.append((iso(health.since), "health", text, health.why, "/edges"))
    found.sort(reverse=True)
    names = ("time", "kind", "text", "note", "page")
    return [dict(zip(names, line, strict=True)) for line in found[:CHANGES]]


def _above(path: str, inside: Mapping[str, Asset]) -> str | None:
    while path:
        if path in inside:
            return path
        path = path.rpartition("/")[0]
    return None


def _known(plant: Plant, name: str) -> Tag | None:
    try:
        return plant.tag(name)
    except Invalid:
        return None

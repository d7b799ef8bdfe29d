"""The site in one answer: areas, alarms, key values, links, what changed in the last shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from baotu.sdk import Asset, Caller, Invalid, Quality, Tag
from baotu.sdk.ports import Plant
from baotu.sdk.tags import Tags

from . import alarms as told
from .api.rows import health_row, tag_row
from .rooms import Rooms
from .scoped import Part
from .seen import audit_seen, healths_seen
from .times import iso

KEYS, CHANGES, ALARMS = 12, 30, 8
PARTS = ("edge", "link", "device", "server")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """What of the overview changes only when the plant does.

    area: for each of `ids`, place in `places` of the area it lies in, -1 outside of all.
    """

    version: int
    places: tuple[Asset, ...]
    inside: Mapping[str, int]
    ids: np.ndarray
    area: np.ndarray
    assets: np.ndarray  # how many in each area
    keys: tuple[dict[str, Any], ...]


class Overview:
    def __init__(self, rooms: Rooms, part: Part) -> None:
        self._rooms, self._part, self._plant = rooms, part, part.plant
        self._shape: Shape | None = None

    def answer(self, caller: Caller) -> dict[str, Any]:
        rooms = self._rooms
        rows = told.listed(rooms, caller, self._plant)
        seen = healths_seen(rooms, caller, self._plant)
        healths = [h for h in seen if h.kind in PARTS]
        healths.sort(key=lambda h: (h.state in ("up", "off"), h.kind != "edge", h.kind, h.name))
        since = rooms.now() - round(rooms.shift_h * 3600e9)
        shape = self.shape()
        return {
            "areas": self._areas(shape, rows),
            "counts": told.counts(rows),
            "alarms": rows[:ALARMS],
            "keys": shape.keys,
            "links": [health_row(h) for h in healths],
            "changes": changes(rooms, caller, since, self._plant),
            "since": iso(since),
        }

    def shape(self) -> Shape:
        version = self._plant.version()
        if self._shape is None or self._shape.version != version:
            self._shape = self._look(version)
        return self._shape

    def _look(self, version: int) -> Shape:
        plant, tags = self._plant, self._part.finder.found()
        places = tuple(places_of(plant))
        inside = {place.path: n for n, place in enumerate(places)}
        owners = (above(a.path, inside) for a in plant.assets() if a.type)
        assets = np.bincount([n for n in owners if n >= 0], minlength=len(places))
        kinds, at = tags.distinct("asset")
        area = np.array([above(path, inside) for (path,) in kinds], "i4")[at]
        chosen = self._named() or spread(tags, area)
        return Shape(
            version=version, places=places, inside=inside, ids=tags.id, area=area,
            assets=assets, keys=tuple(key_row(plant, t) for t in chosen),
        )  # fmt: skip

    def _named(self) -> list[Tag]:
        """The key values that the settings name, as far as they are there."""
        found = []
        for name in self._rooms.key_values:
            try:
                found.append(self._plant.tag(name))
            except Invalid:
                continue
        return found

    def _areas(self, shape: Shape, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        size = len(shape.places)
        known = shape.area >= 0
        held = np.bincount(shape.area[known], minlength=size)
        bad = np.bincount(shape.area[known & self._bad(shape.ids)], minlength=size)
        alarms = [[0, 0, 0, 0] for _ in shape.places]
        for row in rows:
            if not row["hidden"] and (n := above(row["asset"], shape.inside)) >= 0:
                alarms[n][row["priority"] - 1] += 1
        return [
            {"path": p.path, "title": p.title, "level": p.level, "assets": int(shape.assets[n]),
             "tags": int(held[n]), "bad": int(bad[n]), "alarms": alarms[n]}
            for n, p in enumerate(shape.places)
        ]  # fmt: skip

    def _bad(self, ids: np.ndarray) -> np.ndarray:
        """Whether the newest sample of each tag is bad; a tag without a sample is not."""
        worst = np.zeros(int(ids.max(initial=0)) + 1, "u1")
        for samples in self._rooms.history.latest(ids) if len(ids) else ():
            worst[samples.tag] = samples.quality
        return worst[ids] >= Quality.BAD


def key_row(plant: Plant, tag: Tag) -> dict[str, Any]:
    """A tag with the title of its asset, for those who do not read paths."""
    asset = plant.asset(tag.asset)
    return tag_row(tag) | {"asset_title": asset.title if asset else ""}


def places_of(plant: Plant) -> list[Asset]:
    """Level 2 of the screens: the areas; where there are none, the places just below the top."""
    assets = plant.assets()
    if areas := [a for a in assets if a.level == "area"]:
        return areas
    depth = 1 if len([a for a in assets if "/" not in a.path]) == 1 else 0
    return [a for a in assets if a.path.count("/") == depth]


def above(path: str, inside: Mapping[str, int]) -> int:
    """Number of the place that a path lies in, -1 for none."""
    while path:
        if (found := inside.get(path)) is not None:
            return found
        path = path.rpartition("/")[0]
    return -1


def spread(tags: Tags, area: np.ndarray) -> list[Tag]:
    """One value with limits for each (area, type, property) in turn, always the same ones, so that
    the eye finds them where they were."""
    by_area: dict[int, dict[tuple[str, str], Tag]] = {}
    limited = tags.mask("low", _given) & tags.mask("high", _given)
    chosen = np.flatnonzero(limited & tags.mask("kind", "number".__eq__))
    for tag, place in zip(tags.pick(chosen), area[chosen].tolist(), strict=True):
        by_area.setdefault(place, {}).setdefault((tag.asset_type, tag.property), tag)
    rounds = [_mixed(list(found.values())) for found in by_area.values()]
    turns = [tag for n in range(KEYS) for found in rounds for tag in found[n : n + 1]]
    return turns[:KEYS]


def _given(limit: float | None) -> bool:
    return limit is not None


def _mixed(tags: list[Tag]) -> list[Tag]:
    """First one of each asset type, then the second of each …"""
    seen: dict[str, int] = {}
    order: list[tuple[int, int, Tag]] = []
    for tag in tags:
        seen[tag.asset_type] = seen.get(tag.asset_type, 0) + 1
        order.append((seen[tag.asset_type], len(order), tag))
    return [tag for _, _, tag in sorted(order, key=lambda row: row[:2])]


def changes(rooms: Rooms, caller: Caller, since: int, plant: Plant) -> list[dict[str, Any]]:
    """Newest first: alarms that came and went, what people did, parts that changed their state."""
    begin = iso(since)
    titles = {f"{v.app}.{v.name}": v.title for v in rooms.door.verbs()}
    found: list[dict[str, Any]] = []
    for event in told.events(rooms, caller, plant, 100):
        if event["what"] in ("raised", "returned") and event["time"] >= begin:
            page = f"/asset/{event['asset']}" if event["asset"] else "/alarms"
            kind = "alarm" if event["what"] == "raised" else "returned"
            found.append(change(event["time"], kind, event["message"], page=page))
    for record in audit_seen(rooms, caller, limit=50):
        if record.time >= since:
            text = f"{record.caller} · {record.verb} · {record.outcome}"
            found.append(change(
                iso(record.time), "audit", text, record.reason, "/audit", who=record.caller,
                name=titles.get(record.verb) or record.verb, state=record.outcome,
            ))  # fmt: skip
    for health in healths_seen(rooms, caller, plant):
        if health.since >= since and health.kind in PARTS:
            text = f"{health.kind} {health.name}: {health.state}"
            found.append(change(
                iso(health.since), "health", text, health.why, "/edges", who=health.kind,
                name=health.name, state=health.state,
            ))  # fmt: skip
    found.sort(key=lambda line: (line["time"], line["text"]), reverse=True)
    return found[:CHANGES]


def change(
    time: str, kind: str, text: str, note: str = "", page: str = "", **parts: str
) -> dict[str, Any]:
    """One line of `models.ChangeLine`. parts: `who`, `name`, `state`, for readers of one language."""
    line = {"time": time, "kind": kind, "text": text, "note": note, "page": page}
    return line | {"who": "", "name": "", "state": ""} | parts

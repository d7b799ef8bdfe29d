"""A small plant of two firms for the tests, and Cedar itself, asked without any index of ours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

import cedarpy

from baotu.assets import PlantModel
from baotu.sdk import Asset, Caller, Resource, Tag
from baotu.sdk.asset import Zone
from baotu.trust.policy import CedarPolicy
from baotu.trust.policy.model import duties_of

ALL = frozenset({"*"})
ZONES = (
    Zone(name="safety", assets=("jinan/foundry/melting",), security_level=3, writes="approved"),
    Zone(name="closed", assets=("jinan/foundry/melting/furnace-2", "jinan/gate"), writes="off"),
)
ASSETS = (
    Asset(path="jinan", level="site"),
    Asset(path="jinan/foundry/melting/furnace-1", type="Furnace"),
    Asset(path="jinan/foundry/melting/furnace-2", type="Furnace"),
    Asset(path="jinan/foundry/melting-2/furnace-3", type="Furnace"),
    Asset(path="jinan/gate", type="Gate"),
    Asset(path="jinan/yard/brook", organisation="brook"),
)
TAGS = tuple(
    Tag(id=n, asset=asset, property=property, device=device, writable=property != "level")
    for n, (asset, property, device) in enumerate(
        (asset, property, device)
        for asset, device in (
            ("jinan/foundry/melting/furnace-1", "plc-1"),
            ("jinan/foundry/melting/furnace-2", "plc-1"),
            ("jinan/foundry/melting-2/furnace-3", "plc-2"),
            ("jinan/gate", "plc-2"),
            ("jinan/yard/brook/pump-1", "plc-3"),
        )
        for property in ("power", "level")
    )
)


@cache
def plant() -> PlantModel:
    model = PlantModel(None, "spring")
    model.configure(ASSETS, ())
    model.adopt("edge", TAGS)
    return model


def engine(text: str = "", zones: Sequence[Zone] = ZONES) -> CedarPolicy:
    made = CedarPolicy(plant(), house="spring")
    made.place(zones)
    if text:
        made.load(text)
    return made


def person(
    name: str, *roles: str, of: str = "spring", may: frozenset[str] = ALL, kind: str = "person"
) -> Caller:
    return Caller(name, of, may, frozenset(roles), kind=kind)  # type: ignore[arg-type]


def furnace(n: int = 1, property: str = "power") -> Resource:
    line = "melting-2" if n == 3 else "melting"
    return Resource("tag", f"jinan/foundry/{line}/furnace-{n}/{property}")


PUMP = Resource("tag", "jinan/yard/brook/pump-1/power")


def _uid(type: str, id: str) -> dict[str, str]:
    return {"type": type, "id": id}


def plain_entities(caller: Caller, policy: CedarPolicy) -> str:
    """Every entity there is, each in what is right above it: the tree, not the flat form."""
    made = []
    model = plant()
    for name in ("spring", "brook"):
        own = {"__entity": _uid("Organisation", name)}
        attrs = {"name": name, "house": name == "spring", "organisation": own}
        made.append({"uid": _uid("Organisation", name), "attrs": attrs, "parents": []})
    for zone in ZONES:
        attrs = {
            "name": zone.name, "security_level": zone.security_level, "writes": zone.writes,
            "organisation": {"__entity": _uid("Organisation", "spring")},
        }  # fmt: skip
        made.append({"uid": _uid("Zone", zone.name), "attrs": attrs, "parents": []})
    zone_of = {}
    for asset in model.assets():
        path, parents, near = asset.path, [_uid("Organisation", asset.organisation)], ""
        place = path
        while place:
            for zone in ZONES:
                if place in zone.assets:
                    near = near or zone.name
                    parents.append(_uid("Zone", zone.name))
            place = place.rpartition("/")[0]
            if place:
                parents.append(_uid("Asset", place))
        attrs = {
            "name": path, "level": asset.level, "asset_type": asset.type,
            "organisation": {"__entity": _uid("Organisation", asset.organisation)},
        } | ({"zone": {"__entity": _uid("Zone", near)}} if near else {})  # fmt: skip
        zone_of[path] = (attrs, parents)
        # A guest's machine on our site is the guest's alone: what a tag lies in is written out at
        # the tag, and no organisation is inherited from places above it.
        made.append({"uid": _uid("Asset", path), "attrs": attrs, "parents": []})
    for tag in model.all_tags():
        attrs, parents = zone_of[tag.asset]
        mine = {k: v for k, v in attrs.items() if k not in ("level", "asset_type")} | {
            "name": tag.name, "device": tag.device, "writable": tag.writable,
            "asset_type": tag.asset_type,
        }  # fmt: skip
        parents = [_uid("Asset", tag.asset), *parents]
        made.append({"uid": _uid("Tag", tag.name), "attrs": mine, "parents": parents})
    own = {"__entity": _uid("Organisation", caller.organisation)}
    attrs = {
        "name": caller.name, "organisation": own, "duties": sorted(duties_of(caller.roles)),
    }  # fmt: skip
    parents = [_uid("Role", role) for role in caller.roles]
    parents.append(_uid("Organisation", caller.organisation))
    made.append({"uid": _uid("Person", caller.name), "attrs": attrs, "parents": parents})
    for action, groups in policy.catalogue.duties.items():
        above = [_uid("Action", g) for g in policy.catalogue.groups(action)]
        assert set(groups) <= {g["id"] for g in above}
        made.append({"uid": _uid("Action", action), "attrs": {}, "parents": above})
    return json.dumps(made)


def cedar(policy: CedarPolicy, text: str, caller: Caller, action: str, tag: str) -> bool:
    """What Cedar says of all policies and all entities at once."""
    request = {
        "principal": _uid("Person", caller.name), "action": _uid("Action", action),
        "resource": _uid("Tag", tag), "context": {"kind": caller.kind},
    }  # fmt: skip
    return bool(cedarpy.is_authorized(request, text, plain_entities(caller, policy)).allowed)

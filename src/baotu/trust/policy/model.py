"""The entities and actions that policies speak of, and the Cedar schema generated from them.

Entities are given to Cedar flat: each with all that it lies in, so that nothing else must be loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from baotu.sdk.app import Caller, CallerKind
from baotu.sdk.asset import Zone
from baotu.sdk.door import Verb
from baotu.sdk.trust import ACTIONS, DUTIES, ROLES

AUDIT_CHANGE = "audit.change"
HOUSE = "house"  # the group of what concerns the whole node
HOUSE_ACTIONS = frozenset(
    {
        "organisations.manage", "nodes.manage", "backup.manage", "policy.read", "policy.change",
        "config.read", "config.change", "plant.faults", "apps.install", "audit.read",
        "audit.prove", "secrets.manage",
    }
)  # fmt: skip
PRINCIPALS: Mapping[CallerKind, str] = {
    "person": "Person", "token": "Person", "app": "App", "device": "Device", "node": "Node",
    "platform": "Platform",
}  # fmt: skip
"""A token is its owner: what forbids a person forbids the person's tokens."""
KINDS: Mapping[str, str] = {
    kind: kind.capitalize()
    for kind in (
        "verb", "tag", "asset", "account", "role", "organisation", "device", "node", "app",
        "policy", "config", "secret", "audit", "identifier", "platform", "zone",
    )
}  # fmt: skip
"""Entity type of each kind of resource."""
COMMON = ("organisation: Organisation", "name: String")
MORE: Mapping[str, tuple[str, ...]] = {
    "Organisation": ("house: Bool",),
    "Zone": ("security_level: Long", "writes: String"),
    "Asset": ("level: String", "asset_type: String", "zone?: Zone"),
    "Tag": ("asset_type: String", "device: String", "writable: Bool", "zone?: Zone"),
    "Person": ("duties: Set<String>",), "App": ("duties: Set<String>",),
    "Device": ("duties: Set<String>",), "Node": ("duties: Set<String>",),
    "Platform": ("duties: Set<String>",),
}  # fmt: skip
LIES_IN: Mapping[str, tuple[str, ...]] = {
    "Organisation": (),
    "Person": ("Role", "Organisation"),
    "App": ("Role", "Organisation"),
    "Asset": ("Asset", "Zone", "Organisation"),
    "Tag": ("Asset", "Zone", "Organisation"),
    "Verb": ("App", "Organisation"),
}
CONTEXT = (
    "kind: String", "reason?: String", "value?: Long", "via?: String", "inside?: Bool",
    "override?: Bool", "approver?: String",
)  # fmt: skip
"""kind: of the caller. Of a write: why, which value (rounded away from what is allowed), by which app
or server it comes, whether it lies within the limits of the tag, whether it asks to leave them out,
who approved it."""
CONTEXT_NAMES = frozenset({"reason", "value", "via", "inside", "override", "approver"})


@dataclass(frozen=True)
class Catalogue:
    """Every action there is: whose work it is, and its title (中文 English)."""

    duties: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    verbs: tuple[str, ...] = ()

    @classmethod
    def of(cls, verbs: Iterable[Verb] = ()) -> Catalogue:
        """Those of the platform itself and those at the verbs of the installed apps."""
        duties: dict[str, set[str]] = {name: {duty} for name, (duty, _) in ACTIONS.items()}
        titles = {name: title for name, (_, title) in ACTIONS.items()}
        names = []
        for verb in verbs:
            names.append(f"{verb.app}.{verb.name}")
            if verb.permission and verb.permission not in ACTIONS:
                duties.setdefault(verb.permission, set()).add(verb.duty)
                titles.setdefault(verb.permission, verb.title)
        return cls({n: tuple(sorted(d)) for n, d in duties.items()}, titles, tuple(names))

    def groups(self, action: str) -> tuple[str, ...]:
        """What the action lies in: its duties, and `house` when it concerns the whole node."""
        found = self.duties.get(action, ())
        return (*found, HOUSE) if action in HOUSE_ACTIONS else found

    def schema(self) -> str:
        """In Cedar's own words; policies are checked against it before they are accepted."""
        lines = []
        for name in dict.fromkeys((*KINDS.values(), *PRINCIPALS.values())):
            above = LIES_IN.get(name, ("Organisation",))
            inside = f" in [{', '.join(above)}]" if above else ""
            attributes = ", ".join((*COMMON, *MORE.get(name, ())))
            lines.append(f"entity {name}{inside} {{ {attributes} }};")
        lines += [f"action {quoted(group)};" for group in (*DUTIES, HOUSE)]
        principals = ", ".join(dict.fromkeys(PRINCIPALS.values()))
        applies = (
            f"appliesTo {{ principal: [{principals}], resource: [{', '.join(KINDS.values())}], "
            f"context: {{ {', '.join(CONTEXT)} }} }}"
        )
        for action in sorted({*self.duties, AUDIT_CHANGE}):
            groups = ", ".join(map(quoted, self.groups(action)))
            lines.append(f"action {quoted(action)}{f' in [{groups}]' if groups else ''} {applies};")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A principal or resource as Cedar sees it. lies_in: all above it, as `Type::id`."""

    type: str
    id: str
    organisation: str
    lies_in: tuple[str, ...] = ()
    attributes: Mapping[str, object] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        return f"{self.type}::{self.id}"

    def keys(self) -> tuple[str, ...]:
        """Which scopes of policies it fits: any, its type, itself, what it lies in."""
        uid = self.uid
        above = (f"<{key}" for key in self.lies_in)
        return ("*", f"?{self.type}", f"={uid}", f"<{uid}", *above)


def principal_of(caller: Caller) -> Thing:
    """Who asks. An app is called `app:name` by the chain, and `name` by policies."""
    kind = PRINCIPALS[caller.kind]
    name = caller.name.removeprefix("app:") if kind == "App" else caller.name
    roles = caller.roles if kind in ("Person", "App") else frozenset[str]()
    return Thing(
        type=kind,
        id=name,
        organisation=caller.organisation,
        lies_in=(*(f"Role::{r}" for r in sorted(roles)), f"Organisation::{caller.organisation}"),
        attributes={"name": name, "duties": sorted(duties_of(roles))},
    )


def duties_of(roles: Iterable[str]) -> frozenset[str]:
    return frozenset(duty for role in roles if role in ROLES for duty in ROLES[role].duties)


def quoted(text: str) -> str:
    """A text as Cedar writes it."""
    plain = (f"\\u{{{ord(c):x}}}" if c < " " or c in '"\\\\' else c for c in text)
    return f'"{"".join(plain)}"'


def uid(type: str, id: str) -> dict[str, str]:
    return {"type": type, "id": id}


def reference(key: str) -> dict[str, str]:
    """`Asset::a/b` as Cedar's JSON names it."""
    type, _, id = key.partition("::")
    return uid(type, id)


def entities(
    principal: Thing,
    resource: Thing,
    action: str,
    catalogue: Catalogue,
    house: str,
    zones: Mapping[str, Zone],
) -> str:
    """Everything that a decision may look at, as Cedar's JSON."""
    made: dict[str, dict[str, object]] = {}
    for thing in (principal, resource):
        attributes: dict[str, object] = {"name": thing.id, "duties": []} | dict(thing.attributes)
        if "duties: Set<String>" not in MORE.get(thing.type, ()):
            del attributes["duties"]
        attributes["organisation"] = {"__entity": uid("Organisation", thing.organisation)}
        zone = attributes.pop("zone", None)
        if isinstance(zone, str) and zone in zones:
            attributes["zone"] = {"__entity": uid("Zone", zone)}
            made[f"Zone::{zone}"] = _zone(zones[zone], house)
        if thing.type == "Organisation":
            attributes["house"] = thing.id == house
        known = made.get(thing.uid, {"attrs": {}, "parents": []})
        parents = [reference(key) for key in thing.lies_in]
        old: list[dict[str, str]] = known["parents"]  # type: ignore[assignment]
        made[thing.uid] = {
            "uid": uid(thing.type, thing.id),
            "attrs": attributes | dict(known["attrs"]),  # type: ignore[call-overload]
            "parents": old + [p for p in parents if p not in old],
        }
    for name in {principal.organisation, resource.organisation}:
        made.setdefault(f"Organisation::{name}", _organisation(name, house))
    groups = [uid("Action", group) for group in catalogue.groups(action)]
    made["Action::"] = {"uid": uid("Action", action), "attrs": {}, "parents": groups}
    return json.dumps(list(made.values()), ensure_ascii=False)


def _organisation(name: str, house: str) -> dict[str, object]:
    own = {"__entity": uid("Organisation", name)}
    attributes = {"name": name, "house": name == house, "organisation": own}
    return {"uid": uid("Organisation", name), "attrs": attributes, "parents": []}


def _zone(zone: Zone, house: str) -> dict[str, object]:
    return {
        "uid": uid("Zone", zone.name),
        "attrs": {
            "name": zone.name,
            "security_level": zone.security_level,
            "writes": zone.writes,
            "organisation": {"__entity": uid("Organisation", house)},
        },
        "parents": [],
    }

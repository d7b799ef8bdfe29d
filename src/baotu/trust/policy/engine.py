"""The engine: Cedar policies over people, programs, machines, zones and assets. `sdk.trust.Policy`.

Deny by default, forbid wins, a caller's bound and a policy must both agree. It keeps no policy on
a disk and reads no table: it is told the rules (see `keeper`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from baotu.sdk import Caller, Decision, Resource
from baotu.sdk.asset import Zone
from baotu.sdk.door import Verb
from baotu.sdk.ports import Plant
from baotu.sdk.trust import ROLES, Deciding

from . import words
from .lists import rows_allowed
from .model import AUDIT_CHANGE, KINDS, Catalogue, Thing, principal_of
from .terrain import Terrain
from .text import Rule, rules_of, sound
from .verdict import Court, Verdict, allowed_names

KEPT = 8_192  # decisions in each of two generations; bounded, about 6 MB when both are full
RECENT = 2_000  # different decisions that are remembered, to be asked again in a dry run
EVERYTHING = "*"  # in a caller's permissions: no bound, policies alone decide
NO_NEED = Decision(allowed=True, why="不需许可 needs no permission")
BASE = ("guard.cedar", "roles.cedar", "programs.cedar")
Place = tuple[str, str, str, str]  # action; kind, id and organisation of the resource


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision that was really asked for, with what was answered."""

    caller: Caller
    action: str
    resource: Resource
    allowed: bool


class State:
    """Everything that one version decides by, and what it has decided. Replaced as a whole."""

    def __init__(self, court: Court, terrain: Terrain, generation: int) -> None:
        self.court, self.terrain, self.generation = court, terrain, generation
        self.version = generation + terrain.version
        self.plant_version = terrain.version
        self.kept: dict[Caller, dict[Place, Decision]] = {}
        self.older: dict[Caller, dict[Place, Decision]] = {}
        self.count = 0
        self.lists: dict[tuple[Any, ...], Any] = {}

    def keep(self, caller: Caller, place: Place, found: Decision) -> None:
        if self.count >= KEPT:
            self.older, self.kept, self.count = self.kept, {}, 0
        self.kept.setdefault(caller, {})[place] = found
        self.count += 1


class CedarPolicy(Deciding):
    """Implements `sdk.trust.Policy`. Safe to call from any thread.

    plant: where assets and tags lie. house: the organisation that runs this node.
    """

    def __init__(self, plant: Plant | None = None, *, house: str = "plant") -> None:
        self.house = house
        self._plant = plant
        self._lock = threading.Lock()
        self._zones: tuple[Zone, ...] = ()
        self._catalogue = Catalogue.of()
        self.base = base_rules()
        self._own: Sequence[Rule] = ()
        self._more: Mapping[str, Sequence[Rule]] = {}
        self._generation = 0
        self.recent: deque[Asked] = deque(maxlen=RECENT)
        self.people: Callable[[], Iterable[Caller]] = lambda: ()
        self._state = self._made()

    # what it is told --------------------------------------------------------------------------
    def learn(self, verbs: Iterable[Verb]) -> None:
        """The verbs of the installed apps: their permissions are actions, with their duties."""
        with self._lock:
            self._catalogue = Catalogue.of(verbs)
            self._change()

    def place(self, zones: Sequence[Zone]) -> None:
        """The zones of the configuration."""
        with self._lock:
            self._zones = tuple(zones)
            self._change()

    def load(self, text: str) -> None:
        """The site's own policies, in place of those before; they were checked when they were
        proposed. Raises ValueError when they are no policies; then nothing changes."""
        rules = rules_of(text)
        sound(rules)
        with self._lock:
            self._own = rules
            self._change()

    def add(self, source: str, rules: Sequence[Rule]) -> None:
        """Rules that follow from what was agreed, in place of what this source said before."""
        with self._lock:
            self._more = {**self._more, source: tuple(rules)}
            self._change()

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue

    @property
    def rules(self) -> Sequence[Rule]:
        return self._state.court.index.rules

    @property
    def terrain(self) -> Terrain:
        return self._now().terrain

    def probe(self, caller: Caller, action: str, resource: Resource) -> Decision:
        """What would be decided; nothing is kept or remembered of it."""
        return self._judged(self._now(), caller, action, resource, None)

    def named(self, organisation: str) -> Iterable[Caller]:
        """People and programs that policies name, as members of an organisation."""
        kinds: dict[str, Any] = {"Person": "person", "App": "app", "Device": "device"}
        for key in self._state.court.index.principals():
            type, _, id = key[1:].partition("::")
            if key[0] == "=" and type in kinds:
                yield Caller(id, organisation, frozenset((EVERYTHING,)), kind=kinds[type])

    def named_resources(self, most: int) -> Iterable[tuple[str, Resource]]:
        """What the site's own policies name, with the actions they name."""
        kinds = {type: kind for kind, type in KINDS.items()}
        found: dict[tuple[str, Resource], None] = {}
        for rule in (*self._own, *(r for more in self._more.values() for r in more)):
            type, _, id = rule.resource[1:].partition("::")
            if rule.resource[0] in "=<" and type in kinds:
                for action in rule.actions or ("=assets.read",):
                    if action.removeprefix("=") in self._catalogue.duties:
                        found[action.removeprefix("="), Resource(kinds[type], id)] = None
            if len(found) >= most:
                break
        return list(found)

    def with_text(self, text: str) -> CedarPolicy:
        """Another engine that has this text instead, for a dry run. Decides for nobody."""
        other = CedarPolicy(self._plant, house=self.house)
        with self._lock:
            other._zones, other._catalogue = self._zones, self._catalogue
            other._more, other.people = self._more, self.people
        other.load(text)
        return other

    def _change(self) -> None:
        self._generation += 1
        self._state = self._made()

    def _made(self) -> State:
        rules = [*self.base, *self._own, *(r for more in self._more.values() for r in more)]
        terrain = Terrain(self._plant, self._zones, self.house)
        return State(Court(rules, self._catalogue, self.house), terrain, self._generation)

    def _now(self) -> State:
        """The state, after a look whether the plant is still the same."""
        state = self._state
        if self._plant is None or state.plant_version == self._plant.version():
            return state
        with self._lock:
            state = self._state
            if state.plant_version != self._plant.version():
                terrain = Terrain(self._plant, self._zones, self.house)
                self._state = state = State(state.court, terrain, self._generation)
        return state

    # sdk.trust.Policy -------------------------------------------------------------------------
    def judge(
        self,
        caller: Caller,
        action: str,
        resource: Resource,
        context: Mapping[str, object] | None = None,
    ) -> Decision:
        state = self._state
        if self._plant is not None and state.plant_version != self._plant.version():
            state = self._now()
        if context:
            return self._judged(state, caller, action, resource, context)
        place = (action, resource.kind, resource.id, resource.organisation)
        mine = state.kept.get(caller)
        if mine is not None and (found := mine.get(place)) is not None:
            return found
        found = state.older.get(caller, {}).get(place)
        if found is None:
            found = self._judged(state, caller, action, resource, None)
            self.recent.append(Asked(caller, action, resource, found.allowed))
        state.keep(caller, place, found)
        return found

    def who_may(self, action: str, resource: Resource) -> Sequence[str]:
        state = self._now()
        owner = self._thing(state, resource, self.house).organisation
        told = []
        for role in ROLES.values():
            probe = Caller("?", owner, frozenset((EVERYTHING,)), frozenset((role.name,)))
            if self._verdict(state, probe, action, resource, None).allowed:
                told.append(role.title)
        for caller in (*self.named(owner), *self.people()):
            alone = replace(caller, roles=frozenset(), permissions=frozenset((EVERYTHING,)))
            if self._verdict(state, alone, action, resource, None).allowed:
                told.append(caller.name)
        return list(dict.fromkeys(told))

    def visible(self, caller: Caller, action: str, kind: str) -> frozenset[str] | None:
        state = self._now()
        if not bounded(caller, action) or kind not in KINDS:
            return frozenset()
        key = (caller, action, kind)
        if key not in state.lists:
            if len(state.lists) >= 16:
                state.lists.clear()
            state.lists[key] = self._listed(state, caller, action, kind)
        found: frozenset[str] | None = state.lists[key]
        return found

    def rows(self, caller: Caller, action: str, kind: str) -> Any:
        """bool: for each tag in the order of `plant.all_tags()` (or asset, in the order of
        `terrain.paths`) whether the caller may. The quick way to filter a million of them."""
        state = self._now()
        columns = state.terrain.columns(kind)
        return rows_allowed(state.court, state.terrain, columns, self._probe(state, caller), action)

    def actions(self, caller: Caller) -> frozenset[str]:
        state = self._now()
        key = (caller, "", "")
        if key not in state.lists:
            every = self._catalogue.duties
            state.lists[key] = frozenset(a for a in every if self._somewhere(state, caller, a))
        found: frozenset[str] = state.lists[key]
        return found

    def version(self) -> int:
        return self._now().version

    # how --------------------------------------------------------------------------------------
    def _judged(
        self, state: State, caller: Caller, action: str, resource: Resource,
        context: Mapping[str, object] | None,
    ) -> Decision:  # fmt: skip
        if not action:
            return NO_NEED
        catalogue = state.court.catalogue
        if resource.kind not in KINDS:
            return Decision(allowed=False, why=words.unknown(resource))
        if not bounded(caller, action):
            return Decision(allowed=False, why=words.outside(caller, action, resource, catalogue))
        verdict = self._verdict(state, caller, action, resource, context)
        names = tuple(rule.id for rule in verdict.rules)
        if verdict.allowed:
            why = words.allowed(verdict)
            return Decision(allowed=True, why=why, policies=names, needs=verdict.needs)
        if names:
            why = words.forbidden(caller, action, resource, verdict, catalogue)
        else:
            owner = self._thing(state, resource, caller.organisation).organisation
            why = words.missing(caller, action, resource, owner, catalogue)
        return Decision(allowed=False, why=why, policies=names)

    def _verdict(
        self, state: State, caller: Caller, action: str, resource: Resource,
        context: Mapping[str, object] | None,
    ) -> Verdict:  # fmt: skip
        thing = self._thing(state, resource, caller.organisation)
        about = allowed_names(context, caller.kind)
        return state.court.verdict(state.terrain, principal_of(caller), action, thing, about)

    def _thing(self, state: State, resource: Resource, organisation: str) -> Thing:
        """The resource with all it lies in; the plant knows better whose a tag is than the asker."""
        kind, id = resource.kind, resource.id
        whose = resource.organisation or organisation
        if kind == "asset":
            return state.terrain.asset(id, resource.organisation)
        if kind == "tag":
            return state.terrain.tag(id, resource.organisation)
        attributes: dict[str, object] = {"name": id}
        above: tuple[str, ...] = ()
        if kind == "organisation":
            whose = id or whose
            id = whose
            attributes["name"] = id
        if kind == "zone":
            whose, zone = self.house, state.terrain.zones.get(id)
            attributes |= {
                "security_level": zone.security_level if zone else 0,
                "writes": zone.writes if zone else "operate",
            }
        if kind == "verb":
            above = (f"App::{id.partition('.')[0]}",)
        if kind != "organisation":
            above = (*above, f"Organisation::{whose}")
        return Thing(
            type=KINDS[kind], id=id, organisation=whose, lies_in=above, attributes=attributes
        )

    def _probe(self, state: State, caller: Caller) -> tuple[Thing, dict[str, object]]:
        return principal_of(caller), allowed_names(None, caller.kind)

    def _listed(
        self, state: State, caller: Caller, action: str, kind: str
    ) -> frozenset[str] | None:
        if kind in ("asset", "tag"):
            columns = state.terrain.columns(kind)
            chosen = rows_allowed(
                state.court, state.terrain, columns, self._probe(state, caller), action
            )
            return None if chosen.all() else state.terrain.ids(columns, chosen)
        known = self._population(state, kind)
        may = frozenset(
            id
            for id in known
            if self._verdict(state, caller, action, Resource(kind, id), None).allowed
        )
        everywhere = Resource(kind, "", caller.organisation)
        if may == known and self._verdict(state, caller, action, everywhere, None).allowed:
            return None
        return may

    def _population(self, state: State, kind: str) -> frozenset[str]:
        """The ids of a kind that the engine knows of."""
        type = f"{KINDS[kind]}::"
        named = {u.removeprefix(type) for u in state.court.index.named if u.startswith(type)}
        if kind == "verb":
            named |= set(self._catalogue.verbs)
        if kind == "zone":
            named |= state.terrain.zones.keys()
        if kind == "organisation":
            named |= {self.house, *state.terrain.assets.codes["organisation"][1]}  # type: ignore[arg-type]
        if kind == "role":
            named |= ROLES.keys()
        if kind == "app":
            named |= {verb.partition(".")[0] for verb in self._catalogue.verbs}
        return frozenset(named)

    def _somewhere(self, state: State, caller: Caller, action: str) -> bool:
        if not bounded(caller, action):
            return False
        if self._verdict(state, caller, action, Resource("verb", "?"), None).allowed:
            return True
        court = state.court
        keys = principal_of(caller).keys()
        for type in ("Asset", "Tag", "Verb"):
            found = court.index.of_actions(keys, court.actions(action), type)
            rules = [court.index.rules[n] for n in found]
            if any(not r.forbids and r.resource[0] in "=<" for r in rules) and not any(
                r.forbids and not r.conditional and r.resource == "*" for r in rules
            ):
                return True
        return False


def bounded(caller: Caller, action: str) -> bool:
    return action in caller.permissions or EVERYTHING in caller.permissions


def base_rules() -> tuple[Rule, ...]:
    """The policies that come with the platform; no site can take them away."""
    return tuple(rules_of(base_text()))


def base_text() -> str:
    folder = files(__package__).joinpath("base")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in BASE)


__all__ = ["AUDIT_CHANGE", "Asked", "CedarPolicy", "base_rules", "base_text", "bounded"]

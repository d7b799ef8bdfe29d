"""The part of the plant that a caller may see. What is outside does not exist: no name, no count,
no hint in a refusal.

Who may see everything stands before the plant itself, and pays nothing. Decides nothing: it asks
the policy, and remembers the answer until plant or policy change.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from starlette.requests import HTTPConnection

from baotu.sdk import Asset, AssetType, Caller, Invalid, Tag
from baotu.sdk.ports import Plant, TagPage
from baotu.sdk.tags import ById, Tags
from baotu.sdk.trust import Policy

from .finder import Finder

SEE = "assets.read"
PARTS = 16  # different parts of the plant kept ready; callers who see the same share one
CALLERS = 1024
PAGE = 100_000
SEARCHES = 8
NAME_FIELDS = ("asset", "property", "title")


class Bounds(NamedTuple):
    """Paths of assets and names of tags that may be seen; None: all."""

    assets: frozenset[str] | None
    tags: frozenset[str] | None


EVERYTHING = Bounds(None, None)


class ScopedPlant:
    """Implements `sdk.ports.Plant` over a part of another, as that is now."""

    def __init__(self, plant: Plant, bounds: Bounds) -> None:
        self._plant, self._version, self._bounds = plant, plant.version(), bounds
        tags = Tags.of(plant.all_tags())
        fit = np.ones(len(tags), bool)
        if bounds.assets is not None:
            fit &= tags.mask("asset", bounds.assets.__contains__)
        if bounds.tags is not None:
            fit &= np.fromiter(map(bounds.tags.__contains__, tags.names()), bool, len(tags))
        self._tags = tags.pick(fit)
        self._by_id = ById(self._tags)
        self._found: OrderedDict[tuple[str, str], Tags] = OrderedDict()
        self._lock = threading.Lock()

    def tags(
        self, search: str = "", limit: int = 100, cursor: str = "", under: str = ""
    ) -> TagPage:
        found = self._searched(search, under)
        first = bisect_left(range(len(found)), f"{cursor}\0", key=found.name) if cursor else 0
        shown = found[first : first + limit]
        more = shown[-1].name if len(shown) and first + limit < len(found) else ""
        return TagPage(tags=shown, total=len(found), cursor=more)

    def _searched(self, search: str, under: str) -> Tags:
        """What the plant finds, without what is outside."""
        if not search and not under:
            return self._ordered
        with self._lock:
            if (found := self._found.get((search, under))) is not None:
                return found
        parts, cursor, more = [], "", True
        while more:
            page = self._plant.tags(search, PAGE, cursor, under)
            part = Tags.of(page.tags)
            parts.append(part.pick(self._by_id.places(part.id) >= 0))
            cursor, more = page.cursor, bool(page.cursor)
        found = Tags.concat(parts)
        with self._lock:
            self._found[search, under] = found
            while len(self._found) > SEARCHES:
                self._found.popitem(last=False)
        return found

    @cached_property
    def _ordered(self) -> Tags:
        names = list(self._tags.names())
        if all(a <= b for a, b in pairwise(names)):
            return self._tags
        return self._tags.pick(np.array(sorted(range(len(names)), key=names.__getitem__), np.intp))

    def tag(self, name: str) -> Tag:
        place = self._tags.find(name)
        if place < 0 and name.isascii() and name.isdigit() and len(name) < 10:
            place = self._by_id.place(int(name))
        if place >= 0:
            return self._tags[place]
        near = self._near(name)
        told = f"; did you mean {near!r}?" if near else "; no tags are known yet"
        raise Invalid("tag", f"there is no {name!r}{told}")

    def _near(self, name: str) -> str:
        """A name like this one among those that may be seen, found the same way for every name."""
        last = name.rpartition("/")[2].lower()
        fit = np.zeros(len(self._tags), bool)
        for field in NAME_FIELDS if last else ():
            fit |= self._tags.mask(field, lambda text: last in text.lower())
        at = np.flatnonzero(fit)
        if len(at):
            return self._tags.name(int(at[0]))
        return self._tags.name(0) if len(self._tags) else ""

    def by_id(self, id: int) -> Tag | None:
        place = self._by_id.place(id)
        return self._tags[place] if place >= 0 else None

    def all_tags(self) -> Tags:
        return self._tags

    def ids(self, asset_type: str, property: str) -> np.ndarray:
        every = self._plant.ids(asset_type, property)
        return every[self._by_id.places(every) >= 0]

    @cached_property
    def _assets(self) -> dict[str, Asset]:
        """Those that may be seen, and those that hold a tag that may be."""
        held = {path for (path,) in self._tags.distinct("asset")[0]}
        known = self._bounds.assets
        return {
            a.path: a for a in self._plant.assets() if a.path in held or known is None or a.path in known
        }  # fmt: skip

    def assets(self, under: str = "") -> Sequence[Asset]:
        found = self._assets
        return [a for p, a in found.items() if not under or p == under or p.startswith(f"{under}/")]

    def asset(self, path: str) -> Asset | None:
        return self._assets.get(path)

    def types(self) -> Mapping[str, AssetType]:
        return self._plant.types()

    def version(self) -> int:
        return self._version


def bounds(policy: Policy, caller: Caller, action: str = SEE) -> Bounds:
    """What exists for the caller, and what of it the action may be done on."""
    found = _bounds(policy, caller, SEE)
    if action == SEE:
        return found
    more = _bounds(policy, caller, action)
    return Bounds(_both(found.assets, more.assets), _both(found.tags, more.tags))


def _bounds(policy: Policy, caller: Caller, action: str) -> Bounds:
    return Bounds(policy.visible(caller, action, "asset"), policy.visible(caller, action, "tag"))


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one if one == other else one & other


def scoped(plant: Plant, policy: Policy, caller: Caller, action: str = SEE) -> Plant:
    """The plant as this caller sees it; the plant itself when that is all of it."""
    found = bounds(policy, caller, action)
    return plant if found == EVERYTHING else ScopedPlant(plant, found)


class Part:
    """A part of the plant, with what is found in it. made: what else is derived from it."""

    def __init__(self, plant: Plant, whole: bool) -> None:
        self.plant, self.whole, self.finder = plant, whole, Finder(plant)
        self._made: dict[type, Any] = {}

    def of(self, kind: type, make: Callable[[], Any]) -> Any:
        """The one object of this kind that goes with this part."""
        if kind not in self._made:
            self._made[kind] = make()
        return self._made[kind]


class Sights:
    """What each caller sees, kept until plant or policy change."""

    def __init__(self, plant: Plant, policy: Policy) -> None:
        self._plant, self._policy = plant, policy
        self.whole = Part(plant, whole=True)
        self._lock = threading.Lock()
        self._known: tuple[int, int] = (-1, -1)
        self._parts: OrderedDict[Bounds, Part] = OrderedDict()
        self._seen: OrderedDict[tuple[Caller, str], Part] = OrderedDict()

    def of(self, caller: Caller, action: str = SEE) -> Part:
        """Safe from any thread. The name counts: a policy may speak of one person."""
        state = (self._plant.version(), self._policy.version())
        with self._lock:
            if state != self._known:
                self._known = state
                self._parts.clear()
                self._seen.clear()
            elif (found := self._seen.get((caller, action))) is not None:
                return found
        limits = bounds(self._policy, caller, action)
        part = self.whole if limits == EVERYTHING else self._part(limits, state)
        with self._lock:
            if state == self._known:
                self._seen[caller, action] = part
                while len(self._seen) > CALLERS:
                    self._seen.popitem(last=False)
        return part

    def _part(self, limits: Bounds, state: tuple[int, int]) -> Part:
        with self._lock:
            if (part := self._parts.get(limits)) is not None:
                self._parts.move_to_end(limits)
                return part
        part = Part(ScopedPlant(self._plant, limits), whole=False)
        with self._lock:
            if state == self._known:
                part = self._parts.setdefault(limits, part)
                while len(self._parts) > PARTS:
                    self._parts.popitem(last=False)
        return part


def caller_of(connection: HTTPConnection) -> Caller:
    """Who asks, as the gate found out once for this request."""
    caller: Caller = connection.scope["baotu.caller"]
    return caller


def part_of(connection: HTTPConnection, action: str = SEE) -> Part:
    """What the one who asks may see."""
    sights: Sights = connection.scope["baotu.sights"]
    return sights.of(caller_of(connection), action)

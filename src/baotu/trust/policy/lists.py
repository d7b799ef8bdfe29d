"""Which of all assets or tags somebody may see: rows put into classes, one decision for each class.

Assets that fit the same scopes and have the same values of what conditions look at are one class:
they cannot be decided differently, nor can the tags in them. So a million tags cost some passes
over columns. What a policy names alone, one tag or one asset, is decided alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from .model import Thing
from .terrain import Columns, Terrain
from .text import Looks, Rule
from .verdict import Court

DENSE = 1 << 22  # labels in a table of their own; beyond that they are sorted
NAMES = frozenset({"name"})  # attributes that are another one on each row
Who = tuple[Thing, Mapping[str, object]]


def rows_allowed(
    court: Court, terrain: Terrain, columns: Columns, who: Who, action: str
) -> np.ndarray:
    """bool, for each row of the columns: whether this principal may."""
    principal = who[0]
    type = columns.kind.capitalize()
    numbers = court.index.of_actions(principal.keys(), court.actions(action), type)
    rules = [court.index.rules[n] for n in numbers]
    if not columns.size or all(rule.forbids for rule in rules):
        return np.zeros(columns.size, bool)
    looks = Looks()
    for rule in rules:
        looks |= rule.looks
    listing = _Listing(court, terrain, columns, who, action)
    if looks.itself or looks.attributes & NAMES:
        return listing.each(rules)
    may = listing.classes({rule.resource for rule in rules} | looks.keys, looks)
    for row in listing.alone(rules, looks):
        may[row] = listing.decided(row)
    return may


class _Listing:
    def __init__(
        self, court: Court, terrain: Terrain, columns: Columns, who: Who, action: str
    ) -> None:
        self.court, self.terrain, self.columns = court, terrain, columns
        self.who, self.action = who, action
        self.tags = columns.asset is not None

    def verdict(self, thing: Thing) -> bool:
        who, context = self.who
        return self.court.verdict(self.terrain, who, self.action, thing, context).allowed

    def decided(self, row: int) -> bool:
        terrain = self.terrain
        id = terrain.id(self.columns, row)
        return self.verdict(terrain.tag(id) if self.tags else terrain.asset(id))

    def classes(self, keys: Iterable[str], looks: Looks) -> np.ndarray:
        """bool for each row, from one decision for each class."""
        terrain, columns = self.terrain, self.columns
        of_tags = sorted(looks.attributes & columns.codes.keys()) if self.tags else []
        label, count = self._labels(keys, looks.attributes - set(of_tags))
        if not self.tags:
            return self._by_label(label, count, self.decided)
        if not of_tags:
            by_asset = self._by_label(label, count, self._any_tag_in)
            return by_asset[columns.asset]
        label = label[columns.asset]
        for name in of_tags:
            label, count = _combined(label, count, *terrain.values(columns, name))
        return self._by_label(label, count, self.decided)

    def _by_label(self, label: np.ndarray, count: int, decide: object) -> np.ndarray:
        first = np.full(count, -1, np.int64)
        first[label[::-1]] = np.arange(len(label) - 1, -1, -1)
        may = np.zeros(count, bool)
        for at in np.flatnonzero(first >= 0).tolist():
            may[at] = decide(int(first[at]))  # type: ignore[operator]
        return may[label]

    def _any_tag_in(self, row: int) -> bool:
        return self.verdict(self.terrain.tag(f"{self.terrain.paths[row]}/?"))

    def _labels(self, keys: Iterable[str], attributes: Iterable[str]) -> tuple[np.ndarray, int]:
        """For each asset its class, and how many there can be."""
        assets = self.terrain.assets
        edges, masks = {0}, []
        for key in keys:
            mark = self.terrain.mark(key)
            if isinstance(mark, slice):
                edges |= {mark.start, mark.stop}
            elif mark is not None:
                masks.append(mark)
        cuts = np.zeros(assets.size + 1, "i4")
        cuts[list(edges)] = 1
        label, count = np.cumsum(cuts[:-1], dtype="i4") - 1, len(edges)
        for mask in masks:
            label, count = _combined(label, count, mask, (False, True))
        for name in sorted(attributes):
            if name in assets.codes:
                label, count = _combined(label, count, *assets.codes[name])
        return label, count

    def alone(self, rules: Iterable[Rule], looks: Looks) -> set[int]:
        """Rows that a policy names themselves."""
        if not self.tags:
            return set()  # an asset's own row is a class of its own
        named = {r.resource[1:] for r in rules if r.resource[0] in "=<"} | {
            key[1:] for key in looks.keys
        }
        ids = [key.removeprefix("Tag::") for key in named if key.startswith("Tag::")]
        found = self.terrain.tags.places(ids)
        return set(found[found >= 0].tolist())

    def each(self, rules: Iterable[Rule]) -> np.ndarray:
        """A condition looks at the very row: each that some permit is about is decided alone."""
        permits = [rule for rule in rules if not rule.forbids]
        chosen = np.zeros(self.terrain.assets.size, bool)
        for rule in permits:
            mark = self.terrain.mark(rule.resource)
            chosen[slice(None) if mark is None else mark] = True
        rows = chosen[self.columns.asset] if self.columns.asset is not None else chosen
        rows[list(self.alone(permits, Looks()))] = True
        for row in np.flatnonzero(rows).tolist():
            rows[row] = self.decided(row)
        return rows


def _combined(
    label: np.ndarray, count: int, codes: np.ndarray, values: object
) -> tuple[np.ndarray, int]:
    """Classes that differ by the old label or by the code."""
    size = len(values)  # type: ignore[arg-type]
    label, count = label.astype(np.int64) * size + codes, count * size
    if count > DENSE:
        known, label = np.unique(label, return_inverse=True)
        count = len(known)
    return label, count

"""One decision: rules found by the index, those with conditions asked of Cedar, both put together.

Cedar judges everything it is handed, so it is handed only rules whose scope fits. What it said is
kept by what those conditions can look at: the tags of an organisation are one question, not each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .index import Index
from .model import CONTEXT_NAMES, Catalogue, Thing, entities, reference, uid
from .terrain import Terrain
from .text import Looks, Rule

KEPT = 16_384  # answers of Cedar that are kept; then all are forgotten
SETS = 4_096  # sets of policies that are kept parsed
Said = tuple[tuple[int, ...], tuple[int, ...]]  # rules that forbid, rules that permit


@dataclass(frozen=True, slots=True)
class Verdict:
    """rules: those that decided. needs: what has to be there besides, when it is allowed."""

    allowed: bool
    rules: tuple[Rule, ...] = ()
    needs: frozenset[str] = frozenset()


class Court:
    """Decides with one set of rules. Safe to call from any thread; never changes but for what it
    keeps to answer faster."""

    def __init__(self, rules: Sequence[Rule], catalogue: Catalogue, house: str) -> None:
        self.index, self.catalogue, self.house = Index(rules), catalogue, house
        self._sets: dict[tuple[int, ...], tuple[Any, Looks]] = {}
        self._said: dict[tuple[Any, ...], Said] = {}

    def actions(self, action: str) -> tuple[str, ...]:
        """What scopes call it: itself, and the groups it lies in."""
        return (f"={action}", action, *self.catalogue.groups(action))

    def verdict(
        self, terrain: Terrain, principal: Thing, action: str, resource: Thing,
        context: Mapping[str, object],
    ) -> Verdict:  # fmt: skip
        rules = self.index.rules
        found = self.index.candidates(principal.keys(), self.actions(action), resource.keys())
        if not any(not rules[n].forbids for n in found):
            return Verdict(False)  # nobody permits it: whatever forbids it need not be asked
        forbids: list[int] = []
        permits: list[int] = []
        asked: list[int] = []
        for n in found:
            rule = rules[n]
            if rule.conditional and not rule.known:
                asked.append(n)
            elif not rule.known or self._holds(rule.known, principal, resource):
                (forbids if rule.forbids else permits).append(n)
        if asked:
            more = self._ask(asked, terrain, principal, action, resource, context)
            forbids += more[0]
            permits += more[1]
        if not forbids:
            told = tuple(rules[n] for n in permits)
            return Verdict(bool(told), told, _needs(told))
        told = tuple(rules[n] for n in forbids)
        if all(rule.needs for rule in told):
            return self._unless(told, permits, asked, terrain, principal, action, resource, context)
        return Verdict(False, tuple(rule for rule in told if not rule.needs))

    def _holds(self, known: str, principal: Thing, resource: Thing) -> bool:
        """What Cedar would say to these conditions, see `Rule.known`."""
        if known == "own":
            return principal.organisation == resource.organisation
        return (principal.organisation == self.house) == (known == "house")

    def _unless(
        self, forbids: tuple[Rule, ...], permits: list[int], asked: list[int], terrain: Terrain,
        principal: Thing, action: str, resource: Thing, context: Mapping[str, object],
    ) -> Verdict:  # fmt: skip
        """Forbidden unless something is there: is it permitted at all?"""
        rules = self.index.rules
        more = [n for n in asked if not rules[n].forbids]
        if more:
            permits += self._ask(more, terrain, principal, action, resource, context)[1]
        if not permits:
            return Verdict(False, forbids)
        told = tuple(rules[n] for n in dict.fromkeys(permits)) + forbids
        return Verdict(True, told, _needs(told))

    def _ask(
        self, numbers: Sequence[int], terrain: Terrain, principal: Thing, action: str,
        resource: Thing, context: Mapping[str, object],
    ) -> Said:  # fmt: skip
        """What Cedar says with these rules alone."""
        which = tuple(numbers)
        policies, looks = self._set(which)
        key = (which, principal.uid, principal.lies_in, action, *seen(looks, resource))
        if context:
            key += tuple(sorted(context.items()))
        said = self._said.get(key)
        if said is None:
            said = self._cedar(policies, which, terrain, principal, action, resource, context)
            if len(self._said) >= KEPT:
                self._said.clear()
            self._said[key] = said
        return said

    def _cedar(
        self, policies: Any, which: tuple[int, ...], terrain: Terrain, principal: Thing,
        action: str, resource: Thing, context: Mapping[str, object],
    ) -> Said:  # fmt: skip
        from cedarpy import is_authorized

        request = {
            "principal": reference(principal.uid),
            "action": uid("Action", action),
            "resource": reference(resource.uid),
            "context": json.dumps(dict(context)),
        }
        about = entities(principal, resource, action, self.catalogue, self.house, terrain.zones)
        result = is_authorized(request, policies, about)
        numbers = tuple(sorted(which[int(name[6:])] for name in result.diagnostics.reasons))
        return ((), numbers) if result.allowed else (numbers, ())

    def _set(self, which: tuple[int, ...]) -> tuple[Any, Looks]:
        """These rules, parsed by Cedar, which calls them policy0, policy1, …"""
        known = self._sets.get(which)
        if known is None:
            from cedarpy import PolicySet

            rules = [self.index.rules[n] for n in which]
            looks = Looks()
            for rule in rules:
                looks |= rule.looks
            known = PolicySet.from_str("\n".join(rule.text for rule in rules)), looks
            if len(self._sets) >= SETS:
                self._sets.clear()
            self._sets[which] = known
        return known


def seen(looks: Looks, resource: Thing) -> tuple[Any, ...]:
    """All that conditions can tell resources apart by."""
    if looks.itself:
        return (resource.uid, *resource.lies_in, *map(str, resource.attributes.values()))
    values = tuple(
        resource.organisation if name == "organisation" else resource.attributes.get(name)
        for name in sorted(looks.attributes)
    )
    if not looks.keys:
        return (resource.type, values)
    own = resource.keys()
    return (resource.type, values, tuple(key in own for key in sorted(looks.keys)))


def _needs(rules: Sequence[Rule]) -> frozenset[str]:
    return frozenset(need for rule in rules for need in rule.needs)


def allowed_names(context: Mapping[str, object] | None, kind: str) -> dict[str, object]:
    """What a policy may look at of how it was asked; anything else is left out."""
    made: dict[str, object] = {"kind": kind}
    for name in CONTEXT_NAMES & (context or {}).keys():
        value = (context or {})[name]
        made[name] = str(value) if name == "reason" else value
    return made

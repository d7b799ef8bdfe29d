"""Rules found by what they are about: a few look-ups instead of every policy there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .text import ANY, Rule

FEW = 12  # rules of one principal that are looked through instead of being indexed further
Deep = dict[str, dict[str, list[int]]]  # action, resource: numbers of rules


class Index:
    """By principal, then action, then resource. Never changed once it is made, but for what it
    finds out about itself; safe to read from any thread."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self._by_principal: dict[str, list[int]] = {}
        for number, rule in enumerate(rules):
            self._by_principal.setdefault(rule.principal, []).append(number)
        self._deep: dict[str, Deep] = {}
        self.named = {
            key[1:] for rule in rules for key in (rule.resource, rule.principal) if key[0] in "=<"
        }

    def candidates(
        self, principal: Sequence[str], actions: Sequence[str], resource: Sequence[str]
    ) -> list[int]:
        """Rules whose scope fits all three: keys as `Thing.keys` gives them; actions: the action
        and its groups. In order of their numbers."""
        found: list[int] = []
        kinds = principal[1][1:], resource[1][1:]
        wanted = (ANY, *actions)
        for deep, numbers in self._of(principal):
            if deep is None:
                found += (n for n in numbers if self._fits(self.rules[n], actions, resource, kinds))
                continue
            for action in wanted:
                if (by_resource := deep.get(action)) is None:
                    continue
                for key in resource:
                    found += (
                        n for n in by_resource.get(key, ()) if self.rules[n].fits(*kinds)
                    )  # fmt: skip
        return sorted(set(found))

    def of_actions(self, principal: Sequence[str], actions: Sequence[str], type: str) -> list[int]:
        """Rules about this principal and action, whatever resource of the type they name."""
        found: list[int] = []
        kinds, wanted = (principal[1][1:], type), (ANY, *actions)
        for deep, numbers in self._of(principal):
            if deep is None:
                chosen: Iterable[int] = numbers
            else:
                chosen = (n for a in wanted for ns in deep.get(a, {}).values() for n in ns)
            for n in chosen:
                rule = self.rules[n]
                other = rule.resource[0] == "?" and rule.resource[1:] != type
                other |= rule.resource[0] == "=" and rule.resource[1:].partition("::")[0] != type
                if not other and rule.fits(*kinds) and self._does(rule, actions):
                    found.append(n)
        return sorted(set(found))

    def principals(self) -> Iterator[str]:
        return iter(self._by_principal)

    def _of(self, principal: Sequence[str]) -> Iterator[tuple[Deep | None, list[int]]]:
        for key in principal:
            numbers = self._by_principal.get(key)
            if numbers is None:
                continue
            yield (None if len(numbers) <= FEW else self._deepened(key, numbers)), numbers

    def _deepened(self, key: str, numbers: list[int]) -> Deep:
        known = self._deep.get(key)
        if known is None:
            known = {}
            for n in numbers:
                rule = self.rules[n]
                for action in rule.actions or (ANY,):
                    known.setdefault(action, {}).setdefault(rule.resource, []).append(n)
            self._deep[key] = known
        return known

    def _fits(
        self, rule: Rule, actions: Sequence[str], resource: Sequence[str], kinds: tuple[str, str]
    ) -> bool:
        return rule.resource in resource and rule.fits(*kinds) and self._does(rule, actions)

    @staticmethod
    def _does(rule: Rule, actions: Sequence[str]) -> bool:
        return not rule.actions or any(action in rule.actions for action in actions)

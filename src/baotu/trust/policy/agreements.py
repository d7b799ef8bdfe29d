"""What organisations agreed to share, as policies: while an agreement is in force, and no longer.

Both sides sign. What is shared is the proposer's own, below the assets it names; whoever of the
partner uses it needs the duty at home as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from .model import Catalogue, quoted
from .text import Rule, rules_of

State = Literal["proposed", "in force", "expired", "revoked"]
OPEN_DUTIES = ("see", "operate", "maintain", "engineer")
"""Work of the officers is not for sharing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """An agreement with what became of it. until: the end (UTC), None: until it is revoked."""

    id: int
    owner: str
    partner: str
    assets: tuple[str, ...]
    actions: tuple[str, ...]
    until: datetime | None
    purpose: str
    hash: str
    accepted: bool = False
    revoked: bool = False

    def sound(self) -> bool:
        """Its terms are still those that the hash is over."""
        return self.hash == terms_hash(
            self.owner, self.partner, self.assets, self.actions, self.until, self.purpose
        )

    def state(self, now: datetime) -> State:
        if self.revoked:
            return "revoked"
        if self.until is not None and now >= self.until:
            return "expired"
        return "in force" if self.accepted else "proposed"


def terms_hash(
    owner: str, partner: str, assets: Sequence[str], actions: Sequence[str],
    until: datetime | None, purpose: str,
) -> str:  # fmt: skip
    """What both sides sign: SHA-256 over the terms."""
    end = until.astimezone(UTC).isoformat() if until else ""
    terms = [owner, partner, list(assets), list(actions), end, purpose]
    return hashlib.sha256(json.dumps(terms, ensure_ascii=False).encode()).hexdigest()


def rules_for(
    deals: Iterable[Deal], disabled: Iterable[str], catalogue: Catalogue, now: datetime
) -> list[Rule]:
    """The policies that follow at this moment."""
    found = [line for deal in deals if deal.state(now) == "in force"
             for line in policies_of(deal, catalogue)]  # fmt: skip
    found += [closed(name) for name in sorted(disabled)]
    return rules_of("\n".join(found))


def policies_of(deal: Deal, catalogue: Catalogue) -> Iterator[str]:
    """One for each asset and duty."""
    by_duty: dict[str, list[str]] = {}
    for action in deal.actions:
        for duty in catalogue.duties.get(action, ()):
            if duty in OPEN_DUTIES:
                by_duty.setdefault(duty, []).append(action)
    title = f"协议 {deal.id}：{deal.purpose} Agreement {deal.id}: {deal.purpose}"
    for number, path in enumerate(deal.assets, 1):
        for duty, actions in by_duty.items():
            named = ", ".join(f"Action::{quoted(action)}" for action in actions)
            yield (
                f'@id("agreement-{deal.id}-{duty}-{number}") @title({quoted(title)})\n'
                f"permit (principal in Organisation::{quoted(deal.partner)}, action in [{named}], "
                f"resource in Asset::{quoted(path)})\n"
                f"when {{ principal.duties.contains({quoted(duty)}) && "
                f"resource.organisation == Organisation::{quoted(deal.owner)} }};"
            )


def closed(organisation: str) -> str:
    """Of an organisation that was switched off."""
    name = f"organisation-{organisation}-disabled"
    return (
        f'@id({quoted(name)}) @title("此组织已停用 This organisation is switched off")\n'
        f"forbid (principal in Organisation::{quoted(organisation)}, action, resource);"
    )

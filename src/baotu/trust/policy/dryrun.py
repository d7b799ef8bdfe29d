"""What a change of policies would change, before it is applied: policies, decisions, a matrix.

Two engines are asked the same: what was really asked lately, and each role for each action on
samples of what there is. Only what differs is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from baotu.sdk import Caller, Resource
from baotu.sdk.trust import ROLES

from .engine import EVERYTHING, CedarPolicy
from .text import Rule

MOST = 500  # differences that are listed; the figures count all
SAMPLES = 6  # assets and tags of each sort in the matrix
ON_ASSETS = ("assets.read", "history.read", "history.export")
ON_TAGS = ("assets.read", "history.read", "tags.write", "tags.approve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that is decided otherwise. where: `recent` or `matrix`."""

    where: str
    who: str
    action: str
    resource: str
    before: bool
    after: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """added, removed, changed: policies by name. asked: how much was compared."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    recent_asked: int
    matrix_asked: int
    allowed_now: int
    denied_now: int
    differences: list[Difference]


Question = tuple[Caller, str, Resource]


def dry_run(engine: CedarPolicy, text: str) -> DryRun:
    """Raises ValueError when the text is no policies."""
    other = engine.with_text(text)
    recent = [(a.caller, a.action, a.resource) for a in list(engine.recent)]
    matrix = list(dict.fromkeys(questions(engine, other)))
    found = [
        *_compared("recent", recent, engine, other), *_compared("matrix", matrix, engine, other)
    ]  # fmt: skip
    before, after = named(engine.rules), named(other.rules)
    return DryRun(
        added=sorted(after.keys() - before.keys()),
        removed=sorted(before.keys() - after.keys()),
        changed=sorted(n for n in before.keys() & after.keys() if before[n] != after[n]),
        recent_asked=len(recent),
        matrix_asked=len(matrix),
        allowed_now=sum(d.after for d in found),
        denied_now=sum(not d.after for d in found),
        differences=found[:MOST],
    )


def named(rules: Sequence[Rule]) -> dict[str, str]:
    return {rule.id: rule.text for rule in rules}


def _compared(
    where: str, asked: Iterable[Question], before: CedarPolicy, after: CedarPolicy
) -> Iterator[Difference]:
    for caller, action, resource in asked:
        old, new = before.probe(caller, action, resource), after.probe(caller, action, resource)
        if old.allowed != new.allowed or old.needs != new.needs:
            who = caller.name or "、".join(sorted(caller.roles))
            yield Difference(
                where=where, who=f"{who}@{caller.organisation}", action=action,
                resource=str(resource), before=old.allowed, after=new.allowed, why=new.why,
            )  # fmt: skip


def questions(*engines: CedarPolicy) -> Iterator[Question]:
    """Each role, and each person or program that a policy names, for each action on samples."""
    first = engines[0]
    samples = list(_samples(first))
    organisations = dict.fromkeys([first.house, *(o for _, _, o in samples)])
    callers = [
        Caller("", organisation, frozenset((EVERYTHING,)), frozenset((role,)))
        for organisation in list(organisations)[:SAMPLES]
        for role in ROLES
    ]
    for engine in engines:
        callers += list(engine.named(first.house))[: SAMPLES * SAMPLES]
    verbs = [(action, Resource("verb", action)) for action in first.catalogue.duties]
    about = [(action, resource) for action, resource, _ in samples]
    for engine in engines:
        about += [(a, r) for a, r in engine.named_resources(SAMPLES * SAMPLES)]
    for caller in callers:
        for action, resource in (*verbs, *about):
            yield caller, action, resource


def _samples(engine: CedarPolicy) -> Iterator[tuple[str, Resource, str]]:
    """Assets of each organisation and zone, and a tag in each."""
    terrain = engine.terrain
    seen: dict[tuple[str, object], str] = {}
    columns = terrain.assets
    owners, whose = columns.codes["organisation"]
    zones, zone = columns.codes["zone"]
    for path, o, z in zip(terrain.paths, owners.tolist(), zones.tolist(), strict=True):
        seen.setdefault((str(whose[o]), zone[z]), path)
        if len(seen) >= SAMPLES * SAMPLES:
            break
    for (organisation, _), path in list(seen.items())[: SAMPLES * 2]:
        for action in ON_ASSETS:
            yield action, Resource("asset", path), organisation
        for action in ON_TAGS:
            yield action, Resource("tag", f"{path}/?"), organisation

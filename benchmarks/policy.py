"""Decisions with 100,000 policies over 1,000,000 assets and tags of 100 firms, beside casbin.

Checks that were never asked before (half of them allowed), checks that are repeated, lists of all
one may see, loading, memory. Each check also by the processor time it took, which a busy machine
disturbs least. casbin (PyPI) gets the same grants as plain rules, without firms, zones or places:
it looks through all of them at each check.
`python benchmarks/policy.py [--json] [--quick]`
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from baotu.sdk import Asset, Caller, Resource, Tag
from baotu.sdk.tags import Tags
from baotu.trust.policy import CedarPolicy

FIRMS, LINES, MACHINES, PROPERTIES = 100, 10, 98, 9  # 99,100 assets, 891,900 tags
ACTIONS = ("assets.read", "history.read", "tags.write")
EVERYTHING = frozenset({"*"})
MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.act == p.act && keyMatch(r.obj, p.obj)
"""


class Works:
    """A plant of many firms, as the engine is told of it."""

    def __init__(self, firms: int) -> None:
        self._assets = [asset for firm in range(firms) for asset in _firm(firm)]
        self._by_path = {asset.path: asset for asset in self._assets}
        self._tags = Tags.of(
            Tag(id=at * PROPERTIES + n, asset=asset.path, property=f"p{n}", device=f"d{at % 500}")
            for at, asset in enumerate(self._assets)
            for n in range(PROPERTIES)
        )

    def version(self) -> int:
        return 1

    def assets(self, under: str = "") -> Sequence[Asset]:
        return self._assets

    def asset(self, path: str) -> Asset | None:
        return self._by_path.get(path)

    def all_tags(self) -> Tags:
        return self._tags


def _firm(n: int) -> list[Asset]:
    whose, made = f"firm{n}", [Asset(path=f"site{n}", organisation=f"firm{n}", level="site")]
    for line in range(LINES):
        made.append(Asset(path=f"site{n}/line{line}", organisation=whose, level="area"))
        for machine in range(MACHINES):
            made.append(Asset(path=f"site{n}/line{line}/m{machine}", organisation=whose))
    return made


def grants(many: int, firms: int, dice: random.Random) -> list[tuple[str, str, str, bool]]:
    """(person, action, place, whether it has a condition): lines, machines, single tags."""
    made = []
    for n in range(many):
        line = f"site{dice.randrange(firms)}/line{dice.randrange(LINES)}"
        machine = f"{line}/m{dice.randrange(MACHINES)}"
        place = (line, machine, f"{machine}/p{n % PROPERTIES}")[n % 3]
        made.append((f"u{dice.randrange(many // 5)}", ACTIONS[n % 7 % 3], place, n % 50 == 0))
    return made


def written(n: int, who: str, action: str, place: str, conditional: bool) -> str:
    tag = place.rpartition("/")[2].startswith("p")
    what = f'== Tag::"{place}"' if tag else f'in Asset::"{place}"'
    condition = ' when { context.kind == "person" }' if conditional else ""
    return (
        f'@id("g{n}") @title("授权 {n} Grant {n}") permit (principal == Person::"{who}", '
        f'action == Action::"{action}", resource {what}){condition};'
    )


def timed(one: Callable[[], object]) -> tuple[float, float, object]:
    """Seconds by the clock and of the processor, and what it gave."""
    wall, cpu = time.perf_counter(), time.thread_time()
    found = one()
    return time.perf_counter() - wall, time.thread_time() - cpu, found


def spread(times: list[tuple[float, float, object]], unit: float, name: str) -> dict[str, float]:
    wall, cpu = (np.array([t[at] for t in times]) * unit for at in (0, 1))
    return {
        f"{name}_p50": round(float(np.median(wall)), 3),
        f"{name}_p99": round(float(np.percentile(wall, 99)), 3),
        f"{name}_cpu_p50": round(float(np.median(cpu)), 3),
        f"{name}_cpu_p99": round(float(np.percentile(cpu, 99)), 3),
    }


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def run(policies: int, firms: int, checks: int) -> dict[str, Any]:
    dice = random.Random(1)
    works = Works(firms)
    plant_mb = resident_mb()
    engine = CedarPolicy(works, house="firm0")  # type: ignore[arg-type] # it needs no more of a plant
    rules = grants(policies, firms, dice)
    text = "\n".join(written(n, *rule) for n, rule in enumerate(rules))
    load_s = timed(lambda: engine.load(text))[0]
    rules_mb = resident_mb() - plant_mb
    tags = works.all_tags()
    columns_s = timed(lambda: (engine.terrain.tag_columns, engine.terrain.below("site0")))[0]
    people = [
        Caller(f"u{dice.randrange(policies // 5)}", f"firm{dice.randrange(firms)}", EVERYTHING,
               frozenset({dice.choice(["viewer", "operator", "engineer"])}))
        for _ in range(2_000)
    ]  # fmt: skip
    asked = list(islice(_questions(people, tags, firms, dice), checks))
    fresh = [timed(lambda q=q: engine.judge(*q)) for q in asked]
    again = asked[-1]
    rounds = [_repeated(engine, again) for _ in range(7)]
    figures: dict[str, Any] = {
        "policies": policies + len(engine.base),
        "entities": len(works.assets()) + len(tags),
        "load_s": round(load_s, 2), "columns_s": round(columns_s, 2),
        "rules_mb": round(rules_mb), "all_mb": round(resident_mb() - plant_mb),
        "checks": checks, "allowed": sum(bool(found.allowed) for _, _, found in fresh),  # type: ignore[attr-defined]
        **spread(fresh, 1e3, "check_ms"), "repeated_us": round(float(np.median(rounds)), 2),
    }  # fmt: skip
    for kind in ("asset", "tag"):
        lists = [
            timed(lambda c=c, k=kind: engine.visible(c, "assets.read", k)) for c in people[:40]
        ]
        figures |= spread(lists, 1e3, f"list_{kind}s_ms")
        figures[f"listed_{kind}s"] = int(np.median([len(found) for *_, found in lists]))  # type: ignore[arg-type]
    rows = [timed(lambda c=c: engine.rows(c, "assets.read", "tag")) for c in people[:40]]
    return figures | spread(rows, 1e3, "rows_ms") | casbin(rules, asked)


def _questions(people: Sequence[Caller], tags: Tags, firms: int, dice: random.Random) -> Any:
    """Half about tags of the asker's own firm, half about any; none twice."""
    seen = set()
    while True:
        who, name = dice.choice(people), tags.name(dice.randrange(len(tags)))
        if dice.random() < 0.5:
            name = f"site{who.organisation[4:]}/{name.partition('/')[2]}"
        question = (who, dice.choice(ACTIONS), Resource("tag", name))
        if question not in seen:
            seen.add(question)
            yield question


def _repeated(
    engine: CedarPolicy, question: tuple[Caller, str, Resource], many: int = 50_000
) -> float:
    """Microseconds of a decision that was made before, with a resource that is made anew."""
    who, action, resource = question
    began = time.perf_counter()
    for _ in range(many):
        engine.judge(who, action, Resource("tag", resource.id))
    return (time.perf_counter() - began) / many * 1e6


def casbin(rules: Sequence[tuple[str, str, str, bool]], asked: Sequence[Any]) -> dict[str, Any]:
    """The same grants in casbin: a check, and the list of what one person may (over the rules)."""
    try:
        import casbin as peer
    except ImportError:
        return {"casbin": "not installed"}
    with tempfile.TemporaryDirectory() as folder:
        model, policy = Path(folder) / "model.conf", Path(folder) / "policy.csv"
        model.write_text(MODEL)
        lines = [
            f"p, {who}, {place}{'' if '/p' in place else '/*'}, {action}"
            for who, action, place, _ in rules
        ]
        policy.write_text("\n".join(dict.fromkeys(lines)))
        load_s, _, enforcer = timed(lambda: peer.Enforcer(str(model), str(policy)))
    checks = [
        timed(lambda q=q: enforcer.enforce(q[0].name, q[2].id, q[1]))  # type: ignore[attr-defined]
        for q in asked[:7]
    ]
    return {"casbin_load_s": round(load_s, 2), **spread(checks, 1e3, "casbin_check_ms")}


def bars(found: dict[str, Any], quick: bool) -> list[dict[str, Any]]:
    return [
        {"what": what, "figure": found[key], "bar": f"<= {most}", "met": found[key] <= most, "quick": quick}
        for what, key, most in (
            ("a check never asked before, p99, ms", "check_ms_p99", 1.0),
            ("a check that is repeated, us", "repeated_us", 3.0),
            ("list the assets I may see, p99, ms", "list_assets_ms_p99", 50.0),
            ("list the tags I may see, p99, ms", "list_tags_ms_p99", 50.0),
        )
    ]  # fmt: skip


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    size = (2_000, 3, 500) if options.quick else (100_000, FIRMS, 20_000)
    found = run(*size)
    if options.json:
        print(json.dumps({"name": "policy", "figures": found, "bars": bars(found, options.quick)}))
        return
    for name, value in found.items():
        print(f"{name:<24}{value}")
    for bar in bars(found, options.quick):
        print("✓" if bar["met"] else "✗", bar["what"], bar["figure"], bar["bar"])


if __name__ == "__main__":
    sys.exit(main())

"""Cases of an app: a folder with parameters, samples in and facts out, without any code.

title = "a motor that gets hot and cools down"
[parameters]
limit = 80.0
[[samples]]                 # one a second from 0, unless `step_s` says otherwise
asset = "Motor"
property = "temperature"
tag = 1
values = [70.0, 85.0, 74.0]
[[window]]                  # instead of samples, for `@every`: means over one window
...
[[expect]]                  # the facts in order; only the fields named are compared
fact = "Alarm"
tag = 1
active = true
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..app import App
from ..facts import Fact
from ..samples import SECOND, Samples
from .business import Bench


def run_app_cases(folder: Path, kind: type[App], bench: type[Bench]) -> list[str]:
    """Run every `case.toml` under `folder`; the names of the cases that were run.

    Raises AssertionError that names the case and the difference.
    """
    found = sorted(folder.glob("*/case.toml"))
    assert found, f"{folder} holds no case; add cases/<name>/case.toml"
    for path in found:
        _run(path, kind, bench)
    return [path.parent.name for path in found]


def _run(path: Path, kind: type[App], bench: type[Bench]) -> None:
    case, name = tomllib.loads(path.read_text("utf-8")), path.parent.name
    played = bench(kind(**case.get("parameters", {})))
    for row in case.get("do", ()):
        played.do(row["command"], **row.get("arguments", {}))
    start = played.clock.now()
    for row in case["samples"]:
        played.feed(row["asset"], row["property"], _samples(row, start))
    if "wait" in case:
        played.wait("1 ms")  # windows begin when an asset is first seen
        played.wait(case["wait"])
    told = [_plain(fact) for fact in played.facts if type(fact).__name__ in case["watch"]]
    expected = case.get("expect", [])
    assert len(told) == len(expected), (
        f"case {name}: {len(told)} facts, expected {len(expected)}: {told}"
    )
    for fact, want in zip(told, expected, strict=True):
        for field, value in want.items():
            have = fact.get(field)
            near = (
                isinstance(value, float) and isinstance(have, float) and math.isclose(have, value)
            )
            same = near or have == value
            assert same, f"case {name}: {field} is {have!r}, expected {value!r}, in {fact}"


def _samples(row: Mapping[str, Any], start: int) -> Samples:
    values = row["values"]
    step = round(row.get("step_s", 1.0) * SECOND)
    return Samples.of(row["tag"], start + step * np.arange(len(values)), values)


def _plain(fact: Fact) -> dict[str, Any]:
    plain: dict[str, Any] = {"fact": type(fact).__name__}
    if isinstance(fact, Samples):
        return plain | {"value": float(fact.value[0]), "tag": int(fact.tag[0])}
    return plain | {name: getattr(fact, name) for name in fact.__slots__}

"""Cases of a driver: a folder with settings, bytes in and expected samples, without any code.

`cases/<name>/case.toml` holds what one connection said; so a bug report with a capture is
already a test. `check_parts` looks whether a driver folder has all its parts.

    title = "two floats in one read"
    [settings]
    host = "::1"
    [[tag]]                       # id is its place, from 1, unless given
    address = "holding:0:float32"
    [[write]]                     # optional, before the tags are read
    address = "holding:0:float32"
    value = 2.5
    [[exchange]]                  # hexadecimal, blanks are ignored; questions are numbered from 1
    send = "0001 0000 0006 01 03 0000 0002"
    receive = "0001 0000 0007 01 03 04 41a4 0000"
    [[expect]]                    # one for each tag; or `given_up = true`, or `malformed = true`
    address = "holding:0:float32"
    value = 20.5
    quality = "GOOD"              # GOOD when left out; without `value`: not a number
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..driver import DriverEntry, PolledDriver, Request
from ..errors import Malformed, Refused
from ..quality import Quality
from ..tag import Tag
from ..view import in_language
from .drivers import TIME, check_samples

PARTS = ("README.md", "sample.toml", "quality.toml")
LEVELS = ("bronze", "silver", "gold", "platinum")
OF_THE_HOUSE = (  # keys of [[device]] and [[server]] that are not the driver's
    "name", "driver", "tags", "tag", "period_s", "asset", "asset_type", "accept", "accept_under",
    "under",
)  # fmt: skip
MOST_ROUNDS = 1000
Told = tuple[float | str, str]


def run_cases(folder: Path, entry: DriverEntry) -> list[str]:
    """Run every `case.toml` under `folder`; the names of the cases that were run.

    Raises AssertionError that names the case and the difference.
    """
    found = sorted(folder.glob("*/case.toml"))
    assert found, f"{folder} holds no case; add cases/<name>/case.toml"
    for path in found:
        run_case(path, entry)
    return [path.parent.name for path in found]


def run_case(path: Path, entry: DriverEntry) -> None:
    """One case; see the top of this module for its words."""
    case, name = tomllib.loads(path.read_text("utf-8")), path.parent.name
    assert entry.client and issubclass(entry.client, PolledDriver), "cases are for polled drivers"
    driver = entry.client(entry.client.Settings(**case.get("settings", {})))
    tags = [_tag(row, n) for n, row in enumerate(case.get("tag", ()), 1)]
    wire = _Wire(name, case.get("exchange", ()))
    for row in case.get("write", ()):
        tag = _tag(row, 0, writable=True)
        for request in driver.write(tag, row["value"]):
            driver.decode(request, wire.ask(driver, request), TIME)
    told = _told(driver, driver.plan(tags), wire)
    addresses = {tag.id: tag.address for tag in tags}
    got = {addresses[id]: value for id, value in told.items()}
    expected = {row["address"]: _expected(row) for row in case.get("expect", ())}
    for address in sorted(got.keys() | expected.keys()):
        have, want = got.get(address), expected.get(address)
        assert _same(have, want), f"case {name}: {address}: told {have}, expected {want}"
    assert not wire.left, f"case {name}: never asked: {wire.left}"


class _Wire:
    """The captured exchanges: answers the questions in any order, each once."""

    def __init__(self, name: str, exchanges: Sequence[Mapping[str, str]]) -> None:
        self.name, self._number = name, 0
        self._open = [
            (bytes.fromhex(row["send"]), bytes.fromhex(row["receive"])) for row in exchanges
        ]

    @property
    def left(self) -> list[str]:
        """The questions that were captured and not yet asked."""
        return [question.hex(" ") for question, _ in self._open]

    def ask(self, driver: PolledDriver, request: Request) -> bytes:
        """The captured answer; the driver must see it as whole, with the right number."""
        self._number += 1
        question = driver.numbered(request, self._number)
        place = next((i for i, (q, _) in enumerate(self._open) if q == question), None)
        assert place is not None, (
            f"case {self.name}: the driver asks {question.hex(' ')}, which was not captured; "
            f"captured are {self.left}"
        )
        answer = self._open.pop(place)[1]
        length, number = driver.whole(answer)
        assert number in (None, self._number), f"case {self.name}: answer {number} is another's"
        return answer[:length] if length else answer


def _told(driver: PolledDriver, plan: list[Request], wire: _Wire) -> dict[int, Told]:
    """What each tag said; what was given up or malformed says so instead of a quality."""
    told: dict[int, Told] = {}
    waiting = list(plan)
    for _ in range(MOST_ROUNDS):
        if not waiting:
            return told
        request = waiting.pop(0)
        try:
            answer = wire.ask(driver, request)
            samples = driver.decode(request, answer, TIME)
        except Refused as refusal:
            smaller = driver.replan(request, refusal)
            kept = {int(tag) for r in smaller for tag in r.tags}
            told |= {int(t): ("", "given up") for t in request.tags if int(t) not in kept}
            waiting += smaller
            continue
        except Malformed:
            told |= {int(tag): ("", "malformed") for tag in request.tags}
            continue
        check_samples(request, samples)
        for part in samples:
            rows = zip(part.tag.tolist(), part.value.tolist(), part.quality.tolist(), strict=True)
            told |= {tag: (value, Quality(code).name) for tag, value, code in rows}
    raise AssertionError(f"case {wire.name}: the driver never stops asking")


def _tag(row: Mapping[str, Any], number: int, writable: bool = False) -> Tag:
    return Tag(
        id=row.get("id", number),
        asset="case",
        property=row.get("property", f"tag-{number}"),
        address=row["address"],
        kind=row.get("kind", "number"),
        writable=row.get("writable", writable),
    )


def _expected(row: Mapping[str, Any]) -> Told:
    for word in ("given_up", "malformed"):
        if row.get(word):
            return "", word.replace("_", " ")
    return row.get("value", math.nan), row.get("quality", "GOOD")


def _same(have: Told | None, want: Told | None) -> bool:
    if have is None or want is None or have[1] != want[1]:
        return False
    both_nan = have[0] != have[0] and want[0] != want[0]
    return both_nan or have[0] == want[0]


def check_parts(folder: Path, entry: DriverEntry) -> None:
    """A driver folder is whole: README (zh and en), sample, quality rules, titles in both."""
    assert in_language(entry.title, "en") != entry.title, "DRIVER.title: write «中文 English»"
    assert in_language(entry.summary, "en") != entry.summary, "DRIVER.summary: «中文 English»"
    assert entry.client or entry.server, "DRIVER offers neither a client nor a server"
    for part in PARTS:
        assert (folder / part).is_file(), f"{folder.name}/{part} is missing"
    readme = (folder / "README.md").read_text("utf-8")
    assert any("一" <= c <= "鿿" for c in readme), "README.md: Chinese is missing"
    _check_sample(folder / "sample.toml", entry)
    _check_quality(folder / "quality.toml")


def _check_sample(path: Path, entry: DriverEntry) -> None:
    """Every table `[[device]]` or `[[server]]` of the sample holds settings that exist."""
    sample = tomllib.loads(path.read_text("utf-8"))
    assert sample.get("device") or sample.get("server"), f"{path}: show a [[device]] or [[server]]"
    shown = ((t, entry.client) for t in sample.get("device", ()))
    offered = ((t, entry.server) for t in sample.get("server", ()))
    for table, kind in (*shown, *offered):
        assert kind is not None, f"{path}: this driver has no such side"
        known = {line.name for line in fields(kind.Settings)}
        unknown = table.keys() - set(OF_THE_HOUSE) - known
        assert not unknown, f"{path}: {', '.join(sorted(unknown))} is no setting of this driver"


def _check_quality(path: Path) -> None:
    """Each rule is "done", "todo" or {exempt = "reason"}, under one of the four levels."""
    rules = tomllib.loads(path.read_text("utf-8"))
    assert rules.keys() == set(LEVELS), f"{path}: levels are {', '.join(LEVELS)}"
    for level, rows in rules.items():
        for rule, state in rows.items():
            good = state in ("done", "todo") if isinstance(state, str) else bool(state["exempt"])
            assert good, f'{path}: {level}.{rule}: "done", "todo" or {{exempt = "reason"}}'

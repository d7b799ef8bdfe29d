"""Tables of tags: the same rows as a list of tags, in a tenth of the memory."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from baotu.sdk import Tag
from baotu.sdk.tags import ById, ByName, Tags

ROWS = [
    Tag(id=4, asset="jinan/泵-1", property="flow", unit="m3/h", low=1.0, high=9.0, title="流量"),
    Tag(id=2, asset="jinan/泵-1", property="state", kind="text", writable=True),
    Tag(id=9, asset="jinan/fan", property="speed", address="holding:7", period_s=0.1),
]
MOST_BYTES = 200  # of one tag with its texts and number (149 here); as an object it took 1,200
MEASURED = """
import tracemalloc

from baotu.sdk import Tag
from baotu.sdk.tags import ById, Tags


def rows():
    for n in range(100_000):
        yield Tag(
            id=n, asset=f"plant/area-{n // 2000}/unit-{n // 20}", property=f"p{n % 20}",
            address=f"holding:{2 * n}:float32", device=f"plc-{n // 25_000}", unit="Cel",
        )


tracemalloc.start()
tags = Tags.of(rows())
by_id = ById(tags)
assert tags.find("plant/area-3/unit-300/p1") == 6_001
assert len(by_id) == 100_000
print(tracemalloc.get_traced_memory()[0] / len(tags))
"""


def test_a_table_says_what_its_tags_said() -> None:
    tags = Tags.of(ROWS)
    assert tags == ROWS and list(tags) == ROWS and [tags[n] for n in range(3)] == ROWS
    assert tags[1:] == ROWS[1:] and tags[-1] == ROWS[-1]
    assert tags != ROWS[:2] and tags != [*ROWS[:2], replace(ROWS[2], unit="Hz")]
    with pytest.raises(IndexError):
        tags[3]


def test_tables_are_joined_chosen_and_numbered_anew() -> None:
    tags = Tags.concat([Tags.of(ROWS[:1]), Tags.of(()), Tags.of(ROWS[1:])])
    assert tags == ROWS
    assert tags.pick(np.array([2, 0])) == [ROWS[2], ROWS[0]]
    assert tags.numbered([0, 1, 2])[2] == replace(ROWS[2], id=2)
    assert {t.device for t in tags.all_with("device", "plc")} == {"plc"}


def test_columns_are_asked_once_for_each_distinct_value() -> None:
    tags = Tags.of(ROWS)
    assert tags.mask("asset", lambda path: path.endswith("fan")).tolist() == [False, False, True]
    assert tags.numbers("low", -np.inf).tolist() == [1.0, -np.inf, -np.inf]
    kinds, at = tags.distinct("asset", "kind")
    assert kinds == [("jinan/泵-1", "number"), ("jinan/泵-1", "text"), ("jinan/fan", "number")]
    assert at.tolist() == [0, 1, 2]


def test_rows_that_differ_are_told_whatever_pools_they_come_from() -> None:
    tags, other = Tags.of(ROWS), Tags.of([ROWS[2], replace(ROWS[0], low=2.0), ROWS[1]])
    assert tags.differ(other, np.array([1, 2, 0])).tolist() == [True, False, False]


def test_names_and_numbers_find_their_tag() -> None:
    names, numbers = ByName(Tags.of(ROWS)), ById(Tags.of(ROWS))
    assert names["jinan/fan/speed"] == ROWS[2] and "jinan/fan" not in names
    assert list(names) == [t.name for t in ROWS] and names.get("x") is None
    assert numbers[4] == ROWS[0] and numbers.get(3) is None and list(numbers) == [4, 2, 9]
    assert numbers.places(np.array([9, -1, 3, 77])).tolist() == [2, -1, -1, -1]


def test_names_with_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baotu.sdk.tags.hash", lambda name: 7, raising=False)
    tags = Tags.of(ROWS)
    assert [tags.find(t.name) for t in ROWS] == [0, 1, 2] and tags.find("none") == -1


def test_a_hundred_thousand_tags_rest_in_few_megabytes() -> None:
    """In a process of its own: the interpreter's table of shared texts doubles, by 10 MB, at a
    moment that depends on all that ran before."""
    command = [sys.executable, "-c", MEASURED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0 < float(done.stdout) < MOST_BYTES

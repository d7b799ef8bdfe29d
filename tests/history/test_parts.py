"""The parts of history one by one: ledger, latest, thinning, the plan of merging."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from baotu.history.columns import thin
from baotu.history.latest import Latest
from baotu.history.ledger import Ledger
from baotu.history.merge import Run, plan
from baotu.history.sql import DAY, HOUR
from baotu.history.store import Segment
from baotu.sdk import Quality, Samples

spans = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 6)), max_size=8)


@given(spans, st.integers(1, 40), st.integers(0, 12))
def test_the_ledger_is_a_set_of_sequences(
    added: list[tuple[int, int]], first: int, more: int
) -> None:
    ledger, want = Ledger(), set[int]()
    for low, length in added:
        ledger.add("a", low, low + length)
        want.update(range(low, low + length + 1))
    runs = ledger.spans("a")
    assert {s for low, high in runs for s in range(low, high + 1)} == want
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(runs))
    missing = {s for a, b in ledger.missing("a", first, first + more) for s in range(a, b + 1)}
    assert missing == set(range(first, first + more + 1)) - want
    assert ledger.has("a", first) == (first in want) and not ledger.has("b", first)
    assert Ledger(ledger.rows()).spans("a") == runs


def test_a_copy_of_the_ledger_leaves_the_original_alone() -> None:
    ledger = Ledger([("a", 1, 5)])
    twin = ledger.copy()
    twin.add("a", 6, 9)
    assert (ledger.spans("a"), twin.spans("a")) == ([(1, 5)], [(1, 9)])


def test_the_latest_sample_never_steps_back_and_grows_with_the_tags() -> None:
    latest = Latest(capacity=4)
    latest.update(Samples.of([1, 1, 9], [20, 10, 5], [2.0, 1.0, 9.0]))
    latest.update(Samples.of([1, 9], [15, 5], [7.0, 8.0]))
    (numbers,) = latest.read(np.array([1, 2, 9, 99, -1]))
    assert numbers.tag.tolist() == [1, 9] and numbers.value.tolist() == [2.0, 8.0]
    latest.update(Samples.of([1], [30], ["off"]))
    numbers, texts = latest.read(np.array([1, 9]))
    assert (numbers.tag.tolist(), texts.value.tolist()) == ([9], ["off"])
    assert latest.is_text(1) and not latest.is_text(9)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=300), st.integers(5, 40), st.data())
def test_thinning_keeps_ends_extremes_and_failures(
    values: list[float], points: int, data: st.DataObject
) -> None:
    quality = np.zeros(len(values), "u1")
    bad = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=3))
    quality[bad] = Quality.BAD
    samples = Samples.of(1, range(len(values)), values, quality)
    seen = thin(samples, 0, len(values), points)
    assert len(seen) <= max(points, 5)
    assert seen.time[0] == 0 and seen.time[-1] == len(values) - 1
    good = samples.good()
    if len(good):
        assert seen.good().value.max() == good.value.max()
        assert seen.good().value.min() == good.value.min()
    assert (seen.quality >= Quality.UNCERTAIN).any() == bool(bad)


def run(rows: int, level: int = 0, period: int = 10, made: int = 0, kind: str = "number") -> Run:
    segment = Segment(
        path=f"{rows}-{made}", kind=kind, period=period, run="r", level=level, made=made, low=0,
        high=0, tag_low=0, tag_high=9, rows=rows, bytes=0,
    )  # fmt: skip
    return Run(kind=kind, period=period, level=level, segments=(segment,))


def test_runs_of_a_level_are_merged_when_there_are_enough() -> None:
    today = 10 * DAY + HOUR
    found = [run(8, made=i) for i in range(5)]
    assert plan(found[:3], 4, today) == []
    assert plan(found, 4, today) == [found[:4]]
    assert plan([*found[:3], run(8, period=11), run(8, kind="text")], 4, today) == []
    assert plan([run(8, level=1, made=i) for i in range(4)], 4, today)[0][0].level == 1


def test_a_day_that_is_over_becomes_one_run_when_it_is_quiet_and_worth_it() -> None:
    after = 11 * DAY + 2 * HOUR
    day = [run(100), run(60)]
    assert plan(day, 8, after) == [day]
    assert plan(day, 8, 11 * DAY) == []
    assert plan([run(100), run(60, made=after - 1)], 8, after) == []
    assert plan([run(100), run(3)], 8, after) == []
    late = [run(100), run(1), run(1), run(1)]
    assert plan(late, 8, after) == [late]
    assert plan([run(100)], 8, after) == []

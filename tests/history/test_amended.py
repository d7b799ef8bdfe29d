"""Newer values over what is sealed: what they cost, and that the last one counts."""

import tracemalloc

import numpy as np
import pytest

from baotu.history.duck import DuckHistory
from baotu.sdk import Samples

S, MORNING, MANY = 10**9, 1_780_300_800 * 10**9, 100_000


@pytest.fixture
def folder(tmp_path):
    """A tag of which all values were written, then computed again."""
    history = DuckHistory(tmp_path / "history")
    times = MORNING + np.arange(MANY) * 60 * S
    history.keep([Samples.of(7, times, np.zeros(MANY))])
    with history._store.change() as db:
        db.execute(
            f"insert into amended select 7, {MORNING} + i * {60 * S}, i, 0 "
            f"from range({MANY}) t(i) order by i desc"
        )
    history.close()
    return tmp_path / "history"


def test_a_newer_value_costs_few_bytes_of_memory(folder):
    """One for each window of a derived tag whose raw samples are kept: a year of minutes of a
    hundred tags is 53 million in the worst case, and usually a handful."""
    tracemalloc.start()
    try:
        history = DuckHistory(folder)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    value = history.read(7, MORNING, MORNING + MANY * 60 * S).value
    history.close()

    assert held / MANY < 60
    assert value.tolist() == list(range(MANY))


def test_the_last_one_written_counts_also_after_a_restart(folder):
    history = DuckHistory(folder)
    at = MORNING + 60 * S * np.array([5, 3, 5])
    for time, value in zip(at.tolist(), (50.0, 30.0, 55.0), strict=True):
        history.keep([Samples.of(7, [time], [value])])
    for _ in range(2):
        read = history.read(7, MORNING, MORNING + 8 * 60 * S)
        assert read.value.tolist() == [0, 1, 2, 30, 4, 55, 6, 7]
        mean = history.aggregate(7, MORNING, MORNING + 480 * S, 480 * S).mean
        assert mean.tolist() == [105 / 8]
        history.close()
        history = DuckHistory(folder)
    history.close()

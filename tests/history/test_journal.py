"""The order of commits, over restarts and sealing; derived samples of which the last one counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baotu.history.duck import DuckHistory
from baotu.history.hot import HELD
from baotu.history.settings import HistorySettings
from baotu.sdk import Samples
from baotu.sdk.link import Batch

MINUTE = 60 * 10**9
BASE = 1_780_000_000 * 10**9 // (60 * MINUTE) * 60 * MINUTE


@pytest.fixture
def history(tmp_path: Path):
    made = DuckHistory(tmp_path, HistorySettings(seal_rows=1000))
    yield made
    made.close()


def append(history: DuckHistory, n: int, samples: Samples, live: bool = True) -> None:
    log = "live" if live else "old"
    batch = Batch(log=log, first=n, last=n, after=n - 1 or None, samples=(samples,), live=live)
    history.append([batch])


def numbers(first: int, count: int) -> Samples:
    return Samples.of(
        1, BASE + np.arange(first, first + count), np.arange(first, first + count) * 1.0
    )


def all_after(history, place, limit):
    live, late, missing = [], [], 0
    while True:
        arrival = history.after(place, limit)
        live += [v for part in arrival.live for v in part.value.tolist()]
        late += [v for part in arrival.late for v in part.value.tolist()]
        place, missing = arrival.end, missing + arrival.missing
        if not len(arrival) and not arrival.missing:
            return live, late, missing, place


@pytest.mark.parametrize("limit", [7, 100_000])
def test_what_was_committed_is_told_again_in_its_order(tmp_path: Path, limit: int):
    history = DuckHistory(tmp_path, HistorySettings(seal_rows=1000))
    told = []
    stop = history.follow(told.append)
    begin = history.place()
    for n in range(1, 5):
        append(history, n, numbers(100 * n, 100))
        append(history, n, numbers(-100 * n, 50), live=False)
    assert [a.end for a in told[:-1]] == [a.start for a in told[1:]], "a chain without a hole"
    stop()
    history.close()
    history = DuckHistory(tmp_path, HistorySettings(seal_rows=1000))
    live, late, missing, end = all_after(history, begin, limit)
    assert live == [float(v) for v in range(100, 500)]
    assert late == [float(v) for n in range(1, 5) for v in range(-100 * n, -100 * n + 50)]
    assert (missing, end) == (0, history.place())
    history.close()


def test_full_tables_wait_for_a_reader_and_what_lost_its_order_is_counted(history):
    begin, each = history.place(), 70  # more than half a table of these settings
    append(history, 1, numbers(0, each))
    history.hold(history.place())
    for n in range(1, HELD + 1):
        append(history, n + 1, numbers(each * n, each))
    everything = [float(v) for v in range(each * (HELD + 1))]
    history.seal()
    assert all_after(history, begin, 10**6)[0] == everything, "as many as are held"
    for n in range(HELD + 1, HELD + 3):
        append(history, n + 1, numbers(each * n, each))
    history.seal()
    live, _, missing, end = all_after(history, begin, 10**6)
    assert (live[0], len(live), missing) == (2.0 * each, (HELD + 1) * each, 2 * each)
    history.seal(everything=True)
    assert all_after(history, begin, 10**6)[2:] == ((HELD + 3) * each, history.place())
    append(history, HELD + 4, numbers(0, 3))
    assert all_after(history, end, 10**6)[0] == [0.0, 1.0, 2.0]


def mean(history, bucket=60 * MINUTE):
    found = history.aggregate(500, BASE, BASE + 60 * MINUTE, bucket)
    return found.count.tolist(), found.total.tolist(), found.high.tolist()


@pytest.mark.parametrize("sealed", [False, True])
def test_the_last_derived_sample_of_a_time_is_the_one_that_counts(tmp_path: Path, sealed: bool):
    history = DuckHistory(tmp_path / "h")
    stamps = BASE + np.arange(10) * MINUTE
    history.keep([Samples.of(500, stamps, np.arange(10) * 1.0)])
    if sealed:
        history.seal(everything=True)
    history.keep([Samples.of(500, stamps, np.arange(10) * 1.0)])  # the same once more
    history.keep([Samples.of(500, [stamps[3], stamps[9]], [100.0, 9.5])])
    history.keep([Samples.of(500, [stamps[4] + 1], [4.5])])  # a time that was missing
    for _ in range(2):
        read = history.read(500, BASE, BASE + 60 * MINUTE)
        assert read.value.tolist() == [0, 1, 2, 100, 4, 4.5, 5, 6, 7, 8, 9.5]
        assert history.window(500, BASE, BASE + 60 * MINUTE, 100).value.max() == 100
        assert mean(history) == ([11], [147.0], [100.0])
        assert mean(history, 30 * MINUTE) == ([11], [147.0], [100.0])
        [latest] = history.latest(np.array([500]))
        assert latest.value.tolist() == [9.5]
        history.export(tmp_path / "out.csv", [500], BASE, BASE + 60 * MINUTE, "csv")
        lines = (tmp_path / "out.csv").read_text().splitlines()
        assert len(lines) == 12
        assert sum(",100.0," in line for line in lines) == 1
        history.close()
        history = DuckHistory(tmp_path / "h")
    history.close()

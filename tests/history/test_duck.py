"""What the DuckDB history adds to the port: sealing by day, rollups, retention, export, backup."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from baotu.history.duck import DuckHistory
from baotu.history.keeper import Keeper
from baotu.history.settings import HistorySettings
from baotu.sdk import Invalid, Quality, Samples
from baotu.sdk.health import Health
from baotu.sdk.link import Batch
from baotu.sdk.samples import SECOND
from tests.fabric.plant import until
from tests.history.samples import BASE, END, batch, fill, frame, numbers

SMALL = HistorySettings(seal_rows=5_000, memory_mb=64, fan=3)
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND


@pytest.fixture
def history(tmp_path: Path) -> Iterator[DuckHistory]:
    found = DuckHistory(tmp_path / "history", SMALL)
    yield found
    found.close()


def test_each_day_has_its_own_file_and_late_samples_join_theirs(history: DuckHistory) -> None:
    fill(history, 1, 48, step=HOUR)
    history.seal(everything=True)
    fill(history, 49, 60, step=HOUR)
    late = Samples.of(7, BASE + 30 * MINUTE, [999.0])
    assert history.append([batch(61, late)]) == [True]
    history.seal(everything=True)
    figures = history.figures()
    assert (figures["files_number"], figures["runs_number"]) == (5, 5)
    history.merge(everything=True)
    assert history.figures()["files_number"] == 3
    assert history.figures()["files_hour"] in (1, 2)
    day = history.aggregate(7, BASE, END, DAY)
    assert day.high[0] == 999.0 and day.count.tolist() == [24, 24, 13]


def test_late_data_change_buckets_that_were_rolled_up_long_ago(history: DuckHistory) -> None:
    fill(history, 1, 300, tags=3)
    history.seal(everything=True)
    history.merge(everything=True)
    before = history.aggregate(1, BASE, END, MINUTE)
    assert before.count.tolist() == [59, 60, 60, 60, 60, 1]
    for sealed in (False, True):
        number = 301 + sealed
        history.append([batch(number, Samples.of(1, BASE + 90 * SECOND + number, [-5.0 - sealed]))])
        if sealed:
            history.seal(everything=True)
            history.merge(everything=True)
        after = history.aggregate(1, BASE, END, MINUTE)
        assert after.count[1] == 61 + sealed and after.low[1] == -5.0 - sealed
        assert after.count.sum() == 301 + sealed


def test_a_long_window_shows_the_one_spike_and_the_one_failure(history: DuckHistory) -> None:
    time = BASE + np.arange(200_000) * 10 * SECOND
    value = np.round(20 + np.sin(np.arange(200_000) / 500), 2)
    value[123_456], quality = 500.0, np.zeros(200_000, "u1")
    quality[77_777], value[77_777] = Quality.BAD_TIMEOUT, math.nan
    for i in range(20):
        part = slice(i * 10_000, (i + 1) * 10_000)
        history.append([batch(i + 1, Samples.of(3, time[part], value[part], quality[part]))])
        history.seal()
    history.seal(everything=True)
    seen = history.window(3, BASE, END, 200)
    assert len(seen) <= 200
    assert seen.time[seen.value == 500.0].tolist() == [time[123_456]]
    assert seen.time[seen.quality == Quality.BAD_TIMEOUT].tolist() == [time[77_777]]
    assert (seen.time[0], seen.time[-1]) == (time[0], time[-1])
    whole = history.aggregate(3, BASE, BASE + 32 * DAY, 32 * DAY)
    assert whole.count.tolist() == [199_999] and whole.high.tolist() == [500.0]
    assert math.isclose(whole.total[0], np.nansum(value), rel_tol=1e-12)


def test_buckets_need_not_fit_minutes_nor_the_end_of_the_window(history: DuckHistory) -> None:
    fill(history, 1, 200, tags=2)
    history.seal(everything=True)
    fill(history, 201, 250, tags=2)
    odd = history.aggregate(1, BASE + 13, BASE + 250 * SECOND, 7 * SECOND)
    assert odd.count.sum() == 249 and odd.start[0] == BASE + 13
    cut = history.aggregate(1, BASE, BASE + 130 * SECOND, MINUTE)
    assert cut.count.tolist() == [59, 60, 10] and cut.last.tolist() == [59, 119, 129]


def test_wild_clocks_share_a_file_and_disturb_nobody(history: DuckHistory) -> None:
    wild = Samples.of(5, np.arange(60) * 400 * DAY, np.arange(60.0))
    history.append([batch(1, wild)])
    fill(history, 2, 5)
    assert history.seal(everything=True) == 1
    assert history.figures()["files_number"] <= 33
    assert history.read(5, 0, BASE).value.tolist() == [
        v for v, t in zip(wild.value, wild.time, strict=True) if t < BASE
    ]
    assert numbers(history) == [2, 3, 4, 5]


def test_what_is_too_old_is_forgotten_but_its_rollups_stay(history: DuckHistory) -> None:
    fill(history, 1, 96, tags=2, step=HOUR)
    history.seal(everything=True)
    assert history.retain(BASE + 2 * DAY) == 2
    assert numbers(history, 1)[0] == 48
    assert history.aggregate(1, BASE, END, DAY).count.tolist() == [23, 24, 24, 24, 1]
    outline = history.window(1, BASE, BASE + DAY, 1_000)
    assert outline.value.tolist() == list(range(1, 24))
    assert history.retain(BASE + 2 * DAY, ("minute",)) == 2
    assert history.retain(BASE + 40 * DAY) == 3
    assert numbers(history, 1) == []
    assert len(list((history._store.files).iterdir())) == history.figures()["segments"]


def test_the_horizon_is_known_after_a_restart(tmp_path: Path) -> None:
    history = DuckHistory(tmp_path, SMALL)
    fill(history, 1, 96, tags=2, step=HOUR)
    history.seal(everything=True)
    history.retain(BASE + 2 * DAY)
    history.close()
    again = DuckHistory(tmp_path, SMALL)
    assert again.window(1, BASE, BASE + DAY, 1_000).value.tolist() == list(range(1, 24))
    again.close()


def test_samples_the_hub_derives_have_their_own_log(history: DuckHistory) -> None:
    assert history.keep([frame(1), frame(2)]) == 2
    assert history.keep([Samples.of(500, BASE, ["起动"])]) == 3
    assert history.spans("hub") == [(1, 3)]
    assert numbers(history) == [1, 2]
    assert history.keep([]) == 3


def test_the_latest_survive_a_restart_sealed_or_hot(tmp_path: Path) -> None:
    history = DuckHistory(tmp_path, SMALL)
    history.append([batch(1, Samples.of([1, 2], BASE, [1.0, 2.0]))])
    history.append([batch(2, Samples.of([3], BASE, ["on"]))])
    history.seal(everything=True)
    history.append([batch(3, Samples.of([2], BASE + 1, [math.nan], Quality.BAD))])
    history.close()
    again = DuckHistory(tmp_path, SMALL)
    found, texts = again.latest(np.array([1, 2, 3]))
    assert found.tag.tolist() == [1, 2] and found.quality.tolist() == [0, Quality.BAD]
    assert found.value[0] == 1.0 and math.isnan(found.value[1])
    assert texts.value.tolist() == ["on"]
    again.close()


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("format", ["parquet", "csv", "arrow"])
def test_an_export_holds_the_samples_of_the_tags_and_times_asked(
    history: DuckHistory, tmp_path: Path, format: str, sealed: bool
) -> None:
    fill(history, 1, 20, tags=4)
    history.append([batch(21, Samples.of(50, BASE + 7, ['it\'s "停"']))])
    if sealed:
        history.seal(everything=True)
    path = tmp_path / f"out's.{format}"
    names = {1: "泵/speed", 2: "b/speed"}
    count = history.export(path, [2, 1, 50], BASE, BASE + 11 * SECOND, format, names)  # type: ignore[arg-type]
    assert count == 21
    if format == "csv":
        rows = list(csv.DictReader(path.open()))
        assert rows[0] == {
            "tag": "1", "name": "泵/speed", "value": "1.0", "text": "", "quality": "0",
            "time": f"{np.datetime64(BASE + SECOND, 'ns')}Z",
        }  # fmt: skip
        assert rows[-1]["text"] == 'it\'s "停"' and rows[-1]["time"].endswith("00.000000007Z")
        return
    if format == "arrow":
        pyarrow = pytest.importorskip("pyarrow")
        batches = pyarrow.ipc.open_file(str(path)).read_all()
        source = "batches"
        assert pyarrow.types.is_timestamp(batches.schema.field("time").type)
    else:
        source = "read_parquet($path)"
    got = duckdb.execute(
        f"select tag, name, epoch_ns(time), value, text from {source} order by tag, time",
        {"path": str(path)} if format == "parquet" else None,
    ).fetchall()
    assert got[0] == (1, "泵/speed", BASE + SECOND, 1.0, None)
    assert got[-1] == (50, None, BASE + 7, None, 'it\'s "停"')


def test_an_export_in_an_unknown_format_names_the_known_ones(
    history: DuckHistory, tmp_path: Path
) -> None:
    with pytest.raises(Invalid, match="parquet, csv or arrow"):
        history.export(tmp_path / "x", [1], 0, 1, "xlsx")  # type: ignore[arg-type]
    assert history.export(tmp_path / "none.csv", [1], 0, END, "csv") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["history", "none.csv"]


def test_a_backup_taken_at_work_opens_as_a_history(history: DuckHistory, tmp_path: Path) -> None:
    fill(history, 1, 70)
    history.seal()
    history.merge()
    assert history.backup(tmp_path / "copy") > 0
    fill(history, 71, 80)
    history.seal(everything=True)
    history.merge(everything=True)
    copy = DuckHistory(tmp_path / "copy", SMALL)
    assert numbers(copy) == list(range(1, 71)) and copy.spans("a") == [(1, 70)]
    assert copy.aggregate(7, BASE, END, HOUR).count.tolist() == [70]
    fill(copy, 71, 72)
    copy.close()
    with pytest.raises(Invalid, match="not empty"):
        history.backup(tmp_path / "copy")
    assert numbers(history) == list(range(1, 81))


def test_the_keeper_seals_merges_and_forgets_and_stops_in_time(tmp_path: Path) -> None:
    now = [BASE + 10 * DAY]
    settings = HistorySettings(
        seal_rows=1_000, memory_mb=64, fan=3, raw_days=3, keep_every_s=0.01, duty=1.0
    )
    history = DuckHistory(tmp_path, settings, now=lambda: now[0])
    told: list[Health] = []
    keeper = Keeper(history, told.append)
    fill(history, 1, 60)
    while keeper.turn():
        pass
    assert keeper.sealed > 0 and keeper.dropped > 0
    assert history.aggregate(7, BASE, END, HOUR).count.tolist() == [60]
    keeper.start()
    fill(history, 61, 90)
    assert keeper.stop(timeout_s=10)
    assert [health.state for health in told] == ["up"]
    history.close()


def test_a_keeper_in_trouble_says_so_once_and_when_it_is_over(tmp_path: Path) -> None:
    failing = [True]

    def seam(name: str) -> None:
        if failing[0] and name == "number written":
            raise OSError(28, "No space left on device")

    settings = HistorySettings(seal_rows=1_000, memory_mb=64, keep_every_s=0.01)
    history = DuckHistory(tmp_path, settings, seam=seam)
    told: list[Health] = []
    keeper = Keeper(history, told.append)
    fill(history, 1, 15)
    keeper.start()
    assert until(lambda: keeper.failures >= 2)
    failing[0] = False
    assert until(lambda: keeper.sealed >= 1)
    assert keeper.stop(timeout_s=10)
    assert [health.state for health in told] == ["up", "degraded", "up"]
    assert "No space left" in told[1].why
    assert numbers(history) == list(range(1, 16))
    history.close()


def test_a_batch_that_contradicts_itself_is_a_bug_of_the_caller(history: DuckHistory) -> None:
    with pytest.raises(ValueError, match="1 frames for 1…2"):
        history.append([Batch(log="a", first=1, last=2, after=None, samples=(frame(1),))])
    assert history.spans("a") == []


def test_the_ledger_stays_small_after_many_commits(history: DuckHistory) -> None:
    import baotu.history.hot as hot

    rows, hot.LINK_ROWS = hot.LINK_ROWS, 10
    try:
        fill(history, 1, 60)
        history.seal(everything=True)
    finally:
        hot.LINK_ROWS = rows
    stored = history._store.db.execute("select * from link").fetchall()
    assert stored == [("a", 1, 60)]


def test_sparse_samples_of_many_tags_are_rolled_up_and_merged_within_the_memory(
    tmp_path: Path,
) -> None:
    """One sample a minute: as many rollups as samples, each far larger than a sample."""
    settings = HistorySettings(seal_rows=400_000, memory_mb=64)
    history = DuckHistory(tmp_path, settings)
    for half in range(2):
        minute = np.arange(half * 150, half * 150 + 150)
        time = np.repeat(BASE + minute * MINUTE, 1_000)
        value = np.repeat(minute / 7, 1_000)
        samples = Samples.of(np.tile(np.arange(1_000), 150), time, value)
        history.append([batch(half + 1, samples)])
        history.seal(everything=True)
    history.merge(everything=True)
    assert history.figures()["runs_minute"] == 1
    found = history.aggregate(999, BASE, END, MINUTE)
    assert found.count.tolist() == [1] * 300 and found.last[-1] == 299 / 7
    history.close()

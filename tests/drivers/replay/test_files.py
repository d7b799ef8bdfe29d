"""Files of all kinds, also those of others; broken ones are refused with words or survive."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baotu.drivers.replay import spec_for
from baotu.drivers.replay.recording import Recording
from baotu.drivers.replay.settings import Settings
from baotu.drivers.replay.tables import number_column
from baotu.sdk import ConfigError
from tests.peers import need_shared


def whole(settings):
    """(times, columns by name) of a whole recording."""
    recording = Recording(settings)
    rows = list(recording.rows())
    times = np.concatenate([r.times for r in rows])
    columns = {
        name: np.concatenate([number_column(r.chunk.cells[i])[r.kept] for r in rows])
        for i, name in enumerate(recording.names)
        if i != recording.time and recording.kind(i) == "number"
    }
    return times, columns


def test_every_column_becomes_a_tag_with_its_unit(tmp_path):
    path = tmp_path / "press 3.csv"
    path.write_text("timestamp,Force [kN],on/off,Force (kN),状态\n2024-01-01,1.5,true,2,好\n")
    spec = spec_for(path, speed=5)
    assert spec.settings.speed == 5
    assert [(t.asset, t.property, t.address, t.kind, t.unit) for t in spec.tags] == [
        ("replay/press_3", "Force", "Force [kN]", "number", "kN"),
        ("replay/press_3", "on_off", "on/off", "boolean", ""),
        ("replay/press_3", "Force_2", "Force (kN)", "number", "kN"),
        ("replay/press_3", "状态", "状态", "text", ""),
    ]


@pytest.mark.parametrize(
    ("cells", "unit"),
    [("1700000000", 10**9), ("1700000000000", 10**6), ("1700000000000000", 1000)],
)
def test_epochs_are_told_by_their_size(tmp_path, cells, unit):
    path = tmp_path / "epoch.csv"
    path.write_text(f"t,x\n{cells},1\n")
    assert whole(Settings(file=str(path)))[0].tolist() == [int(cells) * unit]


def test_times_without_a_zone_are_in_the_zone_of_the_settings(tmp_path):
    path = tmp_path / "zone.csv"
    path.write_text("time,x\n2024-01-01 08:00:00,1\n2024-01-01T00:00:01Z,2\n")
    times, _ = whole(Settings(file=str(path), zone="Asia/Shanghai"))
    assert times.tolist() == [1_704_067_200 * 10**9, 1_704_067_201 * 10**9]


def test_days_and_months_that_cannot_be_told_apart_ask_for_a_format(tmp_path):
    path = tmp_path / "us.csv"
    path.write_text("date,x\n1/2/2018 0:15,1\n")
    with pytest.raises(ConfigError, match="time_format"):
        spec_for(path)
    times, _ = whole(Settings(file=str(path), time_format="%m/%d/%Y %H:%M"))
    assert times.tolist() == [1_514_852_100 * 10**9]


def test_wrong_settings_say_what_is_right(tmp_path):
    with pytest.raises(ConfigError, match="Asia/Shanghai"):
        Settings(file="x", zone="Mars/Olympus")
    with pytest.raises(ConfigError, match=r"%d/%m/%Y"):
        Settings(file="x", time_format="days")
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="no column 'when'"):
        spec_for(path, time="when")
    with pytest.raises(ConfigError, match="cannot be read"):
        spec_for(tmp_path / "absent.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ConfigError, match="empty"):
        spec_for(tmp_path / "empty.csv")


def test_parquet_gives_what_csv_gives(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    import pyarrow.parquet as pq

    stamps = np.arange(5, dtype="i8") * 10**9 + 1_700_000_000 * 10**9
    table = pa.table(
        {
            "when": pa.array(stamps, pa.timestamp("ns", "UTC")),
            "flow": pa.array([1.5, 2.5, None, 4.5, 5.5]),
            "count": pa.array([1, 2, 3, 4, 5], pa.int32()),
            "on": pa.array([True, False, None, True, True]),
            "state": pa.array(["a", None, "c", "d", "e"]),
        }
    )
    pq.write_table(table, tmp_path / "r.parquet")
    spec = spec_for(tmp_path / "r.parquet")
    assert [(t.property, t.kind) for t in spec.tags] == [
        ("flow", "number"), ("count", "number"), ("on", "number"), ("state", "text"),
    ]  # fmt: skip
    times, columns = whole(spec.settings)
    assert times.tolist() == stamps.tolist()
    assert np.array_equal(columns["flow"], [1.5, 2.5, np.nan, 4.5, 5.5], equal_nan=True)
    assert np.array_equal(columns["on"], [1, 0, np.nan, 1, 1], equal_nan=True)


def test_file_that_only_claims_to_be_parquet_is_refused(tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    (tmp_path / "r.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="not Parquet"):
        spec_for(tmp_path / "r.parquet")


@given(st.binary(max_size=400))
def test_no_bytes_at_all_break_more_than_the_recording(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "x.csv"
    path.write_bytes(data)
    try:
        recording = Recording(Settings(file=str(path)))
        for rows in recording.rows():
            assert (np.diff(rows.times) >= 0).all()
            for cells in rows.chunk.cells:
                assert len(number_column(cells)) == rows.chunk.rows
    except ConfigError as error:
        assert "x.csv" in str(error)


def test_skab_water_loop_plays():
    times, columns = whole(Settings(file=str(need_shared("data/skab/anomaly-free.csv"))))
    assert len(times) == 9405 and len(columns) == 8
    assert times[0] == 1_581_168_647 * 10**9
    assert columns["Current"][0] == 2.16975


def test_tep_plays_in_both_directions():
    row = whole(Settings(file=str(need_shared("data/tep/d01.dat")), row_s=180))
    assert len(row[0]) == 480 and len(row[1]) == 52 and row[0][1] == 180 * 10**9
    column = whole(Settings(file=str(need_shared("data/tep/d00.dat")), transposed=True))
    assert len(column[0]) == 500 and len(column[1]) == 52
    assert column[1]["#1"][0] == 0.24987


def test_cmapss_without_header_or_time_plays():
    times, columns = whole(Settings(file=str(need_shared("data/cmapss/train_FD001.txt"))))
    assert len(times) == 20_631 and len(columns) == 26
    assert columns["#6"][0] == 518.67


def test_steel_plant_with_days_first_plays():
    path = need_shared("data/steel/steel_first_75_percent.csv")
    spec = spec_for(path)
    assert {t.property: t.kind for t in spec.tags}["Load_Type"] == "text"
    times, columns = whole(spec.settings)
    assert times[0] == 1_514_765_700 * 10**9
    assert len(times) + 273 == 26_280  # each midnight stands under the day that ends
    assert columns["Usage_kWh"][0] == 3.17

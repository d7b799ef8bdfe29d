"""`baotu replay`: a recorded file goes through driver, link and history, every row of it."""

import csv
import subprocess
import sys

import pyarrow
import pyarrow.parquet
import pytest

ROWS = 50


def rows():
    return [(f"2026-06-01T08:00:{n:02d}", 20.0 + n / 10, 3 * n) for n in range(ROWS)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_row_of_a_file_is_in_history_and_it_stops_by_itself(tmp_path, kind):
    file = tmp_path / f"pump.{kind}"
    names = ["time", "pressure [bar]", "speed"]
    if kind == "csv":
        with file.open("w", newline="") as out:
            csv.writer(out).writerows([names, *rows()])
    else:
        columns = dict(zip(names, zip(*rows(), strict=True), strict=True))
        pyarrow.parquet.write_table(pyarrow.table({k: list(v) for k, v in columns.items()}), file)
    baotu, data = [sys.executable, "-m", "baotu.cli"], tmp_path / "kept"
    played = subprocess.run(
        [*baotu, "replay", str(file), "--speed", "25", "--once", "--data", str(data), "--listen", "[::1]:0"],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    out = tmp_path / "out.csv"
    exported = subprocess.run(
        [*baotu, "export", str(out), "--tag", "replay/pump/pressure", "--data", str(data / "data")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    values = [float(row["value"]) for row in csv.DictReader(out.open())]

    assert played.returncode == 0, played.stderr
    assert exported.returncode == 0, exported.stderr
    assert values == [row[1] for row in rows()]


def test_a_file_that_is_not_there_is_named():
    done = subprocess.run(
        [sys.executable, "-m", "baotu.cli", "replay", "none.csv"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 2
    assert "none.csv: 没有这个文件" in done.stderr and "no such file" in done.stderr

"""Every case of the replay driver: a recording, its settings, what must be read from it."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import baotu.drivers.replay as replay
from baotu.drivers.replay.recording import Recording
from baotu.drivers.replay.settings import Settings
from baotu.drivers.replay.tables import number_column

CASES = sorted((Path(replay.__file__).parent / "cases").glob("*/case.toml"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.parent.name)
def test_case_is_read_as_it_says(path):
    case = tomllib.loads(path.read_text("utf-8"))
    file = next(path.parent.glob("recording.*"))
    recording = Recording(Settings(file=str(file), **case["settings"]))
    expect = case["expect"]
    assert recording.names == expect["names"]
    kinds = {name: recording.kind(recording.column(name)) for name in expect["kinds"]}
    assert kinds == expect["kinds"]
    rows = list(recording.rows())
    assert np.concatenate([r.times for r in rows]).tolist() == expect["times"]
    assert (recording.skipped, recording.table.ragged) == (expect["skipped"], expect["ragged"])
    for name, values in expect["columns"].items():
        column = recording.column(name)
        decimal = case["settings"].get("decimal", ".")
        told = np.concatenate([number_column(r.chunk.cells[column], decimal)[r.kept] for r in rows])
        assert np.array_equal(told, values, equal_nan=True), name


def test_there_are_cases():
    assert len(CASES) >= 3

"""Playing a recording: pace, stamps, loops, and what the edge relies on."""

import asyncio
import time

import numpy as np
import pytest

from baotu.drivers.replay import DRIVER, spec_for
from baotu.drivers.replay.client import Client
from baotu.drivers.replay.settings import Settings
from baotu.sdk import Quality, Refused, Tag, Unreachable
from baotu.sdk.testing.drivers import check_settings
from baotu.sdk.testing.sessions import RecordingLine, check_session, running

FLOW = Tag(id=3, asset="lab/pump", property="flow", address="flow")
STATE = Tag(id=5, asset="lab/pump", property="state", address="state", kind="text")
ON = Tag(id=7, asset="lab/pump", property="on", address="on", kind="boolean")
TAGS = (FLOW, STATE, ON)


@pytest.fixture
def file(tmp_path):
    lines = ["time,flow,state,on"]
    lines += [
        f"{1_700_000_000 + n},{n / 2},{'run' if n % 2 else 'stop'},{n % 2}" for n in range(40)
    ]
    path = tmp_path / "pump.csv"
    path.write_text("\n".join(lines))
    return path


def play(settings, tags, until, within_s=10.0):
    """The line after `until(line)` came true."""

    async def go():
        line = RecordingLine(tags)
        async with running(Client(settings), tags, line) as task:
            await line.until(lambda: until(line) or task.done(), within_s, "playing")
            if task.done():
                task.result()
        return line

    return asyncio.run(go())


def test_driver_keeps_the_promises_of_a_session(file):
    missing = Tag(id=9, asset="lab/pump", property="x", address="no such column")
    settings = Settings(file=str(file), speed=1000, loop=True)
    report = asyncio.run(
        check_session(
            lambda: Client(settings), TAGS, missing=missing, refuses=[(FLOW, 1.0)], within_s=5
        )
    )
    assert len(report.checks) == 3


def test_settings_are_described():
    check_settings(Settings)
    assert DRIVER.client is Client


def test_recorded_stamps_and_values_are_kept(file):
    settings = Settings(file=str(file), speed=1e6, start="recorded")
    line = play(settings, TAGS, lambda line: line.figures.get("state") == "finished")
    assert line.values(FLOW.id) == [n / 2 for n in range(40)]
    assert [t for t, _, _ in line.of(FLOW.id)] == [(1_700_000_000 + n) * 10**9 for n in range(40)]
    assert line.values(STATE.id)[:3] == ["stop", "run", "stop"]
    assert line.values(ON.id)[:3] == [0.0, 1.0, 0.0]
    assert line.figures["progress"] == 100.0


def test_stamps_begin_now_and_are_pressed_together_by_the_speed(file):
    before = time.time_ns()
    settings = Settings(file=str(file), speed=200)
    line = play(settings, [FLOW], lambda line: line.figures.get("state") == "finished")
    stamps = np.array([t for t, _, _ in line.of(FLOW.id)])
    assert abs(stamps[0] - before) < 2e9
    assert np.diff(stamps).tolist() == [5_000_000] * 39


def test_pace_follows_the_recorded_time(file):
    async def go():
        begin = time.monotonic()
        line = RecordingLine([FLOW])
        async with running(Client(Settings(file=str(file), speed=100)), [FLOW], line):
            await line.until(lambda: line.count == 40, 30, "the end")
        return time.monotonic() - begin

    assert 0.35 < asyncio.run(go()) < 20  # 39 s at a hundred times the speed


def test_loop_goes_on_without_stepping_back(file):
    settings = Settings(file=str(file), speed=2000, loop=True)
    line = play(settings, [FLOW], lambda line: line.count > 130)
    stamps = np.array([t for t, _, _ in line.of(FLOW.id)])
    assert (np.diff(stamps) == 500_000).all()  # also from the last row to the first


def test_long_pauses_are_cut(tmp_path):
    path = tmp_path / "gap.csv"
    path.write_text("time,flow\n1700000000,1\n1700000001,2\n1700090000,3\n1700090001,4\n")
    settings = Settings(file=str(path), speed=100, gap_s=2)
    line = play(settings, [FLOW], lambda line: line.figures.get("state") == "finished")
    stamps = np.array([t for t, _, _ in line.of(FLOW.id)])
    assert np.diff(stamps).tolist() == [10_000_000, 20_000_000, 10_000_000]


def test_column_that_is_not_there_is_marked_and_the_rest_plays(file):
    missing = Tag(id=9, asset="lab/pump", property="x", address="#9")
    settings = Settings(file=str(file), speed=1e6)
    line = play(settings, [FLOW, missing], lambda line: line.count == 40)
    assert line.marks[0].quality == Quality.BAD_ADDRESS_UNKNOWN
    assert line.marks[0].tags.tolist() == [9]


def test_file_that_is_not_there_is_unreachable_until_it_is(tmp_path):
    path = tmp_path / "later.csv"
    settings = Settings(file=str(path), speed=1e6)
    with pytest.raises(Unreachable, match="cannot be read"):
        play(settings, [FLOW], lambda line: line.count)
    path.write_text("flow\n1\n2\n")
    assert play(settings, [FLOW], lambda line: line.count == 2).values(FLOW.id) == [1.0, 2.0]


def test_empty_cells_are_no_samples(tmp_path):
    path = tmp_path / "holes.csv"
    path.write_text("flow;state\n1;a\n;\n3;c\n")
    settings = Settings(file=str(path), speed=1e6)
    line = play(settings, TAGS[:2], lambda line: line.figures.get("state") == "finished")
    assert line.values(FLOW.id) == [1.0, 3.0]
    assert line.values(STATE.id) == ["a", "c"]


def test_recording_cannot_be_written(file):
    with pytest.raises(Refused, match="cannot be changed"):
        asyncio.run(Client(Settings(file=str(file))).write(FLOW, 1.0))


def test_columns_can_be_browsed(file):
    found = asyncio.run(Client(Settings(file=str(file))).browse())
    assert [(f.address, f.kind) for f in found] == [
        ("flow", "number"), ("state", "text"), ("on", "number"),
    ]  # fmt: skip


def test_a_hundred_thousand_rows_play_without_holding_the_loop(tmp_path):
    path = tmp_path / "large.csv"
    row = ",".join(f"{n}.25" for n in range(10))
    path.write_text("\n".join([",".join(f"c{n}" for n in range(10)), *([row] * 100_000)]))
    spec = spec_for(path, speed=1e6, row_s=1e-3)
    tags = [
        Tag(id=n, asset="a", property=t.property, address=t.address)
        for n, t in enumerate(spec.tags)
    ]

    async def go():
        from baotu.sdk.testing.sessions import stalls

        line = RecordingLine(tags, keeps=False)
        async with stalls() as seen, running(Client(spec.settings), tags, line):
            await line.until(lambda: line.count == 1_000_000, 60, "a million samples")
        return seen.cpu_s

    assert asyncio.run(go()) < 1.0  # measured 0.05 s

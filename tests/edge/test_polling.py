"""Polled devices: ticks, losses, refusals, nonsense, and neighbours that do not notice."""

import asyncio
import math
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from baotu.edge.refusals import quality_of
from baotu.edge.spec import EdgeSettings
from baotu.edge.ticks import Ticks
from baotu.sdk import Quality, Refused
from baotu.sdk.testing.clock import JumpingClock

from .fakes import Bench, FakeDevice, S, device, in_loop, tags_of

GOOD, LOST = 0, Quality.BAD_NO_COMMUNICATION


@in_loop
async def test_tags_are_read_at_whole_multiples_of_their_period(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    tags = tags_of("d", 3, period_s=1.0) + tags_of("fast", 2, period_s=0.1)
    await bench.edge.start([device("d", field.port, tags=tags)])
    await bench.until(lambda: bench.board.state("device/d") == "up")
    await bench.pass_time(3)
    slow, fast = bench.rows("hall/d/p1"), bench.rows("hall/fast/p1")
    assert len(slow) >= 3 and all(t % S == 0 and v == 1.0 and q == GOOD for t, v, q in slow)
    assert len(fast) >= 25 and all(t % (S // 10) == 0 for t, _, _ in fast)
    assert [b[0] - a[0] for a, b in pairwise(slow)] == [S] * (len(slow) - 1)
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_lost_device_is_told_once_and_comes_back(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    with capture_logs() as logs:
        await bench.edge.start([device("d", field.port)])
        await bench.until(lambda: len(bench.rows("hall/d/p0")) >= 2)
        port = field.port
        await field.stop()
        await bench.pass_time(40)
        lost = [row for row in bench.rows("hall/d/p0") if row[2] != GOOD]
        assert [q for *_, q in lost] == [LOST] and math.isnan(lost[0][1])
        assert bench.board.state("device/d") == "down"
        field = await FakeDevice().start(port)
        await bench.until(lambda: bench.board.state("device/d") == "up")
        await bench.until(lambda: bench.rows("hall/d/p0")[-1][2] == GOOD)
    told = [log["event"] for log in logs if log.get("device") == "d"]
    assert told == ["device is up", "device is lost", "device is back"]
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_backoff_grows_to_thirty_seconds_and_no_further(tmp_path):
    dead, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    await dead.stop()
    await bench.edge.start([device("d", dead.port)])
    await bench.pass_time(400, step=0.25)
    edge_device = bench.edge.devices["d"]
    assert 0.5 + 1 + 2 + 4 + 8 + 16 + 30 * 12 < 400  # about eighteen tries
    assert edge_device.tally.connects == 0 and edge_device._backoff.next() == 30.0
    assert bench.rows("hall/d/p0")[0][2] == Quality.BAD_NOT_CONNECTED
    assert len(bench.rows("hall/d/p0")) == 1
    await bench.edge.stop()


@in_loop
async def test_a_hanging_device_changes_nothing_for_its_neighbour(tmp_path):
    hung, well = await FakeDevice(habit="hang").start(), await FakeDevice().start()
    bench = Bench(tmp_path, JumpingClock())
    await bench.edge.start(
        [device("hung", hung.port, period_s=0.1), device("well", well.port, period_s=0.1)]
    )
    await bench.until(lambda: bench.board.state("device/well") == "up")
    await bench.pass_time(10)
    rows = bench.rows("hall/well/p0")
    assert len(rows) >= 95 and all(t % (S // 10) == 0 and q == GOOD for t, _, q in rows)
    assert bench.edge.devices["well"].tally.missed_ticks == 0
    assert {q for *_, q in bench.rows("hall/hung/p0")} == {Quality.BAD_TIMEOUT}
    assert bench.board.state("device/hung") == "down"
    await bench.edge.stop()
    await asyncio.gather(hung.stop(), well.stop())


@in_loop
async def test_refused_tags_are_found_singly_and_retried_slowly(tmp_path):
    field, bench = await FakeDevice(refuse={5}).start(), Bench(tmp_path, JumpingClock())
    await bench.edge.start([device("d", field.port, count=8)])
    await bench.until(lambda: bench.board.state("device/d") == "degraded")
    await bench.pass_time(5)
    assert [q for *_, q in bench.rows("hall/d/p5")] == [Quality.BAD_ADDRESS_UNKNOWN]
    assert bench.rows("hall/d/p4")[-1][1:] == (4.0, GOOD)
    assert "hall/d/p5" in bench.board.of["device/d"].why
    refused = bench.edge.devices["d"].tally.refused
    await bench.pass_time(30)
    assert bench.edge.devices["d"].tally.refused == refused  # no storm
    field.refuse.clear()
    await bench.until(lambda: bench.board.state("device/d") == "up", seconds=90)
    await bench.until(lambda: bench.rows("hall/d/p5")[-1][1:] == (5.0, GOOD))
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_after_a_loss_a_refused_tag_is_bad_for_its_own_reason_again(tmp_path):
    field, bench = await FakeDevice(refuse={1}).start(), Bench(tmp_path, JumpingClock())
    await bench.edge.start([device("d", field.port, count=2)])
    await bench.until(lambda: bench.rows("hall/d/p1") and bench.rows("hall/d/p0"))
    await field.stop()
    await bench.until(lambda: bench.board.state("device/d") == "down")
    field = await FakeDevice(refuse={1}).start(field.port)
    await bench.until(lambda: bench.board.state("device/d") == "degraded")
    await bench.pass_time(1)
    wrong = Quality.BAD_ADDRESS_UNKNOWN
    assert [q for *_, q in bench.rows("hall/d/p1")] == [wrong, LOST, wrong]
    assert bench.rows("hall/d/p0")[-1][2] == GOOD
    await bench.edge.stop()
    await field.stop()


@pytest.mark.parametrize("ordered", [False, True])
@in_loop
async def test_one_question_without_answer_does_not_starve_the_others(tmp_path, ordered):
    field, bench = await FakeDevice(mute={3}).start(), Bench(tmp_path, JumpingClock())
    await bench.edge.start([device("d", field.port, count=24, timeout_s=0.5, ordered=ordered)])
    await bench.until(lambda: bench.rows("hall/d/p20") and bench.rows("hall/d/p20")[-1][2] == GOOD)
    await bench.until(lambda: bench.board.state("device/d") == "degraded", seconds=120)
    before = len(bench.rows("hall/d/p20"))
    await bench.pass_time(20)
    assert len(bench.rows("hall/d/p20")) - before >= 19  # every second again
    assert bench.rows("hall/d/p3")[-1][2] == Quality.BAD_TIMEOUT
    await bench.edge.stop()
    await field.stop()


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("count", [4, 12, 30])  # one question, two, four
@in_loop
async def test_a_device_that_was_silent_for_a_while_is_back_within_seconds(tmp_path, count, window):
    """It hung long enough to be lost, on a connection on which it had answered: none of its
    questions is to blame, so all of them are asked at once when it can be reached again."""
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    await bench.edge.start([device("d", field.port, count=count, window=window)])
    await bench.until(lambda: bench.board.state("device/d") == "up")
    for _ in range(3):
        await bench.pass_time(2)
        field.habit = "hang"
        await bench.until(lambda: bench.board.state("device/d") == "down")
        field.habit = ""
        await bench.until(lambda: bench.board.state("device/d") == "up", seconds=5)
    await bench.pass_time(3)
    last = [bench.rows(f"hall/d/p{i}")[-1][2] for i in range(count)]
    assert last == [GOOD] * count
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_device_that_refuses_everything_is_back_as_soon_as_it_says_so(tmp_path):
    field, bench = await FakeDevice(refuse={0, 1}).start(), Bench(tmp_path, JumpingClock())
    await bench.edge.start([device("d", field.port, count=2)])
    await bench.until(lambda: bench.board.state("device/d") == "degraded")
    await bench.pass_time(3)  # all are given up by now, and asked again after a minute
    await field.stop()
    await bench.until(lambda: bench.board.state("device/d") == "down")
    field = await FakeDevice(refuse={0, 1}).start(field.port)
    await bench.until(lambda: bench.board.state("device/d") == "degraded", seconds=5)
    await bench.edge.stop()
    await field.stop()


@pytest.mark.parametrize("late", [0.2, 0.6, 0.95, 1.7])
def test_a_machine_that_is_always_late_still_reads(late):
    """late: of a period, at each look at the schedule."""
    ticks, period, now, taken = Ticks(S // 10), S // 10, 1_780_000_000 * S, 0
    ticks.anchor(now)
    for _ in range(100):
        now = ticks.next + round(late * period)
        tick, missed = ticks.take(now)
        assert (tick is None) <= (missed > 0)
        taken += tick is not None
    assert taken >= 50


@pytest.mark.parametrize("habit", ["garbage", "lie", "close"])
@in_loop
async def test_nonsense_is_kept_counted_and_the_connection_dropped(tmp_path, habit):
    field, bench = await FakeDevice(habit=habit).start(), Bench(tmp_path, JumpingClock())
    await bench.edge.start([device("d", field.port)])
    await bench.until(lambda: bench.edge.devices["d"].tally.losses == 1)
    assert bench.board.state("device/d") == "down"
    kept = list((tmp_path / "recordings").glob("*.bin"))
    assert bool(kept) == (habit != "close")
    field.habit = ""
    await bench.until(lambda: bench.board.state("device/d") == "up")
    await bench.until(lambda: bench.rows("hall/d/p0")[-1][1:] == (0.0, GOOD))
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_recordings_are_bounded_in_number_and_size(tmp_path):
    field = await FakeDevice(habit="garbage").start()
    bench = Bench(tmp_path, JumpingClock(), settings=EdgeSettings(recordings=3, recording_bytes=64))
    await bench.edge.start([device("d", field.port, timeout_s=0.5)])
    await bench.until(lambda: bench.edge.devices["d"].tally.malformed >= 6, seconds=200)
    kept = list((tmp_path / "recordings").glob("*.bin"))
    assert len(kept) == 3 and all(path.stat().st_size <= 64 for path in kept)
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_wrong_address_spoils_only_its_own_tag(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    good, wrong = tags_of("d", 2), tags_of("w", 1)
    wrong = tuple(
        type(t)(**{**{f: getattr(t, f) for f in t.__slots__}, "address": "x"}) for t in wrong
    )
    await bench.edge.start([device("d", field.port, tags=good + wrong)])
    await bench.until(lambda: bench.board.state("device/d") == "degraded")
    await bench.pass_time(2)
    assert [q for *_, q in bench.rows("hall/w/p0")] == [Quality.BAD_CONFIGURATION]
    assert bench.rows("hall/d/p1")[-1][2] == GOOD
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_stall_skips_ticks_and_never_bunches(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    await bench.edge.start([device("d", field.port, period_s=0.1)])
    await bench.until(lambda: len(bench.rows("hall/d/p0")) >= 3)
    asked, missed = field.asked, bench.edge.devices["d"].tally.missed_ticks
    bench.clock.stall(5.03)
    await bench.pass_time(0.2)
    assert field.asked - asked <= 3
    assert bench.edge.devices["d"].tally.missed_ticks - missed in (49, 50)
    await bench.edge.stop()
    await field.stop()


@pytest.mark.parametrize("by", [3600.0, -3600.0])
@in_loop
async def test_a_wall_clock_that_jumps_is_noted_once_and_followed(tmp_path, by):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    with capture_logs() as logs:
        await bench.edge.start([device("a", field.port), device("b", field.port)])
        await bench.until(lambda: len(bench.rows("hall/a/p0")) >= 2)
        bench.clock.jump_wall(by)
        start = bench.clock.now()
        await bench.pass_time(5)
    for name in ("a", "b"):
        after = [t for t, _, _ in bench.rows(f"hall/{name}/p0") if abs(t - start) < 100 * S]
        assert len(after) >= 4 and all(t % S == 0 for t in after)
        assert bench.edge.devices[name].tally.missed_ticks <= 1
    assert len([log for log in logs if "jumped" in log["event"]]) == 1
    (latest,) = bench.edge.latest()
    assert (abs(latest.time - bench.clock.now()) < 3 * S).all()
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_answers_may_come_in_any_order_when_numbered(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    await bench.edge.start([device("d", field.port, count=64, window=8)])
    await bench.until(lambda: len(bench.rows("hall/d/p63")) >= 2)
    assert [bench.rows(f"hall/d/p{i}")[-1][1] for i in range(64)] == [float(i) for i in range(64)]
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_slow_group_does_not_hold_up_a_fast_one(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    tags = tags_of("d", 400, period_s=1.0) + tags_of("fast", 1, period_s=0.1)
    await bench.edge.start([device("d", field.port, tags=tags)])
    await bench.until(lambda: bench.board.state("device/d") == "up")
    await bench.pass_time(4)
    fast = bench.rows("hall/fast/p0")
    assert len(fast) >= 35
    await bench.edge.stop()
    await field.stop()


@pytest.mark.parametrize("bug", ["init", "plan", "decode"])
@in_loop
async def test_a_driver_that_fails_stops_its_own_device_only(tmp_path, bug):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    with capture_logs() as logs:
        await bench.edge.start([device("bad", field.port, bug=bug), device("well", field.port)])
        await bench.until(lambda: bench.board.state("device/bad") == "down")
        await bench.until(lambda: bench.board.state("device/well") == "up")
    assert "driver failed" in bench.board.of["device/bad"].why
    (log,) = [log for log in logs if log["event"] == "driver failed and was stopped"]
    assert log["frames"] and all("fakes.py" in frame for frame in log["frames"])
    await bench.pass_time(1)
    assert bench.rows("hall/bad/p0")[-1][2] == Quality.BAD_INTERNAL
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_device_given_by_name_is_reached(tmp_path, monkeypatch):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    loop, asked = asyncio.get_running_loop(), []
    real = loop.getaddrinfo

    async def lookup(host, *args, **named):
        asked.append(host)
        return await real("::1", *args, **named)

    monkeypatch.setattr(loop, "getaddrinfo", lookup)
    monkeypatch.setattr(
        "tests.edge.fakes.FakePolled.endpoint",
        lambda self: __import__("baotu.sdk").sdk.Endpoint(host="press-3.plant", port=field.port),
    )
    await bench.edge.start([device("d", field.port)])
    await bench.until(lambda: bench.board.state("device/d") == "up")
    assert "press-3.plant" in asked
    await bench.edge.stop()
    await field.stop()


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        (
            "unit 1, holding:0: illegal data address (exception 2); check",
            Quality.BAD_ADDRESS_UNKNOWN,
        ),
        ("illegal data value (exception 3); see max_registers", Quality.BAD_OUT_OF_RANGE),
        ("BadNodeIdUnknown (browse again)", Quality.BAD_ADDRESS_UNKNOWN),
        ("BadUserAccessDenied", Quality.BAD_ACCESS_DENIED),
        ("unknown exception (exception 77); look the address up", Quality.BAD),
    ],
)
def test_a_refusal_becomes_the_quality_its_words_mean(text, quality):
    assert quality_of(Refused(text)) == quality

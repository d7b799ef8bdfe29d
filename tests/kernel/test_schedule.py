"""Windows of history: whole multiples, exactly once, derived samples never lost."""

from __future__ import annotations

import pytest

from baotu.bench import MORNING, Bench
from baotu.kernel.effects import Chain
from baotu.kernel.facts import Reach
from baotu.kernel.schedule import Schedule, positions
from baotu.sdk import App, Facts, Samples, Window, derived, every, parameter
from baotu.sdk.testing import samples

SECOND = 10**9
MINUTE = 60 * SECOND


class Energy(App):
    """Mean power of each meter, a minute at a time."""

    power = derived(asset="Meter", property="mean_power", unit="kW", title="平均功率 Mean power")
    fail_at = parameter(0, title="错 Fail")

    def start(self) -> None:
        self.windows: list[tuple[str, int, int]] = []

    @every("1 min", asset="Meter", inputs=("power", "voltage"))
    def mean(self, window: Window) -> Facts[None]:
        self.windows.append((window.asset, window.start, len(window["power"])))
        if self.fail_at and window.start >= self.fail_at:
            raise ZeroDivisionError("no power")
        value = float(window["power"].value.mean())
        yield Samples.of(window.out["mean_power"], [window.end], [value])


@pytest.fixture
def bench() -> Bench:
    bench = Bench(Energy())
    bench.wait("1 s")
    return bench


def fed(bench: Bench, minutes: int = 3) -> Bench:
    """A sample a second of two meters, from the whole minute of the bench's morning on."""
    for tag, level in ((1, 10.0), (2, 20.0)):
        values = [level + n // 60 for n in range(60 * minutes)]
        bench.feed("Meter", "power", samples(tag, values, start=MORNING))
    return bench


def means(bench: Bench) -> list[tuple[str, float, float]]:
    found = []
    for tag in bench.plant.all_tags():
        if tag.property == "mean_power":
            one = bench.past.read(tag.id, 0, 2**62)
            for time, value in zip(one.time.tolist(), one.value.tolist(), strict=True):
                found.append((tag.asset, (time - MORNING) / MINUTE, value))
    return sorted(found)


def test_each_window_of_each_asset_is_done_once_at_its_end(bench):
    bench.plant.know("Meter", "power", [1, 2])
    bench.wait("1 s")
    fed(bench)
    bench.wait("30 s")
    bench.wait("30 s")
    one, two = "spring/meter-1", "spring/meter-2"
    assert means(bench) == [
        (one, 1, 10.0), (one, 2, 11.0), (one, 3, 12.0),
        (two, 1, 20.0), (two, 2, 21.0), (two, 3, 22.0),
    ]  # fmt: skip
    assert bench.apps[0].windows[0] == (one, MORNING, 60)


def test_a_window_without_samples_is_passed_over(bench):
    bench.plant.know("Meter", "power", [1])
    bench.wait("1 s")
    bench.wait("10 min")
    assert bench.apps[0].windows == []
    assert positions(bench.chain, Energy) == {"spring/meter-1": MORNING + 10 * MINUTE}


def test_a_new_asset_begins_with_the_window_that_is_open(bench):
    fed(bench, minutes=2)
    bench.clock.time = MORNING + 2 * MINUTE + 10 * SECOND
    bench.wait("1 s")
    assert means(bench) == []
    bench.feed("Meter", "power", samples(1, [5.0], start=MORNING + 2 * MINUTE + 30 * SECOND))
    bench.wait("1 min")
    assert [(when, value) for _, when, value in means(bench)] == [(3, 5.0)]


def test_late_samples_are_waited_for_as_long_as_allowed():
    bench = Bench(app := Energy())
    bench.plant.know("Meter", "power", [1])
    patient = Schedule(
        bench.chain, bench.plant, bench.past, bench.plant.allot, lateness_s=10, settle_s=0
    )
    patient.tick()
    bench.past.add(samples(1, [1.0], start=MORNING + 30 * SECOND))
    bench.clock.time = MORNING + MINUTE + 9 * SECOND
    patient.tick()
    assert app.windows == []
    bench.past.add(samples(1, [3.0], start=MORNING + 59 * SECOND))
    bench.clock.time = MORNING + MINUTE + 10 * SECOND
    patient.tick()
    assert app.windows == [("spring/meter-1", MORNING, 2)]


def fallen(bench: Bench, emit: bool = True) -> tuple[Energy, Schedule]:
    """The same plant, history and records; a new process."""
    app = Energy()
    reach = Reach(emit=bench.past.add if emit else None, history=bench.past, plant=bench.plant)
    chain = Chain(bench.store, bench.clock, [app], reach=reach)
    made = Schedule(chain, bench.plant, bench.past, bench.plant.allot, lateness_s=0, settle_s=5)
    return app, made


def run(schedule: Schedule) -> None:
    while schedule.tick() == 0.0:
        pass


def test_after_a_fall_no_window_is_lost_and_none_is_done_twice(bench):
    bench.plant.know("Meter", "power", [1])
    bench.wait("1 s")
    bench.feed("Meter", "power", samples(1, [1.0] * 200, start=MORNING))
    bench.wait("1 s")  # three windows are done
    bench.feed("Meter", "power", samples(1, [2.0] * 160, start=MORNING + 200 * SECOND))
    bench.clock.time = MORNING + 6 * MINUTE
    app, schedule = fallen(bench)
    run(schedule)
    assert [start for _, start, _ in app.windows] == [MORNING + n * MINUTE for n in (3, 4, 5)]
    assert [when for _, when, _ in means(bench)] == [1, 2, 3, 4, 5, 6]


def test_a_derived_sample_that_did_not_reach_history_is_sent_again_once(bench):
    bench.plant.know("Meter", "power", [1])
    bench.wait("1 s")
    bench.feed("Meter", "power", samples(1, [1.0] * 60, start=MORNING))
    bench.clock.time = MORNING + MINUTE
    _, mute = fallen(bench, emit=False)  # it falls between the commit and the sending
    run(mute)
    assert means(bench) == []
    app, schedule = fallen(bench)
    run(schedule)
    for _ in range(5):
        bench.clock.time += 6 * SECOND
        run(schedule)
    assert app.windows == []
    assert [when for _, when, _ in means(bench)] == [1]
    assert bench.dump()["ledger_computed"] == []


def test_a_newer_sample_in_history_does_not_hide_that_an_older_one_is_missing(bench):
    bench.plant.know("Meter", "power", [1])
    bench.wait("1 s")
    bench.feed("Meter", "power", samples(1, [1.0] * 120, start=MORNING))
    bench.clock.time = MORNING + MINUTE
    _, mute = fallen(bench, emit=False)
    run(mute)
    bench.clock.time = MORNING + 2 * MINUTE
    _, schedule = fallen(bench)
    run(schedule)
    assert [when for _, when, _ in means(bench)] == [2]
    for _ in range(5):
        bench.clock.time += 6 * SECOND
        run(schedule)
    assert [when for _, when, _ in means(bench)] == [1, 2]
    assert bench.dump()["ledger_computed"] == []


def test_a_failing_app_is_stopped_and_its_windows_wait_for_the_mended_one():
    bench = Bench(Energy(fail_at=MORNING))
    bench.plant.know("Meter", "power", [1])
    bench.wait("1 s")
    bench.feed("Meter", "power", samples(1, [1.0] * 150, start=MORNING))
    with pytest.raises(ZeroDivisionError):
        bench.wait("1 s")
    run(bench.schedule)
    assert bench.chain.blame.stopped("energy")
    mended, schedule = fallen(bench)
    run(schedule)
    assert [start for _, start, _ in mended.windows] == [MORNING, MORNING + MINUTE]


def test_an_asset_without_any_input_has_no_windows(bench):
    bench.plant.know("Meter", "colour", [1])
    assert bench.schedule.duties() == []

"""Late samples: windows are computed again, once they rest, and give what timely ones give."""

from __future__ import annotations

import numpy as np

from baotu.bench import MORNING, Bench
from baotu.kernel.marks import SPANS, Mark
from baotu.sdk import Alarm, App, Event, Facts, Samples, Window, derived, every
from baotu.sdk.testing import samples

SECOND = 10**9
MINUTE = 60 * SECOND


class Energy(App):
    """Mean power of each meter, a minute at a time."""

    power = derived(asset="Meter", property="mean_power", unit="kW", title="平均功率 Mean power")

    def start(self) -> None:
        self.windows: list[tuple[int, int, bool]] = []

    @every("1 min", asset="Meter", inputs=("power",))
    def mean(self, window: Window) -> Facts[None]:
        self.windows.append((window.start, len(window["power"]), window.again))
        value = float(window["power"].value.mean())
        yield Event("mean", {"value": value})
        yield Alarm(1, window.end, value > 100, "power")
        yield Samples.of(window.out["mean_power"], [window.end], [value])


class Peak(App):
    """The highest mean of five minutes: it looks at what another app derives."""

    peak = derived(asset="Meter", property="peak", unit="kW", title="峰值 Peak")

    @every("5 min", asset="Meter", inputs=("mean_power",))
    def highest(self, window: Window) -> Facts[None]:
        yield Samples.of(
            window.out["peak"], [window.end], [float(window["mean_power"].value.max())]
        )


def begun(*apps: App) -> Bench:
    bench = Bench(*apps)
    bench.plant.know("Meter", "power", [1, 2])
    bench.wait("1 s")
    return bench


def level(minutes: int, first: int = 0, tag: int = 1) -> Samples:
    values = [10.0 * tag + n // 60 for n in range(60 * first, 60 * (first + minutes))]
    return samples(tag, values, start=MORNING + first * MINUTE)


def figures(bench: Bench, property: str = "mean_power") -> dict[tuple[str, float], float]:
    return {
        (tag.asset, (int(time) - MORNING) / MINUTE): float(value)
        for tag in bench.plant.all_tags()
        if tag.property == property
        for one in [bench.past.read(tag.id, 0, 2**62)]
        for time, value in zip(one.time, one.value, strict=True)
    }


def rest(bench: Bench) -> None:
    for _ in range(4):
        bench.wait("12 s")


def undisturbed() -> Bench:
    bench = begun(Energy(), Peak())
    for minute in range(10):
        for tag in (1, 2):
            bench.feed("Meter", "power", level(1, minute, tag))
        bench.clock.time = MORNING + (minute + 1) * MINUTE
        bench.wait("1 s")
    rest(bench)
    return bench


def test_the_figures_of_an_outage_are_those_of_an_undisturbed_day():
    bench = begun(app := Energy(), Peak())
    bench.feed("Meter", "power", level(1, 0, 1))
    bench.feed("Meter", "power", level(1, 0, 2))
    half = level(1, 1, 1)
    bench.feed("Meter", "power", half.where(np.arange(20)))  # then the line broke
    bench.clock.time = MORNING + 10 * MINUTE
    bench.wait("1 s")
    assert len(figures(bench)) == 3
    for minute in (5, 9, 2, 7, 3, 8, 4, 6):  # both lanes of an edge at once
        bench.late("Meter", "power", level(1, minute, 1))
    bench.late("Meter", "power", half.where(np.arange(20, 60)))
    bench.late("Meter", "power", level(9, 1, 2))
    rest(bench)
    want = undisturbed()
    assert figures(bench) == figures(want)
    assert figures(bench, "peak") == figures(want, "peak")
    again = [start for start, _, again in app.windows if again]
    assert len(again) == 2 * len(set(again)) == 18  # two meters, each window once
    assert bench.dump()["ledger_mark"] == []


def test_nothing_but_samples_is_taken_of_a_window_computed_again():
    bench = begun(Energy())
    bench.feed("Meter", "power", level(1))
    bench.clock.time = MORNING + 3 * MINUTE
    bench.wait("1 s")
    before = [type(fact).__name__ for fact in bench.facts]
    bench.late("Meter", "power", samples(1, [5000.0] * 60, start=MORNING + SECOND // 2))
    rest(bench)
    new = bench.facts[len(before) :]
    assert [type(fact).__name__ for fact in new] == ["Samples"]
    assert bench.dump()["alarms_alarm_row"] == []
    assert bench.schedule.again.untaken == 2


def test_a_window_that_gives_the_same_again_writes_nothing():
    bench = begun(Energy())
    bench.feed("Meter", "power", samples(1, [7.0] * 60, start=MORNING))
    bench.clock.time = MORNING + 3 * MINUTE
    bench.wait("1 s")
    told = len(bench.facts)
    bench.late("Meter", "power", samples(1, [7.0], start=MORNING + SECOND // 2))
    rest(bench)
    assert bench.schedule.again.windows == 1
    assert bench.schedule.again.changed == 0
    assert len(bench.facts) == told


def test_windows_wait_until_no_more_comes_but_not_for_ever():
    bench = begun(app := Energy())
    bench.clock.time = MORNING + 100 * MINUTE
    bench.wait("1 s")
    for n in range(130):
        bench.late("Meter", "power", samples(1, [1.0], start=MORNING + n * 30 * SECOND))
        bench.wait("6 s")
        if app.windows:
            break
    assert 95 < n < 105  # patience: ten minutes
    rest(bench)


def test_a_window_behind_the_horizon_is_counted_and_left():
    bench = begun(app := Energy())
    bench.schedule.marks.horizon = 60 * MINUTE
    bench.clock.time = MORNING + 80 * MINUTE
    bench.wait("1 s")
    bench.late("Meter", "power", level(3))
    rest(bench)
    assert app.windows == []
    assert bench.schedule.marks.too_old == 3


def test_marks_outlive_a_fall():
    bench = begun(Energy())
    bench.clock.time = MORNING + 10 * MINUTE
    bench.wait("1 s")
    bench.late("Meter", "power", level(2, 1))
    streams = bench.streams
    streams.marks = bench.schedule.marks
    streams.intake.place = bench.past.place()
    streams.intake.save(streams.marks)
    after = Bench(app := Energy(), after=bench)
    rest(after)
    assert [start for start, _, _ in app.windows] == [MORNING + MINUTE, MORNING + 2 * MINUTE]
    assert after.dump()["ledger_mark"] == []


def test_a_mark_holds_few_intervals_whatever_comes():
    mark = Mark(0, 0)
    for first in np.random.default_rng(3).permutation(1000).tolist():
        mark.add(3 * first, 3 * first + 1)
        assert len(mark.spans) <= SPANS
    assert mark.spans == sorted(mark.spans)
    assert all(any(a <= 3 * n < b for a, b in mark.spans) for n in range(1000))

"""Pump efficiency: the figures are those of the textbook, the app survives what every app must."""

import doctest
from pathlib import Path

import numpy as np
import pytest

from baotu.apps.manufacturing import pumping
from baotu.apps.manufacturing.pumping import INPUTS, Pumping, engine
from baotu.sdk import Alarm, Evidence, Invalid, Samples, view
from baotu.sdk.testing import Do, Feed, Wait, check_app
from baotu.sdk.testing.appcases import run_app_cases

MORNING = 1_780_300_800_000_000_000
GOOD = {"flow": 100.0, "suction_pressure": 1.0, "discharge_pressure": 4.6, "power": 12.5}


def minute(tag, value, start=MORNING, n=30):
    return Samples.of(tag, start + 10**9 * np.arange(n), [value] * n)


def story(**values):
    rows = GOOD | values
    return [Feed("Pump", name, minute(i + 1, rows[name])) for i, name in enumerate(INPUTS)]


def test_pumping_is_a_conforming_app(baotu_bench):
    pump = "spring/pump-1"
    check_app(
        Pumping,
        bench=baotu_bench,
        story=(
            *story(),
            Wait("1 ms"),
            Wait("2 min"),
            Do("set_target", {"pump": pump, "percent": 75.0}),
        ),
    )


def test_its_cases_hold(baotu_bench):
    assert run_app_cases(Path(pumping.__file__).parent / "cases", Pumping, baotu_bench)


def test_the_worked_example_of_the_engine_runs():
    assert doctest.testmod(engine).failed == 0


def test_the_figures_agree_with_the_hydraulic_power_by_density_and_head():
    """P = ρ g Q H: 998.2 kg/m³, 9.80665 m/s², 90 m³/h, 30 m: 7.342 kW; taken 10 kW is 73.4 %."""
    bar = 998.2 * 9.80665 * 30 / 1e5

    assert engine.rate(90.0, 0.0, bar, 10.0).efficiency == pytest.approx(73.42, abs=0.01)
    assert engine.rate(90.0, 0.0, bar, 10.0).specific_energy == pytest.approx(0.1111)


@pytest.mark.parametrize(("flow", "power"), [(0.0, 1.0), (10.0, 0.0), (-1.0, 1.0)])
def test_a_pump_that_stands_has_no_figures(flow, power):
    assert engine.rate(flow, 1.0, 4.0, power) is None


def played(bench, *steps):
    for step in steps:
        bench.feed(step.asset, step.property, step.samples)
    bench.wait("1 ms")  # windows begin when an asset is first seen
    bench.wait("2 min")
    return bench


def test_one_minute_gives_two_new_tags_and_the_proof(baotu_bench):
    bench = played(baotu_bench(Pumping()), *story())
    values = [f.value.tolist() for f in bench.facts if isinstance(f, Samples)]

    assert values == [[80.0], [0.125]]
    assert [f.element for f in bench.facts if isinstance(f, Evidence)] == ["2.7"]
    assert [row.efficiency for row in bench.ask("figures")] == [80.0]


def test_a_target_above_the_efficiency_is_one_alarm(baotu_bench):
    bench = baotu_bench(Pumping())
    played(bench, *story())
    bench.do("set_target", pump="spring/pump-1", percent=85.0)
    tag = bench.ask("figures")[0].tag
    for value in (80.0, 80.5, 86.0, 88.0):
        bench.feed("Pump", "efficiency", Samples.of(tag, bench.clock.now() + 10**9, [value]))

    assert [f.active for f in bench.facts if isinstance(f, Alarm)] == [True, False]


def test_a_target_outside_0_to_100_is_refused_and_changes_nothing(baotu_bench):
    bench = baotu_bench(Pumping())
    with pytest.raises(Invalid, match="must lie between 0 and 100"):
        bench.do("set_target", pump="p", percent=101.0)

    assert bench.ask("figures") == []


def test_the_page_shows_every_pump_and_the_form(baotu_bench):
    bench = played(baotu_bench(Pumping()), *story())
    seen = bench.see("overview")

    assert seen.items[0].rows == (("spring/pump-1", 80.0, 0.125, None),)
    assert seen.items[1] == view.Form("set_target")

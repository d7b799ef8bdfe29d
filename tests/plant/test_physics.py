"""The plant obeys physics: affinity laws, energy balances; and each fault shows where it should."""

import numpy as np
import pytest

from baotu_plant.physics.common import Bearings, lag
from baotu_plant.physics.furnaces import EFFICIENCY
from baotu_plant.physics.meters import LIGHTING
from baotu_plant.physics.pumps import efficiency, operating_point, shaft_power
from baotu_plant.simulation import Refusal, Simulation

MINUTES = 60.0


@pytest.fixture(scope="module")
def healthy():
    """A plant after three minutes without a fault; tests of this module only look at it."""
    plant = Simulation(seed=3)
    plant.run(3 * MINUTES)
    return plant


def faulty(*names, seconds=2 * MINUTES, seed=3):
    plant = Simulation(seed=seed)
    plant.run(30)
    for name in names:
        plant.faults.on(name, 1.0, plant.now)
    plant.run(seconds)
    return plant


def told(plant, machine, property):
    return plant.told[plant.points.find(machine, property).index]


def true(plant, machine, property):
    return plant.true[plant.points.find(machine, property).index]


def test_affinity_laws_hold_where_there_is_no_static_head():
    n = np.array([1.0, 0.5, 0.8])
    one = np.ones(3)
    flow, head = operating_point(n, 40 * one, 8e-4 * one, 0 * one, 2e-3 * one)
    power = shaft_power(flow, head, efficiency(flow, n))
    assert flow / flow[0] == pytest.approx(n)
    assert head / head[0] == pytest.approx(n**2)
    assert power / power[0] == pytest.approx(n**3)


def test_operating_point_lies_on_both_curves():
    n, a, b, static, k = (np.array([v]) for v in (0.97, 41.0, 9e-4, 11.0, 2.2e-3))
    flow, head = operating_point(n, a, b, static, k)
    assert head == pytest.approx(a * n**2 - b * flow**2)
    assert head == pytest.approx(static + k * flow**2)


def test_pump_below_its_static_head_delivers_nothing():
    flow, _ = operating_point(*(np.array([v]) for v in (0.4, 40.0, 8e-4, 12.0, 2e-3)))
    assert flow == 0


def test_lag_does_not_depend_on_the_step():
    whole = lag(np.array([0.0]), 10.0, 5.0, 7.0)
    parts = np.array([0.0])
    for _ in range(50):
        parts = lag(parts, 10.0, 0.1, 7.0)
    assert parts == pytest.approx(whole)


def test_heat_of_the_holding_furnaces_balances():
    plant = Simulation(seed=1)
    furnaces, before = plant.furnaces, plant.furnaces.stored()
    heat_in, heat_out = furnaces.heat_in.copy(), furnaces.heat_out.copy()
    plant.block("Furnace")["setpoint"][3] = 1300.0
    plant.run(30)
    gained = furnaces.stored() - before
    brought = (furnaces.heat_in - heat_in) - (furnaces.heat_out - heat_out)
    holding = ~furnaces.melts
    assert gained[holding] == pytest.approx(brought[holding], rel=1e-9)
    assert furnaces.heat_in[holding].max() > 1000  # kJ: it was not a balance of nothing


def test_energy_counters_are_the_integral_of_power():
    plant = Simulation(seed=1)
    energy, total = plant.block("Compressor")["energy"].copy(), 0.0
    for _ in range(600):
        plant.step()
        total = total + plant.block("Compressor")["power"] * 0.1 / 3600
    assert plant.block("Compressor")["energy"] - energy == pytest.approx(total)


def test_incomer_carries_the_sum_of_all_feeders(healthy):
    power = healthy.block("Meter")["active_power"]
    assert power[0] == pytest.approx(power[1:].sum() + LIGHTING)
    triangle = np.hypot(power, healthy.block("Meter")["reactive_power"])
    assert healthy.block("Meter")["apparent_power"] == pytest.approx(triangle)
    phases = sum(healthy.block("Meter")[f"power_{p}"] for p in "abc")
    assert phases == pytest.approx(power)


def test_cooling_water_takes_what_the_furnace_loses(healthy):
    f = healthy.block("Furnace")
    carried = (f["coolant_out"] - f["coolant_in"]) * 1.163 * f["coolant_flow"]
    assert (carried > (1 - EFFICIENCY) * f["power"]).all()


def test_healthy_plant_stays_in_its_normal_ranges_without_alarms():
    plant = Simulation(seed=7)
    strays = set()
    for _ in range(50):
        plant.run(5)
        for p in plant.points:
            low, high, value = p.property.low, p.property.high, plant.told[p.index]
            if low is not None and high is not None and not low <= value <= high:
                strays.add((p.machine.id, p.property.id, float(value)))
            if p.property.id == "alarm" and value and p.words[int(value)] not in (
                "tool worn", "demand high",
            ):  # fmt: skip
                strays.add((p.machine.id, p.words[int(value)]))
    assert strays == set()


def test_set_points_act_on_the_machine():
    plant = Simulation(seed=1)
    plant.run(60)
    flow, current = true(plant, "pump-1", "flow"), true(plant, "motor-1", "current")
    plant.command(plant.points.find("pump-1", "speed_setpoint"), 1200.0)
    plant.command(plant.points.find("furnace-4", "setpoint"), 1300.0)
    plant.command(plant.points.find("pump-2", "valve_open"), 0.0)
    plant.run(120)
    assert true(plant, "pump-1", "speed") == pytest.approx(1200)
    assert true(plant, "pump-1", "flow") < 0.8 * flow
    assert true(plant, "motor-1", "current") < 0.8 * current
    assert true(plant, "furnace-4", "temperature") < 1375
    assert true(plant, "pump-2", "flow") < 1


@pytest.mark.parametrize(
    ("machine", "property", "value"),
    [
        ("pump-1", "flow", 50.0),
        ("pump-1", "speed_setpoint", 9000.0),
        ("pump-1", "speed_setpoint", float("nan")),
    ],
)
def test_wrong_commands_are_refused(healthy, machine, property, value):
    with pytest.raises(Refusal, match=machine):
        healthy.command(healthy.points.find(machine, property), value)


def test_bearing_damage_shows_in_kurtosis_before_vibration():
    bearings, load = Bearings(1), np.array([1.0])
    early, late = np.array([0.2]), np.array([1.0])
    assert bearings.kurtosis(early) > 1.5 * bearings.kurtosis(np.zeros(1))
    assert bearings.vibration(early, load) < 1.8 * bearings.vibration(np.zeros(1), load)
    assert bearings.vibration(late, load) > 5 * bearings.vibration(np.zeros(1), load)
    assert bearings.kurtosis(late) < bearings.kurtosis(np.array([0.6]))


def test_bearing_wear_shows_on_its_pump_and_faintly_on_its_motor(healthy):
    plant = faulty("bearing_wear:pump-1")
    assert told(plant, "pump-1", "vibration") > 3 * told(healthy, "pump-1", "vibration")
    assert told(plant, "pump-1", "bearing_temperature") > 60
    assert plant.points.find("pump-1", "alarm").words[int(told(plant, "pump-1", "alarm"))] == (
        "vibration high"
    )
    assert told(plant, "motor-1", "vibration") > told(healthy, "motor-1", "vibration") + 0.5
    assert told(plant, "pump-2", "vibration") < 2


def test_worn_motor_overheats_and_a_healthy_one_does_not(healthy):
    plant = faulty("bearing_wear:motor-2", seconds=5 * MINUTES)
    assert told(plant, "motor-2", "temperature") > 81
    assert healthy.block("Motor")["temperature"].max() < 72


def test_cavitation_starves_the_suction_and_shakes_the_pump(healthy):
    plant = faulty("cavitation:pump-3")
    assert told(plant, "pump-3", "npsh_available") < 4.5
    assert told(plant, "pump-3", "suction_pressure") < 0
    assert told(plant, "pump-3", "head") < told(healthy, "pump-3", "head") - 1
    assert told(plant, "pump-3", "vibration") > told(healthy, "pump-3", "vibration") + 1


def test_leak_lowers_pressure_and_metered_flow_but_costs_power(healthy):
    plant = faulty("leak:pump-2")
    assert told(plant, "pump-2", "flow") < 0.92 * told(healthy, "pump-2", "flow")
    assert told(plant, "pump-2", "discharge_pressure") < told(
        healthy, "pump-2", "discharge_pressure"
    )
    through = true(plant, "pump-2", "flow") * 1.5  # what the hole takes is not metered
    assert through > told(healthy, "pump-2", "flow")


def test_leak_makes_the_compressor_load_longer():
    share = []
    for names in ((), ("leak:compressor-1",)):
        plant = faulty(*names, seconds=40)
        loaded = []
        for _ in range(1000):
            plant.step()
            loaded.append(true(plant, "compressor-1", "loaded"))
        share.append(np.mean(loaded))
    assert share[1] > share[0] + 0.15


def test_compressor_keeps_its_pressure_band(healthy):
    plant = Simulation(seed=5)
    pressures = []
    for _ in range(1200):
        plant.step()
        pressures.append(plant.block("Compressor")["pressure"].copy())
    settled = np.array(pressures[300:])
    assert settled.min() > 6.6 and settled.max() < 7.4  # band 6.75 … 7.25 bar, and its inertia
    assert np.ptp(settled, axis=0).min() > 0.4


def test_furnace_leak_warms_the_water(healthy):
    plant = faulty("leak:furnace-3")
    assert told(plant, "furnace-3", "coolant_flow") < 6
    assert told(plant, "furnace-3", "coolant_out") > told(healthy, "furnace-3", "coolant_out") + 3


def test_drift_is_of_the_sensor_not_of_the_machine():
    plant = faulty("sensor_drift:furnace-3", seconds=130)
    assert told(plant, "furnace-3", "temperature") > true(plant, "furnace-3", "temperature") + 400
    assert true(plant, "furnace-3", "temperature") == pytest.approx(1390, abs=15)


def test_stuck_sensor_tells_one_value_until_it_is_freed():
    plant = Simulation(seed=1)
    plant.run(10)
    plant.faults.on("stuck_sensor:meter-1.current_a", 1.0, plant.now)
    seen, real = set(), set()
    for _ in range(50):
        plant.step()
        seen.add(told(plant, "meter-1", "current_a"))
        real.add(true(plant, "meter-1", "current_a"))
    assert len(seen) == 1 and len(real) == 50
    plant.faults.off("stuck_sensor:meter-1.current_a")
    plant.step()
    assert told(plant, "meter-1", "current_a") not in seen


def test_centres_make_parts_at_their_pace():
    plant = Simulation(seed=1)
    before = plant.block("MachiningCentre")["part_count"].copy()
    plant.block("MachiningCentre")["feed_override"][0] = 50.0
    plant.run(3 * 85)
    made = plant.block("MachiningCentre")["part_count"] - before
    assert made[1:].min() >= 2 and made[1:].max() <= 4
    assert made[0] == pytest.approx(3 * 85 / (25 + 60 / 0.5), abs=1.1)


def test_melting_furnaces_tap_and_charge_again():
    plant = Simulation(seed=1)
    before = plant.block("Furnace")["heats"].copy()
    plant.furnaces.melt[:2] = 1445.0  # nearly molten
    states, masses = set(), []
    for _ in range(230):
        plant.run(1)
        states.add(float(plant.block("Furnace")["state"][0]))
        masses.append(plant.block("Furnace")["charge_mass"][0])
    assert states == {1.0, 2.0, 3.0, 4.0}
    assert min(masses) == pytest.approx(0.6, abs=0.01) and masses[-1] == pytest.approx(2.0)
    assert (plant.block("Furnace")["heats"] - before).tolist() == [1, 1, 0, 0, 0, 0]


def test_same_seed_same_plant_to_the_bit():
    runs = []
    for seed in (11, 11, 12):
        plant = Simulation(seed=seed)
        plant.run(20)
        plant.faults.on("cavitation:pump-1", 0.7, plant.now)
        plant.command(plant.points.find("furnace-1", "setpoint"), 1400.0)
        plant.run(20)
        runs.append(plant.told)
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_plant_runs_much_faster_than_life():
    import time

    plant = Simulation(seed=1)
    begin = time.process_time()
    plant.run(60)
    assert time.process_time() - begin < 6  # 600 steps; measured 0.5 s

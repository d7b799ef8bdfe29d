"""Switches by name: what there is, how it grows, what is refused."""

import pytest

from baotu_plant.faults import KINDS, Faults, UnknownFault, planned
from baotu_plant.layout import Layout
from baotu_plant.points import Points


@pytest.fixture
def faults():
    return Faults(Points(Layout()))


def test_every_machine_has_the_faults_that_can_befall_it(faults):
    names = {f.name for f in faults}
    assert {"bearing_wear:pump-1", "leak:furnace-2", "network_loss:meter-gateway"} <= names
    assert "cavitation:motor-1" not in names
    assert all(f.title.count(" · ") == 2 and not f.on for f in faults)  # in both languages


def test_fault_grows_along_its_ramp(faults):
    fault = faults.on("bearing_wear:pump-1", 0.5, now=100.0)
    ramp = KINDS["bearing_wear"].ramp_s
    assert fault.strength(100.0) == 0
    assert fault.strength(100.0 + ramp / 2) == pytest.approx(0.25)
    assert fault.strength(100.0 + 3 * ramp) == 0.5
    faults.off("bearing_wear:pump-1")
    assert fault.strength(1000.0) == 0 and faults.active() == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("rust:pump-1", "kinds are"),
        ("cavitation:motor-1", "cannot befall"),
        ("leak:pump-99", "cannot befall"),
        ("stuck_sensor:pump-1.colour", "cannot befall"),
        ("stuck_sensor:pump-1.alarm", "cannot befall"),
    ],
)
def test_unknown_faults_say_what_is_wrong(faults, name, why):
    with pytest.raises(UnknownFault, match=why):
        faults.on(name)


@pytest.mark.parametrize("severity", [0.0, 1.01, -1.0, float("nan")])
def test_severity_outside_its_range_is_refused(faults, severity):
    with pytest.raises(ValueError, match="severity"):
        faults.on("leak:pump-1", severity)


def test_sensor_fault_may_name_the_property(faults):
    fault = faults.on("sensor_drift:pump-1.flow")
    assert fault in list(faults)
    assert fault.title == (
        "传感器漂移 · 1号循环水泵 · 流量 Sensor drift · Cooling water pump 1 · Flow"
    )


def test_network_loss_of_a_machine_takes_its_controller(faults):
    faults.on("network_loss:pump-2", 0.4)
    faults.on("network_loss:power-room")
    assert faults.dead_devices(1.0) == {"water-1": 0.4, "power-room": 1.0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("leak:pump-1", ("leak:pump-1", 1.0, 0.0)),
        ("leak:pump-1@60s", ("leak:pump-1", 1.0, 60.0)),
        ("leak:pump-1*0.5@1.5", ("leak:pump-1", 0.5, 1.5)),
        ("stuck_sensor:pump-1.flow*0.2", ("stuck_sensor:pump-1.flow", 0.2, 0.0)),
    ],
)
def test_faults_of_the_command_line(text, expected):
    fault = planned(text)
    assert (fault.name, fault.severity, fault.at_s) == expected


@pytest.mark.parametrize("text", ["", "leak", "leak:", "leak:pump-1@soon", "leak:pump-1*x"])
def test_what_is_no_fault_shows_a_right_one(text):
    with pytest.raises(ValueError, match="bearing_wear:pump-1"):
        planned(text)

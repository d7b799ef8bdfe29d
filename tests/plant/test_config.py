"""The configuration agrees with the controllers: both come from the same tables, and it is proved."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baotu.drivers.modbus import DRIVER as MODBUS
from baotu.house import file as house
from baotu.sdk.asset import LEVELS as HOUSE_LEVELS
from baotu.sdk.testing.drivers import ask, read
from baotu_plant import config, picture
from baotu_plant.__main__ import DEFAULT_BASE
from baotu_plant.layout import LEVELS, Layout
from baotu_plant.modbus import Bank, Stream
from baotu_plant.points import Points
from baotu_plant.simulation import Simulation

EXAMPLE = Path(__file__).parents[2] / "examples" / "plant"


@pytest.fixture(scope="module")
def loaded():
    found, problems = house.examine(EXAMPLE / "plant.toml")
    assert problems == []
    return found


@pytest.fixture(scope="module")
def plant():
    plant = Simulation(seed=2)
    plant.run(5)
    return plant


def test_committed_files_are_what_the_model_generates():
    made = config.files(config.default_ports(DEFAULT_BASE)) | {"plant.svg": picture.svg()}
    for name, text in made.items():
        assert (EXAMPLE / name).read_text(encoding="utf-8") == text, (
            f"{name} is old: python -m baotu_plant --write-default examples/plant"
        )
    assert {p.name for p in (EXAMPLE / "tags").iterdir()} == {
        name.removeprefix("tags/") for name in made if name.startswith("tags/")
    }


def test_platform_reads_every_row(loaded):
    assert loaded.warnings == ()
    assert len(loaded.devices) == 9
    tags = [t for d in loaded.devices for t in d.tags]
    assert len({t.name for t in tags}) == len(tags)
    physical = [t for t in tags if not t.expression]
    assert len(physical) == len(Points(Layout()))
    assert sum(t.period_s == 0.1 for t in physical) == 40
    assert 1150 <= sum(t.period_s == 1.0 for t in physical) <= 1250


def test_plant_is_laid_out_by_the_levels_of_the_standard(loaded):
    assert LEVELS == HOUSE_LEVELS
    level = {a.path: a.level for a in loaded.assets}
    assert set(level.values()) == set(LEVELS)
    for path in level:
        parent = path.rpartition("/")[0]
        assert not parent or LEVELS.index(level[parent]) == LEVELS.index(level[path]) - 1
    assert {a.type for a in loaded.assets if a.level == "asset"} == {
        "Pump", "Motor", "Compressor", "MachiningCentre", "Furnace", "Meter",
    }  # fmt: skip
    assert all(a.title.isascii() is False and " " in a.title for a in loaded.assets)


def test_plant_has_what_real_plants_have(loaded):
    tags = [t for d in loaded.devices for t in d.tags]
    assert {t.kind for t in tags} == {"number", "boolean", "text"}
    assert {"kPa"} == {t.raw_unit for t in tags if t.raw_unit}
    assert any(t.scale == 0.01 for t in tags) and any(t.writable for t in tags)
    words = {word for t in tags for word in t.address.split(":")[2:]}
    assert {"int16", "uint32", "float32", "float64", "string24"} <= words
    assert {"ABCD", "CDAB", "BADC", "DCBA"} <= words


def test_pumps_and_motors_have_what_the_apps_listen_to(loaded):
    has = {}
    for t in (t for d in loaded.devices for t in d.tags):
        has.setdefault(t.asset_type, {})[t.property] = t.unit
    assert has["Motor"]["temperature"] == "Cel"
    assert has["Pump"]["suction_pressure"] == has["Pump"]["discharge_pressure"] == "bar"
    assert (has["Pump"]["flow"], has["Pump"]["power"]) == ("m3/h", "kW")


def modbus_devices():
    return [d for d in Layout().devices if d.protocol == "modbus"]


def served(device, plant, loaded):
    """(driver, tags, device function) that speak with each other without a socket."""
    bank = Bank(device, plant.points.of_device(device), plant)
    line = next(d for d in loaded.devices if d.common.name == device.name)
    tags = [replace(t, id=n) for n, t in enumerate(t for t in line.tags if not t.expression)]

    def answer(question):
        return Stream(bank, lambda: plant.told).feed(question)

    return MODBUS.client(line.settings), tags, answer, bank


@pytest.mark.parametrize("device", modbus_devices(), ids=lambda d: d.name)
def test_platforms_modbus_driver_reads_what_the_plant_tells(device, plant, loaded):
    driver, tags, answer, bank = served(device, plant, loaded)
    limit = min(device.read_limit, 60 if device.read_limit == 60 else 125)
    driver = MODBUS.client(replace(driver.settings, max_registers=limit))
    got = read(driver, tags, answer)
    by_name = {p.name: p for p in plant.points}
    for tag in tags:
        point = by_name[tag.name]
        expected = plant.told[point.index]
        if tag.kind == "text":
            assert got[tag.id] == point.words[int(expected)]
            continue
        value = got[tag.id] * tag.scale * (0.01 if tag.raw_unit == "kPa" else 1)
        assert value == pytest.approx(expected, rel=2e-7, abs=tag.scale * 0.51), tag.name
    assert len(bank.units) == (4 if device.units else 1)


@pytest.mark.parametrize("device", modbus_devices(), ids=lambda d: d.name)
def test_platforms_modbus_driver_moves_set_points(device, loaded):
    plant = Simulation(seed=2)
    driver, tags, answer, _ = served(device, plant, loaded)
    points = {p.name: p for p in plant.points}
    for tag in (t for t in tags if t.writable):
        if tag.kind == "boolean":
            for raw in (0.0, 1.0):
                ask(driver, driver.write(tag, raw), answer)
                assert plant.told[points[tag.name].index] == raw
        else:
            value = tag.low + 0.5 * (tag.high - tag.low)
            ask(driver, driver.write(tag, round(value / tag.scale)), answer)
            told = plant.told[points[tag.name].index]
            assert told == pytest.approx(value, abs=max(tag.scale, 0.5))


def test_addresses_of_one_device_do_not_overlap(plant):
    for device in modbus_devices():
        bank = Bank(device, plant.points.of_device(device), plant)
        seen = set()
        for p in bank.places:
            for register in range(p.start, p.start + p.width):
                key = (p.unit, p.table, register, p.bit)
                assert key not in seen, p
                seen.add(key)


def test_ports_can_be_chosen(tmp_path):
    path = config.write(tmp_path, config.default_ports(30_000), host="fd00::7", data="/x")
    text = path.read_text()
    assert 'endpoint = "opc.tcp://[fd00::7]:30006"' in text and 'host = "fd00::7"' in text
    assert 'data = "/x"' in text and "port = 30008" in text
    rows = list(csv.reader(io.StringIO((tmp_path / "tags/gateways.csv").read_text())))
    assert tuple(rows[0]) == config.COLUMNS


def test_point_columns_agree_with_points():
    points = Points(Layout())
    assert np.array_equal(points.column("digits"), [p.property.digits for p in points])
    assert sum(len(points.of_device(d)) for d in points.layout.devices) == len(points)

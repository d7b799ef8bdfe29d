"""The switches over their two addresses, and what happens to nonsense."""

import asyncio
import json

import pytest

from baotu.house.plantfaults import PlantFaults
from baotu_plant.control import Control, ControlError, Switches
from baotu_plant.simulation import Simulation


async def served(address, work):
    plant = Simulation(seed=1)
    control = Control(plant)
    told = await control.start(address)
    try:
        return plant, await asyncio.to_thread(work, told)
    finally:
        await control.stop()


@pytest.mark.parametrize("place", ["tcp", "unix"])
def test_faults_are_listed_and_switched(place, tmp_path):
    address = "[::1]:0" if place == "tcp" else str(tmp_path / "plant.sock")

    def work(told):
        switches = Switches(told)
        before = {f["name"]: f for f in switches.faults()}
        on = switches.switch("bearing_wear:pump-1", True, severity=0.5)
        after = {f["name"]: f for f in switches.faults()}
        off = switches.switch("bearing_wear:pump-1", False)
        return before, on, after, off

    plant, (before, on, after, off) = asyncio.run(served(address, work))
    assert len(before) > 200 and not any(f["on"] for f in before.values())
    assert on["on"] and on["severity"] == 0.5
    assert [n for n, f in after.items() if f["on"]] == ["bearing_wear:pump-1"]
    assert after["bearing_wear:pump-1"]["asset"].endswith("station-1/pump-1")
    assert not off["on"] and plant.faults.active() == []


def test_platforms_own_client_switches_too():
    def work(told):
        faults = PlantFaults(told)
        faults.switch("leak:compressor-1", True)
        return [f["name"] for f in faults.faults() if f["on"]]

    assert asyncio.run(served("[::1]:0", work))[1] == ["leak:compressor-1"]


def test_figures_tell_the_simulated_time():
    def work(told):
        return Switches(told).figures()

    assert asyncio.run(served("[::1]:0", work))[1]["seconds"] == 0


@pytest.mark.parametrize(
    "question",
    [
        b"", b"null", b"[]", b"{}", b'{"do": "explode"}', b"\xff\xfe", b"[" * 5000,
        b'{"do": "on", "name": "rust:pump-1"}',
        b'{"do": "on", "name": "leak:pump-1", "severity": 7}',
        b'{"do": "on", "name": "leak:pump-1", "severity": []}',
        b'{"do": "on", "name": 5, "severity": "much"}',
    ],
)  # fmt: skip
def test_nonsense_is_answered_with_a_reason(question):
    answer = Control(Simulation(seed=1)).answer(question)
    assert answer["ok"] is False and answer["why"]
    json.dumps(answer)


def test_client_says_when_nobody_answers(tmp_path):
    with pytest.raises(ControlError, match="no demo plant answers"):
        Switches(str(tmp_path / "absent.sock")).faults()


def test_line_that_is_too_long_ends_the_connection_and_no_other():
    async def go():
        control = Control(Simulation(seed=1))
        told = await control.start("[::1]:0")
        port = int(told.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("::1", port)
        writer.write(b"x" * 200_000)
        try:
            ended = await asyncio.wait_for(reader.read(), 5)
        except ConnectionError:
            ended = b""
        figures = await asyncio.to_thread(Switches(told).figures)
        writer.close()
        await control.stop()
        return ended, figures

    ended, figures = asyncio.run(go())
    assert ended == b"" and "seconds" in figures

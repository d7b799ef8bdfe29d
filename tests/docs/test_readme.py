"""What a stranger does with the README in the first ten minutes works as written, in both languages."""

import json
import re
import subprocess
import sys
import time

import pytest
from pymodbus import FramerType

from baotu.house.file import examine
from baotu.kernel.lifecycle import LoopThread
from baotu.sdk.evidence import ROWS
from tests.drivers.modbus.test_peer_pymodbus import peer
from tests.house.nodes import get

from .guide import ROOT, blocks

PAGES = ("README.md", "README.zh-CN.md")


def configuration():
    return next(b for b in blocks("README.md") if b.file == "baotu.toml").content


@pytest.mark.parametrize("page", PAGES)
def test_the_smallest_app_is_the_tested_file(page):
    shown = next(b for b in blocks(page) if b.file == "overheat.py")

    assert shown.content == (ROOT / "src/baotu/apps/manufacturing/overheat/__init__.py").read_text()
    assert len(shown.content.splitlines()) <= 30


def test_both_readmes_show_the_same_commands():
    assert blocks(PAGES[0]) == blocks(PAGES[1])


@pytest.mark.parametrize("page", PAGES)
def test_every_command_shown_is_one_that_there_is(page):
    shown = {
        m
        for b in blocks(page)
        if b.language == "sh"
        for m in re.findall(r"^(baotu|make) (\S+)", b.text, re.M)
    }
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    words = subprocess.run(
        [sys.executable, "-m", "baotu.cli", "--help"], capture_output=True, text=True
    ).stdout

    assert shown
    for program, word in shown:
        assert word in (targets if program == "make" else words), f"{program} {word}"


@pytest.mark.parametrize("page", PAGES)
def test_the_elements_named_are_those_of_the_standard(page):
    text = (ROOT / page).read_text()
    named = re.findall(r"^\| (\d\.\d+) \|", text, re.M)

    assert set(named) <= {id for id, _, _ in ROWS}


def test_the_first_configuration_has_no_mistake(tmp_path):
    config, problems = examine(tmp_path / "baotu.toml", configuration())

    assert problems == []
    assert [t.name for d in config.devices for t in d.tags] == ["plant/hall/pump-1/temperature"]


@pytest.fixture
def modbus_device():
    """The port of a device whose first holding registers are the float 20.5, served by pymodbus."""
    loop = LoopThread("device")
    device = peer({0: [0x41A4, 0x0000]}, FramerType.SOCKET)

    async def begin():
        return await device.__aenter__()

    async def end():
        await device.__aexit__(None, None, None)

    yield loop.call(begin())
    loop.call(end())
    loop.stop()


@pytest.mark.slow
@pytest.mark.peer("pymodbus")
def test_a_newcomer_sees_the_own_device_in_the_history(tmp_path, modbus_device):
    text = configuration().replace("port = 502", f"port = {modbus_device}")
    (tmp_path / "baotu.toml").write_text(text + '\n[edge]\nstatus = ""\n')
    run = [sys.executable, "-m", "baotu.cli", "run", "--listen", "[::1]:0"]
    with subprocess.Popen(run, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as node:
        try:
            address = re.search(r"http://\S+/", node.stdout.readline())[0]
            value = first_value(address, "plant/hall/pump-1/temperature", tmp_path / "data")
        finally:
            node.terminate()
            assert node.wait(25) == 0

    assert value == pytest.approx(20.5)


def first_value(address, tag, data, deadline_s=90):
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        values = get(f"{address}api/latest?tag={tag}", data)["value"]
        if values:
            return values[0]
        time.sleep(0.2)
    raise AssertionError(f"{tag} has no value after {deadline_s} s")


SHOWN = (  # benchmark, beginning of its bar, figure in the README
    ("path", "Modbus tags/s in history, 10,000 at 100 ms", 99_999),
    ("opcua_path", "OPC UA changes/s in history", 648_000),
    ("http_api", "latest of 10,000 tags over HTTP, json", 2.1),
    ("commands", "commands/s, 32 callers (command, book)", 1_884),
    ("memory", "demo at rest", 257),
    ("memory", "demo: seconds to the console", 3.5),
)


@pytest.mark.parametrize(("bench", "what", "shown"), SHOWN)
def test_the_figures_shown_are_those_of_the_results(bench, what, shown):
    """Another run on a shared machine differs; twice as much or half is no longer the figure."""
    bars = json.loads((ROOT / "benchmarks/results.json").read_text())["benches"][bench]["bars"]
    measured = next(bar["figure"] for bar in bars if bar["what"].startswith(what))

    assert shown / 2 < measured < shown * 2, f"{what}: {measured}, the README says {shown}"
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert f"{shown:,}" in text
        assert "@FIGURES@" not in text

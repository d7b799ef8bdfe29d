"""The whole plant as its users start it: ready line, size, faults at work, clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

from baotu_plant.control import Switches
from tests.peers import need

OWN_LIMIT = 90e6  # resident and shared with nobody: what others map varies from machine to machine
CPU_LIMIT = 0.15


@contextmanager
def started(*arguments):
    """(process, what it said when it was ready)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "baotu_plant", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, json.loads(line)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def children(process):
    return psutil.Process(process.pid).children(recursive=True)


def reachable(port):
    with socket.create_connection(("::1", port), timeout=20):
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_plant_is_ready_small_and_ends_cleanly(tmp_path, number):
    with started("--config-out", str(tmp_path), "--broker", "amqtt") as (process, ready):
        assert ready["ready"] is True
        ports = {k: v for k, v in ready["ports"].items() if k != "control"}
        assert len(ports) == 9 and all(reachable(p) for p in ports.values())
        assert ready["config"] == str(tmp_path / "plant.toml")
        assert f"port = {ports['mqtt']}" in (tmp_path / "plant.toml").read_text()
        own = psutil.Process(process.pid).memory_full_info().uss
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    assert own < OWN_LIMIT, f"{own / 1e6:.0f} MB"


@pytest.mark.peer("mosquitto")
def test_broker_ends_with_the_plant_even_when_it_is_killed(tmp_path):
    need("mosquitto")
    with started("--broker", "mosquitto") as (process, ready):
        (broker,) = children(process)
        assert "mosquitto" in broker.name() and reachable(ready["ports"]["mqtt"])
        process.kill()
        process.wait(30)
        gone, _ = psutil.wait_procs([broker], timeout=30)
    assert gone


def test_idle_plant_takes_a_fraction_of_a_core():
    with started() as (process, _):
        own = psutil.Process(process.pid)
        before, begin = sum(own.cpu_times()[:2]), time.monotonic()
        process_end = begin + 3
        while time.monotonic() < process_end:
            time.sleep(0.2)
        share = (sum(own.cpu_times()[:2]) - before) / (time.monotonic() - begin)
    assert share < CPU_LIMIT, f"{share:.0%} of a core"


def test_network_loss_takes_a_controller_away_and_back():
    with started() as (_, ready):
        switches = Switches(ready["ports"]["control"])
        port = ready["ports"]["water-1"]
        assert reachable(port)
        switches.switch("network_loss:pump-1", True)
        wait_for(lambda: not answers(port))
        assert answers(ready["ports"]["water-2"])
        switches.switch("network_loss:pump-1", False)
        wait_for(lambda: answers(port))
        switches.switch("network_loss:casting-line", True)
        wait_for(lambda: not answers(ready["ports"]["casting-line"]))
        switches.switch("network_loss:casting-line", False)
        wait_for(lambda: answers(ready["ports"]["casting-line"]))


def answers(port):
    try:
        return reachable(port)
    except OSError:
        return False


def wait_for(true, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_faults_of_the_command_line_come_at_their_time():
    with started("--fault", "leak:pump-1*0.5@0.3s") as (_, ready):
        switches = Switches(ready["ports"]["control"])
        wait_for(lambda: [f["name"] for f in switches.faults() if f["on"]] == ["leak:pump-1"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--fault", "rust:pump-1"], "kinds are"),
        (["--fault", "leak"], "write bearing_wear"),
        (["--base-port", "70000"], "baotu_plant:"),
    ],
)
def test_wrong_arguments_end_with_one_sentence(arguments, why):
    done = subprocess.run(
        [sys.executable, "-m", "baotu_plant", *arguments],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and why in done.stderr and "Traceback" not in done.stderr


def test_plant_imports_nothing_of_the_platform():
    code = (
        "import baotu_plant.plant, sys; "
        "print([m for m in sys.modules if m == 'baotu' or m.startswith('baotu.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}
    )
    assert done.stdout.strip() == "[]", done.stderr

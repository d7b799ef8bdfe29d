"""The whole platform on the demo plant: the two processes a stranger starts, looked at from outside."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from itertools import pairwise
from pathlib import Path

import pytest

from baotu.house.control import ask

from .nodes import get

READY_S = 60.0
FAULT = "bearing_wear:motor-1"
PUMP = "quancheng/jinan/utilities/water/station-1/pump-1"


class Demo:
    """`baotu demo` as a process of its own."""

    def __init__(self, folder, *more):
        command = [
            sys.executable,
            "-m",
            "baotu.cli",
            "demo",
            "--data",
            str(folder),
            "--listen",
            "[::1]:0",
            *more,
        ]
        self.folder, self.log = folder, Path(f"{folder}.log").open("w+")  # noqa: SIM115 - closed in end()

        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.began = time.monotonic()
        self.address = self._address()
        self.ready_s = time.monotonic() - self.began

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def _address(self):
        while line := self.lines.get(timeout=READY_S):
            if found := re.search(r"http://\S+/", line):
                return found[0]
        self.log.seek(0)
        raise AssertionError(f"the demo ended: {self.log.read()[-3000:]}")

    def get(self, path, **query):
        text = urllib.parse.urlencode(query, doseq=True)
        return get(f"{self.address}{path.lstrip('/')}?{text}", self.folder / "data")

    def wait(self, what, look, deadline_s=90.0):
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.25)
        raise AssertionError(f"did not happen in {deadline_s} s: {what}")

    def up(self, kind):
        return {
            h["name"] for h in self.get("/api/devices", kind=kind)["healths"] if h["state"] == "up"
        }

    def rss_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        status = self.process.wait(90)
        self.log.close()
        return status


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    started = Demo(tmp_path_factory.mktemp("demo") / "data", "--fault", FAULT)
    yield started
    if started.process.poll() is None:
        started.end()


@pytest.mark.slow
class TestDemo:
    def test_it_is_there_in_a_minute_with_every_device_up(self, demo):
        devices = demo.wait(
            "nine devices up", lambda: len(demo.up("device")) >= 9 and demo.up("device")
        )

        assert demo.ready_s < 60
        assert {"water-1", "furnace-plc", "machining-cell", "gateways"} <= devices
        assert demo.get("/api/tags", limit=1)["total"] > 1200

    def test_values_of_every_protocol_are_good_and_fresh(self, demo):
        names = [f"{PUMP}/flow", "quancheng/jinan/machining/line-a/cell-1/centre-1/spindle_load"]
        demo.wait("two values", lambda: len(demo.get("/api/latest", tag=names)["value"]) == 2)

        def fresh_and_good():
            told = demo.get("/api/latest", tag=names, time="ms")
            fresh = all(time.time() * 1000 - t < 10_000 for t in told["time"])
            return fresh and told["quality"] == [0, 0]

        assert demo.wait("good and not older than ten seconds", fresh_and_good)

    def test_history_grows_at_the_period_of_the_tag(self, demo):
        demo.wait(
            "ten samples",
            lambda: len(demo.get("/api/history", tag=f"{PUMP}/flow", points=1000)["value"]) >= 10,
        )
        times = demo.get("/api/history", tag=f"{PUMP}/flow", points=1000, time="ms")["time"]

        steps = sorted(b - a for a, b in pairwise(times))
        assert steps[len(steps) // 2] == 1000

    def test_tags_of_modbus_are_served_again_as_opc_ua(self, demo):
        servers = demo.wait(
            "both servers up", lambda: {"opcua-out", "sparkplug-out"} <= demo.up("server")
        )
        assert servers

    def test_a_lost_device_is_bad_with_its_reason_and_comes_back_by_itself(self, demo):
        data = demo.folder / "data"
        ask(data, "fault", name="network_loss:water-2", on=True)
        lost = demo.wait("water-2 down", lambda: "water-2" not in demo.up("device"))
        [health] = [
            h for h in demo.get("/api/devices", kind="device")["healths"] if h["name"] == "water-2"
        ]
        ask(data, "fault", name="network_loss:water-2", on=False)
        demo.wait("water-2 back", lambda: "water-2" in demo.up("device"), deadline_s=90)

        assert lost
        assert health["why"]
        assert len(demo.up("device")) >= 8, "its neighbours went on"

    def test_a_write_is_read_back_and_audited_and_a_read_only_tag_refuses(self, demo):
        run = [sys.executable, "-m", "baotu.cli", "write"]
        data = ["--reason", "trial", "--data", str(demo.folder / "data")]
        done = subprocess.run(
            [*run, f"{PUMP}/speed_setpoint", "1400", *data],
            capture_output=True,
            text=True,
            timeout=120,
        )
        refused = subprocess.run(
            [*run, f"{PUMP}/flow", "1", *data], capture_output=True, text=True, timeout=120
        )
        audited = json.dumps(demo.get("/api/audit", search="speed_setpoint"), ensure_ascii=False)

        assert (done.returncode, done.stdout.strip()) == (0, "1400.0"), done.stderr
        assert refused.returncode == 2
        assert "read only" in refused.stderr
        assert "speed_setpoint = 1400.0: trial; read back 1400.0" in audited

    def test_the_audit_is_sealed_while_the_node_runs_and_anybody_verifies_it(self, demo):
        state = demo.wait(
            "sealed",
            lambda: (told := demo.get("/api/audit/state"))["size"] and not told["waiting"] and told,
        )
        newest = demo.get("/api/audit", limit=1)["records"][0]
        proof = demo.get("/api/audit/proof", record=newest["id"])
        run = [sys.executable, "-m", "baotu.cli", "verify-log", str(demo.folder / "data")]
        done = subprocess.run(
            [*run, "--key", state["key"]], capture_output=True, text=True, timeout=120
        )

        assert state["state"] == "up", state
        assert proof["index"] == proof["record"] - 1
        assert done.returncode == 0, done.stdout
        assert "PRIVATE" in (demo.folder / "data" / "audit" / "key").read_text()
        assert (demo.folder / "data" / "audit" / "key").stat().st_mode & 0o777 == 0o600

    def test_the_elements_page_shows_only_what_was_proved(self, demo):
        def proved() -> list:
            rows = [e for e in demo.get("/api/elements")["elements"] if e["proved"]]
            return rows if {"1.1", "2.0"} <= {e["id"] for e in rows} else []

        rows = demo.wait("proofs", proved, 120)
        everything = demo.get("/api/elements")["elements"]

        assert {"1.1", "2.0"} <= {e["id"] for e in rows}
        assert len(everything) == 25
        assert not next(e for e in everything if e["id"] == "2.10")["proved"]

    def test_a_fault_becomes_an_alarm_in_words_of_both_languages(self, demo):
        """It has been on from the start; a motor takes its time to get hot."""
        found = demo.wait("an alarm", lambda: demo.get("/api/alarms")["alarms"], deadline_s=150)
        ask(demo.folder / "data", "fault", name=FAULT, on=False)
        text = json.dumps(found[0], ensure_ascii=False)

        assert "motor-1/temperature" in text
        assert "电机温度" in text
        assert "Motor at" in text
        assert FAULT in {f["name"] for f in ask(demo.folder / "data", "faults")}

    def test_a_backup_of_the_running_node_opens_as_a_node(self, demo, tmp_path):
        run = [sys.executable, "-m", "baotu.cli"]
        data = ["--data", str(demo.folder / "data")]
        phrase = tmp_path / "phrase"
        phrase.write_text("a passphrase for the test")
        given = ["--passphrase-file", str(phrase)]
        done = subprocess.run(
            [*run, "backup", str(tmp_path / "kept"), *data, *given],
            capture_output=True,
            text=True,
            timeout=120,
        )
        subprocess.run(
            [*run, "restore", str(tmp_path / "kept"), str(tmp_path / "copy"), *given],
            check=True,
            timeout=120,
        )
        export = [
            "export",
            str(tmp_path / "flow.csv"),
            "--tag",
            f"{PUMP}/flow",
            "--data",
            str(tmp_path / "copy" / "data"),
        ]
        exported = subprocess.run([*run, *export], capture_output=True, text=True, timeout=120)

        assert done.returncode == 0, done.stderr
        assert exported.returncode == 0, exported.stderr
        assert len((tmp_path / "flow.csv").read_text().splitlines()) > 10

    def test_ctrl_c_stops_it_cleanly_and_data_survive(self, demo):
        rss = demo.rss_mb()
        before = demo.get("/api/health")["history"]["samples"]
        status = demo.end()
        again = Demo(demo.folder)
        try:
            after = again.get("/api/health")["history"]["samples"]
            elements = [e for e in again.get("/api/elements")["elements"] if e["proved"]]
        finally:
            stopped = again.end(signal.SIGTERM)

        assert (status, stopped) == (0, 0)
        assert after >= before > 1000
        assert elements
        assert rss < 400, "far above the bar of 300 MB; benchmarks hold the bar itself"

    def test_killed_with_its_plant_still_there_it_starts_again(self, demo):
        first = Demo(demo.folder)
        count = first.wait("samples", lambda: first.get("/api/health")["history"]["samples"])
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(first.process.pid)], capture_output=True, text=True
        )
        first.end(signal.SIGKILL)
        for pid in children.stdout.split():
            try:
                os.kill(int(pid), signal.SIGTERM)  # the plant has a session of its own
            except ProcessLookupError:
                continue
        again = Demo(demo.folder)
        try:
            assert again.get("/api/health")["history"]["samples"] >= count
        finally:
            assert again.end() == 0

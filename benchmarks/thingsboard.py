"""ThingsBoard IoT gateway, the peer of `path.py`: it reads the same register server over Modbus.

`python benchmarks/thingsboard.py [--quick] [--json] [--tags 20000] [--seconds 30]`

The gateway is installed from PyPI into an environment of its own in a temporary folder, within a
time limit, and publishes to mosquitto, where the values are counted. Nothing of it touches ours.
Where it cannot be installed or started the report says why.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _house import HERE, TICKS, registers, tell

INSTALL_S = 300
SLAVES = 10
TOPIC = "v1/gateway/telemetry"
ASKED = "v1/devices/me/rpc/request/"
FREE = {"messages": "0:0,", "telemetryMessages": "0:0,", "telemetryDataPoints": "0:0,"}
LIMITS = (
    "rateLimits", "dpRateLimits", "messagesRateLimits", "deviceMessagesRateLimits",
    "deviceRateLimits", "deviceDpRateLimits",
)  # fmt: skip


class Absent(Exception):
    """The peer cannot be had here."""


def free_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


def installed(folder: Path) -> Path:
    """The Python of a new environment with the gateway. Raises Absent."""
    python = folder / "env" / "bin" / "python"
    begin = time.monotonic()
    steps = [
        [sys.executable, "-m", "venv", str(folder / "env")],
        [str(python), "-m", "pip", "install", "--quiet", "--prefer-binary", "thingsboard-gateway",
         "pymodbus==3.9.2", "pyserial", "pyserial-asyncio"],
    ]  # fmt: skip
    for step in steps:
        left = INSTALL_S - (time.monotonic() - begin)
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=max(left, 1))
        except subprocess.TimeoutExpired:
            raise Absent(f"the gateway was not installed within {INSTALL_S} s") from None
        if done.returncode:
            raise Absent(f"the gateway cannot be installed: {done.stderr.strip()[-200:]}")
    return python


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not program:
        raise Absent("mosquitto is not installed: apt-get install mosquitto")
    port = free_port()
    (folder / "mosquitto.conf").write_text(
        f"listener {port} {HERE}\nallow_anonymous true\nmax_inflight_messages 0\n"
        "max_queued_messages 0\nset_tcp_nodelay true\n"
    )
    command = [program, "-c", str(folder / "mosquitto.conf")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def configure(folder: Path, mqtt: int, modbus: int, tags: int) -> None:
    (folder / "config").mkdir()
    gateway: dict[str, Any] = {
        "thingsboard": {
            "host": HERE, "port": mqtt, "remoteShell": False, "remoteConfiguration": False,
            "statistics": {"enable": False}, "deviceFiltering": {"enable": False},
            "maxPayloadSizeBytes": 65536, "minPackSendDelayMS": 50, "minPackSizeToSend": 500,
            "checkConnectorsConfigurationInSeconds": 600, "handleDeviceRenaming": False,
            "security": {"type": "accessToken", "accessToken": "bench"}, "qos": 1,
            "reportStrategy": {"type": "ON_RECEIVED"},
            "checkingDeviceActivity": {"checkDeviceInactivity": False},
        } | dict.fromkeys(LIMITS, "0:0,"),
        "storage": {"type": "memory", "read_records_count": 1000, "max_records_count": 1_000_000},
        "grpc": {"enabled": False},
        "connectors": [{"name": "Modbus", "type": "modbus", "configuration": "modbus.json"}],
    }  # fmt: skip
    slaves = [
        {
            "host": HERE, "port": modbus, "type": "tcp", "method": "socket", "unitId": s + 1,
            "deviceName": f"plc-{s}", "deviceType": "default", "timeout": 35, "byteOrder": "BIG",
            "wordOrder": "BIG", "pollPeriod": 1000, "retries": 3, "connectAttemptTimeMs": 1000,
            "connectAttemptCount": 5, "waitAfterFailedAttemptsMs": 5000, "retryOnEmpty": True,
            "retryOnInvalid": True, "sendDataOnlyOnChange": False,
            "reportStrategy": {"type": "ON_RECEIVED"}, "attributes": [], "attributeUpdates": [],
            "rpc": [],
            "timeseries": [
                {"tag": f"p{n}", "type": "32float", "functionCode": 3, "objectsCount": 2,
                 "address": 2 * n}
                for n in range(tags // SLAVES)
            ],
        }
        for s in range(SLAVES)
    ]  # fmt: skip
    (folder / "config" / "tb_gateway.json").write_text(json.dumps(gateway))
    (folder / "config" / "modbus.json").write_text(json.dumps({"master": {"slaves": slaves}}))
    (folder / "config" / "logs.json").write_text(json.dumps({
        "version": 1, "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler", "level": "WARNING"}},
        "root": {"level": "WARNING", "handlers": ["console"]}, "loggers": {},
    }))  # fmt: skip


class Counter:
    """In place of the ThingsBoard server: answers what the gateway asks at the start, no limits,
    and counts the values it publishes."""

    def __init__(self, port: int) -> None:
        import paho.mqtt.client as mqtt

        self.values, self.first = 0, threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = self._heard
        self._client.connect(HERE, port)
        for topic in (TOPIC, f"{ASKED}+", "v1/devices/me/attributes/request/+"):
            self._client.subscribe(topic)
        self._client.loop_start()

    def _heard(self, client: object, about: object, message: Any) -> None:
        if message.topic != TOPIC:
            answer = {"rateLimits": FREE, "gatewayRateLimits": FREE, "maxPayloadSize": 65536,
                      "maxInflightMessages": 100} if message.topic.startswith(ASKED) else {}  # fmt: skip
            self._client.publish(message.topic.replace("request", "response"), json.dumps(answer))
            return
        told = json.loads(message.payload)
        for entries in told.values():
            for entry in entries:
                self.values += len(entry.get("values", entry))
        self.first.set()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(folder: Path, tags: int, seconds: float) -> dict[str, Any]:
    begin = time.monotonic()
    python = installed(folder)
    figures: dict[str, Any] = {"tags": tags, "installed_s": round(time.monotonic() - begin)}
    with registers() as modbus, broker(folder) as mqtt:
        configure(folder, mqtt, modbus, tags)
        counter = Counter(mqtt)
        log = (folder / "gateway.log").open("w")
        process = subprocess.Popen(
            [str(python), "-m", "thingsboard_gateway.tb_gateway"], cwd=folder, stdout=log,
            stderr=log, start_new_session=True,
            env=os.environ | {"TB_GW_CONFIG_DIR": str(folder / "config")},
        )  # fmt: skip
        try:
            if not counter.first.wait(90):
                said = (folder / "gateway.log").read_text().strip().splitlines()[-3:]
                raise Absent(f"no value within 90 s: {' / '.join(said)[-300:]}")
            time.sleep(min(10.0, seconds))
            cpu, values, begin = cpu_s(process.pid), counter.values, time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - begin
            status = Path(f"/proc/{process.pid}/status").read_text()
            return figures | {
                "values_per_s": round((counter.values - values) / took),
                "cores": round((cpu_s(process.pid) - cpu) / took, 2),
                "rss_mb": int(status.split("VmRSS:")[1].split()[0]) // 1024,
            }
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            counter.close()
            log.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tags", type=int)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    tags = options.tags or (1_000 if options.quick else 20_000)
    with tempfile.TemporaryDirectory(prefix="baotu-peer-", ignore_cleanup_errors=True) as place:
        try:
            figures = run(Path(place), tags, options.seconds or (5 if options.quick else 30))
        except Absent as error:
            report = {"name": "thingsboard", "figures": {}, "bars": [], "skipped": str(error)}
            print(json.dumps(report, indent=None if options.json else 2))
            return
    tell("thingsboard", figures, [], options.json)


if __name__ == "__main__":
    main()

"""The same 10,000 series into VictoriaMetrics, the peer of `benchmarks/history.py`.

`python benchmarks/victoria.py [--quick] [--json] [--seconds 3600]`

Needs the program `victoria-metrics` (Debian package of that name); says so when it is absent. Its
import is acknowledged from memory, not fsynced; ours is durable. It answers over HTTP as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

TAGS, BLOCK, SERIES = 10_000, 60, 1_000  # a request carries BLOCK seconds of SERIES series
PROGRAM = "victoria-metrics"


@contextlib.contextmanager
def running(folder: Path) -> Iterator[tuple[http.client.HTTPConnection, int]]:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as place:
        place.bind(("::1", 0))
        port = place.getsockname()[1]
    process = subprocess.Popen(
        [
            PROGRAM, f"-storageDataPath={folder}", f"-httpListenAddr=[::1]:{port}", "-enableTCP6",
            "-retentionPeriod=100y", "-memory.allowedBytes=200MB",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield connected(port), process.pid
    finally:
        process.terminate()
        process.wait(30)


def connected(port: int) -> http.client.HTTPConnection:
    for _ in range(100):
        connection = http.client.HTTPConnection("::1", port, timeout=120)
        try:
            connection.connect()
            return connection
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{PROGRAM} does not listen on port {port} after 10 s")


def fill(connection: http.client.HTTPConnection, seconds: int, base: int) -> float:
    """Seconds spent in requests; making the JSON does not count."""
    rng, spent = np.random.default_rng(0), 0.0
    period, phase = rng.uniform(600, 7200, TAGS), rng.uniform(0, 6.28, TAGS)
    for start in range(0, seconds, BLOCK):
        t = np.arange(start, min(seconds, start + BLOCK))
        wave = 5 * np.sin(6.283 * t / period[:, None] + phase[:, None])
        value = np.round(20 + wave + rng.normal(0, 0.1, (TAGS, len(t))), 2)
        stamps = json.dumps(((base + t) * 1000).tolist())
        for part in range(0, TAGS, SERIES):
            lines = "".join(
                f'{{"metric":{{"__name__":"m","tag":"{k}"}},'
                f'"values":{json.dumps(value[k].tolist())},"timestamps":{stamps}}}\n'
                for k in range(part, part + SERIES)
            ).encode()
            begin = time.perf_counter()
            connection.request("POST", "/api/v1/import", lines)
            answer = connection.getresponse()
            answer.read()
            spent += time.perf_counter() - begin
            if answer.status != 204:
                raise SystemExit(f"import: status {answer.status}")
    return spent


def run(seconds: int) -> dict[str, Any]:
    values = seconds * TAGS
    with tempfile.TemporaryDirectory(prefix="baotu-victoria-") as name:
        folder = Path(name)
        with running(folder) as (connection, pid):
            base = int(time.time()) - seconds - 3600

            def get(path: str) -> bytes:
                connection.request("GET", path)
                return connection.getresponse().read()

            figures: dict[str, Any] = {"values": values}
            figures["values_per_s"] = values / fill(connection, seconds, base)
            time.sleep(2)
            get("/internal/force_flush")
            get("/internal/force_merge")
            time.sleep(5)
            for part in ("data", "indexdb"):
                size = sum(
                    f.stat().st_size for f in folder.rglob("*") if f.is_file() and part in f.parts
                )
                figures[f"{part}_bytes_per_value"] = size / values
            status = Path(f"/proc/{pid}/status").read_text()
            figures["peak_mb"] = int(status.split("VmHWM:")[1].split()[0]) / 1024
            took = []
            for tag in range(5, TAGS, TAGS // 20):
                begin = time.perf_counter()
                get(f"/api/v1/export?match[]=m{{tag=%22{tag}%22}}")
                took.append(time.perf_counter() - begin)
            figures["one_tag_ms"] = float(np.median(took)) * 1e3
            begin = time.perf_counter()
            got = get(f"/api/v1/query?query=m&time={base + seconds - 1}")
            figures["latest_10000_ms"] = (time.perf_counter() - begin) * 1e3
            figures["latest_bytes"] = len(got)
            return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=int)
    options = parser.parse_args()
    seconds = options.seconds or (60 if options.quick else 3_600)
    report: dict[str, Any] = {"name": "victoria", "figures": {}, "bars": []}
    if shutil.which(PROGRAM):
        report["figures"] = run(seconds) | {"load": os.getloadavg()[0]}
    else:
        report["skipped"] = f"{PROGRAM} is not installed: apt-get install {PROGRAM}"
    print(json.dumps(report, indent=None if options.json else 2))


if __name__ == "__main__":
    main()

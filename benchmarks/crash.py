"""kill -9 of edge or hub at random under load; then every frame and every sample is counted.

`python benchmarks/crash.py [--quick] [--json] [--kills 200] [--seed 0] [--strict] [--rate 20] [--tags 1000]`

Two edges and one hub, each its own process. Tag k of an edge carries 0, 1, 2 …: the number of the
frame, so history alone proves that nothing is lost and nothing is there twice. What the hub told its
watchers after each commit proves the order. Seals, merges, checkpoints and lane changes happen all
the time because their limits are set very low.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

import duckdb
import numpy as np

from baotu.fabric.edge import EdgeLink
from baotu.fabric.frame import decode, records
from baotu.fabric.hub import HubLink
from baotu.fabric.session import open_wire
from baotu.fabric.settings import FabricSettings
from baotu.history.duck import DuckHistory
from baotu.history.keeper import Keeper
from baotu.history.settings import HistorySettings
from baotu.kernel.clock import SystemClock
from baotu.sdk import Samples, Tag

EDGES = ("e1", "e2")
MS = 10**6
BASE = 1_780_000_000_000 * MS
SPREAD = 1_000_000  # hub ids of one edge


def settings() -> HistorySettings:
    """Everything that a crash could hit happens within seconds."""
    return HistorySettings(
        memory_mb=96, seal_rows=150_000, checkpoint_mb=2, fan=3, keep_every_s=0.05, duty=1.0
    )


def hub(folder: Path, endpoint: str, stop: threading.Event) -> None:
    begin = time.perf_counter()
    history = DuckHistory(folder / "history", settings())
    (folder / "opened").open("a").write(f"{time.perf_counter() - begin:.4f}\n")
    keeper = Keeper(history)
    keeper.start()
    notes = os.open(folder / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def adopt(edge: str, tags: Any) -> np.ndarray:
        return np.arange(len(tags), dtype="i4") + EDGES.index(edge) * SPREAD

    def publish(samples: Samples, live: bool, edge: str) -> None:
        numbers = samples.value[samples.tag == EDGES.index(edge) * SPREAD].astype("i8")
        os.write(notes, "".join(f"{edge} {int(live)} {n}\n" for n in numbers).encode())

    def audit(what: str, facts: Any) -> None:
        (folder / "audit").open("a").write(f"{what} {facts}\n")

    wire = open_wire(FabricSettings(listen=[endpoint]), "hub")
    link = HubLink(
        wire, hub="hub", history=history, adopt=adopt, publish=publish,
        on_status=lambda *_: None, audit=audit, folder=folder / "quarantine", clock=SystemClock(),
    )  # fmt: skip
    stop.wait()
    link.close()
    keeper.stop()
    wire.close()
    history.close()


def edge(
    name: str,
    folder: Path,
    endpoint: str,
    rate: float,
    tags: int,
    short: int,
    stop: threading.Event,
) -> None:
    wire = open_wire(FabricSettings(connect=[endpoint]), "edge")
    link = EdgeLink(
        folder / name, wire, edge=name, clock=SystemClock(),
        settings=FabricSettings(short_frames=short, segment_mb=1, log_mb=4096),
    )  # fmt: skip
    last = link.log.read(link.log.last - 1, link.log.last)
    number = (
        int(decode([body for *_, body in records(last.data)][-1]).value[-1]) + 1 if last.data else 0
    )
    link.hello([Tag(id=i, asset=f"{name}/{i}", property="n") for i in range(tags)])
    tag, due = np.arange(tags), time.monotonic()
    while not stop.is_set():
        link.append(Samples.of(tag, BASE + number * MS, np.full(tags, float(number))))
        number += 1
        due += 1 / rate
        stop.wait(max(0.0, due - time.monotonic()))
    drained = link.drained(120)
    end = {"count": number, "log": link.log.id, "last": link.log.last, "drained": drained}
    (folder / f"{name}.end").write_text(json.dumps(end))
    link.close()
    wire.close()


class Nodes:
    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as place:
            place.bind(("::1", 0))
            self.endpoint = f"tcp/[::1]:{place.getsockname()[1]}"
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.errors: IO[bytes] = (folder / "errors").open("ab")

    def start(self, who: str) -> None:
        o = self.options
        self._ready(who).unlink(missing_ok=True)
        command = [
            sys.executable, __file__, "--node", who, "--folder", str(self.folder), "--endpoint",
            self.endpoint, "--rate", str(o.rate), "--tags", str(o.tags),
            "--short", "1000000" if o.strict else "10",
        ]  # fmt: skip
        self.running[who] = subprocess.Popen(command, stderr=self.errors)

    def kill(self, who: str) -> None:
        self.running[who].send_signal(signal.SIGKILL)
        self.running[who].wait()

    def finish(self, who: str) -> None:
        """Let it end by itself: once it listens to the signal, which on a busy machine takes long."""
        end = time.monotonic() + 60
        while not self._ready(who).exists() and time.monotonic() < end:
            time.sleep(0.05)
        self.running[who].terminate()
        self.running[who].wait(timeout=150)

    def _ready(self, who: str) -> Path:
        return self.folder / f"{who}.ready"


def run(options: argparse.Namespace) -> dict[str, Any]:
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="baotu-crash-") as place:
        folder = Path(place)
        nodes, killed = Nodes(folder, options), dict.fromkeys(("hub", *EDGES), 0)
        begin = time.monotonic()
        try:
            for who in killed:
                nodes.start(who)
            time.sleep(2)
            for _ in range(options.kills):
                time.sleep(rng.uniform(0.3, 1.5))
                who = rng.choice(("hub", "hub", *EDGES))
                nodes.kill(who)
                killed[who] += 1
                time.sleep(rng.choice((0, 0, 0.5)))
                nodes.start(who)
            time.sleep(2)
            for who in (*EDGES, "hub"):
                nodes.finish(who)
        finally:
            for process in nodes.running.values():
                if process.poll() is None:
                    process.kill()
        return {f"killed_{who}": n for who, n in killed.items()} | {
            "seconds": time.monotonic() - begin
        } | count(folder, options.tags)  # fmt: skip


def count(folder: Path, tags: int) -> dict[str, Any]:
    history = DuckHistory(folder / "history", HistorySettings(memory_mb=512))
    found: dict[str, Any] = {"frames": 0, "lost": 0, "twice": 0, "out_of_order": 0, "lane_jumps": 0}
    wrong = samples = 0
    for at, name in enumerate(EDGES):
        end = json.loads((folder / f"{name}.end").read_text())
        found["frames"] += end["count"]
        found["drained"] = found.get("drained", True) and end["drained"]
        said = [(1, end["last"])] if end["last"] else []  # killed before it said anything
        if history.spans(end["log"]) != said:
            found["lost"] += 1
        ids = range(at * SPREAD, at * SPREAD + tags)
        rows, distinct, off = history_counts(history, folder, ids)
        found["lost"] += end["count"] * tags - distinct
        found["twice"] += rows - distinct
        wrong += off
        samples += rows
        notes = [line.split() for line in (folder / "notes").read_text().splitlines()]
        came = [int(number) for who, _, number in notes if who == name]
        jumps, bad = order(came)
        found["lane_jumps"] += jumps
        found["out_of_order"] += bad
        found[f"noted_{name}"] = len(came)
    figures = history.figures()
    history.close()
    opened = [float(line) for line in (folder / "opened").read_text().split()]
    audit = folder / "audit"
    return found | {
        "samples": samples,
        "wrong_times": wrong,
        "rows_in_history": figures["samples"],
        "segments": figures["segments"],
        "open_ms_median": float(np.median(opened)) * 1e3,
        "open_ms_max": max(opened) * 1e3,
        "audit_lines": len(audit.read_text().splitlines()) if audit.exists() else 0,
        "errors": (folder / "errors").read_text()[-500:],
    }


def history_counts(history: DuckHistory, folder: Path, ids: range) -> tuple[int, int, int]:
    """(rows, different (tag, value), rows whose time is not that of their value)"""
    path = folder / "all.parquet"
    history.export(path, ids, 0, 2**62, "parquet")
    (row,) = duckdb.sql(
        "select count(*), count(distinct (tag, value)), "
        f"count(*) filter (epoch_ns(time) <> {BASE} + value::bigint * {MS}) from '{path}'"
    ).fetchall()
    return row[0], row[1], row[2]


def order(came: list[int]) -> tuple[int, int]:
    """(lane jumps, arrivals before their predecessor although no lane was opened there). A step back
    is right only into a hole: beside something that is there, or at the very start."""
    all_of, have, top, jumps, bad = set(came), set[int](), -1, 0, 0
    for number in came:
        if number in have:
            bad += 1
        elif number > top + 1 and top >= 0:
            jumps += 1
        elif number < top and number and number - 1 not in have and number - 1 in all_of:
            bad += 1
        have.add(number)
        top = max(top, number)
    return jumps, bad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--strict", action="store_true", help="one lane, everything in order")
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--tags", type=int, default=1_000)
    parser.add_argument("--short", type=int, default=10)
    parser.add_argument("--node")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--endpoint")
    options = parser.parse_args()
    if options.node:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        (options.folder / f"{options.node}.ready").touch()
        if options.node == "hub":
            hub(options.folder, options.endpoint, stop)
        else:
            edge(options.node, options.folder, options.endpoint, options.rate, options.tags,
                 options.short, stop)  # fmt: skip
        return
    options.kills = options.kills or (5 if options.quick else 200)
    figures = run(options)
    faults = ("lost", "twice", "out_of_order", "wrong_times")
    report = {
        "name": "crash",
        "figures": figures | {"load": os.getloadavg()[0]},
        "bars": [
            {"what": f"{fault} after {options.kills} kills", "figure": figures[fault], "bar": "== 0",
             "quick": options.quick, "met": figures[fault] == 0}
            for fault in faults
        ],
    }  # fmt: skip
    print(json.dumps(report, indent=None if options.json else 2))


if __name__ == "__main__":
    main()

"""The link: a backlog drains into history while new samples keep coming; and what one message costs.

`python benchmarks/link.py [--quick] [--json] [--rate 10] [--tags 1000] [--backlog 2000]`

An edge process with `backlog` frames on its log meets a hub process; it goes on making `rate` frames
of `tags` samples a second. Age: from the stamp of a frame to its commit at the hub. Measured twice in
one run, one after the other: plain, and over TLS 1.3 with certificates on both sides and access control.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from baotu.fabric.edge import EdgeLink
from baotu.fabric.frame import encode
from baotu.fabric.hub import HubLink
from baotu.fabric.log import Log
from baotu.fabric.session import open_wire
from baotu.fabric.settings import FabricSettings
from baotu.history.duck import DuckHistory
from baotu.history.keeper import Keeper
from baotu.kernel.clock import SystemClock
from baotu.sdk import Samples, Tag


def files(folder: Path, name: str) -> dict[str, Any]:
    """Settings of a node whose certificates were made; none when the link is plain."""
    pair = folder / f"{name}.pem"
    if not pair.exists():
        return {}
    ca = str(folder / "ca.pem")
    return {"ca_file": ca, "certificate_file": str(pair), "key_file": str(pair)}


def certify(folder: Path) -> None:
    """An authority, and certificates for a hub and its edge, as a node makes them."""
    from baotu.trust.devices import root
    from baotu.trust.devices.authority import Authority, pem
    from baotu.trust.devices.keys import make_key
    from baotu.trust.devices.names import Identity
    from baotu.trust.devices.pairs import pair

    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    root.begin(folder / "ca", "bench", folder / "root.key", now=now)
    authority = Authority(folder / "ca", time.time_ns)
    (folder / "ca.pem").write_text("".join(pem(one) for one in authority.chain()))
    for name, kind in (("hub", "server"), ("e1", "node")):
        key, who = make_key(), Identity(organisation="bench", kind=kind, name=name)
        names = ["localhost"] if kind == "server" else []
        own = authority.issue(key.public_key(), who, dt.timedelta(hours=1), names=names)
        (folder / f"{name}.pem").write_bytes(pair(key, [own, *authority.chain()[:-1]]))


def hub(folder: Path, endpoint: str, stop: threading.Event) -> None:
    history = DuckHistory(folder / "history")
    keeper, seen = Keeper(history), list[tuple[int, int, int, bool]]()
    keeper.start()

    def publish(samples: Samples, live: bool, edge: str) -> None:
        now, first = time.time_ns(), samples.tag == 0
        seen.extend((now, int(stamp), len(first) // max(1, int(first.sum())), live)
                    for stamp in samples.time[first])  # fmt: skip

    given = files(folder, "hub")
    settings = FabricSettings(listen=[endpoint], **given)
    wire = open_wire(settings, "hub", ("e1",) if given else None)
    link = HubLink(
        wire, hub="hub", history=history, publish=publish, clock=SystemClock(),
        adopt=lambda edge, tags: np.arange(len(tags), dtype="i4"),
        on_status=lambda *_: None, audit=lambda *_: None, folder=folder / "quarantine",
    )  # fmt: skip
    stop.wait()
    figures = dict(link.figures())
    link.close()
    keeper.stop()
    wire.close()
    history.close()
    np.save(folder / "seen.npy", np.array(seen, "i8").reshape(-1, 4))
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (folder / "hub.json").write_text(json.dumps(figures))


def edge(folder: Path, endpoint: str, options: argparse.Namespace, stop: threading.Event) -> None:
    """First line: live frames begin. They are made until the backlog is gone, and 3 s more."""
    tags, rng = np.arange(options.tags), np.random.default_rng(0)

    def frame(stamp: int) -> Samples:
        return Samples.of(tags, stamp, np.round(20 + rng.normal(0, 0.1, options.tags), 2))

    log, now = Log(folder / "log", limit=4 << 30), time.time_ns()
    for i in range(options.backlog):
        log.append(encode(frame(now - (options.backlog - i) * int(1e9 / options.rate))))
    log.sync()
    log.close()
    wire = open_wire(FabricSettings(connect=[endpoint], **files(folder, "e1")), "edge")
    link = EdgeLink(folder / "log", wire, edge="e1", settings=FabricSettings(), clock=SystemClock())
    link.hello([Tag(id=i, asset=f"a/{i}", property="v") for i in range(options.tags)])
    print(time.time_ns(), flush=True)
    due, end = time.monotonic(), float("inf")
    while not stop.is_set() and time.monotonic() < end:
        link.append(frame(time.time_ns()))
        due += 1 / options.rate
        stop.wait(max(0.0, due - time.monotonic()))
        figures = link.figures()
        if end == float("inf") and figures["linked"] and not figures["draining"]:
            end = time.monotonic() + 3
    link.drained(30)
    link.close()
    wire.close()


def free(host: str) -> int:
    family = socket.getaddrinfo(host, 0)[0][0]  # localhost may be IPv4 only
    with socket.socket(family, socket.SOCK_STREAM) as place:
        place.bind((host, 0))
        return int(place.getsockname()[1])


def run(options: argparse.Namespace, tls: bool = False) -> dict[str, Any]:
    endpoint = f"tls/localhost:{free('localhost')}" if tls else f"tcp/[::1]:{free('::1')}"
    with tempfile.TemporaryDirectory(prefix="baotu-link-") as name:
        folder, command = Path(name), [sys.executable, __file__, "--endpoint", endpoint]
        if tls:
            certify(folder)
        command += ["--folder", name, "--rate", str(options.rate), "--tags", str(options.tags)]
        command += ["--backlog", str(options.backlog), "--node"]
        nodes = [subprocess.Popen([*command, "hub"])]
        try:
            nodes.append(subprocess.Popen([*command, "edge"], stdout=subprocess.PIPE, text=True))
            out = nodes[1].stdout
            assert out is not None
            live = int(out.readline())
            nodes[1].wait(timeout=300)
            nodes[0].send_signal(signal.SIGTERM)
            nodes[0].wait(timeout=60)
        finally:
            for node in nodes:
                if node.poll() is None:
                    node.kill()
        seen = np.load(folder / "seen.npy")
        return measured(seen, live, options) | json.loads((folder / "hub.json").read_text())


def measured(seen: np.ndarray, live: int, options: argparse.Namespace) -> dict[str, Any]:
    at, stamp, size, in_live_lane = seen.T
    old = (stamp < live) | (in_live_lane == 0)  # made before the hub answered: backlog too
    took = (at[old].max() - at[old].min()) / 1e9
    speed = size[old].sum() / max(took, 1e-9)
    age = (at - stamp)[~old] / 1e6
    during = age[at[~old] <= at[old].max()]
    after = age[at[~old] > at[old].max()]
    found = {
        "backlog_samples": int(size[old].sum()),
        "drain_s": float(took),
        "drain_samples_per_s": float(speed),
        "times_real_time": float(speed) / (options.rate * options.tags),
        "live_frames_while_draining": len(during),
    }
    for what, ages in (("while_draining", during), ("afterwards", after)):
        if len(ages):
            found |= {
                f"age_p50_ms_{what}": float(np.median(ages)),
                f"age_p99_ms_{what}": float(np.percentile(ages, 99)),
                f"age_max_ms_{what}": float(ages.max()),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--tags", type=int, default=1_000)
    parser.add_argument("--backlog", type=int)
    parser.add_argument("--node")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--endpoint")
    options = parser.parse_args()
    options.backlog = options.backlog or (1_000 if options.quick else 20_000)
    if options.node:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        if options.node == "hub":
            hub(options.folder, options.endpoint, stop)
        else:
            edge(options.folder, options.endpoint, options, stop)
        return
    figures, tls = run(options), run(options, tls=True)
    told = ("drain_samples_per_s", "age_p50_ms_", "age_p99_ms_")
    figures |= {f"tls_{k}": v for k, v in tls.items() if k.startswith(told)}
    ratio = tls["drain_samples_per_s"] / figures["drain_samples_per_s"]
    figures |= {"tls_drain_ratio": ratio, "load": os.getloadavg()[0]}
    safe = tls.get("age_p99_ms_while_draining", tls.get("age_p99_ms_afterwards", 0.0))
    live = figures.get("age_p99_ms_while_draining", figures.get("age_p99_ms_afterwards", 0.0))
    report = {
        "name": "link",
        "figures": figures,
        "bars": [
            {"what": "drain, times real time", "figure": figures["times_real_time"], "bar": ">= 20",
             "quick": options.quick, "met": bool(figures["times_real_time"] >= 20)},
            {"what": "age of live samples while draining, p99 ms", "figure": live, "bar": "< 1000",
             "quick": options.quick, "met": bool(live < 1000)},
            {"what": "drain over TLS with access control, of the plain speed", "figure": ratio,
             "bar": ">= 0.5", "quick": options.quick, "met": bool(ratio >= 0.5)},
            {"what": "age over TLS, p99 ms", "figure": safe, "bar": "< 1000",
             "quick": options.quick, "met": bool(safe < 1000)},
        ],
    }  # fmt: skip
    print(json.dumps(report, indent=None if options.json else 2))


if __name__ == "__main__":
    main()

"""OPC UA value changes through a whole node: published, decoded, committed to history.

`python benchmarks/opcua_path.py [--quick] [--json] [--items 2000] [--seconds 15]`

The server is the one of `opcua.py`, in a process of its own: every publication holds a fresh value
and time stamp of every item. Changes are counted in history.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _house import HEAD, Eyes, Node, Window, bar, percentiles, tell, write_tags

DEVICE = """[[device]]
name = "server"
driver = "opcua"
endpoint = "{url}"
tags = "server.csv"
"""


def rows(items: int) -> Iterator[dict[str, Any]]:
    """Named as `opcua.py --serve` offers them."""
    for n in range(items):
        name = f"line/unit-{n // 10}/p{n % 10}"
        yield {
            "asset": f"line/unit-{n // 10}", "property": f"p{n % 10}", "address": f"ns=2;s={name}",
            "period_s": 0.05,
        }  # fmt: skip


@contextmanager
def server(items: int, rate: float, folder: Path) -> Iterator[str]:
    program = Path(__file__).with_name("opcua.py")
    command = [sys.executable, str(program), "--serve", "--items", str(items)]
    command += ["--paced", str(rate), "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def run(items: int, rate: float, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="baotu-opcua-") as place:
        folder = Path(place)
        (folder / "pki").mkdir()
        with server(items, rate, folder / "pki") as url:
            write_tags(folder / "server.csv", rows(items))
            text = HEAD.format(more="") + DEVICE.format(url=url)
            with Node(folder, text) as node, Eyes(node, ["line/unit-0/p0"]) as eyes:
                flowing(node)
                window = Window(node)
                eyes.clear()
                figures = {"items": items, "paced_per_s": rate} | window.wait(seconds)
                figures |= percentiles(eyes.ages_ms(), "source_to_shown")
                return figures | {"peak_mb": node.memory_mb()["peak_mb"]}


def flowing(node: Node) -> None:
    """Until samples arrive, then two seconds more. Raises RuntimeError."""
    before, end = node.history()["appended"], time.monotonic() + 60
    while node.history()["appended"] - before < 5_000:
        if time.monotonic() > end:
            raise RuntimeError(f"no changes arrive: {node.devices('device')}")
        time.sleep(0.2)
    time.sleep(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    quick = options.quick
    seconds = options.seconds or (3 if quick else 15)
    rates = (20_000.0,) if quick else (20_000.0, 40_000.0, 80_000.0, 0.0)
    figures = {
        f"paced_{rate:.0f}" if rate else "as_fast_as_it_goes": run(options.items, rate, seconds)
        for rate in rates
    }
    most = max(step["samples_per_s"] for step in figures.values())
    paced = figures["paced_20000"]
    bars = [
        bar("OPC UA changes/s in history", most, ">=", 19_800 if quick else 20_000, quick),
        bar("cores of the node at 20,000 changes/s", paced["cores"], "<=", 1.0, quick),
    ]
    tell("opcua_path", figures, bars, options.json)


if __name__ == "__main__":
    main()

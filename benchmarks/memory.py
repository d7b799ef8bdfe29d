"""Resident memory of the demo at rest: the platform's process, and the plant beside it.

`python benchmarks/memory.py [--quick] [--json] [--seconds 75]`

Starts `baotu demo` as people do and looks at /proc: the platform's bar is 300 MB after a minute.
Shared libraries that other Python programs map too are counted in full.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _house import HERE, bar, tell


def resident_mb(pid: int) -> dict[str, float]:
    text = Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"(VmHWM|VmRSS|RssAnon|RssFile):\s+(\d+) kB", text))
    names = {"VmRSS": "rss", "VmHWM": "peak", "RssAnon": "anonymous", "RssFile": "file"}
    return {f"{names[k]}_mb": round(int(v) / 1024) for k, v in found.items()}


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *children(child)]
    return found


def run(seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="baotu-memory-") as folder:
        command = [sys.executable, "-m", "baotu.cli", "demo", "--data", f"{folder}/demo"]
        begin = time.monotonic()
        process = subprocess.Popen(
            [*command, "--listen", f"[{HERE}]:0"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert process.stdout
            for line in process.stdout:
                if "http://" in line:
                    break
            figures: dict[str, Any] = {"seconds_to_console": round(time.monotonic() - begin, 1)}
            time.sleep(seconds)
            beside = {
                Path(f"/proc/{pid}/comm").read_text().strip(): resident_mb(pid)["rss_mb"]
                for pid in children(process.pid)
            }
            figures |= resident_mb(process.pid)
            return figures | {f"beside_{name}_mb": size for name, size in beside.items()}
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    figures = run(options.seconds or (35 if options.quick else 75))
    bars = [
        bar("demo at rest, resident MB", figures["rss_mb"], "<=", 300, options.quick),
        bar("demo: seconds to the console", figures["seconds_to_console"], "<", 60, options.quick),
    ]
    tell("memory", figures, bars, options.json)


if __name__ == "__main__":
    main()

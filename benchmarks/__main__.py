"""Runs the benchmarks one after the other and writes `RESULTS.md` and `results.json` beside itself.

`python -m benchmarks [--quick] [--only NAME …] [--soak] [--out FOLDER]`

A short run is a smoke test: it writes only where `--out` says. With `--only` the other results stay.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import report

FOLDER = Path(__file__).parent
ORDER = (
    "modbus", "opcua", "sparkplug", "edge", "history", "victoria", "link", "commands", "policy", "http_api",
    "path", "thingsboard", "opcua_path", "memory", "latency", "crash",
)  # fmt: skip
LIMIT_S = 1_800.0
QUICK_S = 300.0
SOAK = {"crash": ["--kills", "2000"], "memory": ["--seconds", "3600"]}
SOAK_S = 4 * 3600.0


def names() -> list[str]:
    """Every benchmark in the folder, those that are known in their order."""
    found = {
        path.stem for path in FOLDER.glob("[a-z]*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }  # fmt: skip
    return [*(name for name in ORDER if name in found), *sorted(found - set(ORDER))]


def run(name: str, quick: bool, more: list[str], limit_s: float) -> dict[str, Any]:
    """One benchmark in a process (and group) of its own; it has ended when this returns."""
    path = FOLDER / f"{name}.py"
    command = [sys.executable, str(path), "--json", *more]
    command += ["--quick"] * (quick and '"--quick"' in path.read_text(encoding="utf-8"))
    before, begin = os.getloadavg()[0], time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
        told: dict[str, Any] = _none(name, f"it took longer than {limit_s:g} s")
    else:
        told = _read(name, out, process.returncode, quick)
    return told | {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load_before": round(before, 2), "seconds": round(time.monotonic() - begin),
    }  # fmt: skip


def _read(name: str, out: str, code: int, quick: bool) -> dict[str, Any]:
    if code:
        return _none(name, f"it ended with {code}")
    starts = [at for at in range(len(out)) if out[at] in "[{" and (at == 0 or out[at - 1] == "\n")]
    for at in starts:  # a log line may stand before it
        try:
            return report.adapted(name, json.loads(out[at:]), quick)
        except ValueError:
            continue
    return _none(name, "what it printed was not JSON")


def _none(name: str, why: str) -> dict[str, Any]:
    return {"name": name, "figures": {}, "bars": [], "skipped": why}


def machine() -> dict[str, Any]:
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": len(os.sched_getaffinity(0)), "CPU": models[0] if models else platform.machine(),
        "memory": f"{memory:.0f} GB", "kernel": platform.release(),
        "Python": platform.python_version(), "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "load at the start": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", default=[], choices=names(), metavar="NAME")
    parser.add_argument("--soak", action="store_true", help="hours: crashes, and the plant")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    chosen = list(SOAK) if options.soak and not options.only else options.only or names()
    out = options.out or (None if options.quick or options.soak else FOLDER)
    results: dict[str, Any] = {"machine": machine(), "benches": {}}
    if out and (out / "results.json").exists() and options.only:
        results["benches"] = json.loads((out / "results.json").read_text())["benches"]
    limit = SOAK_S if options.soak else QUICK_S if options.quick else LIMIT_S
    for name in chosen:
        print(f"{name} …", file=sys.stderr, flush=True)
        told = run(name, options.quick, SOAK.get(name, []) if options.soak else [], limit)
        results["benches"][name] = told
        for line in told["bars"]:
            mark = "✓" if line["met"] else "✗"
            print(f"  {mark} {line['what']}: {report.shown(line['figure'])} ({line['bar']})")
        if told.get("skipped"):
            print(f"  – {told['skipped']}")
        sys.stdout.flush()
        if out:
            write(out, results)


def write(out: Path, results: dict[str, Any]) -> None:
    """After each benchmark, so that a run that is broken off leaves what it has."""
    place = {name: at for at, name in enumerate(names())}
    order = sorted(results["benches"], key=lambda name: place.get(name, len(place)))
    results = results | {"benches": {name: results["benches"][name] for name in order}}
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (out / "RESULTS.md").write_text(report.page(results), encoding="utf-8")


if __name__ == "__main__":
    main()

"""History: durable appends of 10,000-row frames while the keeper works and a reader looks on.

`python benchmarks/history.py [--quick] [--json] [--million 100] [--only append,late,paced,read,size]`

Every part runs in a fresh process, so that its peak of memory is its own. Every value has fresh noise:
10,000 series at 1 Hz, `round(20 + 5 sin + N(0, 0.1), 2)`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from baotu.history.duck import DuckHistory
from baotu.history.keeper import Keeper
from baotu.sdk.link import Batch
from baotu.sdk.samples import SECOND, Samples

TAGS = 10_000
BASE = 1_780_000_000 * SECOND // (86_400 * SECOND) * 86_400 * SECOND
PARTS = ("append", "late", "paced", "read", "size", "years")
Figures = dict[str, float]


class Source:
    """Frames of one value for each of the series, one second after the other."""

    def __init__(self, tags: int = TAGS, late: float = 0.0) -> None:
        self.rng, self.tags, self.late = np.random.default_rng(0), tags, late
        self.period = self.rng.uniform(600, 7200, tags)
        self.phase = self.rng.uniform(0, 6.28, tags)
        self.tag, self.quality = np.arange(tags, dtype="i4"), np.zeros(tags, "u1")

    def frame(self, second: int) -> Samples:
        wave = 5 * np.sin(6.283 * second / self.period + self.phase)
        value = np.round(20 + wave + self.rng.normal(0, 0.1, self.tags), 2)
        time = np.full(self.tags, BASE + second * SECOND)
        if self.late:
            old = self.rng.random(self.tags) < self.late
            time[old] -= self.rng.integers(1, 3600, int(old.sum())) * SECOND
        return Samples(self.tag, time, value, self.quality)


def batch(number: int, samples: Samples) -> Batch:
    return Batch(
        log="bench", first=number, last=number, after=number - 1 or None, samples=(samples,)
    )


def append(folder: Path, million: float, late: float = 0.0, rate: float = 0.0) -> Figures:
    """As fast as it goes, or at `rate` values a second; keeper and reader beside."""
    history, source = DuckHistory(folder), Source(late=late)
    keeper, stop = Keeper(history), threading.Event()
    looks: list[float] = []
    frames = int(million * 1e6 / TAGS)

    def look() -> None:
        tag = 0
        while not stop.wait(0.25):
            tag = (tag + 997) % TAGS
            begin = time.perf_counter()
            history.window(tag, BASE, BASE + frames * SECOND, 2000)
            history.latest(source.tag)
            looks.append(time.perf_counter() - begin)

    reader = threading.Thread(target=look)
    keeper.start()
    reader.start()
    took, begin, made = [], time.perf_counter(), 0.0
    for i in range(frames):
        at = time.perf_counter()
        if rate and (wait := begin + i * TAGS / rate - at) > 0:
            time.sleep(wait)
            at = time.perf_counter()
        samples = source.frame(i)
        start = time.perf_counter()
        made += start - at
        history.append([batch(i + 1, samples)])
        took.append(time.perf_counter() - start)
    wall = time.perf_counter() - begin
    stop.set()
    reader.join()
    left = -history.figures()["samples"] + frames * TAGS
    stopped = keeper.stop()
    history.close()
    ms, seen = np.array(took) * 1e3, np.array(looks or [0.0]) * 1e3
    return {
        "values": frames * TAGS,
        "values_per_s": frames * TAGS / sum(took),
        "values_per_s_without_making_them": frames * TAGS / (wall - made),
        "commit_p50_ms": float(np.median(ms)),
        "commit_p99_ms": float(np.percentile(ms, 99)),
        "commit_max_ms": float(ms.max()),
        "read_beside_p50_ms": float(np.median(seen)),
        "read_beside_p99_ms": float(np.percentile(seen, 99)),
        "sealed": keeper.sealed,
        "merged_files": keeper.merged,
        "keeper_failures": keeper.failures,
        "missing": left,
        "stopped_in_time": float(stopped),
        "peak_mb": peak_mb(),
    }


def read(folder: Path, million: float) -> Figures:
    """One tag of 1,000 (60 k of 60 M samples), hot tables, sealed and merged segments together."""
    tags, rows = 1_000, int(million * 1e6 / 1_000)
    history, source = DuckHistory(folder), Source(tags)
    for i in range(rows // 20):
        parts = [source.frame(20 * i + k) for k in range(20)]
        history.append([batch(i + 1, Samples.concat(parts))])
        history.seal()
    figures: Figures = {"samples_of_tag": rows, "samples_of_all": rows * tags}
    end = BASE + rows * SECOND
    for what in ("sealed", "merged"):
        figures[f"window_2000_{what}_ms"] = timed(
            lambda k: history.window(k, BASE, end, 2000), tags
        )
        figures[f"read_all_{what}_ms"] = timed(lambda k: history.read(k, BASE, end), tags)
        figures[f"buckets_1min_{what}_ms"] = timed(
            lambda k: history.aggregate(k, BASE, end, 60 * SECOND), tags
        )
        history.merge(everything=True)
    source, size = Source(), 10_000
    history.append([batch(rows // 20 + 1, source.frame(rows))])
    figures["latest_10000_ms"] = timed(lambda _: history.latest(source.tag), size)
    history.close()
    begin = time.perf_counter()
    DuckHistory(folder).close()
    figures["restart_ms"] = (time.perf_counter() - begin) * 1e3
    figures["peak_mb"] = peak_mb()
    return figures


def size(folder: Path, million: float) -> Figures:
    """Bytes a value as sealed, and merged."""
    history, source = DuckHistory(folder), Source()
    frames = int(million * 1e6 / TAGS)
    for i in range(frames):
        history.append([batch(i + 1, source.frame(i))])
        history.seal()
    history.seal(everything=True)
    sealed = history.figures()
    begin = time.perf_counter()
    history.merge(everything=True)
    took, merged = time.perf_counter() - begin, history.figures()
    history.close()
    values = frames * TAGS
    return {
        "values": values,
        "points_of_tag": frames,
        "sealed_bytes_per_value": sealed["bytes_number"] / values,
        "merged_bytes_per_value": merged["bytes_number"] / values,
        "sealed_files": sealed["files_number"],
        "merged_files": merged["files_number"],
        "minute_rollup_bytes_per_value": merged["bytes_minute"] / values,
        "hour_rollup_bytes_per_value": merged["bytes_hour"] / values,
        "merge_values_per_s": values / took,
        "peak_mb": peak_mb(),
    }


def years(folder: Path, million: float) -> Figures:
    """Long windows: 100 tags every 10 s over as many days as the values reach, then one tag of all."""
    tags, step = 100, 10
    history, rng = DuckHistory(folder), np.random.default_rng(0)
    rows = int(million * 1e6 / tags)
    chunk = 86_400 // step
    for day in range(rows // chunk):
        at = BASE + (day * chunk + np.arange(chunk)) * (step * SECOND)
        value = np.round(20 + rng.normal(0, 0.1, chunk * tags), 2)
        samples = Samples.of(np.tile(np.arange(tags), chunk), np.repeat(at, tags), value)
        history.append([batch(day + 1, samples)])
        history.seal()
    history.seal(everything=True)
    history.merge(everything=True)
    days = rows // chunk
    end = BASE + days * 86_400 * SECOND
    figures: Figures = {"days": days, "samples_of_tag": days * chunk}
    figures["window_all_ms"] = timed(lambda k: history.window(k, BASE, end, 2000), tags)
    figures["window_month_ms"] = timed(
        lambda k: history.window(k, end - 30 * 86_400 * SECOND, end, 2000), tags
    )
    figures["buckets_day_ms"] = timed(
        lambda k: history.aggregate(k, BASE, end, 86_400 * SECOND), tags
    )
    figures["files"] = history.figures()["segments"]
    figures["peak_mb"] = peak_mb()
    history.close()
    return figures


def timed(look: Callable[[int], object], tags: int) -> float:
    """Median of 20, in ms."""
    took = []
    for tag in range(5, tags, max(1, tags // 20)):
        begin = time.perf_counter()
        look(tag)
        took.append(time.perf_counter() - begin)
    return float(np.median(took)) * 1e3


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def part(name: str, million: float) -> Figures:
    with tempfile.TemporaryDirectory(prefix="baotu-bench-") as folder:
        place = Path(folder)
        if name == "late":
            return append(place, million, late=0.2)
        if name == "paced":
            return append(place, million, rate=100_000)
        runs: dict[str, Callable[[Path, float], Figures]] = {
            "append": append, "read": read, "size": size, "years": years,
        }  # fmt: skip
        return runs[name](place, million)


def apart(name: str, million: float) -> Figures:
    """In a process of its own."""
    command = [sys.executable, __file__, "--part", name, "--million", str(million)]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(out)


def bars(found: dict[str, Figures], quick: bool) -> list[dict[str, Any]]:
    rows: list[tuple[str, float | None, str, float]] = []

    def row(what: str, part: str, figure: str, sign: str, bar: float) -> None:
        rows.append((what, found.get(part, {}).get(figure), sign, bar))

    row("durable append, values/s", "append", "values_per_s", ">=", 1.6e6)
    row("stretch: durable append, values/s", "append", "values_per_s", ">=", 3e6)
    row("peak of the process with all values, MB", "append", "peak_mb", "<=", 250)
    row("commit p99 at 100,000 values/s, ms", "paced", "commit_p99_ms", "<", 100)
    row("one tag of 60 M, 2,000 points, ms", "read", "window_2000_sealed_ms", "<", 30)
    row("latest of 10,000 tags, ms", "read", "latest_10000_ms", "<", 5)
    row("bytes/value sealed", "size", "sealed_bytes_per_value", "<=", 1.2)
    row("bytes/value merged", "size", "merged_bytes_per_value", "<=", 1.0)
    row("all years of one tag, ms", "years", "window_all_ms", "<", 200)
    if "append" in found and "late" in found:
        ratio = found["late"]["values_per_s"] / found["append"]["values_per_s"]
        rows.append(("20 % out of order, ratio", ratio, ">=", 0.8))
    test = {">=": float.__ge__, "<=": float.__le__, "<": float.__lt__}
    return [
        {"what": what, "figure": figure, "bar": f"{sign} {bar:g}", "quick": quick,
         "met": test[sign](float(figure), float(bar))}
        for what, figure, sign, bar in rows if figure is not None
    ]  # fmt: skip


MILLION = {"append": 100, "late": 30, "paced": 10, "read": 60, "size": 36, "years": 60}
QUICK = {"append": 3, "late": 3, "paced": 0.3, "read": 2, "size": 2, "years": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--million", type=float)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--part")
    options = parser.parse_args()
    if options.part:
        print(json.dumps(part(options.part, options.million)))
        return
    amount = QUICK if options.quick else MILLION
    names = options.only.split(",")
    found = {name: apart(name, options.million or amount[name]) for name in names}
    report = {
        "name": "history",
        "figures": found | {"machine": {"load_before": os.getloadavg()[0]}},
        "bars": bars(found, options.quick),
    }
    print(json.dumps(report, indent=None if options.json else 2))


if __name__ == "__main__":
    main()

"""Modbus float tags through a whole node: read, decoded, committed to history, shown live.

`python benchmarks/path.py [--quick] [--json] [--tags 100000] [--seconds 30] [--only bar,fast,ramp]`

The devices are a register server in another process; the node is a process of its own with its data
on disk. Samples are counted where they end: in history, and at a live channel. `ramp` asks faster
and faster until no more comes through.

Of twenty tags every reading must be in history. A tick that the edge left out (on a busy machine)
is no reading: it is a figure of its own, `missed_ticks`, and never counts as a missing sample.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from _house import HEAD, HERE, Eyes, Node, Window, bar, percentiles, registers, tell, write_tags

DEVICES = 4
UNIT = 100  # tags of one asset
SHOWN = 1_000
CHECKED = 20  # tags whose rows in history are counted
DEVICE = """[[device]]
name = "{name}"
driver = "modbus"
host = "{host}"
port = {port}
pipeline = 8
tags = "{name}.csv"

"""
Figures = dict[str, Any]


def rows(device: str, count: int, period_s: float) -> Iterator[dict[str, Any]]:
    for n in range(count):
        yield {
            "asset": f"bench/{device}/unit-{n // UNIT}", "property": f"p{n % UNIT}",
            "address": f"holding:{2 * n}:float32", "period_s": period_s,
        }  # fmt: skip


def configured(folder: Path, port: int, tags: int, period_s: float) -> str:
    text = HEAD.format(more="")
    for d in range(DEVICES):
        name = f"plc-{d}"
        write_tags(folder / f"{name}.csv", rows(name, tags // DEVICES, period_s))
        text += DEVICE.format(name=name, host=HERE, port=port)
    return text


def shown_names(count: int) -> list[str]:
    each = count // DEVICES
    return [
        f"bench/plc-{d}/unit-{n // UNIT}/p{n % UNIT}" for d in range(DEVICES) for n in range(each)
    ]


def run(tags: int, period_s: float, seconds: float, warm_s: float = 8.0) -> Figures:
    """warm_s: the first readings, the tag table, the first commits; from 32 s on the node has
    given back what its start needed."""
    with (
        tempfile.TemporaryDirectory(prefix="baotu-path-") as place,
        registers() as port,
        Node(Path(place), configured(Path(place), port, tags, period_s)) as node,
    ):
        until_known(node, tags)
        with Eyes(node, shown_names(SHOWN)) as eyes:
            time.sleep(warm_s)
            window = Window(node)
            before = missed_ticks(node)
            eyes.clear()
            begin = time.time()
            figures: Figures = {"tags": tags, "period_s": period_s} | window.wait(seconds)
            end = time.time()
            ages = eyes.ages_ms()
        figures |= {"start_s": round(node.start_s, 1), "peak_mb": node.memory_mb()["peak_mb"]}
        figures |= percentiles(ages, "tick_to_shown") | {"shown_samples": len(ages)}
        figures |= checked(node, begin, end, tags, period_s, before)
        return figures


def until_known(node: Node, tags: int) -> None:
    """Until the hub has the edge's tag table. Raises RuntimeError."""
    end = time.monotonic() + 90
    while node.json("/api/health")["tags"] < tags:
        if time.monotonic() > end:
            raise RuntimeError("the hub does not learn of the tags")
        time.sleep(0.5)


def checked(
    node: Node, begin: float, end: float, tags: int, period_s: float, before: dict[str, int]
) -> Figures:
    """Twenty tags, whose rows in history are counted. before: missed ticks by device at the begin."""
    time.sleep(2.5)  # the edge tells how it fares every two seconds
    dice = random.Random(1)
    first, last = int(begin) + 1, int(end) - 2
    span = f"start={iso(first)}&end={iso(last)}&points=0"
    stored: dict[str, list[int]] = {}
    for _ in range(CHECKED):
        device, n = f"plc-{dice.randrange(DEVICES)}", dice.randrange(tags // DEVICES)
        name = f"bench/{device}/unit-{n // UNIT}/p{n % UNIT}"
        rows = node.json(f"/api/history?tag={name}&{span}")["time"]
        stored.setdefault(device, []).append(len(rows))
    missed = {name: count - before.get(name, 0) for name, count in missed_ticks(node).items()}
    figures = accounted(round((last - first) / period_s), stored, missed)
    figures["missed_ticks"] = sum(missed.values())
    for device_row in node.devices("device"):
        if device_row["state"] != "up":
            figures[device_row["name"]] = f"{device_row['state']}: {device_row['why']}"
        for name, value in device_row["figures"].items():
            if name in ("dropped", "timeouts", "losses", "connects", "late"):
                figures[name] = figures.get(name, 0) + value
    return figures


def missed_ticks(node: Node) -> dict[str, int]:
    """By device, since its start, as the edge counts them."""
    return {row["name"]: row["figures"].get("missed_ticks", 0) for row in node.devices("device")}


def accounted(wanted: int, stored: dict[str, list[int]], missed: dict[str, int]) -> Figures:
    """What became of the readings that were wanted of each tag. stored: rows in history of each
    checked tag, by device. missed: ticks that the edge says it left out, by device.

    A tick that was left out is no reading: it lacks in all tags of its device, and the edge has
    counted it. What lacks in some tags only, or beyond that count, was read and is lost.
    """
    absent = missing = 0
    for device, counts in stored.items():
        lacks = [max(0, wanted - count) for count in counts]
        left_out = min(min(lacks), missed.get(device, 0))
        absent += left_out * len(counts)
        missing += sum(lacks) - left_out * len(counts)
    return {
        "checked_wanted": wanted * sum(map(len, stored.values())),
        "checked_samples": sum(map(sum, stored.values())),
        "checked_not_read": absent, "checked_missing": missing,
    }  # fmt: skip


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def ramp(tags: int, seconds: float) -> Figures:
    """Faster until less than 97 % comes through."""
    found: Figures = {}
    for period_s in (1.0, 0.5, 0.25, 0.2, 0.125, 0.1):
        step = run(tags, period_s, seconds)
        asked = tags / period_s
        found[f"asked_{asked:.0f}"] = step
        found["ceiling_samples_per_s"] = max(
            found.get("ceiling_samples_per_s", 0), step["samples_per_s"]
        )
        if step["samples_per_s"] < 0.97 * asked:
            break
        found["sustained_tags_per_s"] = step["samples_per_s"]
        found["sustained_cores"] = step["cores"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tags", type=int, default=100_000)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only", default="bar,fast,ramp")
    options = parser.parse_args()
    quick, figures = options.quick, {}
    tags = min(options.tags, 20_000) if quick else options.tags
    seconds, warm_s = options.seconds or (5 if quick else 30), 3.0 if quick else 32.0
    if "bar" in options.only:
        figures["bar"] = run(tags, 1.0, seconds, warm_s)
    if "fast" in options.only and not quick:
        figures["fast"] = run(tags // 10, 0.1, seconds, warm_s)
    if "ramp" in options.only and not quick:
        figures["ramp"] = ramp(tags, options.seconds or 15)
    bars = []
    for part, shape in (("bar", f"{tags:,} tags at 1 s"), ("fast", f"{tags // 10:,} at 100 ms")):
        if got := figures.get(part):
            bars += [
                bar(f"Modbus tags/s in history, {shape}", got["samples_per_s"], ">=",
                    0.995 * tags, quick),
                bar(f"cores of the node, {shape}", got["cores"], "<=", 1.0, quick),
                bar(f"memory of the node, {shape}, MB", got["rss_mb"], "<=", 250, quick),
                bar(f"commit p99, {shape}, ms", got["commit_p99_ms"], "<", 100, quick),
                bar(f"samples missing of 20 tags, {shape}", got["checked_missing"], "==", 0, quick),
            ]  # fmt: skip
    tell("path", figures, bars, options.json)


if __name__ == "__main__":
    main()

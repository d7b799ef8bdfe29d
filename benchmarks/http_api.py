"""Reading over HTTP: the newest values of 10,000 tags, and 60,000 of 60 million samples at 2,000 px.

`python benchmarks/http_api.py [--quick] [--json] [--million 60] [--calls 200]`

History is filled first, in the form a node leaves on disk; then a node is started on it, and this
process asks over one connection that stays open. Times are from the request to the last byte.
(Not named `http`: programs in this folder would import it instead of Python's own.)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from _house import HEAD, Node, bar, percentiles, tell

from baotu.assets import PlantModel
from baotu.history.duck import DuckHistory
from baotu.sdk import Samples, Tag
from baotu.sdk.link import Batch
from baotu.sdk.samples import SECOND

TAGS, LONG = 10_000, 1_000  # tags; of these have a long history
BASE = 1_780_000_000 * SECOND
FRAME = 20  # seconds in a batch
FORMS = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
}


def name(number: int) -> str:
    return f"bench/unit-{number // 100}/p{number % 100}"


def fill(data: Path, seconds: int) -> dict[str, float]:
    """`seconds` samples of each of the long tags, at 1 Hz; then one of every tag."""
    data.mkdir(parents=True)
    plant = PlantModel(data / "assets.db", "plant")
    ids = plant.adopt(
        "bench",
        [Tag(id=n, asset=name(n).rpartition("/")[0], property=f"p{n % 100}", low=0.0, high=50.0,
             unit="Cel") for n in range(TAGS)],
    )  # fmt: skip
    plant.close()
    history, dice = DuckHistory(data / "history"), np.random.default_rng(0)
    phase, tags = dice.uniform(0, 6.28, LONG), np.tile(ids[:LONG], FRAME).astype("i4")
    begin, number = time.perf_counter(), 0
    for number in range(1, seconds // FRAME + 1):
        at = (number - 1) * FRAME + np.arange(FRAME)
        wave = 20 + 5 * np.sin(6.283 * at[:, None] / 3600 + phase)
        value = np.round(wave + dice.normal(0, 0.1, wave.shape), 2).ravel()
        put(history, number, Samples.of(tags, np.repeat(BASE + at * SECOND, LONG), value))
        history.seal()
    last = np.full(TAGS, BASE + seconds * SECOND)
    put(history, number + 1, Samples.of(ids.astype("i4"), last, dice.normal(20, 5, TAGS).round(2)))
    took, files = time.perf_counter() - begin, history.figures()["segments"]
    history.close()
    return {"filled_s": round(took, 1), "files": files}


def put(history: DuckHistory, number: int, samples: Samples) -> None:
    batch = Batch(
        log="bench", first=number, last=number, after=number - 1 or None, samples=(samples,)
    )
    assert history.append([batch]) == [True]


def asked(node: Node, paths: list[str], form: str, calls: int) -> dict[str, float]:
    for path in paths[:20]:
        size = len(node.get(path, FORMS[form]))
    took = []
    for call in range(calls):
        begin = time.perf_counter()
        node.get(paths[call % len(paths)], FORMS[form])
        took.append((time.perf_counter() - begin) * 1e3)
    return percentiles(np.array(took), "answer") | {"bytes": size}


def run(million: float, calls: int) -> dict[str, Any]:
    seconds = int(million * 1e6) // LONG // FRAME * FRAME
    with tempfile.TemporaryDirectory(prefix="baotu-http-") as place:
        folder = Path(place)
        figures: dict[str, Any] = {"samples": seconds * LONG, "samples_of_tag": seconds}
        figures |= fill(folder / "data", seconds)
        with Node(folder, HEAD.format(more="")) as node:
            time.sleep(5)  # the keeper has its first look
            latest = ["/api/latest?all=true"]
            span = f"start={iso(BASE)}&end={iso(BASE + seconds * SECOND)}&points=2000"
            windows = [f"/api/history?tag={name(n)}&{span}" for n in range(5, LONG, 37)]
            rows = len(node.json(latest[0])["tag"])
            points = len(node.json(windows[0])["tag"])
            figures |= {"latest_rows": rows, "window_points": points}
            for form in FORMS:
                figures[f"latest_{form}"] = asked(node, latest, form, calls)
                figures[f"window_{form}"] = asked(node, windows, form, calls)
            figures |= {"start_s": round(node.start_s, 1)} | node.memory_mb()
    return figures


def iso(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat().replace("+00:00", "Z")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--million", type=float)
    parser.add_argument("--calls", type=int)
    options = parser.parse_args()
    quick = options.quick
    figures = run(options.million or (2 if quick else 60), options.calls or (40 if quick else 200))
    bars = [
        bar(f"{what} over HTTP, {form}, p50 ms", figures[f"{key}_{form}"]["answer_p50_ms"], "<",
            limit, quick)
        for key, what, limit in (
            ("latest", "latest of 10,000 tags", 5.0), ("window", "60 k of 60 M samples", 30.0)
        )
        for form in ("json", "arrow")
    ]  # fmt: skip
    tell("http_api", figures, bars, options.json)


if __name__ == "__main__":
    main()

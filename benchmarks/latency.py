"""From a change at the device to the browser, while the demo plant with its 1,240 tags runs.

`python benchmarks/latency.py [--quick] [--json] [--seconds 60]`

A Modbus device of this benchmark counts its registers up at moments it notes; the node reads it
every 100 ms beside the plant. Eyes: a live channel that watches these tags alone, one that watches
every tag of the node, and a page of the console in headless Chromium, noted after it was painted.
All clocks are this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from _house import HERE, Eyes, Node, bar, percentiles, tell

from baotu.house.demo import PlantProcess, bridges

sys.path.insert(0, str(Path(__file__).parents[1]))

TAGS = 20
PERIOD_S = 0.1
ASSET = "bench/counters"
DEVICE = f"""
[[device]]
name = "counters"
driver = "modbus"
host = "{HERE}"
port = {{port}}
asset = "{ASSET}"

"""
TAG = """[[device.tag]]
property = "p{n}"
address = "holding:{n}:uint16"
period_s = 0.1
deadband = {deadband}

"""
WATCH = """new Promise(async done => {
  const home = document.querySelector('script[src*="/js/frame.js"]').src;
  const { live } = await import(home.replace('frame.js', 'live.js'));
  const seen = [], names = %s;
  const stop = live.watch(names, (sample, name) =>
    requestAnimationFrame(() => seen.push([name, sample.value, Date.now()])));
  setTimeout(() => { stop(); done(JSON.stringify(seen)) }, %d);
})"""


class Counters:
    """A device of 20 registers; `changed[(n, value)]` is when register n became value, in ms."""

    def __init__(self, every_s: float) -> None:
        self.values, self.changed = [0] * TAGS, dict[tuple[int, int], float]()
        self._every, self._ready, self.port = every_s, threading.Event(), 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Counters:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        for beat in self._beats:
            self._loop.call_soon_threadsafe(beat.cancel)
        self._loop.call_soon_threadsafe(self._loop.call_later, 0.1, self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._answer, HERE, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._beats = [self._loop.create_task(self._beat(n)) for n in range(TAGS)]
        self._loop.run_forever()

    async def _beat(self, n: int) -> None:
        dice = random.Random(n)
        while True:
            await asyncio.sleep(self._every * dice.uniform(0.5, 1.5))
            self.values[n] = (self.values[n] + 1) % 60_000
            self.changed[n, self.values[n]] = time.time() * 1e3

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await reader.readexactly(12)
                number, _, _, unit, function, start, count = struct.unpack(">HHHBBHH", asked)
                body = struct.pack(f">{count}H", *self.values[start : start + count])
                head = struct.pack(">HHHBBB", number, 0, len(body) + 3, unit, function, len(body))
                writer.write(head + body)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def delays_ms(self, seen: list[tuple[str, float, float]], since: float) -> np.ndarray:
        """How long after its change each value was first seen; only changes after `since` (ms)."""
        first: dict[tuple[int, int], float] = {}
        for name, value, at in seen:
            if name.startswith(f"{ASSET}/p") and value is not None:
                first.setdefault((int(name.rpartition("/p")[2]), int(value)), at)
        known = ((at, self.changed.get(key, 0.0)) for key, at in first.items())
        return np.array([at - changed for at, changed in known if changed > since])


def seen(eyes: Eyes) -> list[tuple[str, float, float]]:
    return [
        (name, value, at)
        for _, at, names, values in list(eyes.rows)
        for name, value in zip(names, values, strict=True)
        if name.startswith(ASSET)
    ]


def configured(path: Path, mqtt: int, port: int, deadband: float) -> None:
    tags = "".join(TAG.format(n=n, deadband=deadband) for n in range(TAGS))
    with path.open("a", encoding="utf-8") as file:
        file.write(bridges(mqtt) + DEVICE.format(port=port) + tags)


def run(seconds: float, deadband: float, browser: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="baotu-latency-") as place, Counters(2.0) as device:
        folder = Path(place)
        plant = PlantProcess(folder / "plant")
        try:
            ready = plant.start()
            config = Path(ready["config"])
            configured(config, int(ready["ports"]["mqtt"]), device.port, deadband)
            with Node(folder, config=config) as node:
                return watched(node, device, seconds, browser)
        finally:
            plant.stop()


def watched(node: Node, device: Counters, seconds: float, browser: bool) -> dict[str, Any]:
    time.sleep(15)  # servers up, subscriptions made
    mine = [f"{ASSET}/p{n}" for n in range(TAGS)]
    names = [tag["name"] for tag in node.json("/api/tags?limit=10000")["tags"]]
    figures: dict[str, Any] = {"tags": len(names)}
    with Eyes(node, mine) as few, Eyes(node, names) as every, page(node, browser) as tab:
        time.sleep(3)
        few.clear(), every.clear()
        cpu, begin, since = node.cpu_s(), time.monotonic(), time.time() * 1e3
        painted = look(tab, seconds, mine)
        figures["cores"] = round((node.cpu_s() - cpu) / (time.monotonic() - begin), 3)
        figures |= node.memory_mb()
        for what, rows in (
            ("watching_20", seen(few)), ("watching_all", seen(every)), ("chromium", painted)
        ):  # fmt: skip
            delays = device.delays_ms(rows, since)
            figures |= percentiles(delays, what) | {f"{what}_changes": len(delays)}
        if isinstance(tab, str):
            figures["chromium"] = tab
    return figures


@contextmanager
def page(node: Node, wanted: bool) -> Iterator[Any]:
    """The page of the asset with the twenty values in headless Chromium; or why there is none."""
    if not wanted:
        yield "not asked for"
        return
    try:
        from tests import browser
    except ImportError as error:
        yield f"not measured: {error}"
        return
    if not (shutil.which("chromium")):
        yield "not measured: chromium is not installed"
        return
    with browser.Browser() as chromium:
        tab = chromium.open("about:blank")
        tab.do("Network.setCookie", url=node.address, **node.cookie())
        tab.go(f"{node.address}/zh/asset/{ASSET}")
        tab.wait("document.querySelector('main').innerText.length > 20")
        yield tab
        tab.close()


def look(tab: Any, seconds: float, names: list[str]) -> list[tuple[str, float, float]]:
    """(name, value, ms) of every value that was painted in this time."""
    if isinstance(tab, str):
        time.sleep(seconds)
        return []
    tab._wire.settimeout(seconds + 60)
    told = json.loads(tab.js(WATCH % (json.dumps(names), seconds * 1000)))
    return [(name, value, at) for name, value, at in told]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    quick = options.quick
    seconds = options.seconds or (8 if quick else 60)
    figures: dict[str, Any] = {"by_exception": run(seconds, 0.5, browser=True)}
    if not quick:
        figures["every_reading"] = run(seconds, 0.0, browser=True)
    rows = figures["by_exception"]
    bars = [
        bar("device to live channel with every tag, p99 ms", rows.get("watching_all_p99_ms"), "<",
            500, quick),
        bar("device to a page in Chromium, p99 ms", rows.get("chromium_p99_ms"), "<", 500, quick),
    ]  # fmt: skip
    if "every_reading" in figures:
        most = figures["every_reading"].get("chromium_p99_ms")
        bars.append(
            bar("device to Chromium, every reading reported, p99 ms", most, "<", 500, quick)
        )
    tell("latency", figures, bars, options.json)


if __name__ == "__main__":
    main()

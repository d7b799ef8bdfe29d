"""The edge alone: pipeline, registry, and polling of 100,000 tags/s from a fake device process.

    python benchmarks/edge.py [--json] [--seconds 8]

The fake device is a process of its own that does no more than answer; CPU is counted of the edge's
process only. Poll figures are of the protocol in `tests/edge/fakes.py` with 60 float32 an answer,
decoded by one `np.frombuffer`, so they bound what any driver can reach.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import struct
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baotu.edge.edge import Edge
from baotu.edge.pipeline import Pipeline
from baotu.edge.registry import TagRegistry
from baotu.edge.spec import DeviceSpec
from baotu.kernel.clock import SystemClock
from baotu.sdk import DriverEntry, Endpoint, PolledDriver, Request, Samples, SessionDriver, Tag

BLOCK, ANSWER = 60, struct.Struct(">HH")


def pipeline_rate(tags: int = 10_000, batch: int = 1_000, **more: object) -> float:
    """Values/s through scale, deadband and latest values, in batches of `batch`."""
    pipeline = Pipeline()
    pipeline.change(
        Tag(id=i, asset="hall", property=f"p{i}", scale=0.1, **({"deadband": 0.5} | more))
        for i in range(tags)
    )
    dice = np.random.default_rng(1)
    batches = [
        Samples.of(
            np.arange(start, start + batch), turn * 10**9, dice.normal(200, 6, batch).round()
        )
        for turn in range(30)
        for start in range(0, tags - batch + 1, batch)
    ]
    best = 0.0
    for _ in range(5):
        begin = time.perf_counter()
        for samples in batches:
            pipeline.process([samples], 0.0)
        best = max(best, len(batches) * batch / (time.perf_counter() - begin))
    return best


def derived_cost(assets: int = 500) -> float:
    """Seconds of CPU for one second of `assets` formulas of two inputs each at 1 Hz."""
    pipeline = Pipeline()
    rows = [
        ("flow", ""),
        ("head", ""),
        ("work", "flow * head * 0.002725"),
    ]
    pipeline.change(
        Tag(id=3 * a + i, asset=f"pump{a}", property=name, expression=text)
        for a in range(assets)
        for i, (name, text) in enumerate(rows)
    )
    ids = np.concatenate([[3 * a, 3 * a + 1] for a in range(assets)])
    best = 9.0
    for turn in range(5):
        begin = time.perf_counter()
        pipeline.process([Samples.of(ids, turn * 10**9, np.ones(len(ids)))], float(turn))
        best = min(best, time.perf_counter() - begin)
    return best


def registry_times(count: int = 100_000) -> dict[str, float]:
    names = [f"site/area/line-{i % 100}/unit-{i}/temperature" for i in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tags"
        begin = time.perf_counter()
        registry = TagRegistry(path)
        registry.ids(names)
        made = time.perf_counter() - begin
        registry.close()
        best = 9.0
        for _ in range(5):
            begin = time.perf_counter()
            registry = TagRegistry(path)
            best = min(best, time.perf_counter() - begin)
            registry.close()
    return {"made_s": made, "load_s": best}


class Answering(asyncio.Protocol):
    """Reads questions of 8 bytes, answers each with a block of float32."""

    def __init__(self) -> None:
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        whole = len(data) // 8 * 8
        self.rest = data[whole:]
        body = BODIES[int(time.monotonic() * 4) % len(BODIES)]  # values that move
        self.transport.write(
            b"".join(data[i : i + 2] + ANSWER_TAIL + body for i in range(0, whole, 8))
        )


BODIES = [np.arange(turn, turn + BLOCK, dtype=">f4").tobytes() for turn in range(64)]
ANSWER_TAIL = struct.pack(">H", BLOCK)


def serve(port: multiprocessing.Queue[int]) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "::1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@dataclass(frozen=True, kw_only=True)
class Where:
    port: int


class Blocks(PolledDriver):
    Settings = Where
    window = 8

    def endpoint(self) -> Endpoint:
        return Endpoint(host="::1", port=self.settings.port)

    def plan(self, tags):
        ids = np.array([tag.id for tag in tags], "i4")
        parts = [ids[i : i + BLOCK] for i in range(0, len(ids), BLOCK)]
        return [
            Request(payload=struct.pack(">HHH", 3, i, len(part)), tags=part)
            for i, part in enumerate(parts)
        ]

    def numbered(self, request, number):
        return number.to_bytes(2, "big") + request.payload

    def whole(self, buffer):
        if len(buffer) < ANSWER.size:
            return 0, None
        number, count = ANSWER.unpack_from(buffer)
        return ANSWER.size + 4 * count, number

    def decode(self, request, answer, time):
        value = np.frombuffer(answer, ">f4", offset=ANSWER.size).astype("f8")
        size = len(request.tags)
        return [Samples(request.tags, np.full(size, time), value[:size], np.zeros(size, "u1"))]

    def replan(self, request, refusal):
        return []

    def write(self, tag, value):
        return []


class NoBoard:
    def put(self, health) -> None:
        self.last = health

    def healths(self, kind: str = ""):
        return []


def against_device(
    work: Callable[[int], Coroutine[None, None, dict[str, float]]],
) -> dict[str, float]:
    """Run `work(port)` against the fake device in a process of its own."""
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(ports,), daemon=True)
    process.start()
    try:
        return asyncio.run(work(ports.get(timeout=10)))
    finally:
        process.terminate()
        process.join()


async def _poll(port: int, total: int, devices: int, seconds: float) -> dict[str, float]:
    """`total` tags at 1 s spread over `devices` connections."""
    entry = DriverEntry(title="块 Blocks", summary="", client=Blocks)
    each = total // devices
    specs = [
        DeviceSpec(
            name=f"d{d}", driver="blocks", entry=entry, settings=Where(port=port),
            tags=tuple(
                Tag(id=-1, asset=f"hall/d{d}", property=f"p{i}", device=f"d{d}", address=str(i),
                    scale=0.1, deadband=0.001)
                for i in range(each)
            ),
        )
        for d in range(devices)
    ]  # fmt: skip
    taken = [0]
    late = [0.0]

    def sink(samples: Samples) -> None:
        taken[0] += len(samples)
        late[0] = max(late[0], (time.time_ns() - int(samples.time.min())) / 1e9)

    with tempfile.TemporaryDirectory() as folder:
        edge = Edge(
            name="bench", folder=Path(folder), sink=sink, board=NoBoard(), clock=SystemClock()
        )
        begin = time.perf_counter()
        await edge.start(specs)
        started = time.perf_counter() - begin
        await asyncio.sleep(3)
        before, cpu, begin = edge.flow.taken, _cpu(), time.perf_counter()
        missed = sum(d.tally.missed_ticks for d in edge.devices.values())
        late[0], taken[0] = 0.0, 0
        await asyncio.sleep(seconds)
        took, used = time.perf_counter() - begin, _cpu() - cpu
        rate = (edge.flow.taken - before) / took
        missed = sum(d.tally.missed_ticks for d in edge.devices.values()) - missed
        await edge.stop()
    return {
        "tags_per_s": rate, "sunk_per_s": taken[0] / took, "cores": used / took, "missed_ticks": missed,
        "max_age_s": late[0], "start_s": started,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


class Flood(SessionDriver):
    """187,000 events of 40 tags with a deadband, in one call, again every five seconds."""

    Settings = object

    async def run(self, tags, line):
        line.up()
        ids = np.resize(np.array([tag.id for tag in tags], "i4"), 187_000)
        dice = np.random.default_rng(2)
        while True:
            line.deliver(
                Samples.of(ids, line.now() + np.arange(187_000), dice.normal(size=187_000))
            )
            await asyncio.sleep(5)

    async def write(self, tag, value):
        return value


async def _flood(port: int, seconds: float) -> dict[str, float]:
    """Age (s) at the sink of a neighbour's samples, read every 100 ms; without and with a flood."""
    polled = DriverEntry(title="块 Blocks", summary="", client=Blocks)
    pushed = DriverEntry(title="洪 Flood", summary="", client=Flood)

    def tags(name: str, count: int, **more: object) -> tuple[Tag, ...]:
        return tuple(
            Tag(id=-1, asset=f"hall/{name}", property=f"p{i}", device=name, address=str(i), **more)
            for i in range(count)
        )

    well = DeviceSpec(
        name="well", driver="blocks", entry=polled, settings=Where(port=port),
        tags=tags("well", 120, period_s=0.1),
    )  # fmt: skip
    flood = DeviceSpec(
        name="flood", driver="flood", entry=pushed, settings=None,
        tags=tags("flood", 40, deadband=0.5),
    )  # fmt: skip
    ages: list[float] = []

    def sink(samples: Samples) -> None:
        mine = samples.time[samples.tag < 120]
        if len(mine):
            ages.append((time.time_ns() - int(mine.min())) / 1e9)

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        edge = Edge(
            name="bench", folder=Path(folder), sink=sink, board=NoBoard(), clock=SystemClock()
        )
        await edge.start([well])
        for what, specs in (("alone", [well]), ("flooded", [well, flood])):
            await edge.apply(specs)
            await asyncio.sleep(1)
            ages.clear()
            await asyncio.sleep(seconds)
            found[f"{what}_p50_s"], found[f"{what}_max_s"] = np.median(ages), max(ages)
        found["missed_ticks"] = edge.devices["well"].tally.missed_ticks
        await edge.stop()
    return {name: float(value) for name, value in found.items()}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(seconds: float = 8.0) -> dict[str, object]:
    return {
        "pipeline_1000_scale_deadband_values_per_s": pipeline_rate(),
        "pipeline_1000_scale_no_deadband_values_per_s": pipeline_rate(deadband=0.0),
        "pipeline_60_values_per_s": pipeline_rate(batch=60),
        "derived_500_formulas_s": derived_cost(),
        "registry_100k": registry_times(),
        "poll_100k_1_connection": against_device(lambda p: _poll(p, 100_000, 1, seconds)),
        "poll_100k_20_connections": against_device(lambda p: _poll(p, 100_000, 20, seconds)),
        "flood_of_a_neighbour": against_device(lambda p: _flood(p, seconds)),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    found = run(given.seconds)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            shown = value if isinstance(value, dict) else {"": value}
            print(name, *(f"{k} {v:,.4g}" for k, v in shown.items()))

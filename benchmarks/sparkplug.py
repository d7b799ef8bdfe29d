"""Sparkplug B metrics a second: decoded alone, taken by the host, and through mosquitto to a line.

The edge node is another process that writes ready-made MQTT packets to its socket; mosquitto is a
third. `neighbour` is the latency of a second session in our loop, quiet and beside 187,000 events.
`python benchmarks/sparkplug.py [--json] [--quick]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.drivers.sparkplug.brokers import mosquitto

from baotu.drivers.sparkplug import codec
from baotu.drivers.sparkplug.driver import Client, HostSettings
from baotu.drivers.sparkplug.edge_node import EdgeNode, Shape
from baotu.drivers.sparkplug.host import Host, Message
from baotu.edge.mqtt import connect
from baotu.sdk import Samples, Tag
from baotu.sdk.testing.sessions import RecordingLine, running

BURST = 187_000
Maker = Callable[[int, int], bytes]


def double(i: int, now: int) -> bytes:
    return codec.metric(alias=i, time=now, datatype=10, value=codec.scalar(13, i * 1.5))


def mixed(i: int, now: int) -> bytes:
    kind, place = ((10, 13), (11, 14), (3, 10))[i % 3]
    value = codec.scalar(place, (i * 1.5, i & 1, i * 31)[i % 3])
    return codec.metric(alias=i, time=now + i % 3, datatype=kind, value=value)


def named(i: int, now: int) -> bytes:
    return codec.metric(name=f"m{i}", time=now, datatype=10, value=codec.scalar(13, i * 1.5))


SHAPES: dict[str, Maker] = {"alias, double": double, "alias, mixed": mixed, "name, double": named}


def birth(size: int, node: str, shape: Maker) -> list[Message]:
    kinds = {double: (10,), mixed: (10, 11, 3), named: (10,)}[shape]  # type: ignore[index]
    now = time.time_ns() // 1_000_000
    metrics = [
        codec.metric(name=f"m{i}", alias=i, time=now, datatype=kinds[i % len(kinds)],
                     value=codec.scalar(10, 0))
        for i in range(size)
    ]  # fmt: skip
    return [(f"spBv1.0/{node}/NBIRTH/{node}", codec.encode(timestamp=now, metrics=metrics, seq=0))]


def data(size: int, node: str, shape: Maker, count: int, first: int = 1) -> list[Message]:
    now = time.time_ns() // 1_000_000
    metrics = [shape(i, now) for i in range(size)]
    ready = [codec.encode(timestamp=now, metrics=metrics, seq=seq) for seq in range(256)]
    return [(f"spBv1.0/{node}/NDATA/{node}", ready[(first + i) % 256]) for i in range(count)]


def tags(size: int, node: str) -> list[Tag]:
    return [
        Tag(id=i, asset=node, property=f"m{i}", address=f"{node}/{node}//m{i}") for i in range(size)
    ]


def alone(total: int) -> list[dict]:
    rows = []
    for name, shape in SHAPES.items():
        for size in (1, 10, 100, 1000):
            messages = data(size, "n", shape, max(1, total // size))
            best = []
            for _ in range(3):
                began = time.process_time()
                for _, payload in messages:
                    codec.decode(payload)
                best.append(time.process_time() - began)
            line = RecordingLine(tags(size, "n"), keeps=False, mqtt=connect)
            host = Host(line, tags(size, "n"))
            host.receive(birth(size, "n", shape), 0.0)
            line.count = 0
            began = time.process_time()
            for i in range(0, len(messages), 200):
                host.receive(messages[i : i + 200], 0.0)
            taken = time.process_time() - began
            assert line.count == len(messages) * size, (line.count, host.counts)
            rows.append({
                "what": "decode", "shape": name, "metrics": size,
                "decoded_per_cpu_s": round(len(messages) * size / min(best)),
                "delivered_per_cpu_s": round(len(messages) * size / taken),
            })  # fmt: skip
    return rows


def published(total: int) -> dict:
    """Samples of 1,000 tags in 20 devices turned into DDATA messages by our own edge node."""
    size = 1000
    table = [Tag(id=i, asset=f"line/unit{i % 20}", property=f"p{i}") for i in range(size)]
    node = EdgeNode(Shape(group="g", node="n"), table, 0)
    list(node.births([], 1))
    ids = np.arange(size)
    rounds = [
        Samples.of(ids, np.full(size, k * 10**9), np.full(size, float(k)))
        for k in range(1, total // size)
    ]
    began = time.process_time()
    octets = sum(len(data) for part in rounds for _, data in node.data(part, 1))
    used = time.process_time() - began
    count = len(rounds) * size
    return {"what": "publish", "encoded_per_cpu_s": round(count / used),
            "bytes_per_sample": round(octets / count, 1)}  # fmt: skip


# ---------------------------------------------------------------------- the edge node's process
def packet(topic: str, payload: bytes) -> bytes:
    name = topic.encode()
    body = struct.pack(">H", len(name)) + name + payload
    return b"\x30" + codec.number(len(body)) + body


def play(port: int, shape: str, size: int, count: int, pause: float, node: str) -> None:
    """Connect, be born, wait for a line on stdin, then send; a paced one sends its own time."""
    link = socket.create_connection(("::1", port))
    name = f"bench-{node}".encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name
    link.sendall(b"\x10" + codec.number(len(body)) + body)
    link.recv(4)
    kind = SHAPES[shape]
    ready = b"".join(packet(*one) for one in data(size, node, kind, 256))
    while sys.stdin.readline().strip() == "born":
        for one in birth(size, node, kind):
            link.sendall(packet(*one))
    if pause:
        for i in range(count):
            value = codec.scalar(13, time.time())
            now = time.time_ns() // 1_000_000
            metrics = [codec.metric(alias=0, time=now, datatype=10, value=value)]
            payload = codec.encode(timestamp=now, metrics=metrics, seq=(1 + i) % 256)
            link.sendall(packet(f"spBv1.0/{node}/NDATA/{node}", payload))
            time.sleep(pause)
    else:
        for _ in range(count // 256):
            link.sendall(ready)
    link.close()


async def edge_node(port: int, shape: str, size: int, count: int, pause: float, node: str):
    return await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).resolve()), "--play", json.dumps([port, shape, size, count, pause, node]),
        stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def born(process, line: RecordingLine) -> None:
    """Until the host has seen the birth."""
    process.stdin.write(b"born\n")
    await line.until(lambda: line.count > 0, 60, "birth")


async def through(port: int, shape: str, size: int, count: int) -> dict:
    line = RecordingLine(tags(size, "n"), keeps=False, mqtt=connect)
    process = await edge_node(port, shape, size, count, 0.0, "n")
    async with running(Client(HostSettings(port=port, rebirth="never")), tags(size, "n"), line):
        await line.until(lambda: line.ups > 0, 5, "up")
        await born(process, line)
        line.count = 0
        cpu, began = time.process_time(), time.perf_counter()
        process.stdin.write(b"go\n")
        with suppress(AssertionError):
            await line.until(lambda: line.count >= count * size, 60, "all")
        took, used = time.perf_counter() - began, time.process_time() - cpu
    await process.wait()
    return {
        "what": "mosquitto", "shape": shape, "metrics": size, "messages": count,
        "delivered_per_s": round(line.count / took), "messages_per_s": round(count / took),
        "delivered_per_cpu_s": round(line.count / used), "cpu": round(used / took, 2), "lost": count * size - line.count,
    }  # fmt: skip


class Late(RecordingLine):
    """Keeps how late each sample came: its value is the second it was sent."""

    def __init__(self, tags: list[Tag]) -> None:
        super().__init__(tags, keeps=False, mqtt=connect)
        self.late: list[float] = []

    def deliver(self, samples: Samples) -> None:
        super().deliver(samples)
        self.late += (time.time() - samples.value).tolist()


async def neighbour(port: int, beside: int, seconds: float, pause: float = 0.0) -> dict:
    """Latency of one session, 100 messages a second, beside a burst on another, same loop."""
    line, busy = (
        Late(tags(1, "quiet")),
        RecordingLine(tags(1, "n"), keeps=False, mqtt=connect),
    )
    quiet = await edge_node(port, "alias, double", 1, int(seconds * 100), 0.01, "quiet")
    burst = await edge_node(port, "alias, double", 1, beside, pause, "n")
    settings = HostSettings(port=port, rebirth="never")
    async with (
        running(Client(settings), tags(1, "quiet"), line),
        running(Client(settings), tags(1, "n"), busy),
    ):
        await line.until(lambda: line.ups > 0 and busy.ups > 0, 30, "up")
        await born(quiet, line)
        await born(burst, busy)
        line.late.clear()
        busy.count = 0
        quiet.stdin.write(b"go\n")
        began = time.perf_counter()
        if beside:
            burst.stdin.write(b"go\n")
            await busy.until(lambda: busy.count >= beside, 120, "burst")
        took = time.perf_counter() - began
        await quiet.wait()
        await asyncio.sleep(0.1)
    if burst.returncode is None:
        burst.kill()
    await burst.wait()
    late = np.array(line.late) * 1000
    return {
        "what": "neighbour", "beside": beside, "beside_s": round(took, 2),
        "p50_ms": round(float(np.percentile(late, 50)), 1),
        "p99_ms": round(float(np.percentile(late, 99)), 1), "samples": len(late),
    }  # fmt: skip


async def run(quick: bool) -> list[dict]:
    scale = 10 if quick else 1
    rows = [*alone(200_000 // scale), published(200_000 // scale)]
    with tempfile.TemporaryDirectory() as folder:
        # without it the broker's small packets wait for acknowledgements, most of all on loopback
        async with mosquitto(Path(folder), ["set_tcp_nodelay true"]) as broker:
            for shape, size, count in (
                ("alias, double", 100, 80), ("alias, mixed", 100, 40),
                ("alias, double", 10, 200), ("alias, double", 1, 200),
            ):  # fmt: skip
                rows.append(await through(broker.port, shape, size, 256 * (count // scale)))
            rows.append(await neighbour(broker.port, 0, 3))
            rate = BURST / 300  # in five minutes
            rows.append(await neighbour(broker.port, int(rate * 50 / scale), 50 / scale, 1 / rate))
            rows.append(await neighbour(broker.port, BURST // 256 // scale * 256, 30 / scale))
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return [*rows, {"what": "memory", "peak_mb": peak}]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--play", default="")
    options = asked.parse_args()
    if options.play:
        play(*json.loads(options.play))
        return
    rows = asyncio.run(run(options.quick))
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()

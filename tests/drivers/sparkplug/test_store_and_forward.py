"""What is acquired while the broker is away reaches the host later, once, marked as historical.

Against mosquitto killed with SIGKILL, decoded by npm sparkplug-payload; and a whole node killed too.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import statistics
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from baotu.drivers.sparkplug import codec
from baotu.drivers.sparkplug.edge_node import EdgeNode, Shape
from baotu.drivers.sparkplug.publisher import NodeSettings, Server
from baotu.sdk import Samples, Tag, Unreachable
from tests.edge.test_forward import Plant

from .brokers import Mosquitto, free_port, mosquitto
from .peers import Peer, js_peer
from .test_publisher import messages

TAG = Tag(id=1, asset="a/b", property="x")


async def until(true, what: str, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s:g} s"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def kept_up(settings: NodeSettings, plant: Plant) -> AsyncIterator[None]:
    """The server, run and run again as the edge does it."""

    async def run() -> None:
        server = Server(settings)
        while True:
            with suppress(Unreachable):
                await server.serve(plant.feed, lambda address: None)
            plant.feed.close()
            await asyncio.sleep(0.05)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def host(broker: Mosquitto, time_ms: int) -> AsyncIterator[Peer]:
    """An independent primary host that says it is online."""
    async with js_peer("host.js", str(broker.port)) as peer:
        await peer.heard("ready")
        await peer.tell(f"state scada true {time_ms}")
        yield peer


def told(peer: Peer, verb: str = "DDATA") -> list[dict[str, Any]]:
    return [metric for message in messages(peer, verb) for metric in message["metrics"]]


def past(peer: Peer) -> list[float]:
    return [m["value"] for m in told(peer) if m.get("isHistorical")]


def live(peer: Peer) -> list[float]:
    return [m["value"] for m in told(peer) if not m.get("isHistorical")]


def numbers(first: int, last: int) -> list[float]:
    return [float(n) for n in range(first, last + 1)]


@pytest.mark.peer("mosquitto")
@pytest.mark.peer("sparkplug-payload")
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_killed_broker_loses_nothing_and_the_gap_is_historical(
    tmp_path: Path, protocol: str
) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path)
        async with mosquitto(tmp_path) as broker:
            settings = NodeSettings(
                port=broker.port, data_ms=20, primary_host="scada", protocol=protocol
            )
            async with kept_up(settings, plant):
                async with host(broker, 10) as peer:
                    await until(lambda: messages(peer, "DBIRTH"), "birth")
                    plant.acquire(*numbers(1, 5))
                    await until(lambda: live(peer) == numbers(1, 5), "live values")
                    book = tmp_path / "servers/out.json"
                    await until(lambda: _head(book) == plant.log.last, "the broker's word")
                    await broker.stop(signal.SIGKILL)
                plant.acquire(*numbers(6, 300))
                await broker.start()
                async with host(broker, 20) as peer:
                    await until(lambda: messages(peer, "DBIRTH"), "second birth")
                    born = [m["value"] for m in told(peer, "DBIRTH") if m["value"] is not None]
                    plant.acquire(301)
                    await until(lambda: 301.0 in live(peer), "the present")
                    await until(lambda: len(past(peer)) >= 300 - 5 - len(born), "the gap")
                    await until(lambda: _head(book) == plant.log.last, "the broker's word")
                    assert past(peer) + born == numbers(6, 300), "all of it, once, in order"
                    assert live(peer) == [301.0]
                    verbs = [json.loads(line)["topic"].split("/")[2] for line in peer.lines[1:]]
                    assert verbs[:4] == ["NBIRTH", "DBIRTH", "DBIRTH", "DDATA"]
                    seqs = [json.loads(line)["seq"] for line in peer.lines[1:]]
                    assert seqs == [n % 256 for n in range(len(seqs))]
                    stamps = [m["timestamp"] for m in told(peer) if m.get("isHistorical")]
                    assert stamps == [int(value * 1000) for value in past(peer)], "source time"

    asyncio.run(scene())


def _head(book: Path) -> int:
    with suppress(OSError, ValueError):
        found = json.loads(book.read_bytes())
        return -1 if found["gaps"] else found["head"]
    return -1


@pytest.mark.peer("mosquitto")
@pytest.mark.peer("sparkplug-payload")
def test_a_long_backlog_is_sent_slowly_and_the_present_does_not_wait(tmp_path: Path) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path)
        async with mosquitto(tmp_path) as broker:
            settings = NodeSettings(
                port=broker.port, data_ms=50, primary_host="scada", store_rate=2000
            )
            async with kept_up(settings, plant):
                async with host(broker, 10) as peer:
                    await until(lambda: messages(peer, "DBIRTH"), "birth")
                    plant.acquire(1)
                    await until(lambda: _head(tmp_path / "servers/out.json") == 1, "first")
                    await broker.stop(signal.SIGKILL)
                plant.acquire(*numbers(2, 8000))
                await broker.start()
                async with host(broker, 20) as peer:
                    await until(lambda: past(peer), "the gap")
                    waits, begun = [], time.monotonic()
                    for n in itertools.count(8001):
                        asked = time.monotonic()
                        plant.acquire(n)
                        await until(lambda n=n: float(n) in live(peer), "the present", 30)  # type: ignore[misc]
                        waits.append(time.monotonic() - asked)
                        if len(past(peer)) >= 7999:
                            break
                    took = time.monotonic() - begun
                assert took > 2, f"some 4 s at 2000 samples/s, not {took:.1f}"
                # the middle one: a busy machine holds up a few of them, an unlimited rate holds all
                assert statistics.median(waits) < 1.0, f"the present waited {waits}"
                assert past(peer) == numbers(2, 8000)

    asyncio.run(scene())


def test_the_past_does_not_touch_the_present_and_tells_qualities() -> None:
    node = EdgeNode(Shape(group="g", node="n"), [TAG], bdseq=0)
    list(node.births([Samples.of(1, [5 * 10**9], [5.0])], 0))
    gap = Samples.of([1] * 5, [n * 10**9 for n in range(1, 6)], [1, 1, float("nan"), 4, 5],
                     [0, 0, 0x81, 0, 0])  # fmt: skip
    (message,) = node.past(gap, 6000)
    payload = codec.decode(message[1])
    assert payload.time == [1000, 3000, 4000], "an equal one and the one of the birth are left out"
    assert [flag & codec.HISTORICAL for flag in payload.flags] == [codec.HISTORICAL] * 3
    assert payload.flags[1] & codec.NULL
    assert [payload.properties[i]["Quality"] for i in (1, 2)] == [0, 192]
    assert not list(node.data(Samples.of(1, [6 * 10**9], [5.0]), 6000)), "still 5 at present"
    (message,) = node.data(Samples.of(1, [7 * 10**9], [4.0]), 7000)
    assert codec.decode(message[1]).flags == [0]


NODE = """
[node]
name = "e"
role = "edge"
[edge]
status = "[::1]:{status}"
[[device]]
name = "machine"
driver = "mqtt"
port = {field}
asset = "site/press"
[[device.tag]]
property = "warm"
address = "press#v"
[[server]]
name = "upstream"
driver = "sparkplug"
port = {upstream}
primary_host = "scada"
data_ms = 20
"""


class Node:
    """`baotu run` as a process."""

    def __init__(self, config: Path, status: int) -> None:
        self.config, self.status = config, status

    async def start(self) -> None:
        run = [sys.executable, "-m", "baotu.cli", "run", "--config", str(self.config)]
        self.process = await asyncio.create_subprocess_exec(
            *run, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        assert b"Baotu" in await asyncio.wait_for(self.process.stdout.readline(), 60)
        await self.figure("device/machine", "state", lambda state: state == "up")

    async def figure(self, part: str, name: str, fits) -> None:
        def look() -> bool:
            with suppress(OSError, StopIteration, KeyError):
                with urllib.request.urlopen(
                    f"http://[::1]:{self.status}/status.json", timeout=5
                ) as answer:
                    parts = json.loads(answer.read())["parts"]
                row = next(p for p in parts if f"{p['kind']}/{p['name']}" == part)
                return bool(fits(row[name] if name in row else row["figures"][name]))
            return False

        deadline = time.monotonic() + 60
        while not await asyncio.to_thread(look):
            assert time.monotonic() < deadline, f"{part} {name}"
            await asyncio.sleep(0.1)

    async def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.wait()


@pytest.mark.slow
@pytest.mark.peer("mosquitto")
@pytest.mark.peer("sparkplug-payload")
@pytest.mark.timeout(240)
def test_a_node_killed_while_its_broker_is_away_still_sends_the_gap_once(tmp_path: Path) -> None:
    async def scene() -> None:
        status = free_port()
        async with mosquitto(tmp_path) as field, mosquitto(tmp_path) as upstream:
            config = tmp_path / "e.toml"
            config.write_text(NODE.format(status=status, field=field.port, upstream=upstream.port))
            node = Node(config, status)
            book = tmp_path / "data/edge/servers/upstream.json"
            async with aiomqtt.Client("::1", field.port) as machine:

                async def measure(first: int, last: int) -> None:
                    for n in range(first, last + 1):
                        await machine.publish("press", json.dumps({"v": n}), qos=1)
                    await node.figure(  # two seconds may pass until it is reported
                        "edge/e", "samples_out", lambda count: count >= last - first + 1
                    )

                await node.start()
                async with host(upstream, 10) as peer:
                    await until(lambda: messages(peer, "DBIRTH"), "birth")
                    await measure(1, 3)
                    await until(lambda: live(peer)[-1:] == [3.0], "live values")
                    await until(lambda: _head(book) > 0, "the broker's word")
                    head = _head(book)
                    await until(lambda: _head(book) >= head, "no news")
                    await upstream.stop(signal.SIGKILL)
                for first in (11, 21):
                    await measure(first, first + 9)
                    await asyncio.sleep(0.1)  # the log's bytes are written at once; no fsync asked
                    await node.kill()
                    await node.start()
                await upstream.start()
                async with host(upstream, 20) as peer:
                    await until(lambda: messages(peer, "DBIRTH"), "second birth")
                    await until(lambda: len(past(peer)) >= 20, "the gap")
                    await machine.publish("press", '{"v": 99}', qos=1)
                    await until(lambda: 99.0 in live(peer), "the present")
                    found = [value for value in past(peer) if value is not None]
                    assert found == numbers(11, 30), "each once, in order, over two kills"
            await node.kill()

    asyncio.run(scene())

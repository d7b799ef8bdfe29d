"""Our edge node on real brokers, seen by npm sparkplug-payload and by our own host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from baotu.drivers.sparkplug.driver import Client, HostSettings
from baotu.drivers.sparkplug.publisher import NodeSettings, Server
from baotu.edge.mqtt import connect
from baotu.sdk import Refused, Samples, Tag, Unreachable
from baotu.sdk.testing.serving import PlayedFeed
from baotu.sdk.testing.sessions import RecordingLine, running

from .brokers import embedded, free_port, mosquitto
from .peers import Peer, js_peer

T = 1_790_000_000_000_000_000
TAGS = [
    Tag(id=3, asset="site/press", property="warm", unit="Cel", writable=True),
    Tag(id=4, asset="site/press", property="mode", kind="text"),
]


def feed() -> PlayedFeed:
    return PlayedFeed(
        TAGS, [Samples.of(3, [T], [20.5]), Samples.of(4, [T], ["自动"])], mqtt=connect
    )


@asynccontextmanager
async def serving(server: Server, feed: PlayedFeed) -> AsyncIterator[asyncio.Task[None]]:
    is_ready = asyncio.Event()
    task = asyncio.create_task(server.serve(feed, lambda address: is_ready.set()))
    try:
        async with asyncio.timeout(40):
            await asyncio.wait(
                {task, asyncio.create_task(is_ready.wait())}, return_when=asyncio.FIRST_COMPLETED
            )
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Unreachable):
            await asyncio.wait_for(task, 30)


def messages(peer: Peer, verb: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in peer.lines if line.startswith("{") and f"/{verb}/" in line]


async def soon(true: Callable[[], bool], what: str) -> None:
    for _ in range(3000):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what} did not happen")


@pytest.mark.peer("mosquitto")
@pytest.mark.peer("sparkplug-payload")
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_an_independent_host_reads_births_data_and_death(tmp_path: Path, protocol: str) -> None:
    async def scene() -> None:
        async with (
            mosquitto(tmp_path) as broker,
            js_peer("host.js", str(broker.port)) as peer,
        ):
            await peer.heard("ready")
            ours = feed()
            settings = NodeSettings(port=broker.port, data_ms=20, protocol=protocol, writes="on")
            async with serving(Server(settings), ours):
                await soon(lambda: bool(messages(peer, "DBIRTH")), "birth")
                metrics = {m["name"]: m for m in messages(peer, "DBIRTH")[0]["metrics"]}
                assert metrics["warm"]["value"] == 20.5 and metrics["mode"]["value"] == "自动"
                assert metrics["warm"]["properties"]["engUnit"]["value"] == "Cel"
                assert metrics["warm"]["alias"] == 3
                ours.push(Samples.of(3, [T + 10**9], [21.5]))
                await soon(lambda: bool(messages(peer, "DDATA")), "data")
                (metric,) = messages(peer, "DDATA")[0]["metrics"]
                assert (metric["alias"], metric["value"]) == (3, 21.5)
                await peer.tell("rebirth baotu edge")
                await soon(lambda: len(messages(peer, "NBIRTH")) == 2, "rebirth")
                assert messages(peer, "NBIRTH")[1]["seq"] == 0
                await peer.tell("write spBv1.0/baotu/DCMD/edge/site.press 3 Double 7.5")
                await soon(lambda: bool(ours.writes), "write")
                assert ours.writes == [(3, 7.5, "Sparkplug baotu/edge")]
            await soon(lambda: bool(messages(peer, "NDEATH")), "death")
            assert not [line for line in peer.lines if line.startswith("undecodable")]

    asyncio.run(scene())


@pytest.mark.peer("mosquitto")
@pytest.mark.peer("sparkplug-payload")
def test_births_wait_for_the_primary_host_and_end_when_it_leaves(tmp_path: Path) -> None:
    async def scene() -> None:
        async with (
            mosquitto(tmp_path) as broker,
            js_peer("host.js", str(broker.port)) as peer,
        ):
            await peer.heard("ready")
            server = Server(NodeSettings(port=broker.port, data_ms=20, primary_host="scada"))
            task = asyncio.create_task(server.serve(feed(), lambda address: None))
            await peer.tell("state scada false 5")
            await asyncio.sleep(0.15)
            assert not messages(peer, "NBIRTH")
            await peer.tell("state scada true 10")
            await soon(lambda: bool(messages(peer, "NBIRTH")), "birth")
            await peer.tell("state scada false 9")  # a will that comes late
            await peer.tell("state scada false 11")
            with pytest.raises(Unreachable, match="primary host scada is offline"):
                await asyncio.wait_for(task, 60)
            await soon(lambda: bool(messages(peer, "NDEATH")), "death")
            bdseq = [m["metrics"][0]["value"] for m in messages(peer, "NBIRTH")]
            assert bdseq == [m["metrics"][0]["value"] for m in messages(peer, "NDEATH")]

    asyncio.run(scene())


def test_host_and_node_work_on_the_embedded_broker() -> None:
    async def scene() -> None:
        async with embedded() as port:
            ours, line = feed(), RecordingLine(discovers=True, mqtt=connect)
            server = Server(NodeSettings(port=port, data_ms=20, writes="on"))
            host = Client(HostSettings(port=port, host_id="scada", write_s=0.5))
            async with running(host, [], line):
                await line.until(lambda: line.ups == 1, 20, "up")
                async with serving(server, ours):
                    address = "baotu/edge/site.press/warm"
                    await line.until(lambda: address in line.declared, 20, "birth")
                    warm = line.declared[address]
                    ours.push(Samples.of(3, [T + 10**9], [21.5]))
                    await line.until(lambda: 21.5 in line.values(warm.id), 20, "data")
                    writing = asyncio.create_task(host.write(warm, 50.0))
                    await soon(lambda: bool(ours.writes), "write")
                    ours.push(Samples.of(3, [T + 2 * 10**9], [50.0]))
                    assert await writing == 50.0
                    top = await host.browse()
                    assert [f.address for f in top] == ["baotu/"]
                    under = await host.browse("baotu/edge/site.press/")
                    assert [f.name for f in under] == ["mode", "warm"]
                await line.until(lambda: bool(line.marks), 20, "death")
                assert warm.id in line.marks[-1].tags

    asyncio.run(scene())


def test_a_new_tag_gives_birth_again() -> None:
    async def scene() -> None:
        async with embedded() as port:
            ours, line = feed(), RecordingLine(discovers=True, mqtt=connect)
            server = Server(NodeSettings(port=port, data_ms=20))
            async with running(Client(HostSettings(port=port)), [], line):
                await line.until(lambda: line.ups == 1, 20, "up")
                async with serving(server, ours):
                    await line.until(lambda: len(line.declared) == 2, 20, "birth")
                    ours._tags = [*TAGS, Tag(id=9, asset="site/pump", property="load")]
                    ours.push(Samples.of(9, [T], [70.0]))
                    address = "baotu/edge/site.pump/load"
                    await line.until(lambda: address in line.declared, 20, "second birth")

    asyncio.run(scene())


def test_commands_change_nothing_until_writes_are_switched_on() -> None:
    async def scene() -> None:
        async with embedded() as port:
            ours, line = feed(), RecordingLine(discovers=True, mqtt=connect)
            host = Client(HostSettings(port=port, write_s=0.3))
            async with running(host, [], line):
                await line.until(lambda: line.ups == 1, 20, "up")
                async with serving(Server(NodeSettings(port=port, data_ms=20)), ours):
                    address = "baotu/edge/site.press/warm"
                    await line.until(lambda: address in line.declared, 20, "birth")
                    with pytest.raises(Refused, match="not confirmed"):
                        await host.write(line.declared[address], 50.0)
            assert ours.writes == []

    asyncio.run(scene())


def test_a_missing_broker_is_unreachable_in_clear_words() -> None:
    async def scene() -> None:
        server = Server(NodeSettings(port=free_port()))
        with pytest.raises(Unreachable, match=r"MQTT broker \[::1\]:\d+: nobody listens there"):
            await server.serve(feed(), lambda address: None)

    asyncio.run(scene())

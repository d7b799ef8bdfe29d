"""The plant's OPC UA servers: against node-opcua, and (of the same library) against asyncua."""

import asyncio
import json
import os
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from asyncua import Client, ua

from baotu_plant.opcua import OpcUa
from baotu_plant.opcua_history import Rings
from baotu_plant.simulation import Simulation
from tests.peers import need, need_npm

PEER = Path(__file__).parent / "peer" / "opcua_visit.js"
TICK = 100_000_000


@asynccontextmanager
async def serving(name="casting-line", pace_s=0.02):
    """A server whose plant moves, five times as fast as life."""
    plant = Simulation(seed=6)
    server = OpcUa(plant.points.layout.device(name), plant, "::1", 0)
    await server.start()

    async def move():
        while True:
            plant.step()
            await server.tell(plant.told, time.time_ns() // TICK * TICK, plant.steps)
            await asyncio.sleep(pace_s)

    moving = asyncio.create_task(move())
    try:
        yield plant, server
    finally:
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
        await server.vanish()


@pytest.mark.peer("node-opcua")
def test_node_opcua_browses_reads_writes_subscribes_and_reads_history(tmp_path):
    modules = need_npm("node-opcua")

    async def visit():
        async with serving(pace_s=0.1) as (plant, server):
            process = await asyncio.create_subprocess_exec(
                need("node"), str(PEER), server.url, str(tmp_path), "furnace-3", "temperature",
                "setpoint", "1405", "current",
                env={**os.environ, "NODE_PATH": str(modules / "node_modules"), "NODE_NO_WARNINGS": "1"},
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, err = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == 0, err.decode()
            commanded = plant.told[plant.points.find("furnace-3", "setpoint").index]
            line = next(row for row in out.splitlines() if row.startswith(b"{"))
            return json.loads(line), commanded

    told, commanded = asyncio.run(visit())
    assert told["namespaces"][2] == "urn:quancheng:casting-line:machines"
    assert {"Server", "casting"} <= set(told["objects"])
    assert len(told["points"]) == 23 and "temperature" in told["points"]
    assert set(told["properties"]) == {"EngineeringUnits", "EURange"}
    assert told["unit"] == "Cel"
    assert told["number"]["type"] == "Double" and 1300 < told["number"]["value"] < 1500
    assert told["text"] == {"value": "holding", "type": "String", "status": "Good"}
    assert told["boolean"] == {"value": True, "type": "Boolean", "status": "Good"}
    assert told["taken"] == "Good" and told["after"]["value"] == 1405 == commanded
    assert told["outside"] == "BadOutOfRange" and told["measured"] == "BadNotWritable"
    assert len(told["seen"]) >= 8
    stamps = [t for t, _ in told["seen"]]
    assert stamps == sorted(stamps) and all(t % 100 == 0 for t in stamps)
    assert len(told["history"]) >= 10
    remembered = dict(map(tuple, told["history"]))
    assert sum(remembered.get(t) == v for t, v in told["seen"]) >= len(told["seen"]) - 2


def test_every_point_is_there_with_its_value_and_access():
    async def look():
        async with serving(pace_s=10) as (plant, server), Client(server.url) as client:
            await asyncio.sleep(0)
            for step in range(12):
                await server.tell(plant.told, TICK * step, step)
            points = plant.points.of_device(server.device)
            nodes = [client.get_node(f"ns=2;s={p.machine.id}.{p.property.id}") for p in points]
            values = await client.read_values(nodes)
            for point, value in zip(points, values, strict=True):
                expected = plant.told[point.index]
                if point.words:
                    expected = point.words[int(expected)]
                assert value == expected, point.name
            return len(points)

    assert asyncio.run(look()) == 199


def test_the_first_who_asks_sees_values_and_no_zeros():
    async def look():
        plant = Simulation(seed=6)
        server = OpcUa(plant.points.layout.device("casting-line"), plant, "::1", 0)
        await server.start()
        async with Client(server.url) as client:
            value = await client.get_node("ns=2;s=furnace-3.temperature").read_value()
        await server.vanish()
        return value, plant.told[plant.points.find("furnace-3", "temperature").index]

    value, expected = asyncio.run(look())
    assert value == expected != 0


def test_numbers_are_told_only_when_they_change():
    async def count():
        plant = Simulation(seed=6)
        server = OpcUa(plant.points.layout.device("casting-line"), plant, "::1", 0)
        await server.start()
        written = []
        space = server._server.iserver.aspace
        original = space.write_attribute_value

        async def counted(node, attribute, value):
            written.append(node)
            return await original(node, attribute, value)

        space.write_attribute_value = counted
        told = plant.told.copy()
        for step in range(1, 11):
            await server.tell(told, TICK * step, step)
        still = len(written)
        told[plant.points.of_device(server.device)[7].index] += 1
        for step in range(11, 21):
            await server.tell(told, TICK * step, step)
        await server.vanish()
        return still, len(written) - still

    still, moved = asyncio.run(count())
    assert still == 1 and moved == 2  # the clock of the server, and what moved


def test_server_returns_on_its_port_with_its_history():
    async def go():
        async with serving() as (_, server):
            url = server.url
            async with Client(url) as client:
                assert await client.nodes.server_state.read_value() == 0
                await server.vanish()
            with pytest.raises((OSError, TimeoutError)):
                await Client(url, timeout=1).connect()
            await asyncio.sleep(0.15)
            await server.start()
            assert server.url == url
            async with Client(url) as client:
                node = client.get_node("ns=2;s=furnace-3.current")
                start = datetime.now(UTC) - timedelta(minutes=1)
                return await node.read_raw_history(start, datetime.now(UTC))

    history = asyncio.run(go())
    assert len(history) > 5  # ticks of the time without network are among them


def test_history_pages_and_runs_backwards():
    async def go():
        rings = Rings(depth=10)
        node = ua.NodeId("x", 2)
        rings.columns([node])
        for n in range(25):
            rings.append(n * 10**9, np.array([float(n)]))
        when = datetime(1970, 1, 1, tzinfo=UTC)
        forward, more = await rings.read_node_history(node, when, None, 4)
        rest, end = await rings.read_node_history(node, more, None, 0)
        back, _ = await rings.read_node_history(node, None, None, 3)
        none, _ = await rings.read_node_history(ua.NodeId("y", 2), when, None, 0)
        return [[v.Value.Value for v in part] for part in (forward, rest, back, none)], end

    (forward, rest, back, none), end = asyncio.run(go())
    assert forward == [15, 16, 17, 18] and rest == [19, 20, 21, 22, 23, 24] and end is None
    assert back == [24, 23, 22] and none == []

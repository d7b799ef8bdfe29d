"""The plant's edge nodes, as mosquitto_sub hears and npm sparkplug-payload decodes them."""

import asyncio
import json
import os
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baotu_plant import broker as brokers
from baotu_plant import sparkplug as spb
from baotu_plant.edge_nodes import EdgeNode
from baotu_plant.mqtt import MqttError, packet, packets
from baotu_plant.simulation import Simulation
from tests.peers import need, need_npm

DECODER = Path(__file__).parent / "peer" / "sparkplug_decode.js"


@asynccontextmanager
async def living(folder, kind="auto", name="treatment", waits=False):
    """(plant, node, broker): an edge node that is born, and its broker."""
    plant = Simulation(seed=8)
    broker = await brokers.start(0, folder, "::1", kind)
    clock = iter(range(1_700_000_000_000, 1_800_000_000_000, 7))
    node = EdgeNode(
        plant.points.layout.device(name), plant, lambda: next(clock), "::1", broker.port
    )
    if waits:
        node.vanish()  # until come_back
    task = asyncio.create_task(node.run())
    try:
        yield plant, node, broker
    finally:
        node.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await broker.stop()


@asynccontextmanager
async def heard(port):
    """A queue of decoded messages: mosquitto_sub piped through sparkplug-payload."""
    listen, node = need("mosquitto_sub"), need("node")
    modules = need_npm("sparkplug-payload")
    sub = await asyncio.create_subprocess_exec(
        listen, "-h", "::1", "-p", str(port), "-t", "spBv1.0/#", "-t", "probe", "-F", "%t %x",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    decoder = await asyncio.create_subprocess_exec(
        node, str(DECODER), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(modules / "node_modules")}, limit=1 << 22,
    )  # fmt: skip
    messages, ready = asyncio.Queue(), asyncio.Event()

    async def forward():
        while line := await sub.stdout.readline():
            if line.startswith(b"spBv1.0/") and b"CMD/" not in line:
                decoder.stdin.write(line)
            elif line.startswith(b"probe"):
                ready.set()

    async def take():
        while line := await decoder.stdout.readline():
            messages.put_nowait(json.loads(line))

    tasks = [asyncio.create_task(forward()), asyncio.create_task(take())]
    try:
        async with asyncio.timeout(20):
            while not ready.is_set():
                await publish(port, "probe", b"?")
        yield messages
    finally:
        for process in (sub, decoder):
            process.kill()
            await process.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(messages, ends):
    """All messages up to the one whose topic contains `ends`."""
    got = []
    async with asyncio.timeout(20):
        while not got or ends not in got[-1]["topic"]:
            got.append(await messages.get())
    return got


@pytest.mark.peer("mosquitto")
def test_births_data_commands_rebirth_and_death_as_others_hear_them(tmp_path):
    async def story():
        need("mosquitto")
        async with living(tmp_path, "mosquitto", waits=True) as (
            plant, node, broker,
        ), heard(broker.port) as messages:  # fmt: skip
            node.come_back()
            first = await until(messages, "DBIRTH/treatment/motor-10")
            rebirth = [spb.Metric(name="Node Control/Rebirth", value=True)]
            await send(broker.port, node, "NCMD", rebirth)
            births = await until(messages, "DBIRTH/treatment/motor-10")
            told = {
                p.property.id: plant.told[p.index] for p in plant.points if p.machine.id == "pump-9"
            }
            plant.step()
            for step in range(10):
                node.tell(plant.told, step)
            data = await until(messages, "DDATA/treatment/motor-10")
            point = plant.points.find("pump-9", "speed_setpoint")
            metrics = [spb.Metric(name="speed_setpoint", datatype=spb.FLOAT, value=1100.0)]
            await send(broker.port, node, "DCMD", metrics, "pump-9")
            answer = (await until(messages, "DDATA/treatment/pump-9"))[-1]
            commanded = plant.told[point.index]
            node.vanish()
            death = (await until(messages, "NDEATH"))[-1]
            node.come_back()
            again = await until(messages, "DBIRTH/treatment/motor-10")
            return first, births, told, data, answer, commanded, death, again

    first, births, told, data, answer, commanded, death, again = asyncio.run(story())
    assert [m["topic"] for m in first] == [m["topic"] for m in births]
    assert [m["seq"] for m in births] == [m["seq"] for m in first] == list(range(5))
    node = {m["name"]: m["value"] for m in births[0]["metrics"]}
    assert node["bdSeq"] == 0 and node["Node Control/Rebirth"] is False
    pump = next(m for m in births if m["topic"].endswith("DBIRTH/treatment/pump-9"))["metrics"]
    assert len(pump) == 20
    by_name = {m["name"]: m for m in pump}
    assert by_name["flow"]["value"] == pytest.approx(told["flow"], rel=1e-6)
    assert by_name["flow"]["type"] == "Float"
    assert by_name["flow"]["properties"]["engUnit"]["value"] == "m3/h"
    assert by_name["state"]["value"] == "running" and by_name["running"]["value"] is True
    assert by_name["starts"]["type"] == "Int64" and by_name["energy"]["type"] == "Double"
    aliases = [m["alias"] for d in births[1:] for m in d["metrics"]]
    assert len(set(aliases)) == len(aliases) == 78
    assert [d for d in data if any(m.get("name") for m in d["metrics"])] == []
    assert [m["seq"] for m in data] == [5, 6, 7, 8]
    assert commanded == 1100.0
    assert [m["value"] for m in answer["metrics"]] == [1100.0]
    assert death["metrics"][0]["name"] == "bdSeq" and death["metrics"][0]["value"] == 0
    reborn = next(m for m in again if "NBIRTH" in m["topic"])
    assert next(m["value"] for m in reborn["metrics"] if m["name"] == "bdSeq") == 1
    assert reborn["seq"] == 0


def message(node, verb, metrics, machine=""):
    tail = f"/{machine}" if machine else ""
    body = spb.payload(1, [spb.encoded(m) for m in metrics], None)
    return f"spBv1.0/quancheng/{verb}/{node.device.name}{tail}", body


async def send(port, node, verb, metrics, machine=""):
    """As a host would: through the broker, by mosquitto_pub."""
    topic, body = message(node, verb, metrics, machine)
    await publish(port, topic, body)


async def publish(port, topic, body):
    process = await asyncio.create_subprocess_exec(
        need("mosquitto_pub"), "-h", "::1", "-p", str(port), "-t", topic, "-s",
        stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await process.communicate(body)
    assert process.returncode == 0


def test_embedded_broker_serves_where_mosquitto_is_not(tmp_path):
    async def go():
        async with living(tmp_path, "amqtt") as (_, node, broker):
            await asyncio.wait_for(node.born(), 60)
            node.vanish()
            for _ in range(3000):
                if not node._stand.is_set():
                    break
                await asyncio.sleep(0.02)
            assert not node._stand.is_set()
            node.come_back()
            await asyncio.wait_for(node.born(), 60)
            return broker.kind, node._bdseq

    assert asyncio.run(go()) == ("amqtt", 1)


def test_refused_command_tells_the_old_value_again(tmp_path):
    async def go():
        async with living(tmp_path, "amqtt") as (plant, node, _):
            await asyncio.wait_for(node.born(), 60)
            sent = []
            node._session.publish = lambda topic, body: sent.append((topic, spb.commands(body)))
            node._heard(
                *message(node, "DCMD", [spb.Metric(name="speed_setpoint", value=9999.0)], "pump-9")
            )
            node._heard(*message(node, "DCMD", [spb.Metric(name="flow", value=1.0)], "pump-9"))
            node._heard(*message(node, "DCMD", [spb.Metric(name="no such", value=1.0)], "pump-9"))
            return [(t.rpartition("/")[2], [m.value for m in ms]) for t, ms in sent], plant

    sent, plant = asyncio.run(go())
    assert sent[0] == ("pump-9", [1450.0]) and len(sent) == 2
    assert sent[1][1][0] == pytest.approx(
        plant.told[plant.points.find("pump-9", "flow").index], rel=1e-6
    )


def test_broker_that_is_not_installed_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(brokers, "find_mosquitto", lambda: None)
    with pytest.raises(brokers.BrokerError, match="--broker amqtt"):
        asyncio.run(brokers.start(0, tmp_path, "::1", "mosquitto"))


@given(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=30),
)
def test_what_is_encoded_is_decoded(number, whole, word):
    metrics = [
        spb.Metric(alias=3, datatype=spb.FLOAT, value=number),
        spb.Metric(name="w", datatype=spb.STRING, value=word),
        spb.Metric(name="i", datatype=spb.INT64, value=whole),
        spb.Metric(name="n", datatype=spb.DOUBLE, value=None),
    ]
    found = spb.commands(spb.payload(5, [spb.encoded(m) for m in metrics], 7))
    assert [m.value for m in found] == [number, word, whole & 0xFFFFFFFFFFFFFFFF, None]
    assert found[0].alias == 3 and found[1].name == "w"


@given(st.binary(max_size=200))
def test_garbage_is_broken_and_nothing_else(data):
    try:
        assert isinstance(spb.commands(data), list)
    except spb.Broken as error:
        assert str(error)


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(1, 50))
def test_mqtt_packets_are_found_however_they_are_cut(bodies, cut):
    stream = b"".join(packet(0x30, body) for body in bodies)
    buffer, found = bytearray(), []
    for at in range(0, len(stream), cut):
        buffer += stream[at : at + cut]
        found += packets(buffer)
    assert found == [(0x30, body) for body in bodies] and not buffer


def test_mqtt_packet_without_end_is_an_error():
    with pytest.raises(MqttError):
        packets(bytearray(b"\x30" + b"\xff" * 6))

"""Every device comes back, whatever went wrong on its line and when: the plant's own servers behind
proxies that spoil one message, and a plant that is stopped for a while."""

import asyncio
import itertools
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import psutil
import pytest

from baotu.edge.spec import EdgeSettings
from baotu.house.demo import PlantProcess
from baotu.house.field import specs
from baotu.house.file import load
from baotu.kernel.clock import SystemClock
from tests.drivers.modbus.device import Device as Modbus
from tests.edge.fakes import Bench
from tests.faults import ENDS, KINDS, Fault, bad_line

QUIET = EdgeSettings(status="")
AT_ONCE = {"sparkplug": 10, "opcua": 24}  # hosts of Sparkplug hear each other's births
STEADY_S = 2.0
TAGS = 12  # of each device, so that many devices cost little


def tcp(data):
    """Modbus TCP: the length is in bytes 4 and 5."""
    return 6 + int.from_bytes(data[4:6], "big") if len(data) >= 6 else 0


def rtu(data):
    """An answer with registers tells how many bytes follow; an exception has five."""
    if len(data) < 3:
        return 0
    return 5 if data[1] & 0x80 else 5 + data[2]


def opcua(data):
    return int.from_bytes(data[4:8], "little") if len(data) >= 8 else 0


def mqtt(data):
    """MQTT 5, 2.1.4: seven bits in a byte, the lowest first."""
    length = 0
    for place, byte in enumerate(data[1:5]):
        length |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return 2 + place + length
    return 0


async def modbus(framing, reader, writer):
    """Bears as many connections as there are lines, which no device of the plant does."""
    answer = Modbus(framing)
    try:
        while True:
            head = await reader.readexactly(6)
            rest = int.from_bytes(head[4:6], "big") if framing == "tcp" else 2
            writer.write(answer(head + await reader.readexactly(rest)))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


# name in the plant, how its messages are cut, bytes of header, messages that are spoilt in turn
LINES = {
    "air-1": (tcp, 7, range(3), {"timeout_s": 0.5}),
    "sand-drives": (rtu, 2, range(3), {"timeout_s": 0.5}),
    "machining-cell": (opcua, 24, (0, 1, 2, 4, 6, 8, 11), {"timeout_s": 2.0, "keepalive_s": 0.5}),
    "gateways": (mqtt, 2, range(3), {"timeout_s": 3.0, "keepalive_s": 1}),
}


@pytest.fixture(autouse=True)
def quiet():
    """The libraries log the nonsense they get, half characters included."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plant")
    plant = PlantProcess(folder)
    config = load(plant.start()["config"] and folder / "plant.toml")
    yield plant, {spec.name: spec for spec in specs(config.devices)}
    plant.stop()


def port_of(spec):
    if spec.driver == "opcua":
        return int(spec.settings.endpoint.rpartition(":")[2])
    return spec.settings.port


def behind(spec, line, name, more):
    """The same device, reached by way of this line."""
    if spec.driver == "opcua":
        way = {"endpoint": f"opc.tcp://[::1]:{line.port}"}
    else:
        way = {"host": "::1", "port": line.port}
    tags = tuple(replace(tag, device=name, asset=f"{name}/{tag.asset}") for tag in spec.tags[:TAGS])
    return replace(spec, name=name, tags=tags, settings=replace(spec.settings, **way, **more))


@pytest.mark.slow
@pytest.mark.parametrize("device", list(LINES))
def test_a_device_comes_back_whatever_happens_to_whichever_message(plant, tmp_path, device):
    whole, head, places, more = LINES[device]
    spec = plant[1][device]

    async def story():
        bench = Bench(tmp_path, SystemClock(), settings=QUIET)
        async with AsyncExitStack() as stack:
            port = port_of(spec)
            if spec.driver == "modbus":
                serve = partial(modbus, spec.settings.framing)
                server = await stack.enter_async_context(await asyncio.start_server(serve, "::1"))
                port = server.sockets[0].getsockname()[1]
            await bench.edge.start()
            stack.push_async_callback(bench.edge.stop)
            faults = [
                Fault(kind=kind, at=at, head=head, late_s=1.5)
                for kind, at in itertools.product(KINDS, places)
            ]
            size = AT_ONCE.get(spec.driver, len(faults))
            for some in (faults[i : i + size] for i in range(0, len(faults), size)):
                lines, devices = {}, []
                for fault in some:
                    line = await stack.enter_async_context(bad_line(port, whole, fault))
                    lines[name := f"{fault.kind}-{fault.at}"] = line
                    devices.append(behind(spec, line, name, more))
                await bench.edge.apply(devices)
                await until(bench, lines)

    asyncio.run(asyncio.wait_for(story(), 240))


async def until(bench, lines, within_s=60.0):
    """All faults have happened, and every device gives samples on a sound connection."""
    loop = asyncio.get_running_loop()
    end, waiting, since = loop.time() + within_s, dict(lines), {}
    while waiting:
        for name, line in list(waiting.items()):
            device = bench.edge.devices[name]
            ended = line.connections > 1 or line.fault.kind not in ENDS
            if line.happened and ended and device.state in ("up", "degraded"):
                then, samples = since.setdefault(name, (loop.time(), device.tally.samples))
                # nonsense that was swallowed may still stop it a little later
                if loop.time() - then > STEADY_S and device.tally.samples > samples:
                    del waiting[name]
            else:
                since.pop(name, None)
        assert loop.time() < end, {
            name: (line.happened, line.connections, bench.edge.devices[name].state,
                   bench.edge.devices[name].why) for name, line in waiting.items()
        }  # fmt: skip
        await asyncio.sleep(0.1)


@pytest.mark.slow
def test_devices_come_back_after_their_plant_was_stopped_for_a_while(plant, tmp_path):
    """Stopped, it takes connections and says nothing: first for longer than all time-outs, then so
    briefly that answers are only late."""
    process, known = plant
    whole = psutil.Process(process._process.pid)
    whole = [whole, *whole.children(recursive=True)]
    more = {name: settings for name, (*_, settings) in LINES.items()}

    async def story():
        bench = Bench(tmp_path, SystemClock(), settings=QUIET)
        await bench.edge.start([
            replace(spec, settings=replace(spec.settings, **more[name]), tags=spec.tags[:TAGS])
            for name, spec in known.items() if name in more
        ])  # fmt: skip
        try:
            await states(bench, {"up"})
            for stopped_s in (6.0, 0.8, 2.0):
                for part in whole:
                    part.suspend()
                try:
                    if stopped_s > 5:
                        await states(bench, {"down"})
                    await asyncio.sleep(stopped_s)
                finally:
                    for part in whole:
                        part.resume()
                await states(bench, {"up"})
        finally:
            await bench.edge.stop()

    asyncio.run(asyncio.wait_for(story(), 180))


async def states(bench, wanted, within_s=40.0):
    async with asyncio.timeout(within_s):
        while {one.state for one in bench.edge.devices.values()} != wanted:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.1)

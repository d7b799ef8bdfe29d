"""No driver sends a write of its own accord: everything that goes to four kinds of devices is kept
on the way and read with the standards in hand, while they are read, browsed, cut off and stopped."""

from __future__ import annotations

import ast
import asyncio
import struct
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from baotu.drivers.sparkplug import codec
from baotu.edge.spec import EdgeSettings
from baotu.house.demo import PlantProcess
from baotu.house.field import specs
from baotu.house.file import load
from baotu.kernel.clock import SystemClock
from baotu.sdk import BaotuError
from tests.edge.fakes import Bench

QUIET = EdgeSettings(status="")
SOURCE = Path(__file__).parents[2] / "src/baotu"
TAGS = 12
READS = {1, 2, 3, 4}  # MODBUS Application Protocol 1.1b3, 6
# OPC 10000-6, identifiers of the binary encodings: Write, Call, HistoryUpdate, and four of nodes
CHANGES = {673: "Write", 712: "Call", 700: "HistoryUpdate", 488: "AddNodes", 494: "AddReferences",
           500: "DeleteNodes", 506: "DeleteReferences"}  # fmt: skip


class Tap:
    """A line that keeps what a client says, connection by connection; `cut` ends them all."""

    def __init__(self, port: int) -> None:
        self.target, self.said = port, list[bytearray]()
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Tap:
        self.server = await asyncio.start_server(self._talk, "::1")
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        self.cut()

    def cut(self) -> None:
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept = bytearray()
        self.said.append(kept)
        theirs, device = await asyncio.open_connection("::1", self.target)
        self.writers += [writer, device]

        async def back() -> None:
            while data := await theirs.read(65536):
                writer.write(data)
            writer.close()

        answering = asyncio.create_task(back())
        try:
            while data := await reader.read(65536):
                kept += data
                device.write(data)
        except ConnectionError:
            pass
        finally:
            answering.cancel()
            device.close()


def modbus_tcp(said: bytes) -> Iterator[str]:
    at = 0
    while at + 8 <= len(said):
        if said[at + 7] not in READS:
            yield f"function {said[at + 7]}"
        at += 6 + int.from_bytes(said[at + 4 : at + 6], "big")


def modbus_rtu(said: bytes) -> Iterator[str]:
    at = 0
    while at + 8 <= len(said):
        function = said[at + 1]
        if function not in READS:
            yield f"function {function}"
        at += 9 + said[at + 6] if function in (15, 16) else 8


def opcua(said: bytes) -> Iterator[str]:
    at = 0
    while at + 8 <= len(said):
        size = int.from_bytes(said[at + 4 : at + 8], "little")
        if said[at : at + 3] == b"MSG" and said[at + 24] == 1:  # a node id of four bytes
            (kind,) = struct.unpack_from("<H", said, at + 26)
            if kind in CHANGES:
                yield CHANGES[kind]
        at += max(size, 8)


def sparkplug(said: bytes) -> Iterator[str]:
    """Births may be asked for (Sparkplug 3.0, 5.9): that is no write. STATE tells of the host."""
    at, version = 0, 4
    while at + 2 <= len(said):
        length, shift, start = 0, 0, at + 1
        while True:
            byte = said[start]
            length |= (byte & 0x7F) << shift
            start, shift = start + 1, shift + 7
            if not byte & 0x80:
                break
        if said[at] >> 4 == 1:  # CONNECT: the level stands behind the name «MQTT»
            version = said[start + 6]
        if said[at] >> 4 == 3:  # PUBLISH, MQTT 5 3.3
            packet = said[start : start + length]
            size = int.from_bytes(packet[:2], "big")
            topic = packet[2 : 2 + size].decode()
            rest = packet[2 + size + (2 if said[at] & 6 else 0) :]
            if "/STATE/" not in topic:
                rest = rest[1 + rest[0] :] if version == 5 else rest  # properties
                names = codec.decode(bytes(rest), 1 << 20).name
                if "/NCMD/" not in topic or names != [b"Node Control/Rebirth"]:
                    yield f"{topic} {names}"
        at = start + length


LINES = {
    "air-1": modbus_tcp,
    "sand-drives": modbus_rtu,
    "machining-cell": opcua,
    "gateways": sparkplug,
}


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plant")
    process = PlantProcess(folder)
    config = load(process.start()["config"] and folder / "plant.toml")
    yield {spec.name: spec for spec in specs(config.devices)}
    process.stop()


def port_of(spec) -> int:
    opc = spec.driver == "opcua"
    return int(spec.settings.endpoint.rpartition(":")[2]) if opc else spec.settings.port


def behind(spec, tap: Tap):
    way = {"host": "::1", "port": tap.port}
    if spec.driver == "opcua":
        way = {"endpoint": f"opc.tcp://[::1]:{tap.port}"}
    return replace(spec, tags=spec.tags[:TAGS], settings=replace(spec.settings, **way))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(LINES))
def test_a_device_hears_no_write_that_was_not_decided(plant, tmp_path, name):
    spec, heard = plant[name], LINES[name]
    writable = next((tag for tag in spec.tags if tag.writable), None) or replace(
        next(tag for tag in spec.tags if tag.address.startswith("holding")), writable=True
    )

    async def story() -> None:
        bench = Bench(tmp_path, SystemClock(), settings=QUIET)
        async with AsyncExitStack() as stack:
            tap = await stack.enter_async_context(Tap(port_of(spec)))
            own = behind(spec, tap)
            own = replace(
                own, tags=(*(t for t in spec.tags[:TAGS] if t.name != writable.name), writable)
            )

            async def up() -> None:
                async with asyncio.timeout(60):
                    device = bench.edge.devices[name]
                    before = device.tally.samples
                    while device.state != "up" or device.tally.samples == before:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)

            await bench.edge.start([own])
            await up()
            for _ in range(3):
                try:
                    await bench.edge.browse(name, "")
                except BaotuError:
                    pass  # Modbus has nothing to browse
                tap.cut()
                await asyncio.sleep(0.2)
                await up()
            await bench.edge.apply([replace(own, tags=own.tags[1:])])
            await up()
            await bench.edge.stop()
            said = [bytes(one) for one in tap.said]
            assert len(said) >= 4, "it was cut off and came back"
            assert [word for one in said for word in heard(one)] == []
            await decided(tap)

    async def decided(tap: Tap) -> None:
        """And this test would have seen one: the same line, and a write that was decided."""
        bench = Bench(tmp_path / "again", SystemClock(), settings=QUIET)
        own = replace(behind(spec, tap), tags=(writable,))
        tap.said.clear()
        await bench.edge.start([own])
        async with asyncio.timeout(60):
            while not bench.edge.devices[name].tally.samples:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        low = writable.low if writable.low is not None else 1.0
        reply = await bench.edge.write(bench.edge.tags()[0].id, low, time.time_ns() + 10 * 10**9)
        await bench.edge.stop()
        assert [word for one in tap.said for word in heard(bytes(one))], reply

    asyncio.run(asyncio.wait_for(story(), 240))


def calls(folder: str, attribute: str) -> dict[str, list[str]]:
    """Which functions of the files of a room call something by this name, on what."""
    found: dict[str, list[str]] = {}
    for file in sorted((SOURCE / folder).glob("*.py")):
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(attribute):
                    found.setdefault(f"{file.name}:{function.name}", []).append(
                        ast.unparse(node.func)
                    )
    return found


def test_one_function_of_the_edge_hands_writes_to_devices():
    assert set(calls("edge", "device.write")) == {"writing.py:carry_out"}
    assert set(calls("edge", "carry_out")) == {"edge.py:write"}
    assert set(calls("house", "edge.write")) == {"field.py:_write"}
    assert set(calls("edge", "driver.write")) == {"polling.py:write", "session.py:write"}

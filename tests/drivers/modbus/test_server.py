"""Tags are offered as registers: any master reads them, only writable ones are written."""

from __future__ import annotations

import asyncio
import csv
import math
import subprocess
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baotu.drivers.modbus import DRIVER
from baotu.drivers.modbus.server import Registers, ServerSettings, register_map, respond
from baotu.sdk import (
    Conflict,
    Denied,
    Invalid,
    Peer,
    Quality,
    Refused,
    Samples,
    Tag,
    Unreachable,
)
from baotu.sdk.reply import Reply
from baotu.sdk.testing.drivers import check_settings
from tests.peers import need

from .device import driver, tags
from .transport import Wire

TAGS = [
    Tag(id=0, asset="a", property="t", unit="Cel", title="温度 Temperature"),
    Tag(id=1, asset="a", property="setpoint", writable=True),
    Tag(id=2, asset="a", property="name", kind="text"),
    Tag(id=3, asset="a", property="on", kind="boolean", writable=True),
]


class Plant:
    """A feed: three values at first; what is written arrives as a new sample."""

    def __init__(self, many: Sequence[Tag] = TAGS) -> None:
        self.many, self.written = many, list[tuple[int, float | str, str]]()
        self.new: asyncio.Queue[Samples] = asyncio.Queue()
        self.refusals: dict[float, Exception] = {
            661: Conflict("tag", "too often"), 662: Invalid("value", "outside"),
            663: Unreachable("no device"), 664: Refused("interlock"), 666: Denied("not today"),
        }  # fmt: skip

    def tags(self) -> Sequence[Tag]:
        return self.many

    def latest(self) -> list[Samples]:
        return [Samples.of([0, 1, 3], 5, [20.5, 60.0, 1.0]), Samples.of(2, 5, ["press"])]

    async def samples(self) -> AsyncIterator[Samples]:
        while True:
            yield await self.new.get()
            self.new.task_done()

    async def write(self, tag: int, value: float | str, peer: Peer) -> Reply:
        if float(value) in self.refusals:
            raise self.refusals[float(value)]
        if value == 999:
            return Reply(done=False, why="waits for approval", request=3)
        self.written.append((tag, value, peer.name))
        await self.new.put(Samples.of(tag, 6, [float(value)]))
        return Reply(done=True, value=value)


@asynccontextmanager
async def serving(plant: Plant, **settings: Any) -> AsyncIterator[int]:
    """The port of a running server."""
    assert DRIVER.server is not None
    server = DRIVER.server(ServerSettings(port=0, **settings))
    at: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(server.serve(plant, at.set_result))
    try:
        address = await asyncio.wait_for(at, 5)
        assert address.startswith("modbus://[::1]:")
        yield int(address.rpartition(":")[2])
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def run(case: Coroutine[Any, Any, None]) -> None:
    asyncio.run(case)


async def mbpoll(port: int, *words: str) -> str:
    program = need("mbpoll")
    command = [program, "-1", "-q", "-m", "tcp", "-p", str(port), *words]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=20
    )
    return done.stdout + done.stderr


@pytest.mark.peer("mbpoll")
@pytest.mark.parametrize(("order", "words"), [("ABCD", ["-B"]), ("CDAB", [])])
def test_mbpoll_reads_every_tag_as_a_float(order: str, words: list[str]) -> None:
    async def case() -> None:
        async with serving(Plant(), order=order) as port:
            said = await mbpoll(port, "-t", "4:float", *words, "-r", "1", "-c", "2", "::1")
            assert "[1]: \t20.5" in said
            assert "[3]: \t60" in said
            good = await mbpoll(port, "-t", "1", "-r", "1", "-c", "4", "::1")
            assert [line.split()[-1] for line in good.splitlines() if "]:" in line] == [*"1101"]

    run(case())


@pytest.mark.peer("mbpoll")
def test_mbpoll_writes_writable_tags_only() -> None:
    async def case() -> None:
        plant = Plant()
        async with serving(plant, writes="on") as port:
            write = ("-t", "4:float", "-B", "-r")
            assert "Written 1 references" in await mbpoll(port, *write, "3", "::1", "72.5")
            assert "Illegal data address" in await mbpoll(port, *write, "1", "::1", "9")
            for value, said in {
                "661": "busy", "662": "Illegal data value", "663": "Target device failed",
                "664": "device or server failure", "666": "Illegal function", "999": "Acknowledge",
            }.items():  # fmt: skip
                assert said in await mbpoll(port, *write, "3", "::1", value)
            assert plant.written == [(1, 72.5, "modbus [::1]")]
            said = await mbpoll(port, "-t", "4:float", "-B", "-r", "3", "-c", "1", "::1")
            assert "72.5" in said
        async with serving(plant) as port:
            assert "Illegal data address" in await mbpoll(port, *write, "3", "::1", "1")

    run(case())


def test_our_own_client_reads_and_writes_our_server() -> None:
    async def case() -> None:
        plant = Plant()
        async with serving(plant, writes="on") as port, Wire(driver(), port) as wire:
            asked = tags("holding:0:float32", "input:2:float32", "discrete:0", "discrete:2")
            told = await wire.read(asked)
            assert told.value == {1: 20.5, 2: 60.0, 3: 1.0, 4: 0.0}
            await wire.write(tags("holding:2:float32", writable=True)[0], 61.5)
            await plant.new.put(Samples.of(0, 7, [99.0], Quality.BAD_TIMEOUT))
            await plant.new.join()
            told = await wire.read(asked)
            assert math.isnan(float(told.value[1]))
            assert (told.value[2], told.value[3]) == (61.5, 0.0)
            with pytest.raises(Refused, match="illegal function"):
                await wire.write(tags("coil:0", writable=True)[0], 1)

    run(case())


def test_a_connection_too_many_and_nonsense_are_closed() -> None:
    async def case() -> None:
        async with serving(Plant(), max_clients=1) as port, Wire(driver(), port) as wire:
            reader, writer = await asyncio.open_connection("::1", port)
            assert await reader.read() == b""
            writer.close()
            await wire.read(tags("holding:0:float32"))
        async with serving(Plant()) as port:
            reader, writer = await asyncio.open_connection("::1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.read() == b""
            writer.close()

    run(case())


def test_the_map_tells_where_each_tag_stands(tmp_path: Path) -> None:
    async def case() -> None:
        async with serving(Plant(), map_file=str(tmp_path / "map.csv"), writes="on"):
            pass

    run(case())
    with (tmp_path / "map.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(r["tag"], r["register"], r["reference"]) for r in rows] == [
        ("a/t", "0", "400001"), ("a/setpoint", "2", "400003"), ("a/on", "6", "400007"),
    ]  # fmt: skip
    assert [r["writable"] for r in rows] == ["False", "True", "True"]


def test_more_than_32768_tags_go_on_in_the_next_unit() -> None:
    many = [Tag(id=n, asset="a", property=f"p{n}") for n in (0, 32767, 32768)]
    rows = register_map(many, ServerSettings())
    assert [(r.unit, r.register) for r in rows] == [(1, 0), (1, 65534), (2, 0)]
    registers = Registers(many, ServerSettings())
    registers.update(Samples.of(32768, 0, [1.5]))
    assert registers.answer(2, bytes((3, 0, 0, 0, 2))) == b"\x03\x04\x3f\xc0\0\0"
    assert registers.answer(3, bytes((3, 0, 0, 0, 2))) == b"\x83\x0b"


def test_a_bad_tag_may_keep_its_last_value() -> None:
    registers = Registers(TAGS, ServerSettings(bad="last"))
    registers.update(Samples.of(0, 0, [1.5]))
    registers.update(Samples.of(0, 1, [np.nan], Quality.BAD_TIMEOUT))
    assert registers.answer(1, bytes((3, 0, 0, 0, 2))) == b"\x03\x04\x3f\xc0\0\0"


@given(st.integers(0, 255), st.binary(min_size=1, max_size=253))
def test_any_question_gets_an_answer_or_a_refusal(unit: int, pdu: bytes) -> None:
    async def ask(tag: int, value: float) -> Reply:
        assert tag in (1, 3)
        return Reply(done=True, value=value)

    registers = Registers(TAGS, ServerSettings(writes="on"))
    answer = asyncio.run(respond(registers, unit, pdu, ask))
    assert answer[0] & 0x7F == pdu[0] & 0x7F
    assert 2 <= len(answer) <= 253


def test_settings_of_the_server_are_described() -> None:
    check_settings(ServerSettings)

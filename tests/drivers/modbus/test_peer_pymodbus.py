"""Against pymodbus's server, an independent Modbus: types, orders, functions, exceptions, RTU."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from baotu.sdk import Quality, Refused

from .device import driver, tag, tags
from .transport import Told, Wire

pytest.importorskip("pymodbus", reason="peer pymodbus is missing: pip install pymodbus")
from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

pytestmark = pytest.mark.peer("pymodbus")

VALUES = {
    "int16": ("h", -12345), "uint16": ("H", 54321), "int32": ("i", -1234567890),
    "uint32": ("I", 4023456789), "int64": ("q", -(2**52) - 3), "uint64": ("Q", 2**53 - 7),
    "float16": ("e", -1.5), "float32": ("f", 123.456), "float64": ("d", -9.87654321e100),
}  # fmt: skip
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


def ordered(value: float, code: str, order: str) -> list[int]:
    """Registers of a value, made with struct alone."""
    raw = struct.pack(">" + code, value)
    words = [raw[i : i + 2] for i in range(0, len(raw), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return [int.from_bytes(word, "big") for word in words]


Action = Callable[..., Coroutine[Any, Any, ExcCodes | None]]


@asynccontextmanager
async def peer(
    holding: dict[int, list[int]], framer: FramerType, action: Action | None = None
) -> AsyncIterator[int]:
    """The port of a server whose holding and input registers are these, by first address."""
    words = [SimData(at, values=row, datatype=DataType.REGISTERS) for at, row in holding.items()]
    bits = [SimData(0, values=[i % 3 == 0 for i in range(64)], datatype=DataType.BITS)]
    device = SimDevice(1, simdata=(bits, bits, words, words), action=action)
    server = ModbusTcpServer(device, framer=framer, address=("::1", 0))
    await server.listen()
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


def run(case: Coroutine[Any, Any, Told]) -> Told:
    return asyncio.run(case)


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_all_types_in_all_orders_read_as_pymodbus_serves_them(framing: str) -> None:
    places, registers, expected = [], [], {}
    for word, (code, value) in VALUES.items():
        for order in ORDERS:
            places.append(f"holding:{len(registers)}:{word}:{order}")
            expected[len(places)] = struct.unpack(code, struct.pack(code, value))[0]
            registers += ordered(value, code, order)

    async def case() -> Told:
        async with (
            peer({0: registers}, FramerType(_framer(framing))) as port,
            Wire(driver(framing=framing), port) as wire,
        ):
            return await wire.read(tags(*places))

    told = run(case())
    assert told.value == expected
    assert told.asked == 1, "86 registers fit one read"


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_what_is_written_reads_back_the_same(framing: str) -> None:
    places = [f"holding:{10 * i}:{word}:{ORDERS[i % 4]}" for i, word in enumerate(VALUES)]
    wanted: dict[str, float | str] = dict(zip(places, (v for _, v in VALUES.values()), strict=True))
    wanted |= {"holding:100:string10": "趵突泉", "holding:110:string8:swap:gbk": "压力A"}
    wanted |= {"holding:120:bcd32": 12345678.0, "holding:130.3": 1.0, "coil:5": 1.0}

    async def case() -> Told:
        async with (
            peer({0: [0] * 200}, FramerType(_framer(framing))) as port,
            Wire(driver(framing=framing), port) as wire,
        ):
            for n, (address, value) in enumerate(wanted.items(), 1):
                await wire.write(tag(n, address, writable=True), value)
            return await wire.read(tags(*wanted))

    told = run(case())
    assert told.value[8] == pytest.approx(123.456, rel=1e-6)
    told.value[8] = 123.456
    assert list(dict(sorted(told.value.items())).values()) == list(wanted.values())


@pytest.mark.parametrize("way", [{"write_function": "multiple"}, {"read_with_write": True}])
def test_other_ways_to_write_are_understood_by_the_peer(way: dict[str, Any]) -> None:
    async def case() -> Told:
        async with (
            peer({0: [0] * 20}, FramerType.SOCKET) as port,
            Wire(driver(**way), port) as wire,
        ):
            told = await wire.write(tag(1, "holding:7:int16", writable=True), -5)
            assert told.value == ({1: -5.0} if "read_with_write" in way else {})
            await wire.write(tag(2, "coil:1", writable=True), 1)
            return await wire.read(tags("holding:7:int16", "coil:1"))

    assert run(case()).value == {1: -5.0, 2: 1.0}


def test_bits_of_coils_and_discrete_inputs_are_at_their_place() -> None:
    async def case() -> Told:
        async with peer({0: [0]}, FramerType.SOCKET) as port, Wire(driver(), port) as wire:
            return await wire.read(tags(*(f"coil:{i}" for i in range(64)), "discrete:3"))

    told = run(case())
    assert told.value == {i + 1: float(i % 3 == 0) for i in range(64)} | {65: 1.0}


def test_a_gap_that_does_not_exist_costs_no_tag() -> None:
    async def case() -> Told:
        async with (
            peer({0: [1, 2], 10: [3, 4], 30: [5]}, FramerType.SOCKET) as port,
            Wire(driver(), port) as wire,
        ):
            asked = tags(*(f"holding:{i}" for i in (0, 1, 10, 11, 30)))
            rounds = [await wire.read(asked) for _ in range(3)]
            assert [told.asked for told in rounds] == [5, 4, 3], "each plan knows more gaps"
            assert rounds[0].value == rounds[1].value == rounds[2].value
            return rounds[0]

    assert run(case()).value == {1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0, 5: 5.0}


def test_a_place_that_does_not_exist_is_given_up_and_the_rest_is_read() -> None:
    async def case() -> Told:
        async with (
            peer({0: list(range(40))}, FramerType.SOCKET) as port,
            Wire(driver(), port) as wire,
        ):
            return await wire.read(tags(*(f"holding:{i}" for i in range(50))))

    told = run(case())
    assert told.value == {i + 1: float(i) for i in range(40)}
    assert told.refused.keys() == set(range(41, 51))
    assert "illegal data address (exception 2)" in str(told.refused[41])


def test_a_busy_device_makes_samples_bad_for_now() -> None:
    async def busy(function: int, *_: object) -> ExcCodes | None:
        return ExcCodes.DEVICE_BUSY

    async def case() -> Told:
        async with peer({0: [1]}, FramerType.SOCKET, busy) as port, Wire(driver(), port) as wire:
            with pytest.raises(Refused, match="busy"):
                await wire.write(tag(1, "holding:0", writable=True), 1)
            return await wire.read(tags("holding:0"))

    assert run(case()).quality == {1: Quality.BAD_WAITING}


def _framer(framing: str) -> str:
    return "socket" if framing == "tcp" else "rtu"

"""The plant's Modbus devices, against pymodbus and mbpoll, and with their bad habits."""

import asyncio
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baotu_plant.layout import Layout
from baotu_plant.modbus import Bank, Listener, Stream, crc
from baotu_plant.simulation import Simulation
from tests.peers import absent, need


@pytest.fixture(scope="module")
def plant():
    plant = Simulation(seed=4)
    plant.run(3)
    return plant


def bank_of(plant, name):
    device = plant.points.layout.device(name)
    return Bank(device, plant.points.of_device(device), plant)


def place(bank, machine, property):
    return next(
        p for p in bank.places if (p.point.machine.id, p.point.property.id) == (machine, property)
    )


def ask(bank, unit, pdu, plant):
    return bank.answer(unit, bytes.fromhex(pdu), plant.told)


def pymodbus():
    try:
        import pymodbus.client as found
    except ImportError:
        absent("pymodbus", "pip install pymodbus")
    return found


async def with_listener(plant, name, work):
    listener = Listener(bank_of(plant, name), lambda: plant.told, "::1", 0)
    await listener.start()
    try:
        return await work(listener)
    finally:
        await listener.stop()


def test_single_writes_are_echoed_and_move_the_plant(plant):
    bank = bank_of(plant, "water-1")
    assert ask(bank, 1, "05 0000 0000", plant).hex() == "0500000000"
    assert plant.told[place(bank, "pump-1", "valve_open").point.index] == 0
    assert ask(bank, 1, "05 0000 ff00", plant).hex() == "050000ff00"
    assert plant.told[place(bank, "pump-1", "valve_open").point.index] == 1


def test_floats_are_written_whole_and_read_back(plant):
    bank = bank_of(plant, "water-2")
    spot = place(bank, "pump-5", "speed_setpoint")
    words = struct.unpack(">HH", struct.pack(">f", 1234.5))[::-1]  # CDAB
    pdu = f"10 {spot.start:04x} 0002 04 {words[0]:04x}{words[1]:04x}"
    assert ask(bank, 1, pdu, plant)[0] == 0x10
    assert plant.told[spot.point.index] == 1234.5
    assert (
        ask(bank, 1, f"03 {spot.start:04x} 0002", plant).hex()[4:]
        == f"{words[0]:04x}{words[1]:04x}"
    )


def test_write_with_read_answers_with_the_new_value(plant):
    bank = bank_of(plant, "air-1")
    spot = place(bank, "compressor-1", "pressure_setpoint")
    answer = ask(bank, 1, f"17 {spot.start:04x} 0001 {spot.start:04x} 0001 02 0041", plant)
    assert answer.hex() == "17020041"
    assert plant.told[spot.point.index] == 6.5


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("2b 0e01", 1),  # a function it has not
        ("03 ffff 0001", 2),
        ("03 0000 0000", 3),
        ("03 0000 007e", 3),
        ("06 0000 0001", 2),  # flow is measured, not set
        ("10 0024 0002 04 7fc00000", 3),  # NaN as set point
        ("10 0024 0002 04 461c4000", 3),  # 10,000 /min is too fast
        ("10 0024 0002 03 000000", 3),
        ("05 0000 1234", 3),
        ("03 00", 3),
    ],
)
def test_wrong_questions_get_the_right_exception(plant, pdu, code):
    before = plant.told.copy()
    answer = ask(bank_of(plant, "water-1"), 1, pdu, plant)
    assert answer == bytes((int(pdu[:2], 16) | 0x80, code))
    assert (plant.told == before).all()


def test_write_that_touches_a_read_only_place_changes_nothing(plant):
    bank = bank_of(plant, "water-1")
    spot = place(bank, "pump-1", "speed_setpoint")
    before = plant.told.copy()
    speed = struct.pack(">f", 1000.0).hex()
    # the state text lies behind the set point
    assert ask(bank, 1, f"10 {spot.start:04x} 0004 08 {speed} 41424344", plant).hex() == "9002"
    assert (plant.told == before).all()
    unchanged = ask(bank, 1, f"03 {spot.start:04x} 0002", plant)
    assert struct.unpack(">f", unchanged[2:])[0] == before[spot.point.index]


def test_furnace_controller_refuses_more_than_sixty_registers(plant):
    bank = bank_of(plant, "furnace-plc")
    assert ask(bank, 1, "03 0000 003c", plant)[0] == 0x03
    assert ask(bank, 1, "03 0000 003d", plant).hex() == "8302"


def test_gateway_answers_for_four_units_and_not_for_a_fifth(plant):
    bank = bank_of(plant, "meter-gateway")
    answers = [ask(bank, unit, "04 0000 0002", plant) for unit in (1, 2, 3, 4, 5)]
    assert [a[0] for a in answers] == [4, 4, 4, 4, 0x84]
    assert answers[4][1] == 0x0B


def test_status_bits_are_packed_and_masked(plant):
    bank = bank_of(plant, "air-1")
    running = place(bank, "compressor-1", "running")
    loaded = place(bank, "compressor-1", "loaded")
    assert running.start == loaded.start and running.bit != loaded.bit
    word = struct.unpack(">H", ask(bank, 1, f"03 {running.start:04x} 0001", plant)[2:])[0]
    assert word >> running.bit & 1 == 1
    changed = ask(bank, 1, f"16 {running.start:04x} 0000 0000", plant)
    assert changed.hex() == "9602"  # status is told, not set


@given(st.binary(max_size=300), st.sampled_from(["water-1", "sand-drives", "meter-gateway"]))
def test_garbage_never_breaks_a_connection_handler(data, name):
    plant = garbage_plant()
    stream = Stream(bank_of(plant, name), lambda: plant.told)
    assert isinstance(stream.feed(data), bytes)
    assert isinstance(stream.feed(data), bytes)


_plants = []


def garbage_plant():
    if not _plants:
        _plants.append(Simulation(seed=1))
    return _plants[0]


def test_rtu_frames_are_found_however_they_are_cut(plant):
    frame = bytes.fromhex("11 03 0000 0004")
    frame += crc(frame)
    whole = Stream(bank_of(plant, "sand-drives"), lambda: plant.told).feed(frame * 3)
    stream = Stream(bank_of(plant, "sand-drives"), lambda: plant.told)
    bytewise = b"".join(stream.feed(bytes((b,))) for b in frame * 3)
    assert whole == bytewise and len(whole) == 3 * (3 + 8 + 2)
    assert crc(whole[:11]) == whole[11:13]


def test_rtu_of_another_unit_or_with_a_wrong_checksum_meets_silence(plant):
    stream = Stream(bank_of(plant, "sand-drives"), lambda: plant.told)
    other = bytes.fromhex("12 03 0000 0004")
    assert stream.feed(other + crc(other)) == b""
    assert stream.feed(bytes.fromhex("11 03 0000 0004 0000")) == b""


@pytest.mark.peer("pymodbus")
@pytest.mark.parametrize(
    "device", [d for d in Layout().devices if d.protocol == "modbus"], ids=lambda d: d.name
)
def test_pymodbus_reads_every_number_of_every_device(plant, device):
    client = pymodbus()
    from pymodbus import FramerType

    async def work(listener):
        framer = FramerType.RTU if device.framing == "rtu" else FramerType.SOCKET
        peer = client.AsyncModbusTcpClient("::1", port=listener.port, framer=framer)
        assert await peer.connect()
        wrong = []
        for spot in bank_of(plant, device.name).places:
            if spot.type in ("text", "bit"):
                continue
            reads = {"holding": peer.read_holding_registers, "input": peer.read_input_registers}
            answer = await reads[spot.table](spot.start, count=spot.width, device_id=spot.unit)
            value = by_hand(answer.registers, spot) * spot.scale * spot.factor
            expected = plant.told[spot.point.index]
            if value != pytest.approx(expected, rel=2e-7, abs=0.51 * spot.scale):
                wrong.append((spot, value, expected))
        peer.close()
        return wrong

    assert asyncio.run(with_listener(plant, device.name, work)) == []


def by_hand(registers, spot):
    """The raw value of registers, worked out byte by byte."""
    data = b"".join(struct.pack(">H", r) for r in registers)
    if spot.width > 1:
        pairs = [data[i : i + 2] for i in range(0, len(data), 2)]
        if spot.order in ("CDAB", "DCBA"):
            pairs.reverse()
        if spot.order in ("BADC", "DCBA"):
            pairs = [p[::-1] for p in pairs]
        data = b"".join(pairs)
    code = {"int16": ">h", "uint32": ">I", "float32": ">f", "float64": ">d"}[spot.type]
    return struct.unpack(code, data)[0]


@pytest.mark.peer("pymodbus")
def test_pymodbus_writes_registers_and_coils(plant):
    client = pymodbus()

    async def work(listener):
        peer = client.AsyncModbusTcpClient("::1", port=listener.port)
        await peer.connect()
        spot = place(bank_of(plant, "water-1"), "pump-2", "speed_setpoint")
        registers = list(struct.unpack(">HH", struct.pack(">f", 1111.0)))
        assert not (await peer.write_registers(spot.start, registers)).isError()
        assert plant.told[spot.point.index] == 1111.0
        coil = place(bank_of(plant, "water-1"), "pump-2", "valve_open")
        assert not (await peer.write_coils(coil.start, [False])).isError()
        assert plant.told[coil.point.index] == 0
        assert (await peer.read_coils(coil.start, count=1)).bits[0] is False
        assert (await peer.write_register(0, 1)).isError()
        peer.close()

    asyncio.run(with_listener(plant, "water-1", work))


@pytest.mark.peer("mbpoll")
def test_mbpoll_reads_the_scaled_pressure(plant):
    program = need("mbpoll")

    async def work(listener):
        process = await asyncio.create_subprocess_exec(
            program, "-m", "tcp", "-p", str(listener.port), "-a", "1", "-t", "4:hex", "-0",
            "-r", "0", "-c", "1", "-1", "::1", stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode()

    text = asyncio.run(with_listener(plant, "air-1", work))
    found = re.search(r"\[0\]:\s+0x([0-9A-Fa-f]{4})", text)
    assert found, text
    spot = place(bank_of(plant, "air-1"), "compressor-1", "pressure")
    assert int(found[1], 16) * spot.scale == pytest.approx(plant.told[spot.point.index], abs=5e-4)


def test_second_connection_to_station_2_is_turned_away(plant):
    async def work(listener):
        reader, writer = await asyncio.open_connection("::1", listener.port)
        other, _ = await asyncio.open_connection("::1", listener.port)
        try:
            assert await asyncio.wait_for(other.read(1), 2) == b""
        except ConnectionError:
            pass
        writer.write(bytes.fromhex("0001 0000 0006 01 04 0000 0002"))
        assert len(await asyncio.wait_for(reader.readexactly(13), 2)) == 13
        writer.close()

    asyncio.run(with_listener(plant, "water-2", work))


def test_lost_device_resets_connections_and_returns_on_its_port(plant):
    async def work(listener):
        reader, _ = await asyncio.open_connection("::1", listener.port)
        port = listener.port
        await listener.stop()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 2)
        with pytest.raises(OSError):
            await asyncio.open_connection("::1", port)
        await listener.start()
        assert listener.port == port
        _, writer = await asyncio.open_connection("::1", port)
        writer.close()

    asyncio.run(with_listener(plant, "water-1", work))


def test_silent_device_keeps_the_connection_but_does_not_answer(plant):
    async def work(listener):
        reader, writer = await asyncio.open_connection("::1", listener.port)
        listener.silent = True
        writer.write(bytes.fromhex("0001 0000 0006 01 03 0000 0002"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        writer.close()

    asyncio.run(with_listener(plant, "water-1", work))

"""From bytes to samples and back: every type, odd values, texts, and ways to write."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baotu.drivers.modbus.codec import EXCEPTIONS
from baotu.sdk import Invalid, Malformed, Quality, Refused, Samples

from .device import Device, driver, tag, tags

TIME = 1_780_000_000_000_000_000


def read(device: Device, *addresses: str, **way: Any) -> list[Samples]:
    made = driver(**way)
    (request,) = made.plan(tags(*addresses))
    return made.decode(request, device(made.numbered(request, 1)), TIME)


def put(device: Device, address: str, value: float | str, **way: Any) -> list[Samples]:
    made = driver(**way)
    told = []
    for request in made.write(tag(1, address, writable=True), value):
        told += made.decode(request, device(made.numbered(request, 1)), TIME)
    return told


def test_mixed_types_come_as_one_column_of_numbers_and_one_of_texts() -> None:
    device = Device()
    device.holding[0:2] = struct.unpack(">2H", struct.pack(">f", 20.5))
    device.holding[2] = 0xFFFE
    device.holding[3:5] = struct.unpack(">2H", b"ab\0x")
    numbers, texts = read(
        device, "holding:2.1", "holding:0:float32", "holding:3:string4", "holding:2:int16"
    )
    assert dict(zip(numbers.tag.tolist(), numbers.value.tolist(), strict=True)) == {
        1: 1.0, 2: 20.5, 4: -2.0,
    }  # fmt: skip
    assert (texts.tag.tolist(), texts.value.tolist()) == ([3], ["ab"])
    assert set(numbers.time.tolist()) == {TIME}


@pytest.mark.parametrize("raw", ["7fc00000", "7f800001", "ff800000", "7f800000"])
@pytest.mark.filterwarnings("error")
def test_a_float_that_is_not_finite_is_a_failed_sensor(raw: str) -> None:
    device = Device()
    device.holding[0:2] = np.frombuffer(bytes.fromhex(raw), ">u2")
    (samples,) = read(device, "holding:0:float32", "holding:2:float32")
    assert samples.quality.tolist() == [Quality.BAD_SENSOR_FAILURE, Quality.GOOD]
    assert not math.isfinite(samples.value[0])


def test_bcd_that_is_not_decimal_is_undecodable() -> None:
    device = Device()
    device.holding[0:2] = 0x1234, 0x12A4
    (samples,) = read(device, "holding:0:bcd16", "holding:1:bcd16")
    assert samples.value[0] == 1234.0
    assert samples.quality.tolist() == [Quality.GOOD, Quality.BAD_DECODING]


def test_bytes_that_are_no_text_are_undecodable() -> None:
    device = Device()
    device.holding[0] = 0xFFFF
    (samples,) = read(device, "holding:0:string2")
    assert samples.quality.tolist() == [Quality.BAD_DECODING]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float64_is_written_and_read_back_to_the_bit(value: float) -> None:
    device = Device()
    put(device, "holding:7:float64:CDAB", value)
    (samples,) = read(device, "holding:7:float64:CDAB")
    assert samples.value.tolist() == [value]


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]))
def test_any_int32_is_written_and_read_back(value: int, order: str) -> None:
    device = Device()
    put(device, f"holding:7:int32:{order}", value)
    (samples,) = read(device, f"holding:7:int32:{order}")
    assert samples.value.tolist() == [value]


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ("holding:0:int16", 32768), ("holding:0:uint16", -1), ("holding:0:uint32", 2.0**32),
        ("holding:0:uint64", 2.0**64), ("holding:0:bcd16", 10000), ("holding:0:float32", 1e39),
        ("holding:0:float16", 70000), ("holding:0:int16", math.nan), ("holding:0:float32", math.inf),
        ("holding:0:int16", "5"), ("coil:0", 2), ("holding:0.3", 0.5), ("holding:0:string4", 4),
        ("holding:0:string4", "12345"), ("holding:0:string4:ascii", "泉"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_invalid(address: str, value: float | str) -> None:
    device = Device()
    with pytest.raises(Invalid, match="value: plant/press/p1"):
        put(device, address, value)
    assert not device.functions, "nothing was sent"


def test_a_scaled_value_is_rounded_to_the_nearest_whole_number() -> None:
    device = Device()
    put(device, "holding:0:int16", 199.99999999999997)
    assert device.holding[0] == 200


@pytest.mark.parametrize(
    ("address", "way", "functions"),
    [
        ("holding:0", {}, [6]),
        ("holding:0", {"write_function": "multiple"}, [16]),
        ("holding:0:float32", {}, [16]),
        ("holding:0:float32", {"read_with_write": True}, [23]),
        ("coil:0", {}, [5]),
        ("coil:0", {"write_function": "multiple"}, [15]),
        ("holding:0.4", {}, [22]),
        ("holding:0.4", {"bit_write": "read_modify_write"}, [3, 6]),
    ],
)
def test_settings_choose_the_function_that_writes(
    address: str, way: dict[str, Any], functions: list[int]
) -> None:
    device = Device()
    put(device, address, 1, **way)
    assert device.functions == functions


@pytest.mark.parametrize("way", ["mask", "read_modify_write"])
def test_writing_a_bit_leaves_the_others(way: str) -> None:
    device = Device()
    device.holding[9] = 0xA5A5
    put(device, "holding:9.1", 1, bit_write=way)
    put(device, "holding:9.0", 0, bit_write=way)
    assert device.holding[9] == 0xA5A6


def test_a_bit_is_not_written_back_when_its_register_was_not_read() -> None:
    made = driver(bit_write="read_modify_write")
    _, poke = made.write(tag(1, "holding:9.1", writable=True), 1)
    with pytest.raises(Refused, match="was not read"):
        made.numbered(poke, 1)


def test_write_and_read_back_in_one_exchange_tells_the_sample() -> None:
    (samples,) = put(Device(), "holding:0:float32", 2.5, read_with_write=True)
    assert (samples.tag.tolist(), samples.value.tolist()) == ([1], [2.5])


@pytest.mark.parametrize("code", sorted(EXCEPTIONS))
def test_a_refused_write_says_code_name_and_next_step(code: int) -> None:
    device, no = Device(refuse=lambda f, s, c: code), EXCEPTIONS[code]
    if code == 5:
        assert put(device, "holding:0", 1) == [], "acknowledged: reading back tells the rest"
        return
    with pytest.raises(Refused, match=f"{no.name} \\(exception {code}\\)") as caught:
        put(device, "holding:0", 1)
    assert caught.value.code == code
    assert no.next_step in str(caught.value)


@pytest.mark.parametrize("code", [c for c, no in EXCEPTIONS.items() if no.passing])
def test_a_passing_refusal_of_a_read_makes_samples_bad_and_keeps_the_plan(code: int) -> None:
    told = read(Device(refuse=lambda f, s, c: code), "holding:0:float32", "holding:2:string4")
    assert [s.quality.tolist() for s in told] == [[EXCEPTIONS[code].quality]] * 2


def test_a_busy_unit_refuses_a_write_with_read_back_too() -> None:
    with pytest.raises(Refused, match="busy"):
        put(Device(refuse=lambda f, s, c: 6), "holding:0", 1, read_with_write=True)


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_an_echo_of_another_value_is_malformed(framing: str) -> None:
    made, device = driver(framing=framing), Device(framing)
    (request,) = made.write(tag(1, "holding:0", writable=True), 5)
    (other,) = made.write(tag(1, "holding:0", writable=True), 6)
    with pytest.raises(Malformed, match="echo"):
        made.decode(request, device(made.numbered(other, 1)), 0)

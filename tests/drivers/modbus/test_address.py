"""Addresses are what engineers write; a wrong one is told by tag, with a right one beside."""

from __future__ import annotations

import pytest

from baotu.drivers.modbus.address import HELP, Address, Addresses, positions
from baotu.sdk import ConfigError

from .device import driver, tag, tags

SAME_PLACE = [
    ("holding:0", "40001"),
    ("holding:100:float32:CDAB", "40101:float32:CDAB"),
    ("holding:65535", "465536"),
    ("input:7:uint16", "30008"),
    ("coil:3", "00004"),
    ("discrete:9", "100010"),
    ("holding:12.5", "40013.5"),
    ("holding:0:uint16", "holding:0"),
    ("holding:0:float64:CDAB", "holding:0:float64:GHEFCDAB"),
    ("holding:0:int16:BA", "HOLDING:0:INT16:BADC"),
    ("1/holding:0", "holding:0"),
    ("holding:12.5:bool", "holding:12.5"),
]
WRONG = [
    ("", "not a Modbus address"),
    ("holding", "not a Modbus address"),
    ("holding:x", "not a Modbus address"),
    ("register:5", "no table 'register'"),
    ("50001", "references begin with 0"),
    ("40000", "count from 1"),
    ("holding:65536", "0 to 65535"),
    ("holding:65535:float32", "ends beyond register 65535"),
    ("holding:0:flaot32", "neither a byte order nor a type"),
    ("holding:0:float32:ACBD", "neither a byte order nor a type"),
    ("holding:0:float32:ABCD:CDAB", "too many words"),
    ("holding:12.16", "bits 0 to 15"),
    ("coil:3.1", "one bit already"),
    ("coil:3:float32", "no type or order"),
    ("999/holding:0", "units are 0 to 255"),
    ("holding:0:string251", "1 to 250 bytes"),
    ("holding:0:string8:ebcdic", "one of utf-8"),
]


def parse(address: str, order: str = "ABCD") -> Address:
    return Addresses(1, order).of(tag(1, address))


@pytest.mark.parametrize(("one", "other"), SAME_PLACE)
def test_two_ways_to_write_the_same_place(one: str, other: str) -> None:
    assert parse(one) == parse(other)


@pytest.mark.parametrize(("address", "why"), WRONG)
def test_a_wrong_address_names_the_tag_and_what_is_wrong(address: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        driver().plan([tag(1, address)])
    assert "plant/press/p1" in str(caught.value)
    assert why in str(caught.value)
    assert caught.value.hint


def test_the_help_shows_only_addresses_that_are_right() -> None:
    examples = HELP.partition("— ")[2].split(", ")
    assert len(examples) == 8
    assert [r.tags.size for r in driver().plan(tags(*examples))] != []


def test_a_text_needs_a_tag_of_kind_text() -> None:
    number = tag(1, "holding:0")
    text = tag(1, "holding:0:string8")
    for wrong in (("holding:0:string8", number), ("holding:0", text)):
        address, of = wrong
        changed = type(of)(id=1, asset="a", property="b", address=address, kind=of.kind)
        with pytest.raises(ConfigError, match="write kind = "):
            driver().plan([changed])


def test_a_writable_tag_in_a_read_only_table_is_refused_at_once() -> None:
    wrong = tag(1, "holding:0", writable=True)
    moved = type(wrong)(id=1, asset="a", property="b", address="input:0", writable=True)
    with pytest.raises(ConfigError, match="input places are read only"):
        driver().plan([moved])


def test_the_device_order_is_for_values_of_two_or_more_registers() -> None:
    assert parse("holding:0:int16", "DCBA").form.order == "ABCD"
    assert parse("holding:0:int32", "DCBA").form.order == "DCBA"
    assert parse("holding:0:int32:ABCD", "DCBA").form.order == "ABCD"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("ABCD", [7, 6, 5, 4, 3, 2, 1, 0]),
        ("CDAB", [1, 0, 3, 2, 5, 4, 7, 6]),
        ("BADC", [6, 7, 4, 5, 2, 3, 0, 1]),
        ("DCBA", [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_byte_positions_of_64_bit_values(order: str, expected: list[int]) -> None:
    assert positions(8, order).tolist() == expected


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"framing": "rtu", "pipeline": 4}, "pipeline"), ({"framing": "rtu", "unit": 0}, "unit")],
)
def test_settings_that_contradict_are_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        driver(**settings)

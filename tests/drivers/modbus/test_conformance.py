"""The Modbus driver keeps what every polled driver promises, in each framing and way to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baotu.drivers.modbus
from baotu.drivers.modbus import DRIVER
from baotu.sdk.testing.cases import check_parts, run_cases
from baotu.sdk.testing.drivers import check_driver

from .device import Device, driver, tags

FOLDER = Path(baotu.drivers.modbus.__file__).parent
WAYS: list[dict[str, Any]] = [
    {},
    {"framing": "rtu"},
    {"pipeline": 8, "order": "CDAB", "max_gap": 0},
    {"write_function": "multiple", "max_registers": 5, "max_bits": 9},
    {"framing": "rtu", "bit_write": "read_modify_write", "read_with_write": True},
    {"bit_write": "read_modify_write", "read_with_write": True},
]
TAGS = tags(
    "holding:0", "holding:1:int16", "holding:2:float32", "holding:4:float32:CDAB",
    "holding:6:float64:BADC", "holding:10:int64:DCBA", "holding:14:uint64", "holding:18:uint32",
    "holding:20:int32:CDAB", "holding:22:bcd16", "holding:23:bcd32", "holding:25.0", "holding:25.9",
    "holding:26:string7", "holding:30:string8:swap:gbk", "holding:34:float16", "holding:34:uint16",
    "holding:400:float32", "40501:float32", "400601:int16:BA", "2/holding:0", "input:7:uint16",
    "30010:float32", "input:7.15", "coil:0", "coil:9", "coil:300", "discrete:3", "10010",
    writable=True,
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_modbus_keeps_the_promises_of_a_polled_driver(way: dict[str, Any]) -> None:
    device = Device(way.get("framing", "tcp"))
    rng = np.random.default_rng(1)
    device.input[:] = rng.integers(0, 9999, 65536)
    device.discrete[:] = rng.integers(0, 2, 65536)
    check_driver(lambda: driver(**way), TAGS, device)


def test_the_folder_has_all_parts() -> None:
    check_parts(FOLDER, DRIVER)


def test_captured_cases_come_out_as_expected() -> None:
    assert len(run_cases(FOLDER / "cases", DRIVER)) >= 8

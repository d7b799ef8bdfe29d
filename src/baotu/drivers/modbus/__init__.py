"""Modbus: reads and writes devices over TCP or RTU-over-TCP, and offers tags as registers."""

from __future__ import annotations

from baotu.sdk import DriverEntry

from .address import HELP
from .driver import Modbus
from .server import ModbusServer

DRIVER = DriverEntry(
    title="Modbus 协议 Modbus",
    summary="读写 Modbus TCP 和 RTU-over-TCP 设备，并以寄存器形式提供位号 "
    "Reads and writes Modbus TCP and RTU-over-TCP devices, and offers tags as registers",
    client=Modbus,
    server=ModbusServer,
    address_help=HELP,
    kinds={
        "bool": "boolean", "string": "text", "int16": "number", "uint16": "number",
        "int32": "number", "uint32": "number", "int64": "number", "uint64": "number",
        "float16": "number", "float32": "number", "float64": "number", "bcd16": "number",
        "bcd32": "number",
    },
)  # fmt: skip

"""Settings of one Modbus connection: the sample file and the reference are made from them."""

from __future__ import annotations

from dataclasses import dataclass

from baotu.sdk import ConfigError, setting

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One connection to a device, or to a gateway with several units behind it."""

    host: str = setting(
        title="设备的名字或地址 Name or address of the device", example="plc1.plant.example"
    )
    port: int = setting(502, title="端口 Port", low=1, high=65535)
    framing: str = setting(
        "tcp",
        title="报文格式：tcp，或串口服务器透传的 rtu "
        "Frames: tcp, or rtu through a transparent serial server",
        choices=("tcp", "rtu"),
    )
    unit: int = setting(1, title="默认从站地址 Unit of addresses that name none", low=0, high=255)
    timeout_s: float = setting(
        2.0, title="等待应答的时间 How long to wait for an answer", unit="s", low=0.01, high=60
    )
    pipeline: int = setting(
        1,
        title="同时发出的请求数，仅 tcp Questions under way at once, tcp only",
        low=1,
        high=16,
    )
    order: str = setting(
        "ABCD",
        title="两个及以上寄存器的值的字节顺序 Byte order of values of two or more registers",
        choices=ORDERS,
    )
    max_registers: int = setting(
        125, title="一次最多读的寄存器 Most registers in one read", low=1, high=125
    )
    max_bits: int = setting(
        2000, title="一次最多读的线圈 Most coils or inputs in one read", low=1, high=2000
    )
    max_gap: int = setting(
        64,
        title="为少问一次而多读的寄存器，串口约 12 "
        "Unwanted registers read to save a question; about 12 on a slow line",
        low=0,
        high=124,
    )
    write_function: str = setting(
        "auto",
        title="写功能码：auto 单个用 5、6，multiple 总用 15、16 "
        "Write with 5 and 6 where one is enough (auto), or always 15 and 16 (multiple)",
        choices=("auto", "multiple"),
    )
    bit_write: str = setting(
        "mask",
        title="写寄存器的位：mask 用功能 22；read_modify_write 先读后写，不是原子操作 "
        "Bits of registers: function 22 (mask), or read and write back, which is not atomic",
        choices=("mask", "read_modify_write"),
    )
    read_with_write: bool = setting(
        False,
        title="用功能 23 在一次交换中写并读回 Write and read back in one exchange (function 23)",
    )


def checked(settings: Settings) -> Settings:
    """What no single line can tell. Raises ConfigError."""
    if settings.framing == "rtu" and settings.pipeline > 1:
        raise ConfigError(
            f'pipeline = {settings.pipeline} needs framing = "tcp": rtu answers carry no number',
            hint="write pipeline = 1",
        )
    if settings.framing == "rtu" and not 1 <= settings.unit <= 247:
        raise ConfigError(
            f"unit = {settings.unit} is no unit of a serial line", hint="write 1 to 247"
        )
    return settings

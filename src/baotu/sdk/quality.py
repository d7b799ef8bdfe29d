"""How far a sample can be trusted: one byte, OPC UA's severity in the top two bits, our reason below.

The table keeps the full OPC UA StatusCode of each reason, so nothing is lost on the way in or out
(OPC UA Part 4, 7.39 StatusCode; Part 8, 6.4 for data access).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType


class Quality(IntEnum):
    """`quality < 64` is good, `< 128` uncertain, the rest bad."""

    GOOD = 0x00
    GOOD_LOCAL_OVERRIDE = 0x01
    GOOD_CLAMPED = 0x02
    UNCERTAIN = 0x40
    UNCERTAIN_LAST_USABLE = 0x41
    UNCERTAIN_INITIAL = 0x42
    UNCERTAIN_SENSOR_NOT_ACCURATE = 0x43
    UNCERTAIN_UNITS_EXCEEDED = 0x44
    UNCERTAIN_SUB_NORMAL = 0x45
    UNCERTAIN_SUBSTITUTE = 0x46
    BAD = 0x80
    BAD_NO_COMMUNICATION = 0x81
    BAD_TIMEOUT = 0x82
    BAD_DEVICE_FAILURE = 0x83
    BAD_SENSOR_FAILURE = 0x84
    BAD_OUT_OF_SERVICE = 0x85
    BAD_NOT_CONNECTED = 0x86
    BAD_CONFIGURATION = 0x87
    BAD_ADDRESS_UNKNOWN = 0x88
    BAD_DECODING = 0x89
    BAD_OUT_OF_RANGE = 0x8A
    BAD_WAITING = 0x8B
    BAD_ACCESS_DENIED = 0x8C
    BAD_NO_DATA = 0x8D
    BAD_DATA_LOST = 0x8E
    BAD_INTERNAL = 0x8F


@dataclass(frozen=True, slots=True)
class Reason:
    quality: Quality
    status: int  # OPC UA StatusCode
    title: str  # 中文 English


_ROWS = (
    Reason(Quality.GOOD, 0x00000000, "好 Good"),
    Reason(Quality.GOOD_LOCAL_OVERRIDE, 0x00960000, "好，人工置数 Good, local override"),
    Reason(Quality.GOOD_CLAMPED, 0x00300000, "好，已限幅 Good, clamped"),
    Reason(Quality.UNCERTAIN, 0x40000000, "可疑 Uncertain"),
    Reason(
        Quality.UNCERTAIN_LAST_USABLE, 0x40900000, "可疑，最后可用值 Uncertain, last usable value"
    ),
    Reason(Quality.UNCERTAIN_SUBSTITUTE, 0x40910000, "可疑，替代值 Uncertain, substitute value"),
    Reason(Quality.UNCERTAIN_INITIAL, 0x40920000, "可疑，初始值 Uncertain, initial value"),
    Reason(
        Quality.UNCERTAIN_SENSOR_NOT_ACCURATE,
        0x40930000,
        "可疑，传感器不准 Uncertain, sensor not accurate",
    ),
    Reason(
        Quality.UNCERTAIN_UNITS_EXCEEDED,
        0x40940000,
        "可疑，超工程量程 Uncertain, engineering range exceeded",
    ),
    Reason(
        Quality.UNCERTAIN_SUB_NORMAL, 0x40950000, "可疑，来源不足 Uncertain, too few good sources"
    ),
    Reason(Quality.BAD, 0x80000000, "坏 Bad"),
    Reason(Quality.BAD_INTERNAL, 0x80020000, "坏，内部错误 Bad, internal error"),
    Reason(Quality.BAD_DECODING, 0x80070000, "坏，无法解码 Bad, cannot be decoded"),
    Reason(Quality.BAD_TIMEOUT, 0x800A0000, "坏，超时 Bad, timed out"),
    Reason(Quality.BAD_ACCESS_DENIED, 0x801F0000, "坏，拒绝访问 Bad, access denied"),
    Reason(Quality.BAD_NO_COMMUNICATION, 0x80310000, "坏，通信中断 Bad, no communication"),
    Reason(Quality.BAD_WAITING, 0x80320000, "坏，等待首个数据 Bad, waiting for first data"),
    Reason(Quality.BAD_ADDRESS_UNKNOWN, 0x80340000, "坏，地址不存在 Bad, address unknown"),
    Reason(Quality.BAD_OUT_OF_RANGE, 0x803C0000, "坏，超出范围 Bad, out of range"),
    Reason(Quality.BAD_CONFIGURATION, 0x80890000, "坏，配置错误 Bad, configuration error"),
    Reason(Quality.BAD_NOT_CONNECTED, 0x808A0000, "坏，未连接 Bad, not connected"),
    Reason(Quality.BAD_DEVICE_FAILURE, 0x808B0000, "坏，设备故障 Bad, device failure"),
    Reason(Quality.BAD_SENSOR_FAILURE, 0x808C0000, "坏，传感器故障 Bad, sensor failure"),
    Reason(Quality.BAD_OUT_OF_SERVICE, 0x808D0000, "坏，停用 Bad, out of service"),
    Reason(Quality.BAD_NO_DATA, 0x809B0000, "坏，无数据 Bad, no data"),
    Reason(Quality.BAD_DATA_LOST, 0x809D0000, "坏，数据丢失 Bad, data lost"),
)

REASONS = MappingProxyType({row.quality: row for row in _ROWS})
_BY_STATUS = MappingProxyType({row.status: row.quality for row in _ROWS})
_SEVERITY = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)


def from_status(status: int) -> Quality:
    """The quality of an OPC UA StatusCode; an unknown one keeps its severity.

    >>> from_status(0x80310000)
    <Quality.BAD_NO_COMMUNICATION: 129>
    >>> from_status(0x80FF0000)
    <Quality.BAD: 128>
    """
    return _BY_STATUS.get(status & 0xFFFF0000, _SEVERITY[status >> 30])


def to_status(quality: int) -> int:
    """The OPC UA StatusCode of a quality; an unknown one keeps its severity."""
    known = REASONS.get(quality)  # type: ignore[call-overload]
    return known.status if known else (quality >> 6) << 30

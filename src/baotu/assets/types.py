"""Asset types the platform brings along: rows, not code. A configuration may replace or add.

Ranges are those of the ordinary machine of the kind; a tag's own `low` and `high` go before.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from baotu.sdk import AssetType, Property

Row = tuple[str, str, str, float | None, float | None]

_TYPES: tuple[tuple[str, str, tuple[Row, ...]], ...] = (
    ("Motor", "电动机 Motor", (
        ("temperature", "绕组温度 Winding temperature", "Cel", None, 110.0),
        ("current", "电流 Current", "A", None, None),
        ("speed", "转速 Speed", "/min", None, None),
        ("vibration", "振动速度 Vibration velocity", "mm/s", None, 4.5),
        ("power", "有功功率 Active power", "kW", None, None),
        ("running", "运行 Running", "", None, None),
    )),
    ("Pump", "泵 Pump", (
        ("flow", "流量 Flow", "m3/h", None, None),
        ("suction_pressure", "吸入压力 Suction pressure", "bar", None, None),
        ("discharge_pressure", "排出压力 Discharge pressure", "bar", None, None),
        ("speed", "转速 Speed", "/min", None, None),
        ("power", "轴功率 Shaft power", "kW", None, None),
        ("vibration", "振动速度 Vibration velocity", "mm/s", None, 4.5),
        ("bearing_temperature", "轴承温度 Bearing temperature", "Cel", None, 85.0),
    )),
    ("Compressor", "压缩机 Compressor", (
        ("discharge_pressure", "排气压力 Discharge pressure", "bar", None, None),
        ("oil_temperature", "油温 Oil temperature", "Cel", None, 105.0),
        ("power", "功率 Power", "kW", None, None),
        ("loaded", "加载 Loaded", "", None, None),
    )),
    ("MachiningCentre", "加工中心 Machining centre", (
        ("spindle_speed", "主轴转速 Spindle speed", "/min", None, None),
        ("spindle_load", "主轴负载 Spindle load", "%", None, 100.0),
        ("part_count", "工件计数 Part count", "", None, None),
        ("program", "程序 Program", "", None, None),
        ("state", "状态 State", "", None, None),
    )),
    ("Furnace", "炉 Furnace", (
        ("temperature", "炉温 Temperature", "Cel", None, None),
        ("setpoint", "温度设定 Set point", "Cel", None, None),
        ("power", "功率 Power", "kW", None, None),
    )),
    ("Meter", "电表 Meter", (
        ("active_power", "有功功率 Active power", "kW", None, None),
        ("reactive_power", "无功功率 Reactive power", "kvar", None, None),
        ("power_factor", "功率因数 Power factor", "", 0.85, None),
        ("energy", "电能 Energy", "kW.h", None, None),
        ("voltage", "电压 Voltage", "V", None, None),
        ("frequency", "频率 Frequency", "Hz", 49.5, 50.5),
    )),
)  # fmt: skip


def _kind(text: str) -> str:
    return (
        "text"
        if text in ("program", "state")
        else "boolean"
        if text in ("running", "loaded")
        else "number"
    )


BUILT_IN: Mapping[str, AssetType] = MappingProxyType(
    {
        name: AssetType(
            id_short=name,
            title=title,
            properties=tuple(
                Property(id_short=p, title=t, unit=u, kind=_kind(p), low=low, high=high)  # type: ignore[arg-type]
                for p, t, u, low, high in rows
            ),
        )
        for name, title, rows in _TYPES
    }
)

"""What every machine of a type can tell: one row for each property, one table for each type.

Units are UCUM codes. `noise` is the standard deviation of the sensor, in `unit`; `digits` its
resolution. A text property holds a number in the simulation: the index into `WORDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["number", "boolean", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A named value. low, high: the normal range. writable: a set point or a switch.

    counter: only grows. words: for a text, the list of `WORDS` that its number points into.
    """

    id: str
    title: str
    unit: str = ""
    kind: Kind = "number"
    low: float | None = None
    high: float | None = None
    noise: float = 0.0
    digits: int = 2
    writable: bool = False
    counter: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """main: the property whose sensor drifts or sticks when a fault names none."""

    id: str
    title: str
    main: str
    properties: tuple[Property, ...]


WORDS = MappingProxyType(
    {
        "machine": ("stopped", "running", "degraded", "tripped"),
        "compressor": ("stopped", "loaded", "unloaded", "tripped"),
        "furnace": ("idle", "charging", "melting", "holding", "tapping"),
        "centre": ("idle", "loading", "roughing", "finishing", "tool change", "unloading"),
        "meter": ("normal", "high demand"),
        "program": ("-", "O1001 PUMP CASING", "O1002 IMPELLER", "O1003 VALVE BODY"),
        "recipe": ("-", "EN-GJL-250", "EN-GJS-400"),
        "alarm": (
            "",
            "vibration high",
            "low suction pressure",
            "overtemperature",
            "leak suspected",
            "tool worn",
            "cooling flow low",
            "demand high",
        ),
    }
)


def _n(
    id: str, title: str, unit: str, low: float, high: float, noise: float, digits: int = 2
) -> Property:
    return Property(id=id, title=title, unit=unit, low=low, high=high, noise=noise, digits=digits)


def _set(id: str, title: str, unit: str, low: float, high: float) -> Property:
    return Property(id=id, title=title, unit=unit, low=low, high=high, digits=1, writable=True)


def _count(id: str, title: str, unit: str, digits: int = 2) -> Property:
    return Property(id=id, title=title, unit=unit, low=0.0, counter=True, digits=digits)


def _bit(id: str, title: str, writable: bool = False) -> Property:
    return Property(id=id, title=title, kind="boolean", digits=0, writable=writable)


def _text(id: str, title: str, words: str) -> Property:
    return Property(id=id, title=title, kind="text", words=words, digits=0)


_RUN = (
    _bit("running", "运行 Running"),
    _count("run_hours", "运行小时 Run hours", "h", 4),
    _count("energy", "电能 Energy", "kW.h", 3),
    _text("alarm", "报警文本 Alarm text", "alarm"),
)

_PUMP = (
    _n("flow", "流量 Flow", "m3/h", 40, 160, 0.15),
    _n("head", "扬程 Head", "m", 15, 45, 0.05),
    _n("suction_pressure", "吸入压力 Suction pressure", "bar", 0.05, 0.6, 0.001, 4),
    _n("discharge_pressure", "出口压力 Discharge pressure", "bar", 1.5, 4.8, 0.004, 3),
    _n("speed", "转速 Speed", "/min", 900, 1500, 0.8, 1),
    _set("speed_setpoint", "转速设定 Speed set point", "/min", 600, 1500),
    _n("power", "轴功率 Shaft power", "kW", 2, 25, 0.03),
    _n("npsh_available", "有效汽蚀余量 NPSH available", "m", 4, 14, 0.02),
    _n("suction_level", "吸水池液位 Suction tank level", "m", 1, 4.5, 0.004, 3),
    _n("vibration", "振动速度有效值 Vibration RMS", "mm/s", 0, 4.5, 0.04, 3),
    _n("kurtosis", "峭度 Kurtosis", "1", 2.5, 5, 0.05),
    _n("bearing_temperature", "轴承温度 Bearing temperature", "Cel", 20, 75, 0.08),
    _n("casing_temperature", "泵壳温度 Casing temperature", "Cel", 10, 60, 0.08),
    _bit("valve_open", "出口阀开 Discharge valve open", writable=True),
    _count("starts", "启动次数 Starts", "1", 0),
    _text("state", "状态 State", "machine"),
    *_RUN,
)

_MOTOR = (
    _n("temperature", "绕组温度 Winding temperature", "Cel", 20, 80, 0.08),
    _n("bearing_temperature", "轴承温度 Bearing temperature", "Cel", 20, 75, 0.08),
    _n("current", "电流 Current", "A", 2, 60, 0.05),
    _n("voltage", "电压 Voltage", "V", 370, 410, 0.4, 1),
    _n("power", "有功功率 Active power", "kW", 1, 30, 0.03),
    _n("power_factor", "功率因数 Power factor", "1", 0.5, 0.95, 0.002, 3),
    _n("frequency", "频率 Frequency", "Hz", 20, 51, 0.01),
    _n("speed", "转速 Speed", "/min", 600, 1500, 0.8, 1),
    _n("torque", "转矩 Torque", "N.m", 5, 180, 0.2),
    _n("load", "负载率 Load", "%", 5, 110, 0.1),
    _n("vibration", "振动速度有效值 Vibration RMS", "mm/s", 0, 4.5, 0.04, 3),
    _n("kurtosis", "峭度 Kurtosis", "1", 2.5, 5, 0.05),
    _n("insulation", "绝缘电阻 Insulation resistance", "MOhm", 50, 900, 0.5, 1),
    _count("starts", "启动次数 Starts", "1", 0),
    _text("state", "状态 State", "machine"),
    *_RUN,
)

_COMPRESSOR = (
    _n("pressure", "储气罐压力 Receiver pressure", "bar", 6, 8, 0.005, 3),
    _n("discharge_pressure", "排气压力 Discharge pressure", "bar", 6, 8.3, 0.006, 3),
    _n("discharge_temperature", "排气温度 Discharge temperature", "Cel", 40, 105, 0.1),
    _n("inlet_temperature", "进气温度 Inlet temperature", "Cel", 5, 40, 0.05),
    _n("oil_temperature", "油温 Oil temperature", "Cel", 30, 95, 0.08),
    _n("oil_pressure", "油压 Oil pressure", "bar", 2, 4.5, 0.005, 3),
    _n("filter_drop", "空滤压差 Air filter pressure drop", "kPa", 0.2, 5, 0.02, 3),
    _n("flow", "供气量 Delivered air", "m3/min", 0, 14, 0.02),
    _n("dew_point", "压力露点 Pressure dew point", "Cel", -5, 10, 0.05),
    _n("current", "电流 Current", "A", 20, 160, 0.2),
    _n("power", "有功功率 Active power", "kW", 10, 90, 0.08),
    _n("vibration", "振动速度有效值 Vibration RMS", "mm/s", 0, 7.1, 0.06, 3),
    _n("kurtosis", "峭度 Kurtosis", "1", 2.5, 5, 0.05),
    _set("pressure_setpoint", "压力设定 Pressure set point", "bar", 6, 7.8),
    _bit("loaded", "加载 Loaded"),
    _count("loaded_hours", "加载小时 Loaded hours", "h", 4),
    _text("state", "状态 State", "compressor"),
    *_RUN,
)

_CENTRE = (
    _n("spindle_speed", "主轴转速 Spindle speed", "/min", 0, 8000, 1.0, 1),
    _n("spindle_load", "主轴负载 Spindle load", "%", 0, 95, 0.3),
    _n("spindle_current", "主轴电流 Spindle current", "A", 0, 60, 0.1),
    _n("spindle_temperature", "主轴温度 Spindle temperature", "Cel", 15, 65, 0.06),
    _n("spindle_vibration", "主轴振动 Spindle vibration", "mm/s", 0, 2.8, 0.03, 3),
    _n("kurtosis", "峭度 Kurtosis", "1", 2.5, 5, 0.05),
    _n("feed_rate", "进给速度 Feed rate", "mm/min", 0, 3000, 1.0, 1),
    _set("feed_override", "进给倍率 Feed override", "%", 20, 120),
    _n("position_x", "X 轴位置 X position", "mm", -400, 400, 0.0, 3),
    _n("position_y", "Y 轴位置 Y position", "mm", -250, 250, 0.0, 3),
    _n("position_z", "Z 轴位置 Z position", "mm", -300, 50, 0.0, 3),
    _n("load_x", "X 轴负载 X load", "%", 0, 80, 0.3),
    _n("load_y", "Y 轴负载 Y load", "%", 0, 80, 0.3),
    _n("load_z", "Z 轴负载 Z load", "%", 0, 80, 0.3),
    _n("coolant_temperature", "切削液温度 Coolant temperature", "Cel", 15, 35, 0.05),
    _n("coolant_flow", "切削液流量 Coolant flow", "L/min", 0, 40, 0.1),
    _n("coolant_level", "切削液液位 Coolant level", "%", 25, 100, 0.05),
    _n("hydraulic_pressure", "液压 Hydraulic pressure", "bar", 52, 65, 0.06, 2),
    _n("power", "有功功率 Active power", "kW", 0.5, 25, 0.02),
    _n("tool_number", "刀号 Tool number", "1", 1, 24, 0.0, 0),
    _n("tool_wear", "刀具磨损 Tool wear", "%", 0, 95, 0.0),
    _n("cycle_time", "上件节拍 Last cycle time", "s", 50, 120, 0.0),
    _count("part_count", "产量 Part count", "1", 0),
    _count("reject_count", "不良数 Reject count", "1", 0),
    _bit("door_closed", "门关 Door closed"),
    _text("program", "程序 Program", "program"),
    _text("state", "状态 State", "centre"),
    *_RUN,
)

_FURNACE = (
    _n("temperature", "铁水温度 Melt temperature", "Cel", 400, 1550, 1.2, 1),
    _set("setpoint", "温度设定 Temperature set point", "Cel", 800, 1550),
    _n("lining_temperature", "炉衬温度 Lining temperature", "Cel", 200, 1300, 0.8, 1),
    _n("power", "有功功率 Active power", "kW", 0, 800, 0.5, 1),
    _n("voltage", "电压 Voltage", "V", 0, 1100, 0.8, 1),
    _n("current", "电流 Current", "A", 0, 900, 0.6, 1),
    _n("frequency", "中频频率 Inverter frequency", "Hz", 450, 550, 0.3, 1),
    _n("power_factor", "功率因数 Power factor", "1", 0.85, 1, 0.001, 3),
    _n("coolant_in", "冷却水进水温度 Cooling water in", "Cel", 15, 35, 0.05),
    _n("coolant_out", "冷却水出水温度 Cooling water out", "Cel", 15, 55, 0.06),
    _n("coolant_flow", "冷却水流量 Cooling water flow", "m3/h", 6, 14, 0.03),
    _n("charge_mass", "炉料质量 Charge mass", "t", 0, 2.2, 0.003, 3),
    _n("lining_wear", "炉衬侵蚀 Lining wear", "%", 0, 70, 0.0, 3),
    _n("tilt", "倾角 Tilt", "deg", 0, 95, 0.1),
    _bit("lid_open", "炉盖开 Lid open"),
    _bit("heating", "加热使能 Heating enabled", writable=True),
    _count("heats", "炉次 Heats", "1", 0),
    _text("recipe", "牌号 Recipe", "recipe"),
    _text("state", "状态 State", "furnace"),
    *_RUN,
)

_METER = (
    _n("voltage_a", "A 相电压 Voltage A", "V", 210, 240, 0.15, 1),
    _n("voltage_b", "B 相电压 Voltage B", "V", 210, 240, 0.15, 1),
    _n("voltage_c", "C 相电压 Voltage C", "V", 210, 240, 0.15, 1),
    _n("voltage", "平均相电压 Mean voltage", "V", 210, 240, 0.1, 1),
    _n("current_a", "A 相电流 Current A", "A", 0, 8000, 0.2),
    _n("current_b", "B 相电流 Current B", "A", 0, 8000, 0.2),
    _n("current_c", "C 相电流 Current C", "A", 0, 8000, 0.2),
    _n("power_a", "A 相有功 Active power A", "kW", 0, 1500, 0.02),
    _n("power_b", "B 相有功 Active power B", "kW", 0, 1500, 0.02),
    _n("power_c", "C 相有功 Active power C", "kW", 0, 1500, 0.02),
    _n("active_power", "总有功 Active power", "kW", 0, 4500, 0.05),
    _n("reactive_power", "总无功 Reactive power", "kV.A", 0, 3000, 0.05),
    _n("apparent_power", "视在功率 Apparent power", "kV.A", 0, 5000, 0.05),
    _n("power_factor", "功率因数 Power factor", "1", 0.8, 1, 0.001, 3),
    _n("frequency", "频率 Frequency", "Hz", 49.8, 50.2, 0.003, 3),
    _n("thd_voltage", "电压谐波畸变 Voltage THD", "%", 0, 5, 0.02),
    _n("thd_current", "电流谐波畸变 Current THD", "%", 0, 15, 0.05),
    _n("demand", "需量 Demand (15 min)", "kW", 0, 4500, 0.0),
    _n("max_demand", "最大需量 Maximum demand", "kW", 0, 4500, 0.0),
    _n("temperature", "柜温 Cabinet temperature", "Cel", 10, 50, 0.05),
    _bit("breaker_closed", "断路器合 Breaker closed"),
    _count("energy", "有功电能 Active energy", "kW.h", 3),
    _count("reactive_energy", "无功电能 Reactive energy", "kV.A.h", 3),
    _text("state", "状态 State", "meter"),
    _text("alarm", "报警文本 Alarm text", "alarm"),
)

TYPES = MappingProxyType(
    {
        kind.id: kind
        for kind in (
            Type(id="Pump", title="泵 Pump", main="discharge_pressure", properties=_PUMP),
            Type(id="Motor", title="电动机 Motor", main="temperature", properties=_MOTOR),
            Type(
                id="Compressor", title="压缩机 Compressor", main="pressure", properties=_COMPRESSOR
            ),
            Type(
                id="MachiningCentre",
                title="加工中心 Machining centre",
                main="spindle_temperature",
                properties=_CENTRE,
            ),
            Type(id="Furnace", title="炉 Furnace", main="temperature", properties=_FURNACE),
            Type(id="Meter", title="电能表 Meter", main="active_power", properties=_METER),
        )
    }
)

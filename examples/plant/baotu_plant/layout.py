"""Where everything stands and which controller it is wired to: the one model of the plant.

The tag files, the OPC UA address space, the Modbus register maps, the Sparkplug births and the
picture of the plant all come from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Level = Literal["enterprise", "site", "area", "work_center", "work_unit", "asset"]
LEVELS: tuple[Level, ...] = (
    "enterprise", "site", "area", "work_center", "work_unit", "asset",
)  # fmt: skip
Protocol = Literal["modbus", "opcua", "sparkplug"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A level of the hierarchy of IEC 62264; `path` is joined by "/"."""

    path: str
    title: str
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An asset: its type, the work unit it stands in, and the controller that knows it."""

    id: str
    type: str
    title: str
    unit: str
    device: str

    @property
    def path(self) -> str:
        return f"{self.unit}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A controller. For Modbus:

    order: of the bytes of 32 and 64 bit values. number: how measured values are stored.
    counter: how counters are stored. measured: the table they lie in. booleans: where those are.
    read_limit: registers in one read; it refuses more. connections: how many it accepts.
    framing: rtu for a serial gateway. unit: of the first machine; `units` gives each its own.
    pressure_kpa: pressures are kept in kPa, whatever the rest of the plant uses.
    """

    name: str
    title: str
    protocol: Protocol
    order: str = "ABCD"
    number: Literal["float32", "int16", "float64"] = "float32"
    counter: Literal["float64", "uint32", "float32"] = "float64"
    measured: Literal["holding", "input"] = "holding"
    booleans: Literal["coil", "bits"] = "coil"
    read_limit: int = 125
    connections: int = 8
    framing: Literal["tcp", "rtu"] = "tcp"
    unit: int = 1
    units: bool = False
    pressure_kpa: bool = False


ENTERPRISE = "quancheng"
SITE = f"{ENTERPRISE}/jinan"

PLACES = (
    Place(path=ENTERPRISE, title="泉城泵阀 Quancheng Pump & Valve", level="enterprise"),
    Place(path=SITE, title="济南工厂 Jinan works", level="site"),
    Place(path=f"{SITE}/melting", title="熔炼车间 Melting shop", level="area"),
    Place(path=f"{SITE}/melting/line", title="熔炼线 Melting line", level="work_center"),
    Place(path=f"{SITE}/melting/line/bay-1", title="一号炉台 Furnace bay 1", level="work_unit"),
    Place(path=f"{SITE}/casting", title="铸造车间 Casting shop", level="area"),
    Place(path=f"{SITE}/casting/moulding", title="造型线 Moulding line", level="work_center"),
    Place(path=f"{SITE}/casting/moulding/pouring", title="浇注 Pouring", level="work_unit"),
    Place(path=f"{SITE}/casting/moulding/sand", title="砂处理 Sand plant", level="work_unit"),
    Place(path=f"{SITE}/machining", title="机加工车间 Machining shop", level="area"),
    Place(path=f"{SITE}/machining/line-a", title="泵体线 Casing line", level="work_center"),
    Place(path=f"{SITE}/machining/line-a/cell-1", title="一号单元 Cell 1", level="work_unit"),
    Place(path=f"{SITE}/machining/line-b", title="叶轮线 Impeller line", level="work_center"),
    Place(path=f"{SITE}/machining/line-b/cell-2", title="二号单元 Cell 2", level="work_unit"),
    Place(path=f"{SITE}/utilities", title="公用工程 Utilities", level="area"),
    Place(path=f"{SITE}/utilities/water", title="循环水 Cooling water", level="work_center"),
    Place(path=f"{SITE}/utilities/water/station-1", title="一号泵站 Station 1", level="work_unit"),
    Place(path=f"{SITE}/utilities/water/station-2", title="二号泵站 Station 2", level="work_unit"),
    Place(
        path=f"{SITE}/utilities/water/treatment", title="水处理 Water treatment", level="work_unit"
    ),
    Place(path=f"{SITE}/utilities/air", title="压缩空气 Compressed air", level="work_center"),
    Place(
        path=f"{SITE}/utilities/air/station", title="空压站 Compressor station", level="work_unit"
    ),
    Place(path=f"{SITE}/utilities/power", title="供配电 Power supply", level="work_center"),
    Place(path=f"{SITE}/utilities/power/switchroom", title="配电室 Switch room", level="work_unit"),
    Place(path=f"{SITE}/assembly", title="装配车间 Assembly shop", level="area"),
    Place(path=f"{SITE}/assembly/testing", title="试验线 Test line", level="work_center"),
    Place(path=f"{SITE}/assembly/testing/bench", title="试验台 Test bench", level="work_unit"),
)

DEVICES = (
    Device(name="water-1", title="一号泵站控制器 Station 1 controller", protocol="modbus"),
    Device(
        name="water-2", title="二号泵站控制器 Station 2 controller", protocol="modbus",
        order="CDAB", measured="input", connections=1, pressure_kpa=True,
    ),
    Device(
        name="furnace-plc", title="中频炉控制器 Furnace controller", protocol="modbus",
        order="BADC", number="float64", read_limit=60,
    ),
    Device(
        name="air-1", title="空压机控制器 Compressor controller", protocol="modbus",
        order="DCBA", number="int16", counter="uint32", booleans="bits",
    ),
    Device(
        name="sand-drives", title="砂处理变频器 Sand plant drives", protocol="modbus",
        number="int16", counter="uint32", framing="rtu", unit=17,
    ),
    Device(
        name="meter-gateway", title="电表网关 Meter gateway", protocol="modbus",
        counter="float64", measured="input", units=True,
    ),
    Device(name="machining-cell", title="机加工单元 Machining cells", protocol="opcua"),
    Device(name="casting-line", title="铸造线 Casting line", protocol="opcua"),
    Device(name="test-bench", title="试验台网关 Test bench gateway", protocol="sparkplug"),
    Device(name="power-room", title="配电室网关 Switch room gateway", protocol="sparkplug", number="float64"),
    Device(name="air-2", title="二号空压网关 Air gateway 2", protocol="sparkplug"),
    Device(name="treatment", title="水处理网关 Treatment gateway", protocol="sparkplug"),
)  # fmt: skip

_ROWS = (
    # type, numbers, work unit, device, title
    ("Pump", (1, 2, 3), "utilities/water/station-1", "water-1", "循环水泵 Cooling water pump"),
    ("Motor", (1, 2, 3), "utilities/water/station-1", "water-1", "水泵电机 Pump motor"),
    ("Pump", (4, 5, 6), "utilities/water/station-2", "water-2", "循环水泵 Cooling water pump"),
    ("Motor", (4, 5, 6), "utilities/water/station-2", "water-2", "水泵电机 Pump motor"),
    ("Furnace", (1, 2), "melting/line/bay-1", "furnace-plc", "中频感应炉 Induction furnace"),
    ("Compressor", (1, 2), "utilities/air/station", "air-1", "螺杆空压机 Screw compressor"),
    ("Motor", (11, 12), "casting/moulding/sand", "sand-drives", "混砂机电机 Sand mixer motor"),
    ("Meter", (1, 2, 3, 4), "utilities/power/switchroom", "meter-gateway", "电能表 Power meter"),
    ("MachiningCentre", (1, 2, 3, 4), "machining/line-a/cell-1", "machining-cell",
     "卧式加工中心 Horizontal machining centre"),
    ("MachiningCentre", (5, 6, 7, 8), "machining/line-b/cell-2", "machining-cell",
     "立式加工中心 Vertical machining centre"),
    ("Furnace", (3, 4, 5, 6), "casting/moulding/pouring", "casting-line",
     "保温炉 Holding furnace"),
    ("Motor", (13, 14, 15), "casting/moulding/pouring", "casting-line", "输送电机 Conveyor motor"),
    ("Meter", (5, 6), "casting/moulding/pouring", "casting-line", "电能表 Power meter"),
    ("Pump", (7, 8), "assembly/testing/bench", "test-bench", "试验台泵 Test bench pump"),
    ("Motor", (7, 8), "assembly/testing/bench", "test-bench", "试验台电机 Test bench motor"),
    ("Meter", (7, 8), "assembly/testing/bench", "test-bench", "电能表 Power meter"),
    ("Meter", (9, 10, 11, 12), "utilities/power/switchroom", "power-room",
     "馈线电表 Feeder meter"),
    ("Compressor", (3, 4), "utilities/air/station", "air-2", "螺杆空压机 Screw compressor"),
    ("Pump", (9, 10), "utilities/water/treatment", "treatment", "加压泵 Booster pump"),
    ("Motor", (9, 10), "utilities/water/treatment", "treatment", "加压泵电机 Booster motor"),
)  # fmt: skip

STEMS = MappingProxyType(
    {
        "Pump": "pump", "Motor": "motor", "Compressor": "compressor",
        "MachiningCentre": "centre", "Furnace": "furnace", "Meter": "meter",
    }
)  # fmt: skip


def _machines() -> tuple[Machine, ...]:
    rows = []
    for type, numbers, unit, device, title in _ROWS:
        chinese, _, english = title.partition(" ")
        rows += [
            Machine(
                id=f"{STEMS[type]}-{n}",
                type=type,
                title=f"{n}号{chinese} {english} {n}",
                unit=f"{SITE}/{unit}",
                device=device,
            )
            for n in numbers
        ]
    return tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The tables, with the look-ups that everyone needs. `FAST` properties are read at 100 ms."""

    places: tuple[Place, ...] = PLACES
    devices: tuple[Device, ...] = DEVICES
    machines: tuple[Machine, ...] = field(default_factory=_machines)

    def of_type(self, type: str) -> list[Machine]:
        """In order of their numbers: column `i` of the simulation is machine `i + 1`."""
        chosen = (m for m in self.machines if m.type == type)
        return sorted(chosen, key=lambda m: int(m.id.rpartition("-")[2]))

    def machine(self, id: str) -> Machine | None:
        return next((m for m in self.machines if id in (m.id, m.path)), None)

    def device(self, name: str) -> Device | None:
        return next((d for d in self.devices if d.name == name), None)


FAST: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        # (device, type): what vibrates, pulses or draws current there is read ten times a second
        ("water-1", "Pump"): ("vibration", "discharge_pressure"),
        ("water-1", "Motor"): ("vibration", "current"),
        ("machining-cell", "MachiningCentre"): (
            "spindle_vibration",
            "spindle_current",
            "hydraulic_pressure",
        ),
        ("casting-line", "Furnace"): ("current",),
    }
)
FAST_S, SLOW_S = 0.1, 1.0

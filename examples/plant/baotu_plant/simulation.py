"""The plant in motion: one step of 100 ms moves all machines and tells all sensors.

Deterministic: same seed, same commands and faults at the same steps, same numbers to the bit. It
reads no clock; whoever steps it decides how fast its time runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .catalogue import TYPES
from .faults import Fault, Faults
from .layout import Layout
from .physics.common import Strengths, Surroundings, Wandering
from .physics.compressors import Compressors
from .physics.furnaces import Furnaces
from .physics.machining import Centres
from .physics.meters import CONSUMERS, Meters
from .physics.motors import Motors
from .physics.pumps import Pumps
from .points import Block, Point, Points

STEP_S = 0.1
DAY_S = 86_400.0
STARTING_VALUES = {
    ("Pump", "speed_setpoint"): 1450.0,
    ("Pump", "valve_open"): 1.0,
    ("Compressor", "pressure_setpoint"): 7.0,
    ("MachiningCentre", "feed_override"): 100.0,
    ("MachiningCentre", "tool_number"): 1.0,
    ("MachiningCentre", "cycle_time"): 85.0,
    ("Furnace", "setpoint"): 1450.0,
    ("Furnace", "heating"): 1.0,
}
FAULT_KINDS = ("bearing_wear", "cavitation", "leak")


class Refusal(ValueError):
    """A command the controller does not take; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A stuck sensor: the point and what it has told ever since."""

    fault: Fault
    value: float


class Simulation:
    """true: what is. told: what the sensors say, rounded to their resolution (float64, flat)."""

    def __init__(self, layout: Layout | None = None, seed: int = 1) -> None:
        self.points = Points(layout or Layout())
        self.faults = Faults(self.points)
        self.steps = 0
        size = len(self.points)
        self.true, self.told = np.zeros(size), np.zeros(size)
        self._rng = np.random.default_rng(seed)
        self._noise, digits = self.points.column("noise"), self.points.column("digits")
        self._scale = 10.0**digits
        self._noisy = np.flatnonzero(self._noise)
        self._floor = np.array([_lowest(point) for point in self.points])
        self._blocks = {type: Block(self.points, type, self.true) for type in TYPES}
        self._held: dict[int, _Held] = {}
        self._around = Surroundings()
        self._grid = Wandering(2, tau_s=30.0)
        self._build()
        self._start()

    @property
    def now(self) -> float:
        """Simulated seconds since the start."""
        return self.steps * STEP_S

    def block(self, type: str) -> Block:
        """The true values of a type; changing a set point here commands the machine."""
        return self._blocks[type]

    def check(self, point: Point, value: float) -> float:
        """The value as it would be taken. Raises Refusal."""
        prop = point.property
        if not prop.writable:
            raise Refusal(f"{point.name} cannot be written")
        if not math.isfinite(value):
            raise Refusal(f"{point.name}: {value} is no number")
        if prop.kind == "boolean":
            return float(value != 0)
        if prop.low is not None and prop.high is not None and not prop.low <= value <= prop.high:
            raise Refusal(f"{point.name}: {value} is outside {prop.low} … {prop.high}")
        return value

    def command(self, point: Point, value: float) -> None:
        """Set a set point or a switch. Raises Refusal."""
        taken = self.check(point, value)
        self.true[point.index] = self.told[point.index] = taken

    def run(self, seconds: float) -> None:
        """Step until this much more time has passed, as fast as the machine can."""
        for _ in range(round(seconds / STEP_S)):
            self.step()

    def step(self) -> None:
        """Move everything by STEP_S."""
        self.steps += 1
        self._surroundings()
        suffering = {
            type: self._strengths(type)
            for type in ("Pump", "Motor", "Compressor", "MachiningCentre", "Furnace")
        }
        around, rng, blocks = self._around, self._rng, self._blocks
        shaft = self.pumps.step(STEP_S, blocks["Pump"], suffering["Pump"], around.ambient, rng)
        powers = (
            self.motors.step(
                STEP_S, blocks["Motor"], blocks["Pump"], shaft, around, suffering["Motor"], rng
            ),
            self.compressors.step(
                STEP_S, blocks["Compressor"], around, suffering["Compressor"], rng
            ),
            self.centres.step(
                STEP_S, blocks["MachiningCentre"], around.ambient, suffering["MachiningCentre"], rng
            ),
            self.furnaces.step(STEP_S, blocks["Furnace"], around, suffering["Furnace"], rng),
        )
        self.meters.step(STEP_S, blocks["Meter"], np.concatenate(powers), around, rng)
        self._tell()

    def _build(self) -> None:
        size = {type: block.size for type, block in self._blocks.items()}
        rng = self._rng
        self.pumps = Pumps(size["Pump"], rng)
        self.motors = Motors(size["Motor"], size["Pump"], rng)
        self.compressors = Compressors(size["Compressor"], rng)
        self.centres = Centres(size["MachiningCentre"], rng)
        self.furnaces = Furnaces(size["Furnace"], 2, rng)
        self.meters = Meters(size["Meter"], {type: size[type] for type in CONSUMERS}, rng)

    def _start(self) -> None:
        """As if the plant had run for a while: counters are not nought, all machines run."""
        for point in self.points:
            if point.property.counter:
                self.true[point.index] = float(self._rng.integers(200, 9000))
        for block in self._blocks.values():
            if "running" in {p.id for p in TYPES[_type_of(block, self._blocks)].properties}:
                block["running"] = 1.0
        for (type, property), value in STARTING_VALUES.items():
            self._blocks[type][property] = value
        self._blocks["Furnace"]["setpoint"][2:] = 1390.0
        self._blocks["Compressor"]["loaded_hours"] = 0.6 * self._blocks["Compressor"]["run_hours"]
        centres = self._blocks["MachiningCentre"]
        centres["reject_count"] = np.floor(0.01 * centres["part_count"])
        self.step()
        self.steps = 0

    def _surroundings(self) -> None:
        grid = self._grid.step(STEP_S, self._rng)
        self._around.ambient = 24.0 + 4.0 * math.sin(2.0 * math.pi * self.now / DAY_S)
        self._around.voltage = 230.0 + 1.2 * float(grid[0])
        self._around.frequency = 50.0 + 0.012 * float(grid[1])

    def _strengths(self, type: str) -> Strengths:
        size = self._blocks[type].size
        suffered = Strengths.none(size)
        for fault in self.faults.active():
            if fault.kind.id not in FAULT_KINDS:
                continue
            machine = self.points.layout.machine(fault.target)
            if machine and machine.type == type:
                column = int(machine.id.rpartition("-")[2]) - 1
                getattr(suffered, fault.kind.id)[column] = fault.strength(self.now)
        return suffered

    def _tell(self) -> None:
        told = self.true.copy()
        told[self._noisy] += self._noise[self._noisy] * self._rng.standard_normal(len(self._noisy))
        for fault in self.faults.active("sensor_drift"):
            prop = self.points.all[fault.point].property
            span = (prop.high or 100.0) - (prop.low or 0.0)
            told[fault.point] += 0.5 * span * fault.strength(self.now)
        told = np.maximum(np.round(told * self._scale) / self._scale, self._floor)
        stuck = {fault.point: fault for fault in self.faults.active("stuck_sensor")}
        for index, fault in stuck.items():
            if index not in self._held:
                self._held[index] = _Held(fault=fault, value=float(self.told[index]))
            told[index] = self._held[index].value
        for index in self._held.keys() - stuck.keys():
            del self._held[index]
        self.told = told


def _lowest(point: Point) -> float:
    """What a sensor can tell at least: one whose range begins at nought stops there."""
    return 0.0 if point.property.low == 0.0 else -math.inf


def _type_of(block: Block, blocks: dict[str, Block]) -> str:
    return next(type for type, known in blocks.items() if known is block)

"""Machining centres: a cycle of phases that cut, wear tools, count parts."""

from __future__ import annotations

import numpy as np

from ..points import Block
from .common import Array, Bearings, Strengths, hours, lag, work

# phase of a cycle: state, seconds, spindle speed in 1/min, spindle load in %, feed in mm/min
PHASES = np.array(
    [
        (1, 12.0, 0.0, 0.0, 0.0),
        (2, 35.0, 3500.0, 60.0, 900.0),
        (4, 5.0, 0.0, 3.0, 0.0),
        (3, 25.0, 6500.0, 27.0, 1500.0),
        (5, 8.0, 0.0, 0.0, 0.0),
    ]
)
ENDS = np.cumsum(PHASES[:, 1])
CYCLE = float(ENDS[-1])
LOADING, UNLOADING = 1, 5


class Centres:
    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.place = rng.random(size) * CYCLE  # seconds into the programme
        self.elapsed = self.place.copy()  # seconds since the cycle began
        self.speed, self.load = np.zeros(size), np.zeros(size)
        self.temperature = np.full(size, 34.0)
        self.coolant = np.full(size, 23.0)
        self.level = 60.0 + 35.0 * rng.random(size)
        self.wear = 70.0 * rng.random(size)
        self.bearings = Bearings(size, base=0.55)

    def step(
        self, dt: float, out: Block, ambient: float, faults: Strengths, rng: np.random.Generator
    ) -> Array:
        """Writes the centres' properties; electric power in kW."""
        running = out["running"] > 0.5
        phase = PHASES[np.searchsorted(ENDS, self.place, side="right")]
        cutting = running & (phase[:, 4] > 0)
        pace = np.where(cutting, out["feed_override"] / 100.0, 1.0) * running
        done = self._advance(dt, pace, out)
        self.speed = lag(self.speed, phase[:, 2] * running, dt, 0.6)
        effort = phase[:, 3] * pace * (1.0 + 0.35 * self.wear / 100.0)
        self.load = lag(self.load, effort, dt, 0.4)
        self._use_tool(dt, out, cutting, done, rng)
        self._tell_axes(out, phase, pace, cutting)
        power = 1.5 * running + 0.22 * self.load + 0.0004 * self.speed
        self._tell_spindle(dt, out, ambient, faults, cutting)
        out["power"] = power
        out["state"] = np.where(running, phase[:, 0], 0.0)
        out["door_closed"] = (phase[:, 0] != LOADING) & (phase[:, 0] != UNLOADING)
        out["program"] = 1.0 + np.arange(out.size) % 3
        hot = self.temperature > 65.0
        worn = self.wear > 90.0
        shaking = out["spindle_vibration"] > 2.8
        out["alarm"] = np.where(hot, 3.0, np.where(shaking, 1.0, np.where(worn, 5.0, 0.0)))
        hours(out["run_hours"], running, dt)
        work(out["energy"], power, dt)
        return power

    def _advance(self, dt: float, pace: Array, out: Block) -> Array:
        """Which machines finished a part in this step."""
        self.place += dt * pace
        self.elapsed += dt
        done = self.place >= CYCLE
        out["cycle_time"] = np.where(done, self.elapsed, out["cycle_time"])
        out["part_count"] = out["part_count"] + done
        self.place = np.where(done, self.place - CYCLE, self.place)
        self.elapsed = np.where(done, 0.0, self.elapsed)
        return done

    def _use_tool(
        self, dt: float, out: Block, cutting: Array, done: Array, rng: np.random.Generator
    ) -> None:
        self.wear += cutting * self.load * (dt * 6e-4)
        spoiled = done & (self.wear > 90.0) & (rng.random(out.size) < 0.3)
        out["reject_count"] = out["reject_count"] + spoiled
        change = done & (self.wear > 95.0)
        self.wear = np.where(change, 0.0, self.wear)
        tool = out["tool_number"] + change
        out["tool_number"] = np.where(tool > 24, 1, tool)
        out["tool_wear"] = self.wear

    def _tell_axes(self, out: Block, phase: Array, pace: Array, cutting: Array) -> None:
        angle = 2.0 * np.pi * self.place / 9.0
        out["feed_rate"] = phase[:, 4] * pace
        out["position_x"] = np.where(cutting, 260.0 * np.sin(angle), -380.0)
        out["position_y"] = np.where(cutting, 150.0 * np.cos(1.7 * angle), 240.0)
        out["position_z"] = np.where(cutting, -120.0 - 60.0 * np.sin(0.3 * angle), 40.0)
        push = 0.45 * self.load
        out["load_x"] = 4.0 * (pace > 0) + push * np.abs(np.cos(angle))
        out["load_y"] = 4.0 * (pace > 0) + push * np.abs(np.sin(1.7 * angle))
        out["load_z"] = 9.0 * (pace > 0) + 0.3 * push

    def _tell_spindle(
        self, dt: float, out: Block, ambient: float, faults: Strengths, cutting: Array
    ) -> None:
        damage = faults.bearing_wear
        turning = self.speed / 6500.0
        heat = 14.0 * turning + 0.16 * self.load + 26.0 * damage * turning
        self.temperature = lag(self.temperature, ambient + heat, dt, 90.0)
        self.coolant = lag(self.coolant, ambient - 2.0 + 0.07 * self.load, dt, 120.0)
        self.level -= cutting * (dt * 2e-4)
        self.level = np.where(self.level < 40.0, 98.0, self.level)  # topped up
        shake = 1.0 + 0.5 * self.wear / 100.0
        rms = self.bearings.vibration(0.45 * damage, turning) * shake
        out["spindle_vibration"] = rms + 0.008 * self.load
        out["kurtosis"] = self.bearings.kurtosis(damage)
        out["spindle_speed"], out["spindle_load"] = self.speed, self.load
        out["spindle_current"] = 2.0 * (self.speed > 50.0) + 0.55 * self.load
        out["spindle_temperature"] = self.temperature
        out["coolant_temperature"], out["coolant_level"] = self.coolant, self.level
        out["coolant_flow"] = lag(out["coolant_flow"], 32.0 * cutting, dt, 1.0)
        out["hydraulic_pressure"] = 60.0 - 2.5 * (out["door_closed"] < 0.5)

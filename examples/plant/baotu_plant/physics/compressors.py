"""Screw compressors that load and unload in a pressure band, each with its receiver and users."""

from __future__ import annotations

import numpy as np

from ..points import Block
from .common import (
    ATMOSPHERE,
    BAR,
    Array,
    Bearings,
    Strengths,
    Surroundings,
    Wandering,
    hours,
    lag,
    work,
)

RECEIVER = 3.0  # m³
RATED = 12.0  # m³/min of free air
BAND = 25.0  # kPa to each side of the set point


class Compressors:
    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.pressure = 690.0 + 15.0 * rng.random(size)
        self.loaded = np.ones(size)
        self.power = np.full(size, 60.0)
        self.oil = np.full(size, 68.0)
        self.outlet = np.full(size, 78.0)
        self.demand = Wandering(size, tau_s=40.0)
        self.usual = 6.5 + 0.4 * rng.standard_normal(size)
        self.clog = 1.2 + 0.2 * rng.random(size)
        self.bearings = Bearings(size, base=2.2)

    def step(
        self,
        dt: float,
        out: Block,
        around: Surroundings,
        faults: Strengths,
        rng: np.random.Generator,
    ) -> Array:
        """Writes the compressors' properties; electric power in kW."""
        running = out["running"] > 0.5
        setpoint = BAR * out["pressure_setpoint"]
        self.loaded = np.where(self.pressure > setpoint + BAND, 0.0, self.loaded)
        self.loaded = np.where(self.pressure < setpoint - BAND, 1.0, self.loaded) * running
        users = np.maximum(self.usual + 0.9 * self.demand.step(dt, rng), 1.0)
        used = (users + 4.0 * faults.leak) * np.clip(self.pressure / 500.0, 0.0, 1.0)
        made = RATED * self.loaded
        self.pressure += ATMOSPHERE / RECEIVER * (made - used) / 60.0 * dt
        ratio = ((self.pressure + ATMOSPHERE) / (700.0 + ATMOSPHERE)) ** 0.28
        wanted = np.where(self.loaded > 0.5, 75.0 * ratio, 22.0) * running
        self.power = lag(self.power, wanted + 4.0 * faults.bearing_wear * running, dt, 1.5)
        self._heat(dt, around.ambient, faults)
        self._tell(out, around, faults, used)
        self._count(dt, out, running, faults)
        return self.power

    def _heat(self, dt: float, ambient: float, faults: Strengths) -> None:
        effort = self.power / 75.0
        self.oil = lag(self.oil, ambient + 44.0 * effort + 12.0 * faults.bearing_wear, dt, 80.0)
        self.outlet = lag(self.outlet, self.oil + 18.0 * effort, dt, 15.0)
        self.bearings.step(dt, faults.bearing_wear, effort, ambient + 10.0)

    def _tell(self, out: Block, around: Surroundings, faults: Strengths, used: Array) -> None:
        effort = self.power / 75.0
        out["pressure"] = self.pressure / BAR
        out["discharge_pressure"] = (self.pressure + 22.0 * self.loaded) / BAR
        out["discharge_temperature"], out["oil_temperature"] = self.outlet, self.oil
        out["inlet_temperature"] = around.ambient + 1.5
        out["oil_pressure"] = (230.0 * (self.power > 5.0) + 0.18 * self.pressure) / BAR
        out["filter_drop"] = self.clog * (0.35 + 0.65 * self.loaded)
        out["flow"] = used
        out["dew_point"] = 3.0 + 0.08 * (self.outlet - 75.0)
        out["power"], out["loaded"] = self.power, self.loaded
        out["current"] = self.power * 1000.0 / (3.0 * around.voltage * (0.62 + 0.25 * effort))
        out["vibration"] = self.bearings.vibration(faults.bearing_wear, effort)
        out["kurtosis"] = self.bearings.kurtosis(faults.bearing_wear)

    def _count(self, dt: float, out: Block, running: Array, faults: Strengths) -> None:
        shaking, hot = out["vibration"] > 7.1, self.outlet > 105.0
        low = self.pressure < BAR * out["pressure_setpoint"] - 3 * BAND
        out["state"] = np.where(running, np.where(self.loaded > 0.5, 1.0, 2.0), 0.0)
        out["alarm"] = np.where(hot, 3.0, np.where(shaking, 1.0, np.where(low, 4.0, 0.0)))
        hours(out["run_hours"], running, dt)
        hours(out["loaded_hours"], self.loaded, dt)
        work(out["energy"], self.power, dt)

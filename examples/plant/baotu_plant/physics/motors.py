"""Induction motors: current and power factor from load, winding temperature from losses."""

from __future__ import annotations

import numpy as np

from ..points import Block
from .common import Array, Bearings, Strengths, Surroundings, Wandering, hours, lag, work

SYNCHRONOUS = 1500.0  # 1/min at 50 Hz, four poles
FULL_LOAD_RISE = 45.0  # K of the winding over the air at rated current
WINDING_S = 90.0  # time constant; a real one is about twelve times slower


class Motors:
    """The first `len(driven)` motors drive the pumps, the others mixers and conveyors."""

    def __init__(self, size: int, driven: int, rng: np.random.Generator) -> None:
        self.driven = driven
        self.rated = np.full(size, 15.0)
        self.rated[driven:] = 22.0
        self.idle = 0.62 + 0.05 * rng.standard_normal(size)
        self.wandering = Wandering(size, tau_s=20.0)
        self.temperature = np.full(size, 52.0)
        self.bearings = Bearings(size, base=1.2)

    def step(
        self,
        dt: float,
        out: Block,
        pumps: Block,
        shaft: Array,
        around: Surroundings,
        faults: Strengths,
        rng: np.random.Generator,
    ) -> Array:
        """Writes the motors' properties; electric power in kW."""
        first = self.driven
        running, speed = out["running"], out["speed"]
        running[:first], speed[:first] = pumps["running"], pumps["speed"]
        speed[first:] = lag(speed[first:], 1460.0 * running[first:], dt, 1.0)
        own = np.maximum(self.idle + 0.06 * self.wandering.step(dt, rng), 0.1)
        load = own * running
        load[:first] = shaft / self.rated[:first]
        load += 0.05 * faults.bearing_wear * running
        power = load * self.rated / 0.91 + 0.35 * (speed > 30.0)
        factor = 0.30 + 0.58 * (1.0 - np.exp(-2.2 * load))
        line = around.voltage * np.sqrt(3.0)
        current = power * 1000.0 / (np.sqrt(3.0) * line * factor)
        rated_current = self.rated * 1000.0 / 0.91 / (np.sqrt(3.0) * 400.0 * 0.816)
        self._heat(dt, current / rated_current, speed, around.ambient, faults)
        self.bearings.step(dt, faults.bearing_wear, load, around.ambient)
        out["power"], out["power_factor"], out["load"] = power, factor, 100.0 * load
        out["current"], out["voltage"] = current, line
        out["frequency"] = speed / (SYNCHRONOUS * 0.973) * around.frequency
        out["torque"] = load * self.rated * 9549.3 / np.maximum(speed, 60.0)
        self._tell(dt, out, pumps, load, power, faults)
        return power

    def _heat(
        self, dt: float, relative: Array, speed: Array, ambient: float, faults: Strengths
    ) -> None:
        losses = (0.25 * (speed > 30.0) + 0.75 * relative**2) * (1.0 + 1.1 * faults.bearing_wear)
        cooling = 0.4 + 0.6 * speed / SYNCHRONOUS  # the fan sits on the shaft
        target = ambient + FULL_LOAD_RISE * losses / cooling
        self.temperature = lag(self.temperature, target, dt, WINDING_S)

    def _tell(
        self, dt: float, out: Block, pumps: Block, load: Array, power: Array, faults: Strengths
    ) -> None:
        damage = faults.bearing_wear
        vibration = self.bearings.vibration(damage, load)
        vibration[: self.driven] += 0.2 * np.maximum(pumps["vibration"] - 1.5, 0.0)  # one shaft
        out["vibration"], out["kurtosis"] = vibration, self.bearings.kurtosis(damage)
        out["temperature"] = self.temperature
        out["bearing_temperature"] = self.bearings.temperature
        out["insulation"] = 850.0 - 4.0 * self.temperature
        turning = out["running"] > 0.5
        hot, shaking = self.temperature > 80.0, vibration > 4.5
        out["state"] = np.where(turning, np.where(hot | shaking, 2.0, 1.0), 0.0)
        out["alarm"] = np.where(hot, 3.0, np.where(shaking, 1.0, 0.0))
        hours(out["run_hours"], turning, dt)
        work(out["energy"], power, dt)

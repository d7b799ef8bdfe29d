"""Centrifugal pumps: head, flow and power by the affinity laws against a system curve.

Pump: H = a·n² - b·Q².  System: H = Hs + k·Q².  n is relative to the rated speed, Q in m³/h.
Cavitation comes from physics too: a blocked strainer eats the available NPSH, and below the
required one the head breaks down and the pump shakes.
"""

from __future__ import annotations

import numpy as np

from ..points import Block
from .common import ATMOSPHERE, BAR, GRAVITY, WATER, Array, Bearings, Strengths, hours, lag, work

RATED_SPEED = 1480.0  # 1/min
RATED_FLOW = 100.0  # m³/h, best efficiency
TANK_AREA = 12.0  # m²
VAPOUR = 2.34  # kPa, water at 20 °C
METRE = WATER * GRAVITY / 1000.0  # kPa per metre of water


def operating_point(n: Array, a: Array, b: Array, static: Array, k: Array) -> tuple[Array, Array]:
    """Where pump and system curves meet: flow in m³/h, head in m; no flow below static head."""
    surplus = np.maximum(a * n**2 - static, 0.0)
    flow = np.sqrt(surplus / (b + k))
    return flow, a * n**2 - b * flow**2


def efficiency(flow: Array, n: Array) -> Array:
    """Along a parabola around the best point, which moves with the speed."""
    off = flow / (RATED_FLOW * np.maximum(n, 0.05)) - 1.0
    return np.maximum(0.78 * (1.0 - 0.9 * off**2), 0.2)


def shaft_power(flow: Array, head: Array, eta: Array) -> Array:
    """kW: ρ·g·Q·H / η."""
    return WATER * GRAVITY * (flow / 3600.0) * head / eta / 1000.0


class Pumps:
    """State of all pumps: speed, total flow through the pump, valve, suction tank."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        spread = 1.0 + 0.03 * rng.standard_normal((4, size))
        self.a, self.b = 40.0 * spread[0], 8e-4 * spread[1]
        self.static, self.k = 12.0 * spread[2], 2e-3 * spread[3]
        self.speed = np.full(size, 1450.0)
        self.flow = np.full(size, 95.0)
        self.opening = np.ones(size)
        self.level = np.full(size, 3.0)
        self.cavity = np.zeros(size)
        self.casing = np.full(size, 28.0)
        self.damage = np.zeros(size)
        self.load = np.zeros(size)
        self.bearings = Bearings(size, base=1.4)

    def step(
        self, dt: float, out: Block, faults: Strengths, ambient: float, rng: np.random.Generator
    ) -> Array:
        """Writes the pumps' properties; shaft power in kW for the motors."""
        wanted = out["speed_setpoint"] * (out["running"] > 0.5)
        self.speed += np.clip(wanted - self.speed, -150.0 * dt, 150.0 * dt)
        self.opening = lag(self.opening, out["valve_open"], dt, 2.0)
        n = self.speed / RATED_SPEED
        head, drawn = self._hydraulics(dt, n, faults)
        power = np.where(n > 0.02, shaft_power(self.flow, head, efficiency(self.flow, n)), 0.0)
        power += 0.6 * n**3 + 0.5 * faults.bearing_wear * n
        self._tank(dt)
        self._tell_water(out, faults, head, drawn, rng)
        out["power"] = power
        self._tell_machine(dt, out, faults, power, ambient)
        return power

    def _hydraulics(self, dt: float, n: Array, faults: Strengths) -> tuple[Array, Array]:
        """Head in m, and what the suction pipe loses in m."""
        widened = 1.0 + 0.5 * faults.leak  # a hole is a second way out
        k = self.k / (np.maximum(self.opening, 1e-3) * widened) ** 2
        a = self.a * (1.0 - 0.35 * self.cavity)
        target, _ = operating_point(n, a, self.b, self.static, k)
        self.flow = lag(self.flow, target, dt, 1.5)
        head = np.maximum(a * n**2 - self.b * self.flow**2, 0.0)
        relative = (self.flow / RATED_FLOW) ** 2
        drawn = 0.8 * relative + 14.0 * faults.cavitation * relative
        available = (ATMOSPHERE - VAPOUR) / METRE + self.level + 1.0 - drawn
        required = 1.5 + 2.5 * relative
        self.cavity = lag(
            self.cavity, np.clip((1.15 * required - available) / 2.0, 0.0, 1.0), dt, 1.0
        )
        return head, drawn

    def _tank(self, dt: float) -> None:
        inflow = np.clip(RATED_FLOW + 80.0 * (3.0 - self.level), 0.0, 250.0)
        self.level += (inflow - self.flow) / 3600.0 / TANK_AREA * dt

    def _tell_water(
        self, out: Block, faults: Strengths, head: Array, drawn: Array, rng: np.random.Generator
    ) -> None:
        suction = METRE * (self.level + 1.0 - drawn)
        surge = self.cavity * rng.standard_normal(len(self.flow))
        out["flow"] = self.flow / (1.0 + 0.5 * faults.leak) + 3.0 * surge  # metered after the hole
        out["head"] = head
        out["suction_pressure"] = suction / BAR
        out["discharge_pressure"] = (suction + METRE * head + 9.0 * surge) / BAR
        out["npsh_available"] = (ATMOSPHERE - VAPOUR + suction) / METRE
        out["suction_level"] = self.level
        out["speed"] = self.speed

    def _tell_machine(
        self, dt: float, out: Block, faults: Strengths, power: Array, ambient: float
    ) -> None:
        turning = out["running"] > 0.5
        self.damage, self.load = faults.bearing_wear, power / 12.0
        self.bearings.step(dt, self.damage, self.load, ambient)
        out["vibration"] = self.bearings.vibration(self.damage, self.load) + 9.0 * self.cavity
        out["kurtosis"] = self.bearings.kurtosis(self.damage) + 1.1 * self.cavity
        out["bearing_temperature"] = self.bearings.temperature
        self.casing = lag(self.casing, ambient - 4.0 + 9.0 * self.load, dt, 60.0)
        out["casing_temperature"] = self.casing
        shaking = out["vibration"] > 4.5
        starved = out["npsh_available"] < 4.0
        out["state"] = np.where(turning, np.where(shaking | starved, 2.0, 1.0), 0.0)
        out["alarm"] = np.where(starved, 2.0, np.where(shaking, 1.0, 0.0))
        hours(out["run_hours"], turning, dt)
        work(out["energy"], power, dt)

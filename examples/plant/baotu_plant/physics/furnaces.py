"""Induction furnaces: two heat capacities (melt, lining) in series to the cooling water.

C1·dT1/dt = η·P - (T1 - T2)/R12;  C2·dT2/dt = (T1 - T2)/R12 - (T2 - Tw)/R2.  kW, kJ/K, K/kW.
The first `melting` furnaces charge, melt, hold and tap; the others keep metal hot.
"""

from __future__ import annotations

import numpy as np

from ..points import Block
from .common import Array, Strengths, Surroundings, Wandering, hours, work

EFFICIENCY = 0.8  # of the coil; the rest heats its cooling water
HEAT = 200.0  # kJ/K per tonne; a quarter of iron's, so that a heat takes ten minutes
LINING = 60.0  # kJ/K
TO_LINING, TO_WATER = 12.5, 11.3  # K/kW
WATER_HEAT = 1.163  # kW/K for 1 m³/h
FULL, HEEL = 2.0, 0.6  # t
CHARGING, MELTING, HOLDING, TAPPING = 1.0, 2.0, 3.0, 4.0
CHARGE_S, HOLD_S, TAP_S = 60.0, 90.0, 45.0


class Furnaces:
    """heat_in, heat_out: kJ brought and lost by conduction since the start, for the balance."""

    def __init__(self, size: int, melting: int, rng: np.random.Generator) -> None:
        self.melts = np.arange(size) < melting
        self.limit = np.where(self.melts, 700.0, 250.0)  # kW
        self.melt = np.where(self.melts, 1180.0, 1380.0) + 10.0 * rng.random(size)
        self.lining = 20.0 + (self.melt - 20.0) * TO_WATER / (TO_WATER + TO_LINING)
        self.mass = np.full(size, FULL)
        self.power, self.integral = np.zeros(size), np.full(size, 60.0 / EFFICIENCY)
        self.state = np.where(self.melts, MELTING, HOLDING)
        self.timer = HOLD_S * rng.random(size)
        self.wear = 20.0 + 10.0 * rng.random(size)
        self.river = Wandering(1, tau_s=300.0)
        self.heat_in, self.heat_out = np.zeros(size), np.zeros(size)

    def stored(self) -> Array:
        """kJ above 0 °C in melt and lining."""
        return HEAT * self.mass * self.melt + LINING * self.lining

    def step(
        self,
        dt: float,
        out: Block,
        around: Surroundings,
        faults: Strengths,
        rng: np.random.Generator,
    ) -> Array:
        """Writes the furnaces' properties; electric power in kW."""
        water = 22.0 + 1.0 * float(self.river.step(dt, rng)[0])
        self._control(dt, out)
        heats = self._handle_metal(dt, out, around.ambient)
        cooling = self._conduct(dt, water)
        flow = 10.0 * (1.0 - 0.5 * faults.leak)
        out["coolant_in"], out["coolant_flow"] = water, flow
        lost = cooling + (1.0 - EFFICIENCY) * self.power
        out["coolant_out"] = water + lost / (WATER_HEAT * flow)
        out["heats"] = out["heats"] + heats
        self._tell(dt, out, around)
        return self.power

    def _control(self, dt: float, out: Block) -> None:
        """Power by a PI controller; the integral rests while the power is at a limit."""
        error = out["setpoint"] - self.melt
        wanted = 5.0 * error + self.integral
        allowed = (out["heating"] > 0.5) & (self.state != TAPPING) & (self.state != CHARGING)
        self.power = np.clip(wanted, 0.0, self.limit) * allowed
        free = allowed & (wanted > 0.0) & (wanted < self.limit)
        self.integral = np.clip(self.integral + free * 0.04 * error * dt, 0.0, 150.0)

    def _handle_metal(self, dt: float, out: Block, ambient: float) -> Array:
        """Charge and tap the melting furnaces; which of them finished a heat in this step."""
        self.timer += dt
        hot = np.abs(out["setpoint"] - self.melt) < 15.0
        held = (self.state == HOLDING) & (self.timer > HOLD_S) & self.melts
        poured = (self.state == TAPPING) & (self.timer > TAP_S)
        full = (self.state == CHARGING) & (self.timer > CHARGE_S)
        molten = (self.state == MELTING) & hot
        self.timer = np.where(held | poured | full | molten, 0.0, self.timer)
        step = np.select(
            [held, poured, full, molten], [TAPPING, CHARGING, MELTING, HOLDING], self.state
        )
        self.state = np.where(self.melts, step, HOLDING)
        added = np.where(self.state == CHARGING, (FULL - HEEL) / CHARGE_S * dt, 0.0)
        added = np.minimum(added, FULL - self.mass)
        self.melt = (self.mass * self.melt + added * ambient) / (self.mass + added)
        taken = np.where(self.state == TAPPING, (FULL - HEEL) / TAP_S * dt, 0.0)
        self.mass = np.maximum(self.mass + added - taken, HEEL)
        return poured & self.melts

    def _conduct(self, dt: float, water: float) -> Array:
        """Heat to the cooling water in kW."""
        through = (self.melt - self.lining) / TO_LINING
        cooling = (self.lining - water) / TO_WATER
        self.melt = self.melt + (EFFICIENCY * self.power - through) * dt / (HEAT * self.mass)
        self.lining = self.lining + (through - cooling) * dt / LINING
        self.heat_in += EFFICIENCY * self.power * dt
        self.heat_out += cooling * dt
        return cooling

    def _tell(self, dt: float, out: Block, around: Surroundings) -> None:
        share = self.power / self.limit
        out["temperature"], out["lining_temperature"] = self.melt, self.lining
        out["power"] = self.power
        out["voltage"] = 1000.0 * np.sqrt(share)
        out["current"] = np.where(share > 0, self.power / np.maximum(np.sqrt(share), 1e-6), 0.0)
        out["frequency"] = 500.0 + 20.0 * share
        out["power_factor"] = 0.9 + 0.08 * share
        out["charge_mass"] = self.mass
        self.wear += np.maximum(self.melt - 1000.0, 0.0) * (dt * 2e-8)
        out["lining_wear"] = self.wear
        tilting = (self.state == TAPPING) * 80.0
        out["tilt"] = out["tilt"] + np.clip(tilting - out["tilt"], -6.0 * dt, 6.0 * dt)
        out["lid_open"] = (self.state == CHARGING) | (self.state == TAPPING)
        out["running"] = out["heating"]
        out["state"] = np.where(out["heating"] > 0.5, self.state, 0.0)
        out["recipe"] = np.where(self.melts, 1.0, 2.0)
        hot, poor = self.melt > 1560.0, out["coolant_flow"] < 7.0
        out["alarm"] = np.where(poor, 6.0, np.where(hot, 3.0, 0.0))
        hours(out["run_hours"], out["heating"], dt)
        work(out["energy"], self.power, dt)

"""What several machines share: lags, slow random loads, bearings, counters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

GRAVITY = 9.81  # m/s²
WATER = 1000.0  # kg/m³
ATMOSPHERE = 101.325  # kPa
BAR = 100.0  # kPa


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What all machines feel. ambient: °C. voltage: phase to neutral, V. frequency: Hz."""

    ambient: float = 24.0
    voltage: float = 230.0
    frequency: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """How strongly each machine of a type suffers from each fault, 0 … 1."""

    bearing_wear: Array
    cavitation: Array
    leak: Array

    @classmethod
    def none(cls, size: int) -> Strengths:
        return cls(bearing_wear=np.zeros(size), cavitation=np.zeros(size), leak=np.zeros(size))


def lag(value: Array, target: Array | float, dt: float, tau_s: float) -> Array:
    """First-order response, exact for a constant target however long the step."""
    return value + (target - value) * -math.expm1(-dt / tau_s)


class Wandering:
    """A load nobody commands: a random walk pulled back to nought, unit variance."""

    def __init__(self, size: int, tau_s: float) -> None:
        self.value = np.zeros(size)
        self._tau = tau_s

    def step(self, dt: float, rng: np.random.Generator) -> Array:
        keep = math.exp(-dt / self._tau)
        self.value = keep * self.value + math.sqrt(1 - keep * keep) * rng.standard_normal(
            len(self.value)
        )
        return self.value


@dataclass(slots=True)
class Bearings:
    """Damage 0 … 1 and how it is felt: RMS vibration, kurtosis, heat.

    Kurtosis leads (single pits make impacts) and falls back when the damage is everywhere;
    the RMS value grows late and strongly; that order is how a bearing announces its end.
    """

    size: int
    base: float = 1.0  # mm/s at full load, undamaged
    temperature: Array = field(init=False)

    def __post_init__(self) -> None:
        self.temperature = np.full(self.size, 38.0)

    def step(self, dt: float, damage: Array, load: Array, ambient: float) -> None:
        target = ambient + 16.0 * np.minimum(load, 1.3) + 32.0 * damage
        self.temperature = lag(self.temperature, target, dt, 45.0)

    def vibration(self, damage: Array, load: Array) -> Array:
        turning = load > 0.01
        return turning * (self.base * (0.6 + 0.4 * load) + 1.5 * damage + 6.5 * damage**2)

    def kurtosis(self, damage: Array) -> Array:
        return 3.0 + 9.0 * damage * (1.25 - damage)


def hours(counter: Array, running: Array, dt: float) -> None:
    """Add the time to an hour counter, in place."""
    counter += running * (dt / 3600.0)


def work(counter: Array, power_kw: Array, dt: float) -> None:
    """Add the energy to a kWh counter, in place."""
    counter += power_kw * (dt / 3600.0)

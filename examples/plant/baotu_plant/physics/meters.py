"""Power meters: what the feeders carry, so that the incomer is the sum of all feeders."""

from __future__ import annotations

import numpy as np

from ..points import Block
from .common import Array, Surroundings, Wandering, lag, work

LIGHTING = 35.0  # kW on the incomer beside the feeders
DEMAND_S = 900.0

# meter number → what hangs on it: type and machine numbers. Meter 1 is the incomer: everything.
FEEDERS: dict[int, tuple[tuple[str, tuple[int, ...]], ...]] = {
    2: (("Furnace", (1, 2)),),
    3: (("MachiningCentre", (1, 2, 3, 4, 5, 6, 7, 8)),),
    4: (("Compressor", (1, 2, 3, 4)),),
    5: (("Furnace", (3, 4)),),
    6: (("Furnace", (5, 6)),),
    7: (("Motor", (7,)),),
    8: (("Motor", (8,)),),
    9: (("Motor", (1, 2, 3)),),
    10: (("Motor", (4, 5, 6)),),
    11: (("Motor", (9, 10, 11, 12)),),
    12: (("Motor", (13, 14, 15)),),
}
CONSUMERS = ("Motor", "Compressor", "MachiningCentre", "Furnace")


class Meters:
    def __init__(self, size: int, counts: dict[str, int], rng: np.random.Generator) -> None:
        self.wiring = wiring(size, counts)
        self.balance = np.full((3, size), 1.0 / 3.0) + 0.008 * rng.standard_normal((3, size))
        self.balance /= self.balance.sum(axis=0)
        self.factor = Wandering(size, tau_s=120.0)
        self.demand = np.full(size, np.nan)  # not known before the first step

    def step(
        self,
        dt: float,
        out: Block,
        powers: Array,
        around: Surroundings,
        rng: np.random.Generator,
    ) -> None:
        """powers: kW of all consumers, types in the order of CONSUMERS."""
        active = self.wiring @ powers
        active[0] += LIGHTING
        factor = np.clip(0.91 + 0.01 * self.factor.step(dt, rng), 0.8, 0.99)
        reactive = active * np.tan(np.arccos(factor))
        for row, phase in enumerate("abc"):
            share = active * self.balance[row]
            volt = around.voltage + 0.8 * (row - 1)
            out[f"voltage_{phase}"] = volt
            out[f"power_{phase}"] = share
            out[f"current_{phase}"] = share * 1000.0 / (volt * factor)
        out["active_power"], out["reactive_power"] = active, reactive
        out["voltage"] = around.voltage
        out["apparent_power"] = np.hypot(active, reactive)
        out["power_factor"], out["frequency"] = factor, around.frequency
        out["thd_voltage"] = 1.6 + 0.4 * np.tanh(active / 600.0)
        out["thd_current"] = 3.0 + 5.0 * np.tanh(active / 900.0)
        self.demand = np.where(
            np.isnan(self.demand), active, lag(self.demand, active, dt, DEMAND_S)
        )
        out["demand"] = self.demand
        out["max_demand"] = np.maximum(out["max_demand"], self.demand)
        out["temperature"] = around.ambient + 4.0 + 6.0 * np.tanh(active / 1500.0)
        out["breaker_closed"] = 1.0
        high = active > 1900.0
        out["state"], out["alarm"] = high * 1.0, high * 7.0
        work(out["energy"], active, dt)
        work(out["reactive_energy"], reactive, dt)


def wiring(meters: int, counts: dict[str, int]) -> Array:
    """Shape (meters, consumers): 1.0 where the consumer hangs on the meter."""
    starts, total = {}, 0
    for type in CONSUMERS:
        starts[type] = total
        total += counts[type]
    table = np.zeros((meters, total))
    table[0] = 1.0
    for meter, loads in FEEDERS.items():
        for type, numbers in loads:
            table[meter - 1, [starts[type] + n - 1 for n in numbers]] = 1.0
    return table

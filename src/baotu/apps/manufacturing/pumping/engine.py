"""How well a pump turns power into flow and pressure. Knows no platform.

Efficiency by ISO 9906: hydraulic power ρgQH over the power taken, with ρgH = Δp.
"""

from __future__ import annotations

from dataclasses import dataclass

PA_PER_BAR, S_PER_H, W_PER_KW = 1e5, 3600.0, 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """efficiency in %, specific_energy in kW·h per m³."""

    efficiency: float
    specific_energy: float


def rate(flow: float, suction: float, discharge: float, power: float) -> Figures | None:
    """flow in m³/h, pressures in bar, power in kW. None when nothing is pumped or taken.

    >>> rate(100.0, 1.0, 4.6, 12.5)
    Figures(efficiency=80.0, specific_energy=0.125)
    """
    if flow <= 0 or power <= 0:
        return None
    hydraulic_kw = flow / S_PER_H * (discharge - suction) * PA_PER_BAR / W_PER_KW
    return Figures(
        efficiency=round(100 * hydraulic_kw / power, 2), specific_energy=round(power / flow, 4)
    )

"""A tag is a source of samples: an asset, a property of it, and an address in a driver's words."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["number", "boolean", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One row of the tag table.

    id: index into the node's tag table; stable for ever, never given to another tag.
    asset: path by ISA-95, id_shorts joined by "/": `jinan/foundry/melting/furnace-1`.
    asset_type: id_short of the asset's type: `Furnace`.
    property: id_short of the property in the asset's type: `temperature`.
    address: where the device keeps it, in the words of its driver.
    unit: UCUM code of the samples after scaling. raw_unit: that of the device, if it differs.
    scale, offset: engineering value = raw × scale + offset.
    low, high: limits of the normal range. clamp_low, clamp_high: what lies beyond is clamped.
    deadband: smallest change worth reporting, in `unit`; 0 reports every sample.
    max_silence_s: a value is reported at least this often, changed or not; 0: only by deadband.
    writable: whether it may be asked to be written at all. write_needs: what has to hold for that,
    see `interlock`.
    period_s: how often it is read. expression: derived from other tags instead of an address.
    """

    id: int
    asset: str
    property: str
    asset_type: str = ""
    device: str = ""
    address: str = ""
    kind: Kind = "number"
    unit: str = ""
    raw_unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    low: float | None = None
    high: float | None = None
    clamp_low: float | None = None
    clamp_high: float | None = None
    deadband: float = 0.0
    max_silence_s: float = 0.0
    period_s: float = 1.0
    expression: str = ""
    writable: bool = False
    title: str = ""
    write_needs: str = ""

    @builtins.property  # `property` is a field here
    def name(self) -> str:
        """`asset/property`: how people and programs call it."""
        return f"{self.asset}/{self.property}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something a driver met while browsing or in a birth message, which may become a tag."""

    address: str
    name: str
    kind: Kind = "number"
    unit: str = ""
    writable: bool = False
    has_children: bool = False
    path: tuple[str, ...] = field(default=())

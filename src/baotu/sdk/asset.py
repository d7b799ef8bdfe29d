"""What exists: asset types say which properties there are, assets are the things themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .tag import Kind

Level = Literal["enterprise", "site", "area", "work_center", "work_unit", "asset"]
LEVELS: tuple[Level, ...] = ("enterprise", "site", "area", "work_center", "work_unit", "asset")


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A named value of an asset type, with its unit (UCUM) and normal range."""

    id_short: str
    title: str = ""
    unit: str = ""
    kind: Kind = "number"
    low: float | None = None
    high: float | None = None
    semantic_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetType:
    """Which properties every asset of this type has. 物模型."""

    id_short: str
    title: str = ""
    properties: tuple[Property, ...] = ()
    semantic_id: str = ""

    def property(self, id_short: str) -> Property | None:
        return next((p for p in self.properties if p.id_short == id_short), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A thing or a place at `path` ("jinan/foundry/melting/furnace-1"); `type` is empty for a place."""

    path: str
    type: str = ""
    title: str = ""
    level: Level = "asset"
    organisation: str = ""

    @property
    def id_short(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        return self.path.rpartition("/")[0]

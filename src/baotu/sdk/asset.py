"""What exists: asset types say which properties there are, assets are the things themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import ConfigError
from .settings import setting
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


ZoneWrites = Literal["off", "operate", "approved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Assets that need the same protection (IEC 62443-1-1), with the level it is to reach.

    An asset lies in every zone that names it or something above it; the nearest is its own.
    """

    name: str = setting(title="区域名称，唯一 Name, unique", example="safety")
    title: str = setting("", title="标题，中文 English Title", example="安全区 Safety zone")
    security_level: int = setting(
        1, title="目标安全等级 Security level to be reached, IEC 62443 SL-T", low=0, high=4
    )
    assets: tuple[str, ...] = setting(
        (), title="区域内的资产，含其下 Assets in it, with all below them",
        example=["jinan/foundry/melting"],
    )  # fmt: skip
    writes: ZoneWrites = setting(
        "operate",
        title="写入：关、按职责、须批准 Writes: none, by duty, with a second approver",
        choices=("off", "operate", "approved"),
    )

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("a zone has a name", hint='write name = "safety"')

"""Where assets and tags lie: below one another, in zones, with organisations. In columns.

It is a picture of the plant model at one version. What one decision needs is read from the plant at
once; the columns are made when somebody asks for a list.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import numpy as np

from baotu.sdk import Asset
from baotu.sdk.asset import Zone
from baotu.sdk.ports import Plant
from baotu.sdk.tags import Tags

from .model import Thing


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Assets or tags, a row each. asset: int32, the row of the asset in the sorted paths.

    codes: for each attribute of the rows that policies can look at, whole numbers and what they
    stand for.
    """

    kind: str
    asset: np.ndarray | None
    codes: dict[str, tuple[np.ndarray, Sequence[object]]]
    size: int


class Terrain:
    """Everything about assets and tags that decisions ask for. Never changes."""

    def __init__(self, plant: Plant | None, zones: Sequence[Zone], house: str) -> None:
        self._plant, self.house = plant, house
        self.version = plant.version() if plant else 0
        self.zones = {zone.name: zone for zone in zones}
        self._zone_of = {path.strip("/"): zone.name for zone in zones for path in zone.assets}

    # one --------------------------------------------------------------------------------------
    def asset(self, path: str, organisation: str = "") -> Thing:
        known = self._plant.asset(path) if self._plant else None
        whose = self._owner(path, known, organisation)
        zones = self._zones(path)
        attributes: dict[str, object] = {
            "name": path,
            "level": known.level if known else "asset",
            "asset_type": known.type if known else "",
        }
        if zones:
            attributes["zone"] = zones[0]
        above = (f"Asset::{place}" for place in places(path))
        return Thing(
            type="Asset",
            id=path,
            organisation=whose,
            lies_in=(*above, *(f"Zone::{z}" for z in zones), f"Organisation::{whose}"),
            attributes=attributes,
        )

    def tag(self, name: str, organisation: str = "") -> Thing:
        at = self.tags.find(name)
        tag = self.tags[at] if at >= 0 else None
        path = tag.asset if tag else name.rpartition("/")[0]
        asset = self.asset(path, organisation)
        attributes = {
            "name": name,
            "asset_type": tag.asset_type if tag else "",
            "device": tag.device if tag else "",
            "writable": tag.writable if tag else False,
        }
        if "zone" in asset.attributes:
            attributes["zone"] = asset.attributes["zone"]
        lies_in = (f"Asset::{path}", *asset.lies_in) if path else asset.lies_in
        return Thing(
            type="Tag", id=name, organisation=asset.organisation, lies_in=lies_in,
            attributes=attributes,
        )  # fmt: skip

    def _owner(self, path: str, known: Asset | None, organisation: str) -> str:
        """Of an asset that nobody knows: of what is known above it, else as it was said."""
        if known is not None:
            return known.organisation or self.house
        for place in places(path):
            above = self._plant.asset(place) if self._plant else None
            if above is not None:
                return above.organisation or self.house
        return organisation or self.house

    def _zones(self, path: str) -> list[str]:
        """The zones it lies in, the nearest first."""
        if not self._zone_of:
            return []
        found = (self._zone_of.get(place) for place in (path, *places(path)))
        return list(dict.fromkeys(zone for zone in found if zone))

    # all --------------------------------------------------------------------------------------
    @cached_property
    def tags(self) -> Tags:
        return Tags.of(self._plant.all_tags()) if self._plant else Tags.of(())

    @cached_property
    def _assets(self) -> list[Asset]:
        """In such an order that what lies below an asset follows it at once."""
        if self._plant is None:
            return []
        assets = list(self._plant.assets())
        known = {asset.path for asset in assets}
        named = self.tags.distinct("asset")[0] if len(self.tags) else []
        for path in {path for (path,) in named} - known:  # a plant that does not list it
            assets.append(Asset(path=path, organisation=self._owner(path, None, "")))
        return sorted(assets, key=lambda asset: _ordered(asset.path))

    @cached_property
    def paths(self) -> list[str]:
        return [asset.path for asset in self._assets]

    @cached_property
    def _keys(self) -> list[str]:
        return [_ordered(path) for path in self.paths]

    def below(self, path: str) -> tuple[int, int]:
        """Rows of an asset and all below it: [first, end)."""
        key = _ordered(path)
        return bisect_left(self._keys, key), bisect_left(self._keys, f"{key}\1")

    @cached_property
    def assets(self) -> Columns:
        rows = self._assets
        codes = {
            "organisation": coded([asset.organisation or self.house for asset in rows]),
            "level": coded([asset.level for asset in rows]),
            "asset_type": coded([asset.type for asset in rows]),
            "zone": self._zone_codes(),
        }
        return Columns("asset", None, codes, len(rows))

    def _zone_codes(self) -> tuple[np.ndarray, Sequence[object]]:
        """The nearest zone of each asset: longer paths are painted over shorter ones."""
        names: list[object] = [None, *self.zones]
        codes = np.zeros(len(self.paths), np.min_scalar_type(len(names)))
        for path in sorted(self._zone_of, key=lambda path: path.count("/")):
            first, end = self.below(path)
            codes[first:end] = names.index(self._zone_of[path])
        return codes, names

    @cached_property
    def tag_columns(self) -> Columns:
        """A tag's organisation and zone are its asset's, so they are not kept again."""
        tags = self.tags
        named, at = tags.distinct("asset") if len(tags) else ([], np.empty(0, np.intp))
        row = {path: n for n, path in enumerate(self.paths)}
        rows = np.array([row.get(path, -1) for (path,) in named], "i4")
        codes = {name: _column(tags, name) for name in ("asset_type", "device", "writable")}
        return Columns("tag", rows[at] if len(tags) else rows, codes, len(tags))

    def columns(self, kind: str) -> Columns:
        return self.tag_columns if kind == "tag" else self.assets

    def values(self, columns: Columns, attribute: str) -> tuple[np.ndarray, Sequence[object]]:
        """The codes of an attribute for each row, and what they stand for."""
        if attribute in columns.codes:
            return columns.codes[attribute]
        codes, values = self.assets.codes[attribute]
        assert columns.asset is not None
        return codes[columns.asset], values

    def mark(self, key: str) -> np.ndarray | slice | None:
        """The assets that fit a key of a scope, or that hold tags which do; None: every one."""
        how, (type, _, id) = key[0], key[1:].partition("::")
        if how == "*" or key in ("?Asset", "?Tag"):
            return None
        if type == "Asset" and how in "<=":
            first, end = self.below(id)
            there = first < end and self.paths[first] == id
            return slice(first, first + there if how == "=" else end)
        if type == "Organisation" and how == "<":
            codes, values = self.assets.codes["organisation"]
            return codes == values.index(id) if id in values else slice(0, 0)
        if type == "Zone" and how == "<":
            return self._in_zone(id)
        return slice(0, 0)

    def _in_zone(self, name: str) -> np.ndarray:
        inside = np.zeros(len(self.paths), bool)
        for path, zone in self._zone_of.items():
            if zone == name:
                inside[slice(*self.below(path))] = True
        return inside

    def id(self, columns: Columns, row: int) -> str:
        return self.paths[row] if columns.asset is None else self.tags.name(row)

    def ids(self, columns: Columns, chosen: np.ndarray) -> frozenset[str]:
        if columns.asset is None:
            return frozenset(compress(self.paths, chosen.tolist()))
        return frozenset(self.tags.pick(np.flatnonzero(chosen)).names())


def places(path: str) -> list[str]:
    """Everything above a path, the nearest first."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(len(parts) - 1, 0, -1)]


def _ordered(path: str) -> str:
    return path.replace("/", "\0")


def coded(values: Iterable[object]) -> tuple[np.ndarray, list[object]]:
    """Whole numbers for values that repeat."""
    known: dict[object, int] = {}
    codes = np.array([known.setdefault(value, len(known)) for value in values], "u4")
    return codes.astype(np.min_scalar_type(max(len(known), 1))), list(known)


def _column(tags: Tags, name: str) -> tuple[np.ndarray, Sequence[object]]:
    values, codes = tags.distinct(name) if len(tags) else ([], np.empty(0, np.intp))
    return codes.astype(np.min_scalar_type(max(len(values), 1))), [value for (value,) in values]

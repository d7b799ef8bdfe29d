"""The plant model of a node: implements `sdk.ports.Plant`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from baotu.sdk import Asset, AssetType, Invalid, Tag, derived
from baotu.sdk.asset import LEVELS
from baotu.sdk.ports import TagPage
from baotu.sdk.tags import Tags

from .table import TagTable
from .types import BUILT_IN


class PlantModel:
    """Assets from the configuration and from the tags themselves; tags from the edges."""

    def __init__(self, path: Path | None = None, organisation: str = "") -> None:
        self.table = TagTable(path)
        self._organisation = organisation
        self._declared: dict[str, Asset] = {}
        self._types: dict[str, AssetType] = dict(BUILT_IN)
        self._selections: tuple[int, dict[tuple[str, str], np.ndarray]] = (-1, {})
        self._assets: tuple[tuple[int, int], dict[str, Asset]] = ((-1, -1), {})
        self._edition = 0

    def close(self) -> None:
        self.table.close()

    def configure(self, assets: Iterable[Asset], types: Iterable[AssetType]) -> None:
        """What the configuration says exists, in place of what it said before."""
        assets = list(assets)
        owners = {a.path: a.organisation for a in assets if a.organisation}
        self._declared = {
            a.path: replace(a, organisation=self._owner(a.path, owners)) for a in assets
        }
        self._types = dict(BUILT_IN) | {t.id_short: t for t in types}
        self._edition += 1

    def adopt(self, edge: str, tags: Iterable[Tag]) -> np.ndarray:
        """See `TagTable.adopt`; units, limits and titles a tag lacks come from its asset type."""
        tags = Tags.of(tags)
        if tags.mask("asset_type", self._types.__contains__).any():
            tags = Tags.of(map(self._completed, tags))
        return self.table.adopt(edge, tags)

    def allot(self, app: str, wanted: derived, asset: str) -> int:
        """The tag of a property that an app computes for this asset."""
        return self.table.allot(
            Tag(
                id=0,
                asset=asset,
                property=wanted.property,
                asset_type=wanted.asset,
                device=f"app:{app}",
                unit=wanted.unit,
                low=wanted.low,
                high=wanted.high,
                title=wanted.title,
            )
        )

    def _completed(self, tag: Tag) -> Tag:
        kind = self._types.get(tag.asset_type)
        known = kind.property(tag.property) if kind else None
        if known is None:
            return tag
        return replace(
            tag,
            unit=tag.unit or known.unit,
            title=tag.title or known.title,
            low=known.low if tag.low is None and tag.unit in ("", known.unit) else tag.low,
            high=known.high if tag.high is None and tag.unit in ("", known.unit) else tag.high,
        )

    # sdk.ports.Plant ---------------------------------------------------------

    def tags(
        self, search: str = "", limit: int = 100, cursor: str = "", under: str = ""
    ) -> TagPage:
        return self.table.page(search, limit, cursor, under)

    def tag(self, name: str) -> Tag:
        id = self.table.find(name)
        if id < 0 and name.isascii() and name.isdigit() and len(name) < 10:
            id = int(name)
        found = self.table.by_id(id)
        if found is None:
            near = self.table.near(name)
            raise Invalid(
                "tag",
                f"there is no {name!r}"
                + (f"; did you mean {near!r}?" if near else "; no tags are known yet"),
            )
        return found

    def by_id(self, id: int) -> Tag | None:
        return self.table.by_id(id)

    def all_tags(self) -> Tags:
        return self.table.all()

    def ids(self, asset_type: str, property: str) -> np.ndarray:
        version, known = self._selections
        if version != self.table.version:
            known = {}
            self._selections = (self.table.version, known)
        key = (asset_type, property)
        if key not in known:
            tags = self.table.all()
            chosen = tags.mask("asset_type", asset_type.__eq__)
            chosen &= tags.mask("property", property.__eq__)
            known[key] = np.sort(tags.id[chosen])
        return known[key]

    def assets(self, under: str = "") -> Sequence[Asset]:
        found = self._known()
        return [a for p, a in found.items() if not under or p == under or p.startswith(f"{under}/")]

    def asset(self, path: str) -> Asset | None:
        return self._known().get(path)

    def types(self) -> Mapping[str, AssetType]:
        return self._types

    def version(self) -> int:
        return self.table.version + self._edition

    def _known(self) -> dict[str, Asset]:
        """By path, in order: what was declared, what tags name, and every place above them."""
        state = (self.table.version, self._edition)
        if self._assets[0] != state:
            self._assets = (state, self._collect())
        return self._assets[1]

    def _collect(self) -> dict[str, Asset]:
        found = dict(self._declared)
        for path, kind in self.table.all().distinct("asset", "asset_type")[0]:
            known = found.get(path)
            if known is None:
                found[path] = Asset(path=path, type=kind, organisation=self._owner(path))
            elif not known.type and kind:
                found[path] = replace(known, type=kind)
        for path in list(found):
            parts = path.split("/")
            for depth in range(1, len(parts)):
                place = "/".join(parts[:depth])
                level = LEVELS[min(depth - 1, len(LEVELS) - 2)]
                found.setdefault(
                    place, Asset(path=place, level=level, organisation=self._owner(place))
                )
        return dict(sorted(found.items()))

    def _owner(self, path: str, owners: Mapping[str, str] | None = None) -> str:
        """Its own organisation, else that of the nearest declared asset above it."""
        while path:
            if owners is not None:
                if path in owners:
                    return owners[path]
            elif path in self._declared:
                return self._declared[path].organisation
            path = path.rpartition("/")[0]
        return self._organisation

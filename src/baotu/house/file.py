"""Reads the configuration of a node, whole: sections, assets, devices with their tags, apps."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from baotu.assets import tagfile
from baotu.kernel.config import Reader
from baotu.kernel.registry import Registry
from baotu.kernel.toml import Document
from baotu.sdk import App, Asset, AssetType, ConfigError, DriverEntry, Property, Tag
from baotu.sdk.asset import Zone
from baotu.sdk.secret import referred
from baotu.sdk.settings import described
from baotu.sdk.tags import Tags
from baotu.trust.oidc.settings import IdentityProvider

from .settings import SECTIONS, Basics, DeviceSettings, ServerSettings

PLACED = ("console", "fabric", "records", "secrets", "backup")
LISTS = ("asset", "asset_type", "device", "server", "zone", "identity_provider")
_TAG_KEYS = {
    ("type" if f.name == "asset_type" else f.name): f.name
    for f in fields(Tag)
    if f.name not in ("id", "device")
}


@dataclass(frozen=True, kw_only=True)
class DeviceLine:
    """A `[[device]]`: what all devices have, the driver, its settings object, its tags (id -1)."""

    common: DeviceSettings
    entry: DriverEntry
    settings: Any
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class ServerLine:
    common: ServerSettings
    entry: DriverEntry
    settings: Any


@dataclass(frozen=True, kw_only=True)
class HouseConfig:
    """Everything a node was told. `warnings`: rows of tag files that were left out."""

    path: Path
    text: str
    basics: Basics
    assets: tuple[Asset, ...] = ()
    types: tuple[AssetType, ...] = ()
    zones: tuple[Zone, ...] = ()
    devices: tuple[DeviceLine, ...] = ()
    servers: tuple[ServerLine, ...] = ()
    identity_providers: tuple[IdentityProvider, ...] = ()
    apps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    warnings: tuple[ConfigError, ...] = ()


def load(path: Path, text: str | None = None, data: Path | None = None) -> HouseConfig:
    """The configuration in a file (or the text meant for it). data: a folder that goes before the
    file's. Raises the first ConfigError."""
    config, problems = examine(path, text, data)
    if problems or config is None:
        raise problems[0]
    return config


def examine(
    path: Path, text: str | None = None, data: Path | None = None
) -> tuple[HouseConfig | None, list[ConfigError]]:
    """The configuration, or everything that is wrong with it, in order of the lines."""
    try:
        if text is None:
            text = path.read_text(encoding="utf-8")
        reader = Reader(Document(text, path.name))
    except FileNotFoundError:
        return None, [
            ConfigError("no such file", str(path), "write one with `baotu config --sample node`")
        ]
    except UnicodeDecodeError:
        return None, [ConfigError("not UTF-8", str(path), "save it as UTF-8")]
    except OSError as error:
        why = f"读不了 cannot be read: {error.strerror}"
        return None, [ConfigError(why, str(path), "name a TOML file that you may read")]
    except ConfigError as error:
        return None, [error]
    made = _House(reader, path, text, data).make()
    problems = reader.sorted_problems()
    return (None if problems else made), problems


class _House:
    def __init__(self, reader: Reader, path: Path, text: str, data: Path | None) -> None:
        self.reader, self.path, self.text, self.kept = reader, path, text, data
        self.data = reader.document.data
        self.warnings: list[ConfigError] = []

    def make(self) -> HouseConfig:
        self.reader.unknown(self.data, [*SECTIONS, *LISTS, "app"], ())
        made: dict[str, Any] = {
            name: self.reader.make(kind, self.data.get(name, {}), (name,))
            for name, kind in SECTIONS.items()
        }
        basics = Basics(**{name: value for name, value in made.items() if value is not None})
        node, base = basics.node, self.path.parent
        kept = self.kept or base / node.data
        self.places = {"config": base, "data": kept}
        node = replace(node, data=kept, plugins=base / node.plugins if node.plugins else None)
        self.registry = Registry(node.plugins)
        placed = {name: self.placed(getattr(basics, name)) for name in PLACED}
        for name in PLACED:
            self.in_the_clear(getattr(basics, name), (name,))
        return HouseConfig(
            path=self.path,
            text=self.text,
            basics=replace(basics, node=node, **placed),
            assets=self.assets(),
            types=self.types(),
            zones=self.zones(),
            devices=tuple(d for d in self.each("device", self.device) if d),
            servers=tuple(s for s in self.each("server", self.server) if s),
            identity_providers=tuple(
                p for p in self.each("identity_provider", self.identity_provider) if p
            ),
            apps=self.apps(),
            warnings=tuple(self.warnings),
        )

    def each(self, name: str, make: Any) -> list[Any]:
        tables = self.data.get(name, [])
        if not isinstance(tables, list):
            self.reader.wrong((name,), f"expected a list of tables, write [[{name}]]")
            return []
        made = [make(table, (name, place)) for place, table in enumerate(tables)]
        seen: set[Any] = set()
        for place, table in enumerate(tables):
            called = (
                table.get("name", table.get("path", table.get("id_short")))
                if isinstance(table, dict)
                else None
            )
            if called in seen and called is not None:
                self.reader.wrong((name, place), f"{called!r} is there twice", "names are unique")
            seen.add(called)
        return made

    def assets(self) -> tuple[Asset, ...]:
        return tuple(
            a for a in self.each("asset", lambda t, key: self.reader.make(Asset, t, key)) if a
        )

    def zones(self) -> tuple[Zone, ...]:
        """Each asset is named by one zone at most: which is its own would else be a guess."""
        found = [z for z in self.each("zone", lambda t, key: self.reader.make(Zone, t, key)) if z]
        seen: dict[str, str] = {}
        for place, zone in enumerate(found):
            for path in zone.assets:
                if seen.setdefault(path.strip("/"), zone.name) != zone.name:
                    other = seen[path.strip("/")]
                    why = f"{path!r} is in zone {other!r} already"
                    self.reader.wrong(("zone", place, "assets"), why, "name it in one of them")
        return tuple(found)

    def types(self) -> tuple[AssetType, ...]:
        return tuple(t for t in self.each("asset_type", self.asset_type) if t)

    def asset_type(self, table: Any, key: tuple[str | int, ...]) -> AssetType | None:
        rows = table.pop("property", []) if isinstance(table, dict) else []
        properties = [
            self.reader.make(Property, row, (*key, "property", n)) for n, row in enumerate(rows)
        ]
        made = self.reader.make(AssetType, table, key, also=("property",))
        return replace(made, properties=tuple(p for p in properties if p)) if made else None

    def entry(self, table: Any, key: tuple[str | int, ...]) -> DriverEntry | None:
        try:
            return (
                self.registry.driver(table["driver"])
                if isinstance(table, dict) and "driver" in table
                else None
            )
        except ConfigError as error:
            near = difflib.get_close_matches(str(table["driver"]), self.registry.drivers(), 1)
            self.reader.wrong(
                (*key, "driver"), error.why, f"did you mean {near[0]}?" if near else error.hint
            )
            return None

    def plugin(
        self, table: Any, key: tuple[str | int, ...], common: type, kind: str
    ) -> tuple[Any, Any, Any] | None:
        """(common keys, entry, driver's settings) of a device or server; None when wrong."""
        entry = self.entry(table, key)
        ours = {f.name for f in fields(common)} | {"tag"}
        if not isinstance(table, dict) or entry is None:
            self.reader.make(
                common,
                {k: v for k, v in table.items() if k in ours - {"tag"}}
                if isinstance(table, dict)
                else table,
                key,
            )
            return None
        side = entry.client if kind == "device" else entry.server
        if side is None:
            other = "[[server]]" if kind == "device" else "[[device]]"
            self.reader.wrong(
                (*key, "driver"), f"{table['driver']} cannot be a {kind}", f"use it in {other}"
            )
            return None
        shared = self.reader.make(
            common, {k: v for k, v in table.items() if k in ours and k != "tag"}, key
        )
        own = self.reader.make(
            side.Settings, {k: v for k, v in table.items() if k not in ours}, key
        )
        if not shared or not own:
            return None
        self.in_the_clear(own, key, shared.name)
        return shared, entry, self.placed(own)

    def in_the_clear(self, settings: Any, key: tuple[str | int, ...], whose: str = "") -> None:
        """A warning for each secret that stands in the file itself."""
        for line in fields(settings):
            facts, text = described(line), getattr(settings, line.name)
            if not facts["secret"] or facts["path"] or not text or referred(text):
                continue
            name = f"{whose or key[0]}-{line.name}".lower().replace("_", "-").replace(" ", "-")
            self.warnings.append(
                ConfigError(
                    f"{line.name} is written in the file for everyone to read",
                    self.reader.document.where((*key, line.name)),
                    f'baotu secret set {name}, then write {line.name} = "secret:{name}"',
                )
            )

    def placed(self, settings: Any) -> Any:
        """The same with absolute paths, wherever the program was started."""
        texts = {
            f.name: (getattr(settings, f.name), described(f)["path"]) for f in fields(settings)
        }
        moved = {
            n: str((self.places[w] / v).absolute())
            for n, (v, w) in texts.items()
            if v and w and not referred(v)
        }
        return replace(settings, **moved) if moved else settings

    def device(self, table: Any, key: tuple[str | int, ...]) -> DeviceLine | None:
        made = self.plugin(table, key, DeviceSettings, "device")
        if made is None:
            return None
        common, entry, own = made
        inline = self.inline(common, table.get("tag", []), key)
        tags = Tags.concat([self.filed(common, key), Tags.of(inline)])
        return DeviceLine(common=common, entry=entry, settings=own, tags=tags)

    def filed(self, common: DeviceSettings, key: tuple[str | int, ...]) -> Tags:
        if not common.tags:
            return Tags.of(())
        try:
            tags, problems = tagfile.read(self.path.parent / common.tags, common.name)
        except ConfigError as error:
            self.reader.wrong((*key, "tags"), f"{error.where}: {error.why}", error.hint)
            return Tags.of(())
        self.warnings += problems
        return tags

    def inline(self, common: DeviceSettings, rows: Any, key: tuple[str | int, ...]) -> list[Tag]:
        tags = []
        given: dict[str, Any] = {
            "asset": common.asset,
            "type": common.asset_type,
            "period_s": common.period_s,
        }
        for place, row in enumerate(rows if isinstance(rows, list) else []):
            at = (*key, "tag", place)
            filled = {k: v for k, v in given.items() if v} | row
            self.reader.unknown(filled, list(_TAG_KEYS), at)
            named = {_TAG_KEYS[k]: v for k, v in filled.items() if k in _TAG_KEYS}
            made = self.reader.make(Tag, {"id": -1, "device": common.name} | named, at)
            if made:
                tags.append(made)
        return tags

    def server(self, table: Any, key: tuple[str | int, ...]) -> ServerLine | None:
        made = self.plugin(table, key, ServerSettings, "server")
        return ServerLine(common=made[0], entry=made[1], settings=made[2]) if made else None

    def identity_provider(self, table: Any, key: tuple[str | int, ...]) -> IdentityProvider | None:
        made = self.reader.make(IdentityProvider, table, key)
        if made is None:
            return None
        self.in_the_clear(made, key, made.name)
        placed: IdentityProvider = self.placed(made)
        return placed

    def apps(self) -> Mapping[str, Mapping[str, Any]]:
        """Parameters by app; each checked against the app's own declaration."""
        tables = self.data.get("app", {})
        try:
            known = self.registry.apps()
        except ConfigError as error:
            self.reader.problems.append(error)
            return {}
        self.reader.unknown(tables, list(known), ("app",))
        for name, table in tables.items():
            if name in known:
                self.parameters(known[name], table, ("app", name))
        return tables

    def parameters(self, kind: type[App], table: Mapping[str, Any], key: Sequence[str]) -> None:
        known = kind.parameters()
        self.reader.unknown(table, list(known), key)
        for name, value in table.items():
            default = known[name].default if name in known else None
            if (
                isinstance(default, float)
                and isinstance(value, int)
                and not isinstance(value, bool)
            ):
                continue
            if name in known and not isinstance(value, type(default)):
                self.reader.wrong(
                    (*key, name),
                    f"expected {type(default).__name__} like {default!r}, got {value!r}",
                )

"""The edge's own tag table: configured, derived and discovered tags, numbered for ever."""

from __future__ import annotations

import re
from array import array
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice
from zlib import crc32

import numpy as np

from baotu.sdk import ConfigError, Found, Tag
from baotu.sdk.tags import CHUNK, ById, Tags

from .registry import TagRegistry
from .spec import DeviceSpec

UNWANTED = -1  # the id of what is met and not asked for


class TagTable:
    """Numbers tags and remembers which device has which."""

    def __init__(self, registry: TagRegistry) -> None:
        self._registry = registry
        self.by_id = ById(Tags.of(()))
        self._discovered: dict[str, dict[str, Tag]] = {}  # device → address → tag

    def numbered(self, tags: Iterable[Tag]) -> Tags:
        """The same tags with their numbers. Raises ConfigError when a name comes twice."""
        tags = Tags.of(tags)
        again = np.flatnonzero(tags.places(tags.names()) != np.arange(len(tags)))
        if len(again):
            twice = tags.name(int(again[0]))
            raise ConfigError(f"two tags are called {twice!r}", hint="rename one of them")
        names, ids = tags.names(), array("i")
        while part := list(islice(names, CHUNK)):
            ids.extend(self._registry.ids(part))
        return tags.numbered(np.array(ids, "i4"))

    def close(self) -> None:
        self._registry.close()

    def discovered(self, device: str) -> list[Tag]:
        return list(self._discovered.get(device, {}).values())

    def forget(self, device: str) -> list[Tag]:
        """What was discovered on a device that is no more."""
        return list(self._discovered.pop(device, {}).values())

    def wanted(
        self, spec: DeviceSpec, found: Sequence[Found], taken: Container[str]
    ) -> tuple[list[Tag], list[Tag]]:
        """(a tag for each of `found`, those of them that are new). taken: names in use."""
        known = {tag.address: tag for tag in spec.tags}
        mine = self._discovered.setdefault(spec.name, {})
        names: set[str] = set()
        fresh: dict[str, Tag] = {}
        room = spec.discover_limit - len(mine)
        for thing in found:
            address = thing.address
            if address in known or address in mine or address in fresh or len(fresh) >= room:
                continue
            if any(fnmatchcase(address, pattern) for pattern in spec.discover):
                fresh[address] = _tag_of(thing, spec, taken, names)
                names.add(fresh[address].name)
        new = list(self.numbered(fresh.values()))
        mine.update((tag.address, tag) for tag in new)
        return [known.get(t.address) or mine.get(t.address) or _unwanted(t) for t in found], new


def _tag_of(thing: Found, spec: DeviceSpec, taken: Container[str], also: Container[str]) -> Tag:
    path = (spec.discover_under or spec.name, *map(_short, thing.path))
    tag = Tag(
        id=UNWANTED, asset="/".join(part for part in path if part), property=_short(thing.name),
        device=spec.name, address=thing.address, kind=thing.kind, unit=thing.unit,
        writable=False, title=thing.name, period_s=spec.period_s,
    )  # fmt: skip
    if tag.name not in taken and tag.name not in also:
        return tag
    # the same name again: told apart by the address, so that it is the same after a restart
    return replace(tag, property=f"{tag.property}_{crc32(thing.address.encode()):08x}")


def _unwanted(thing: Found) -> Tag:
    return Tag(id=UNWANTED, asset="", property=_short(thing.name), address=thing.address)


def _short(name: str) -> str:
    """An id_short: what would cut a path or a line is replaced."""
    return re.sub(r"[/\s\x00-\x1f]+", "_", name.strip()) or "_"


def moved(before: ById, after: ById) -> tuple[Tags, np.ndarray]:
    """(added or changed tags, numbers of removed ones)."""
    places = before.places(after.tags.id)
    put = places < 0
    put[~put] = after.tags.pick(~put).differ(before.tags, places[~put])
    gone = after.places(before.tags.id) < 0
    return after.tags.pick(np.flatnonzero(put)), before.tags.id[gone]

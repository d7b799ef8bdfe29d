"""Settings and tags for a file that nobody configured: `baotu replay FILE`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from baotu.sdk import ConfigError, Tag

from .client import found
from .recording import Recording
from .settings import Settings

_UNIT = re.compile(r"^(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """What a `[[device]]` with this file would say; tags have id -1."""

    name: str
    settings: Settings
    tags: tuple[Tag, ...]


def spec_for(path: str | Path, *, speed: float = 10.0, asset: str = "", **more: Any) -> FileSpec:
    """Play a file as it is: every column but the one of time becomes a tag.

    asset: path the tags are put under; "" takes `replay/<name of the file>`. more: any other
    setting of the driver, as `loop=True`. Raises ConfigError when the file cannot be played.
    """
    path = Path(path)
    try:
        settings = Settings(file=str(path), speed=speed, **more)
        recording = Recording(settings)
    except TypeError as error:
        raise ConfigError(
            f"replay: {error}", hint="`baotu config --sample replay` lists all"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror or error}", hint="check the name of the file"
        ) from error
    name = id_short(path.stem)
    plain = Tag(id=-1, asset=asset or f"replay/{name}", property="", device=name)
    seen: set[str] = set()
    tags = []
    for one in found(recording):
        matched = _UNIT.match(one.name)
        title, unit = (matched["name"], matched["unit"]) if matched else (one.name, "")
        property = _fresh(id_short(title), seen)
        tags.append(
            replace(
                plain,
                property=property,
                address=one.address,
                kind=one.kind,
                title=one.name,
                unit=unit,
            )
        )
    return FileSpec(name=name, settings=settings, tags=tuple(tags))


def id_short(text: str) -> str:
    """Letters, digits and underscores of any script, as a name that fits in a path."""
    if text.startswith("#"):
        return f"column_{text[1:]}"
    return re.sub(r"[^\w.-]+", "_", text).strip("_") or "column"


def _fresh(name: str, seen: set[str]) -> str:
    number, fresh = 1, name
    while fresh in seen:
        number += 1
        fresh = f"{name}_{number}"
    seen.add(fresh)
    return fresh

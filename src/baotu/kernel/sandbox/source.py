"""Where a third-party app comes from, and what it says of itself: asked in a process of its own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baotu.sdk import ConfigError

from . import frames
from .manifest import Manifest, Manifests, checked
from .port import Gone, Launcher

LOAD_S = 30.0  # to import an app and what it needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """name: the distribution, or the file's name. file, or point `module:name` of a wheel.

    package: folder of the wheel's code when it is not where Python looks anyway.
    """

    name: str
    version: str = ""
    file: Path | None = None
    point: str = ""

    def spec(self, do: str, **more: Any) -> dict[str, Any]:
        file = str(self.file) if self.file else ""
        return {"do": do, "file": file, "point": self.point, "readable": [file], **more}

    def readable(self) -> tuple[Path, ...]:
        return (self.file,) if self.file else ()

    def seal(self) -> str:
        """The version of a wheel; of a file its SHA-256, since it has none."""
        if self.file is None:
            return self.version
        return hashlib.sha256(self.file.read_bytes()).hexdigest()[:16]


def examine(launcher: Launcher, source: Source) -> list[Manifest]:
    """The apps of this source. Raises ConfigError."""
    where = str(source.file or source.point)
    try:
        process = launcher.start(source.spec("describe"), source.readable())
    except Gone as gone:
        raise ConfigError(str(gone), where) from None
    try:
        found = greeting(process.line, time.monotonic() + LOAD_S)
    except (Gone, frames.Broken, OSError, EOFError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise ConfigError(f"cannot say what it is: {why} ({process.kill()})", where) from None
    process.kill()
    if found.wrong:
        raise ConfigError(found.wrong[:500], where, "mend it, or remove it")
    return [checked(one, where) for one in found.apps]


def greeting(line: Any, until: float) -> Manifests:
    """The first frame of a process."""
    head, _ = frames.Line(line).receive(until)
    found: Manifests = frames.decoded(head, Manifests)
    return found


def settings_of(manifest: Manifest, given: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ConfigError naming the parameter that the app does not have."""
    if unknown := sorted(given.keys() - manifest.settings.keys()):
        known = ", ".join(manifest.settings) or "none"
        raise ConfigError(f"{manifest.name} has no parameter {unknown[0]}; it has {known}")
    return dict(given)

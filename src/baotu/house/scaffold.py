"""`baotu new driver NAME` and `baotu new app NAME`: a folder with all the parts and a red test."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from baotu.kernel.registry import Registry
from baotu.sdk import ConfigError


def create(kind: str, name: str, into: Path) -> list[Path]:
    """Write the template of a `driver` or an `app` called `name` below `into`; the files made.

    Raises ConfigError when the name is no Python name, is taken, or the folder is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(
            f"{name!r} cannot be a name", hint="small letters, digits and _, a letter first"
        )
    known = Registry().drivers() if kind == "driver" else Registry().apps()
    if name in known:
        raise ConfigError(f"{name} is installed already", hint="choose another name")
    folder = into / name
    if folder.exists():
        raise ConfigError("is there already", str(folder), "choose another name or remove it")
    words = {"name": name, "Name": "".join(part.title() for part in name.split("_"))}
    template = files("baotu.house") / "templates" / kind
    return [
        _write(folder / _filled(path, words), source, words) for path, source in _walk(template)
    ]


def _walk(place: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for item in sorted(place.iterdir(), key=lambda i: i.name):
        if item.name == "__pycache__":
            continue
        if item.is_dir():
            found += _walk(item, f"{prefix}{item.name}/")
        else:
            found.append((f"{prefix}{item.name.removesuffix('.tmpl')}", item))
    return found


def _write(path: Path, source: Traversable, words: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_filled(source.read_text(encoding="utf-8"), words), encoding="utf-8")
    return path


def _filled(text: str, words: dict[str, str]) -> str:
    """`__name__` and `__Name__` become the name; nothing else is touched."""
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text

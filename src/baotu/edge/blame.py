"""Whose mistake it was: a traceback cut to the plugin's own frames."""

from __future__ import annotations

import inspect
from pathlib import Path
from traceback import extract_tb


def frames_of(error: BaseException, plugin: type | None) -> list[str]:
    """`file:line in function` of the frames below the plugin's folder; all, if none is there."""
    frames = extract_tb(error.__traceback__)
    folder = _folder(plugin)
    own = [f for f in frames if folder is not None and Path(f.filename).is_relative_to(folder)]
    return [f"{Path(f.filename).name}:{f.lineno} in {f.name}" for f in own or frames][-8:]


def _folder(plugin: type | None) -> Path | None:
    if plugin is None:
        return None
    try:
        return Path(inspect.getfile(plugin)).parent
    except (TypeError, OSError):
        return None  # made in an interpreter, not in a file

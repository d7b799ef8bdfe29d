"""Where a node keeps its data: as told on the command line, else as configured."""

from __future__ import annotations

from pathlib import Path

from .control import node_folder
from .file import load


def data_folder(config: Path, data: Path | None) -> Path:
    """Raises ConfigError."""
    if data is not None:
        return node_folder(data)
    return load(config).basics.node.data

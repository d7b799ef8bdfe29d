"""Frames that were not the protocol, kept as evidence: a folder bounded in number and size."""

from __future__ import annotations

import re
from pathlib import Path

import structlog

log = structlog.get_logger("baotu.edge")


class Recordings:
    """`<time>-<device>.bin`, with the reason beside it in `.txt`; the oldest go first."""

    def __init__(self, folder: Path, most: int = 200, most_bytes: int = 65_536) -> None:
        self.folder, self.most, self.most_bytes = folder, most, most_bytes
        self.kept = 0
        self._names: list[str] | None = None

    def keep(self, device: str, frame: bytes, why: str, time: int) -> Path | None:
        """Write it down; None when nothing may be kept or the disk refuses (logged)."""
        if self.most <= 0:
            return None
        name = f"{time:020d}-{re.sub(r'[^A-Za-z0-9_.-]+', '_', device)[:60]}-{self.kept % 1000:03d}"
        path = self.folder / f"{name}.bin"
        try:
            names = self._all()
            while len(names) >= self.most:
                oldest = names.pop(0)
                (self.folder / f"{oldest}.bin").unlink(missing_ok=True)
                (self.folder / f"{oldest}.txt").unlink(missing_ok=True)
            path.write_bytes(frame[: self.most_bytes])
            path.with_suffix(".txt").write_text(
                f"device: {device}\nwhy: {why}\nbytes: {len(frame)}\n", encoding="utf-8"
            )
        except OSError as error:
            log.warning("a malformed frame could not be kept", device=device, why=str(error))
            return None
        names.append(name)
        self.kept += 1
        return path

    def _all(self) -> list[str]:
        if self._names is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._names = sorted(path.stem for path in self.folder.glob("*.bin"))
        return self._names

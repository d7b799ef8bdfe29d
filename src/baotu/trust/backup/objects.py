"""Where a backup's objects rest: a folder, or whatever else can keep bytes under a name.

Names are relative, of ASCII letters, digits, `.` and `/`. An object is written once and never
changed; `put` replaces a whole one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from baotu.sdk import Unreachable

PART = ".part"


class Objects(Protocol):
    """The port. Raises Unreachable when the place is away or full."""

    def put(self, name: str, data: bytes) -> None: ...

    def get(self, name: str) -> bytes | None:
        """None when there is none."""

    def names(self, under: str = "") -> Iterator[str]: ...

    def remove(self, name: str) -> None:
        """Nothing happens when there is none."""

    def settle(self) -> None:
        """Returns when everything put so far would outlive a loss of power."""


class Folder:
    """Objects as files; a fall leaves `.part` files, which `settle` of the next run removes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unsettled: set[Path] = set()

    def put(self, name: str, data: bytes) -> None:
        path = self.path / name
        part = path.with_name(path.name + PART)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
        except OSError as error:
            raise self._away(error) from error
        self._unsettled.add(path)

    def get(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._away(error) from error

    def names(self, under: str = "") -> Iterator[str]:
        top = self.path / under if under else self.path
        for folder, _, files in os.walk(top):
            for file in sorted(files):
                yield (Path(folder) / file).relative_to(self.path).as_posix()

    def remove(self, name: str) -> None:
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._away(error) from error

    def settle(self) -> None:
        try:
            for path in sorted(self._unsettled):
                if path.exists():
                    _sync(path)
            for folder in {path.parent for path in self._unsettled} | {self.path}:
                _sync(folder)
        except OSError as error:
            raise self._away(error) from error
        self._unsettled.clear()

    def _away(self, error: OSError) -> Unreachable:
        return Unreachable(
            f"{self.path}: 备份库不可写或不可读 the store of backups fails: {error.strerror}"
        )


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)

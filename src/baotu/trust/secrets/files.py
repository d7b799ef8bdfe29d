"""Small private files that are replaced whole: written beside, synced, then named."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from baotu.sdk import ConfigError

PRIVATE = 0o600


def write_private(path: Path, text: bytes) -> None:
    """Only this user may read it, from the first byte on; after a fall it is the old one or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(number, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_private(path: Path) -> bytes:
    """Raises ConfigError when others may read it, or nobody can."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise ConfigError(
                    "others may read this file",
                    str(path),
                    f"chmod 600 {path}; then change what is in it",
                )
            return file.read()
    except OSError as error:
        raise ConfigError(f"读不了 cannot be read: {error.strerror}", str(path)) from None


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Raises ConfigError; its words never repeat what is in the file."""
    try:
        found = json.loads(read_private(path))
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("format") != what:
        raise ConfigError(
            f"不是 is no {what!r}", str(path), "从备份恢复它 restore it from a backup"
        )
    return found


def write_json(path: Path, told: Mapping[str, Any]) -> None:
    write_private(path, json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process at a time changes what is at `path`; others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)

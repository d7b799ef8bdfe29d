"""Landlock: which files an app may read, and that it may open nothing else.

See `Documentation/userspace-api/landlock.rst`; what a kernel knows is its ABI version.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from pathlib import Path

from .calls import call

VERSION, PATH_BENEATH = 1, 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3
FILE_RIGHTS = (1 << 0) | (1 << 1) | READ_FILE | (1 << 14) | (1 << 15)
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
NET = 0b11  # bind and connect TCP, from ABI 4
SCOPED = 0b11  # abstract sockets and signals, from ABI 6


def version() -> int:
    """The ABI of this kernel; 0 when it has none, or it is switched off."""
    try:
        return call("landlock_create_ruleset", None, 0, VERSION)
    except OSError:
        return 0


def rights(abi: int) -> int:
    return max((bits for since, bits in RIGHTS.items() if since <= abi), default=0)


def restrict(abi: int, readable: Sequence[Path], writable: Sequence[Path]) -> None:
    """Reading below these, reading and writing below those, nothing else. Raises OSError."""
    every = rights(abi)
    attributes = struct.pack("QQQ", every, NET if abi >= 4 else 0, SCOPED if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    rules = call("landlock_create_ruleset", attributes[:size], size, 0)
    try:
        for path in readable:
            _allow(rules, path, READ_FILE | READ_DIR)
        for path in writable:
            _allow(rules, path, every & ~1)  # all but to execute
        call("landlock_restrict_self", rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, wanted: int) -> None:
    if not path.exists():
        return
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not path.is_dir():
            wanted &= FILE_RIGHTS
        rule = ctypes.create_string_buffer(struct.pack("=Qi", wanted, place), 12)
        call("landlock_add_rule", rules, PATH_BENEATH, rule, 0)
    finally:
        os.close(place)

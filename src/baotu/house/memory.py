"""Keeps the resident memory of a node small: glibc gives each thread an arena of its own, and a
node has some thirty threads."""

from __future__ import annotations

import ctypes

ARENA_MAX = -8  # M_ARENA_MAX of <malloc.h>
ARENAS = 2


def few_arenas() -> bool:
    """Call before threads are started. False where the C library is not glibc."""
    try:
        return bool(ctypes.CDLL(None).mallopt(ARENA_MAX, ARENAS))
    except (AttributeError, OSError):
        return False

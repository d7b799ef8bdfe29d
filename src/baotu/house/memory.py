"""Keeps the resident memory of a node small. Everything here may fail without harm.

`few_arenas` before threads start: glibc gives each thread an arena of its own, and a node has some
forty threads. `large_ones_apart` before the node starts: at 100,000 tags it saves 15 MB at once and
holes of 27 MB later. `settle` once the node runs: what only the start needed is given back. Measured on
the demo: 8 MB by the arenas, 25 MB by the code of libraries that ran once (see `benchmarks/`).
"""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

ARENA_MAX = -8  # M_ARENA_MAX of <malloc.h>
ARENAS = 2
MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD
LARGE = 256 << 10  # bytes
DONT_NEED = 4  # MADV_DONTNEED of <sys/mman.h>
MAPS = Path("/proc/self/maps")
# an executable, never written mapping of a file: start, end, offset, inode, path
CODE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) r-xp ([0-9a-f]+) \S+ ([1-9]\d*)\s+/")


def few_arenas() -> bool:
    """Call before threads are started. False where the C library is not glibc."""
    try:
        return bool(ctypes.CDLL(None).mallopt(ARENA_MAX, ARENAS))
    except (AttributeError, OSError):
        return False


def large_ones_apart() -> bool:
    """Call before the node starts: what is large gets pages of its own, given back when it is free.
    Left alone, glibc raises that limit up to 32 MB as it learns, and columns that come and go
    leave holes between what stays. False where the C library is not glibc."""
    try:
        return bool(ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE))
    except (AttributeError, OSError):
        return False


def no_search_through_all_objects() -> None:
    """Call before the console starts. NiceGUI looks for its server with `gc.get_objects()`, which
    holds every tuple for a moment; where another thread is just making one from a generator,
    CPython raises SystemError, and a driver was stopped for it. What it finds serves
    `app.shutdown()` alone, which nobody calls here."""
    import_module("nicegui.ui_run_with").gc = SimpleNamespace(get_objects=tuple)  # type: ignore[attr-defined]


def settle() -> int:
    """Call once, when all has started; the mappings whose pages were given back.

    Objects of the start are left out of later garbage collections: a full one stops every thread,
    and most of what it would look at lives as long as the node.
    """
    gc.collect()
    gc.freeze()
    trim()
    return forget_code()


def trim() -> bool:
    """Give free memory between the blocks in use back. False where the C library is not glibc."""
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError):
        return False


def forget_code() -> int:
    """Unmap the pages of library code until they run again. They stay in the page cache, so what is
    needed comes back by a minor fault, without a read."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        advise = ctypes.CDLL(None).madvise
    except (AttributeError, OSError):
        return 0
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return sum(advise(start, size, DONT_NEED) == 0 for start, size in _code())


def _code() -> Iterator[tuple[int, int]]:
    """Address and size of every mapping of library code."""
    try:
        lines = MAPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if found := CODE.match(line):
            start = int(found[1], 16)
            yield start, int(found[2], 16) - start

"""The order in which a process gives everything up, and what this machine can take from it.

At least the filter of system calls and one of the two fences around files (an own root, or Landlock)
must be there; a kernel since 5.13 has that for every user.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import landlock, rooms, seccomp
from .calls import call, prctl

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, CLEAR_ALL = 24, 38, 47, 4
PR_SET_DUMPABLE, PR_SET_SECUREBITS, SECURE_ALL_LOCKED = 4, 28, 0xEF
LAST_CAP = 63
FILES = 64  # open at once

How = Literal["root", "user", ""]
"""How namespaces are made: as root, by a namespace of users, or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one process may take. scratch_mb: of a /tmp of its own, gone with it."""

    memory_mb: int = 256
    scratch_mb: int = 16
    threads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What this machine can do. landlock: the ABI of the kernel, 0 for none."""

    namespaces: How = ""
    landlock: int = 0
    seccomp: bool = False

    def enough(self) -> bool:
        return self.seccomp and bool(self.namespaces or self.landlock)

    def words(self) -> tuple[str, ...]:
        names = {
            "root": "namespaces, another user",
            "user": "namespaces, user namespace",
            "": "",
        }
        told = [names[self.namespaces]] if self.namespaces else []
        told += [f"Landlock {self.landlock}"] if self.landlock else []
        return (*told, *(["seccomp"] if self.seccomp else []), "no capabilities", "limits")


def alone(means: Means) -> None:
    """First, before the last fork: leave the namespaces of the hub."""
    if means.namespaces:
        rooms.unshare(means.namespaces == "user")


def shut(means: Means, limits: Limits, readable: Sequence[Path]) -> None:
    """Then everything else, in the process that stays. Raises OSError: then it must end."""
    used = _used()  # while there is a /proc
    owner = rooms.NOBODY if means.namespaces else os.getuid()
    if means.namespaces:
        rooms.furnish(readable, limits.scratch_mb, owner)
    _limit(limits, *used)
    _drop(owner if means.namespaces == "root" else None)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if means.landlock:
        scratch = [Path("/tmp")] if means.namespaces and limits.scratch_mb else []
        landlock.restrict(means.landlock, readable, scratch)
    seccomp.restrict(os.getpid(), limits.threads > 0)


def _limit(limits: Limits, data: int, space: int) -> None:
    room = limits.memory_mb << 20
    for what, value in (
        (resource.RLIMIT_DATA, data + room),
        (resource.RLIMIT_AS, space + 2 * room),  # what is shared or mapped counts only there
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_FSIZE, limits.scratch_mb << 20),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_STACK, 8 << 20),
    ):
        _, hard = resource.getrlimit(what)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (most, most))


def _used() -> tuple[int, int]:
    """Bytes of data and of address space before the app has any."""
    page = resource.getpagesize()
    told = Path("/proc/self/statm").read_text().split()
    return int(told[5]) * page, int(told[0]) * page


def _drop(owner: int | None) -> None:
    """Every capability, and being root where that is what it is."""
    for capability in range(LAST_CAP + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # EINVAL: the kernel has no more; EPERM: it never had one to drop
    if owner is not None:
        os.setgroups([])
        os.setresgid(owner, owner, owner)
        os.setresuid(owner, owner, owner)
    try:
        prctl(PR_CAP_AMBIENT, CLEAR_ALL)
    except OSError:
        pass  # before Linux 4.3 there was none
    head = ctypes.create_string_buffer(b"\x22\x05\x08\x20" + b"\0" * 4, 8)  # version 3, self
    call("capset", head, ctypes.create_string_buffer(24))
    prctl(PR_SET_DUMPABLE, 0)


def means_here() -> Means:
    """What can be seen without trying; namespaces are tried by the zygote."""
    try:
        return Means(landlock=landlock.version(), seccomp=seccomp.available())
    except OSError:  # an architecture that we have no numbers for
        return Means()

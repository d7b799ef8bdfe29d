"""Namespaces: a process alone with itself, without network, on a file system of its own."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from .calls import call

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
ALONE = NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWPID | NEWNET
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8  # MOUNT_ATTR_*
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
NOBODY = 65534  # who it is inside, and outside when the hub is root


def unshare(user: bool) -> None:
    """Leave every namespace of the hub. user: by a namespace of users, without being root."""
    outer = os.getuid(), os.getgid()
    call("unshare", ALONE | (NEWUSER if user else 0))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{NOBODY} {outer[0]} 1")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} {outer[1]} 1")


def furnish(readable: Sequence[Path], scratch_mb: int, owner: int) -> None:
    """A root of these places alone, read-only, and a /tmp of this size. Raises OSError.

    owner: who may use /tmp. The old root is out of reach afterwards.
    """
    sources = {path: path.resolve() for path in readable}  # links lead elsewhere afterwards
    _mount("none", "/", "", MS_REC | MS_PRIVATE, "")
    _mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=1m,mode=755")
    Path("/tmp/.old").mkdir()
    call("pivot_root", b"/tmp", b"/tmp/.old")
    os.chdir("/")
    Path("/tmp").mkdir(exist_ok=True)
    if scratch_mb:  # first: what may be read may lie below /tmp
        options = f"size={scratch_mb}m,nr_inodes=4096,mode=700,uid={owner},gid={owner}"
        _mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options)
    for path in readable:
        real = Path(f"/.old{sources[path]}")
        if not real.exists() or _inside(path, readable):
            continue
        place = Path(path)
        if real.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        _mount(str(real), str(place), "", MS_BIND | MS_REC, "")
        _fix(place, RDONLY | NOSUID | NODEV, AT_RECURSIVE)
    call("umount2", b"/.old", MNT_DETACH)
    Path("/.old").rmdir()
    _fix(Path("/"), RDONLY | NOSUID | NODEV | NOEXEC, 0)


def _inside(path: Path, others: Sequence[Path]) -> bool:
    return any(other != path and path.is_relative_to(other) for other in others)


def _mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    given = [text.encode() or None for text in (source, target, kind)]
    call("mount", *given, flags, data.encode() or None)


def _fix(place: Path, attributes: int, flags: int) -> None:
    """Read-only and the like; keeps what is locked, unlike a remount (since Linux 5.12)."""
    wanted = ctypes.create_string_buffer(attributes.to_bytes(8, "little") + b"\0" * 24, 32)
    call("mount_setattr", AT_FDCWD, str(place).encode(), flags, wanted, 32)

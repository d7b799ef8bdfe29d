"""Which system calls an app may make: a list of what is allowed, as a BPF program.

What is not on the list answers EPERM. What no innocent program asks for ends the process, so that
the hub hears of it. Written for classic BPF as in `Documentation/userspace-api/seccomp_filter.rst`.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterator

from .calls import NUMBERS, arch, number, prctl

PR_SET_SECCOMP, MODE_FILTER = 22, 2
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, EQUAL, AT_LEAST, AND_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NR, ARCH, ARG0, ARG1 = 0, 4, 16, 24  # offsets in struct seccomp_data
X32 = 0x40000000
CLONE_THREAD = 0x00010000
SELF_ONLY = ("tgkill",)  # first argument: this process
ZERO_ONLY = ("prlimit64",)  # first argument: 0, which is this process
HOSTILE = (
    "ptrace", "process_vm_readv", "process_vm_writev", "bpf", "mount", "umount2", "pivot_root",
    "chroot", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig", "mount_setattr",
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "keyctl",
    "add_key", "request_key", "userfaultfd", "unshare", "setns", "perf_event_open", "reboot",
    "swapon", "swapoff", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "open_by_handle_at", "acct", "quotactl", "iopl", "ioperm", "settimeofday", "clock_settime",
    "sethostname", "setdomainname", "pidfd_getfd", "process_madvise",
)  # fmt: skip
OURS = ("capset", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; never F_SETOWN, which sends signals
FCNTL = (0, 1, 2, 3, 4, 1030)
SPECIAL = {"fcntl", *HOSTILE, *OURS, *SELF_ONLY, *ZERO_ONLY, "clone", "clone3"}
ALLOWED = tuple(name for name in NUMBERS if name not in SPECIAL)  # the frequent ones first

Line = tuple[int, int, int, int]


def program(pid: int, threads: bool) -> bytes:
    """The filter for a process with this id. threads: it may have threads, never processes."""
    return b"".join(struct.pack("HBBI", *line) for line in _lines(pid, threads))


def _lines(pid: int, threads: bool) -> Iterator[Line]:
    _, machine = arch()
    yield LOAD, 0, 0, ARCH
    yield EQUAL, 1, 0, machine
    yield RETURN, 0, 0, KILL  # another instruction set has other numbers
    yield LOAD, 0, 0, NR
    yield AT_LEAST, 0, 1, X32
    yield RETURN, 0, 0, KILL
    for name in ALLOWED:
        yield from _when(name, ALLOW)
    for name in HOSTILE:
        yield from _when(name, KILL)
    yield from _when("clone3", ERRNO | errno.ENOSYS)  # its flags lie in memory: use clone
    for name, wanted in (("tgkill", pid), ("prlimit64", 0)):
        yield EQUAL, 0, 4, number(name)
        yield LOAD, 0, 0, ARG0
        yield EQUAL, 0, 1, wanted
        yield RETURN, 0, 0, ALLOW
        yield RETURN, 0, 0, ERRNO | errno.EPERM
    yield EQUAL, 0, 3 + len(FCNTL), number("fcntl")
    yield LOAD, 0, 0, ARG1
    for n, command in enumerate(FCNTL):
        yield EQUAL, len(FCNTL) - n, 0, command
    yield RETURN, 0, 0, ERRNO | errno.EPERM
    yield RETURN, 0, 0, ALLOW
    if threads:
        yield EQUAL, 0, 3, number("clone")
        yield LOAD, 0, 0, ARG0
        yield AND_SET, 0, 1, CLONE_THREAD
        yield RETURN, 0, 0, ALLOW
    yield RETURN, 0, 0, ERRNO | errno.EPERM


def _when(name: str, answer: int) -> Iterator[Line]:
    if (known := number(name)) >= 0:
        yield EQUAL, 0, 1, known
        yield RETURN, 0, 0, answer


def restrict(pid: int, threads: bool) -> None:
    """From now on and for ever. Needs no_new_privs. Raises OSError."""
    code = program(pid, threads)
    text = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(text))
    kept = ctypes.create_string_buffer(head, len(head))
    prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.addressof(kept))


def available() -> bool:
    """Whether this kernel takes filters: a null program is refused as EFAULT, not as EINVAL."""
    try:
        prctl(PR_SET_SECCOMP, MODE_FILTER, 0)
    except OSError as error:
        return error.errno == errno.EFAULT
    return False

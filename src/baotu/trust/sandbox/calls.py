"""System calls by their names, and the few that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Mapping

ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column in `NUMBERS`, and AUDIT_ARCH_* of <linux/audit.h>."""

# <asm/unistd_64.h> and <asm-generic/unistd.h>; -1: that machine has no such call
NUMBERS: Mapping[str, tuple[int, int]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66),
    "futex": (202, 98), "mmap": (9, 222), "munmap": (11, 215), "madvise": (28, 233),
    "brk": (12, 214), "mremap": (25, 216), "mprotect": (10, 226), "clock_gettime": (228, 113),
    "close": (3, 57), "fstat": (5, 80), "newfstatat": (262, 79), "stat": (4, -1),
    "lstat": (6, -1), "lseek": (8, 62), "openat": (257, 56), "open": (2, -1),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "pread64": (17, 67), "pwrite64": (18, 68), "access": (21, -1),
    "faccessat": (269, 48), "faccessat2": (439, 439), "sched_yield": (24, 124),
    "msync": (26, 227), "mincore": (27, 232), "dup": (32, 23), "dup2": (33, -1),
    "dup3": (292, 24), "nanosleep": (35, 101), "clock_nanosleep": (230, 115),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "exit": (60, 93),
    "exit_group": (231, 94), "uname": (63, 160), "fcntl": (72, 25), "ftruncate": (77, 46),
    "getdents64": (217, 61), "getcwd": (79, 17), "readlink": (89, -1), "readlinkat": (267, 78),
    "umask": (95, 166), "gettimeofday": (96, 169), "getrlimit": (97, 163),
    "getrusage": (98, 165), "sysinfo": (99, 179), "times": (100, 153), "getuid": (102, 174),
    "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177),
    "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158),
    "set_robust_list": (273, 99), "get_robust_list": (274, 100), "rseq": (334, 293),
    "sched_getaffinity": (204, 123), "getcpu": (309, 168), "clock_getres": (229, 114),
    "getrandom": (318, 278), "poll": (7, -1), "ppoll": (271, 73), "select": (23, -1),
    "pselect6": (270, 72), "statx": (332, 291), "statfs": (137, 43), "fstatfs": (138, 44),
    "mkdir": (83, -1), "mkdirat": (258, 34), "unlink": (87, -1), "unlinkat": (263, 35),
    "rmdir": (84, -1), "rename": (82, -1), "renameat": (264, 38), "renameat2": (316, 276),
    "fsync": (74, 82), "fdatasync": (75, 83), "fallocate": (285, 47),
    "restart_syscall": (219, 128), "membarrier": (324, 283), "set_tid_address": (218, 96),
    "tgkill": (234, 131), "prlimit64": (302, 261), "clone": (56, 220), "clone3": (435, 435),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "bpf": (321, 280), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "move_mount": (429, 429), "open_tree": (428, 428),
    "fsopen": (430, 430), "fsmount": (432, 432), "fsconfig": (431, 431),
    "mount_setattr": (442, 442), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "userfaultfd": (323, 282), "unshare": (272, 97), "setns": (308, 268),
    "perf_event_open": (298, 241), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "open_by_handle_at": (304, 265), "acct": (163, 89),
    "quotactl": (179, 60), "iopl": (172, -1), "ioperm": (173, -1), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "sethostname": (170, 161), "setdomainname": (171, 162),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "capset": (126, 91), "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445), "landlock_restrict_self": (446, 446),
}  # fmt: skip


def number(name: str) -> int:
    """Its number on this machine, -1 when it has none. Raises OSError on an unknown machine."""
    column, _ = arch()
    return NUMBERS[name][column]


def arch() -> tuple[int, int]:
    try:
        return ARCHES[platform.machine()]
    except KeyError:
        raise OSError(f"no table of system calls for {platform.machine()}") from None


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """The system call itself. Raises OSError with its name."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(libc.syscall(ctypes.c_long(number(name)), *given))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def prctl(option: int, *arguments: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    padded = [*arguments, 0, 0, 0, 0][:4]
    result = int(libc.prctl(option, *(ctypes.c_ulong(a) for a in padded)))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {os.strerror(error)}")
    return result

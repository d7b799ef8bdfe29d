"""The process that apps are forked from: Python, numpy and the SDK are loaded once for all.

It is started by the hub with an empty environment, so its memory holds nothing that an app may not
see. It speaks to the hub alone, over a socket of packets: `{"do": "fork", …}` with the end of the
app's own line, `{"do": "kill" | "status" | "figures", "pid": …}`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from baotu.kernel.sandbox import inside

from . import confine
from .confine import Limits, Means

PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = resource.getpagesize()
REAP_S = 2.0


class Zygote:
    """One thread, no state but its children."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.children: set[int] = set()
        self.over: dict[int, int] = {}  # how they ended
        self.means = Means()

    def run(self) -> None:
        """Until the hub closes its end."""
        while True:
            told, given, _, _ = socket.recv_fds(self.line, 1 << 16, 1)
            if not told:
                break
            asked = msgspec.msgpack.decode(told)
            try:
                answer = getattr(self, f"_{asked['do']}")(asked, given)
            except OSError as error:
                answer = {"error": str(error)}
            for end in given:
                os.close(end)
            self.line.send(msgspec.msgpack.encode(answer))
        for pid in self.children:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _means(self, asked: Mapping[str, Any], given: list[int]) -> dict[str, Any]:
        """What this machine can do, by trying it."""
        found = confine.means_here()
        root, most = os.getuid() == 0, asked["most"]
        trials: dict[confine.How, bool] = {"root": root and most == "root", "user": bool(most)}
        for how in (how for how, wanted in trials.items() if wanted):
            one = Means(namespaces=how, landlock=found.landlock, seccomp=found.seccomp)
            if self._tried(one):
                found = one
                break
        self.means = found
        return msgspec.to_builtins(found)

    def _tried(self, means: Means) -> bool:
        ours, theirs = os.pipe()
        pid = self._born(means, Limits(), (), theirs, None)
        os.close(theirs)
        answer = os.read(ours, 1)
        os.close(ours)
        self._reap(pid)
        return answer == b"+"

    def _fork(self, asked: Mapping[str, Any], given: list[int]) -> dict[str, Any]:
        limits = msgspec.convert(asked["limits"], Limits)
        readable = tuple(Path(path) for path in asked["readable"])
        means = Means() if asked["unconfined"] else self.means
        if not asked["unconfined"] and not means.enough():
            return {"error": "this machine cannot confine a process"}
        pid = self._born(means, limits, readable, given[0], asked["spec"], asked["unconfined"])
        self.children.add(pid)
        return {"pid": pid}

    def _born(
        self,
        means: Means,
        limits: Limits,
        readable: tuple[Path, ...],
        line: int,
        spec: Mapping[str, Any] | None,
        unconfined: bool = False,
    ) -> int:
        """Two forks: the first leaves the namespaces, the second lives in the new ones."""
        ours, theirs = os.pipe()
        first = os.fork()
        if first == 0:
            os.close(ours)
            _first(means, limits, readable, line, theirs, spec, unconfined)
        os.close(theirs)
        told = os.read(ours, 8)
        os.close(ours)
        os.waitpid(first, 0)
        if len(told) != 8:
            raise OSError("namespaces were refused")
        return int.from_bytes(told, "little")

    def _kill(self, asked: Mapping[str, Any], given: list[int]) -> dict[str, Any]:
        pid = asked["pid"]
        if pid in self.children:
            os.kill(pid, signal.SIGKILL)
        return self._status(asked, given)

    def _status(self, asked: Mapping[str, Any], given: list[int]) -> dict[str, Any]:
        """How it ended, as `subprocess` counts: minus the signal. None: it has not."""
        pid = asked["pid"]
        if pid in self.children:
            self._reap(pid)
        return {"ended": self.over.get(pid)}

    def _reap(self, pid: int) -> None:
        until = time.monotonic() + REAP_S
        while time.monotonic() < until:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self.children.discard(pid)
                self.over[pid] = os.waitstatus_to_exitcode(status)
                return
            signal.sigtimedwait([signal.SIGCHLD], 0.05)

    def _figures(self, asked: Mapping[str, Any], given: list[int]) -> dict[str, Any]:
        """Seconds of processor and bytes of memory that it has for itself."""
        pid = asked["pid"]
        if pid not in self.children:
            return {}
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own, whole = _memory(pid)
        return {
            "cpu_s": (int(told[11]) + int(told[12])) / TICKS,
            "private_mb": own / 2**20,
            "rss_mb": whole / 2**20,
        }


def _memory(pid: int) -> tuple[int, int]:
    """Bytes for itself and in all. Who is not root may not look closely at what was forked."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except PermissionError:
        pages = [int(one) * PAGE for one in Path(f"/proc/{pid}/statm").read_text().split()]
        return pages[1] - pages[2], pages[1]
    own = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    whole = next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
    return own * 1024, whole * 1024


def _first(
    means: Means,
    limits: Limits,
    readable: tuple[Path, ...],
    line: int,
    told: int,
    spec: Mapping[str, Any] | None,
    unconfined: bool,
) -> None:
    """In the first child; never returns."""
    code = 1
    try:
        _bare(line, told)
        confine.alone(means)
        second = os.fork()
        if second:
            os.write(told, second.to_bytes(8, "little"))
            code = 0
        else:
            os.close(told)
            shut = partial(confine.shut, means, limits, readable)
            code = inside.live(line, spec, shut if not unconfined else lambda: None)
    finally:
        os._exit(code)  # whatever was raised: nothing of the zygote runs on in this process


def _bare(line: int, told: int) -> None:
    """No file of the hub stays open, no signal handled, no terminal."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for place in (0, 1, 2):
        os.dup2(nothing, place)
    keep = sorted({line, told})
    last = 2
    for place in keep:
        os.closerange(last + 1, place)
        last = place
    os.closerange(last + 1, 4096)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    line = socket.socket(fileno=int(sys.argv[1]))
    confine.prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the hub's to say when it is over
    inside.prepare()
    gc.collect()
    gc.freeze()
    Zygote(line).run()


if __name__ == "__main__":
    main()

"""The hub's side of the zygote: starts it when the first app needs a process, asks it for more."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import baotu
from baotu.kernel.sandbox.port import Gone
from baotu.sdk import ConfigError

from .confine import How, Limits, Means

ANSWER_S = 20.0
BUFFER, SNDBUFFORCE = 4 << 20, 32  # <asm-generic/socket.h>
CLEAN = {
    "LANG": "C.UTF-8", "PATH": "", "TZ": "UTC",
    "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
}  # fmt: skip
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/usr/share/zoneinfo")  # fmt: skip
LEAST = "a kernel with seccomp and either namespaces or Landlock (Linux 5.13)"


class Child:
    """A process of an app. Implements `kernel.sandbox.port.Process`."""

    def __init__(self, launcher: Launcher, pid: int, line: socket.socket) -> None:
        self._launcher, self.pid, self.line = launcher, pid, line

    def end(self) -> str:
        """End it, and how it ended; the line stays, and says so."""
        return self._launcher.ended("kill", self.pid)

    def kill(self) -> str:
        """End it and close the line; how it ended."""
        how = self.end()
        self.line.close()  # afterwards: whoever waits on it sees the end of it
        return how

    def figures(self) -> Mapping[str, float]:
        return self._launcher.ask({"do": "figures", "pid": self.pid})


class Launcher:
    """Implements `kernel.sandbox.port.Launcher`. Safe to call from any thread.

    insecure: apps run in processes of their own, but unconfined, where the machine can do no better.
    most: do not use more namespaces than these ("user": as if we were not root), so that what
    weaker machines have can be tried on this one.
    """

    def __init__(self, *, insecure: bool = False, most: How = "root") -> None:
        self.insecure, self.most = insecure, most
        self._lock = threading.Lock()
        self._zygote: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._means = Means()

    def means(self) -> Means:
        """What this machine can do; starts the zygote."""
        with self._lock:
            self._need()
            return self._means

    def confined(self) -> tuple[str, ...]:
        """What confines an app here, in words; empty: nothing does."""
        means = self.means()
        return means.words() if means.enough() else ()

    def start(
        self,
        spec: Mapping[str, Any],
        readable: Sequence[Path],
        *,
        memory_mb: int = 256,
        scratch_mb: int = 16,
        threads: int = 0,
    ) -> Child:
        """A new process that loads `spec`. Raises ConfigError where it cannot be confined."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            _widen(end)
        limits = Limits(memory_mb=memory_mb, scratch_mb=scratch_mb, threads=threads)
        with self._lock:
            self._need()
            unconfined = not self._means.enough()
            if unconfined and not self.insecure:
                raise ConfigError(
                    "a third-party app cannot be confined on this machine",
                    "[apps]",
                    f"it takes {LEAST}; or switch the app off",
                )
            asked = {
                "do": "fork", "spec": dict(spec), "limits": msgspec.to_builtins(limits),
                "readable": [str(p) for p in (*places(), *_both(readable))],
                "unconfined": unconfined,
            }  # fmt: skip
            answer = self._asked(asked, theirs)
        theirs.close()
        if "pid" not in answer:
            ours.close()
            raise Gone(f"no process: {answer.get('error', 'the zygote does not answer')}")
        return Child(self, answer["pid"], ours)

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            return self._asked(asked, None) if self._zygote is not None else {}

    def ended(self, do: str, pid: int) -> str:
        code = self.ask({"do": do, "pid": pid}).get("ended")
        if code is None:
            return "ended with the zygote"
        return signal_name(-code) if code < 0 else f"exit {code}"

    def stop(self) -> None:
        with self._lock:
            self._end()

    def _need(self) -> None:
        if self._zygote is not None and self._zygote.poll() is None:
            return
        self._end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(ANSWER_S)
        place = theirs.fileno()
        command = [sys.executable, "-I", "-m", "baotu.trust.sandbox.zygote", str(place)]
        self._zygote = subprocess.Popen(
            command, pass_fds=[place], env=CLEAN, cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self._line = ours
        self._means = msgspec.convert(self._asked({"do": "means", "most": self.most}, None), Means)

    def _asked(self, asked: Mapping[str, Any], given: socket.socket | None) -> dict[str, Any]:
        """Lock held. Raises Gone when the zygote has gone."""
        if self._line is None:
            raise Gone("the zygote has ended")
        told = msgspec.msgpack.encode(asked)
        try:
            if given is not None:
                socket.send_fds(self._line, [told], [given.fileno()])
            else:
                self._line.send(told)
            answer = self._line.recv(1 << 16)
        except OSError as error:
            self._end()
            raise Gone(f"the zygote does not answer: {error}") from None
        if not answer:
            self._end()
            raise Gone("the zygote has ended")
        return dict(msgspec.msgpack.decode(answer))

    def _end(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._zygote is not None:
            try:
                self._zygote.wait(5.0)
            except subprocess.TimeoutExpired:
                self._zygote.kill()
                self._zygote.wait()
            self._zygote = None


def _widen(end: socket.socket) -> None:
    """A part of a stream in one go: else hub and app take turns for every 200 kB of it."""
    try:
        end.setsockopt(socket.SOL_SOCKET, SNDBUFFORCE, BUFFER)
    except OSError:  # only root may go beyond net.core.wmem_max
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)


def places() -> list[Path]:
    """What Python needs to read: itself, what is installed beside us, the system's libraries."""
    paths = sysconfig.get_paths()
    found = [Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    found.append(Path(baotu.__file__).parent)
    found += [Path(base) / "lib" for base in (sys.base_prefix,) if base != "/usr"]
    return _both([*found, *(Path(path) for path in SYSTEM)])


def _both(paths: Sequence[Path]) -> list[Path]:
    """As written and as they really are: a link in between leads nowhere inside."""
    found = dict.fromkeys(p for path in paths for p in (path.resolve(), path.absolute()))
    return [path for path in found if path.exists()]


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

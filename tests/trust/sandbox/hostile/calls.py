"""Asks the system itself, past everything that Python has to say about it."""

import ctypes
import os
import socket
import subprocess
import threading

from baotu.sdk import App, command


def tried(what):
    try:
        return f"GOT {what()!r:.80}"
    except BaseException as error:
        return type(error).__name__


def call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments))
    return result if result >= 0 else -ctypes.get_errno()


class Calls(App):
    """Makes system calls that no app may. 非法系统调用。"""

    @command(permission="calls.go", title="系统调用 System call")
    def raw(self, number: int, one: int = 0, two: int = 0, three: int = 0) -> int:
        return call(number, one, two, three, 0, 0, 0)

    @command(permission="calls.go", title="套接字 Sockets")
    def sockets(self) -> dict[str, str]:
        kinds = {
            "inet6": (socket.AF_INET6, socket.SOCK_STREAM),
            "inet": (socket.AF_INET, socket.SOCK_DGRAM),
            "unix": (socket.AF_UNIX, socket.SOCK_STREAM),
            "netlink": (socket.AF_NETLINK, socket.SOCK_RAW),
            "packet": (socket.AF_PACKET, socket.SOCK_RAW),
            "raw": (socket.AF_INET6, socket.SOCK_RAW),
        }
        found = {
            name: tried(lambda kind=kind: socket.socket(*kind)) for name, kind in kinds.items()
        }
        found["pair"] = tried(socket.socketpair)
        found["name"] = tried(lambda: socket.getaddrinfo("localhost", 80))
        return found

    @command(permission="calls.go", title="进程 Processes")
    def processes(self) -> dict[str, str]:
        return {
            "fork": tried(os.fork),
            "program": tried(lambda: subprocess.run(["/bin/true"])),
            "spawn": tried(lambda: os.posix_spawn("/bin/true", ["true"], {})),
            "exec": tried(lambda: os.execv("/bin/true", ["true"])),
            "thread": tried(lambda: threading.Thread(target=print).start()),
            "kill": tried(lambda: os.kill(os.getppid() or 1, 9)),
        }

    @command(permission="calls.go", title="我是谁 Who am I")
    def who(self) -> dict[str, int]:
        return {"uid": os.getuid(), "pid": os.getpid(), "parent": os.getppid()}

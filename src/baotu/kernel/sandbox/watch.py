"""What an app is seen trying: told to the audit, by the interpreter (PEP 578).

Not the fence: code that means harm can get round it, and the system refuses in any case. It is what
turns most refusals into a line in the audit that says what was wanted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

MOST, LONGEST = 20, 200
EVENTS = {
    "socket.__new__": "open a socket",
    "socket.connect": "connect",
    "socket.bind": "listen",
    "socket.getaddrinfo": "look a name up",
    "subprocess.Popen": "start a program",
    "os.system": "start a program",
    "os.exec": "start a program",
    "os.posix_spawn": "start a program",
    "os.fork": "fork",
    "os.forkpty": "fork",
    "os.kill": "send a signal",
    "os.putenv": "",
    "ctypes.dlsym": "call into C",
    "ctypes.dlopen": "load a C library",
}


class Watch:
    """readable: folders and files that it may read."""

    def __init__(self, readable: Iterable[str]) -> None:
        self.allowed = (*readable, *sys.path, "/tmp", sys.base_prefix, sys.prefix, "/usr", "/lib")
        self.tried: list[str] = []

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode = arguments[0], arguments[1] if len(arguments) > 1 else ""
            if not isinstance(path, str) or path.endswith(".pyc"):
                return  # the interpreter looks for compiled code of its own accord
            path = os.path.abspath(path)  # noqa: PTH100 - no object for each file that is opened
            inside = any(path.startswith(place) for place in self.allowed if place)
            writes = isinstance(mode, str) and any(sign in mode for sign in "wax+")
            if not inside or (writes and not path.startswith("/tmp/")):
                self._note(f"{'write' if writes else 'read'} {path}")
        elif told := EVENTS.get(event):
            self._note(told)

    def _note(self, what: str) -> None:
        if len(self.tried) < MOST and what[:LONGEST] not in self.tried:
            self.tried.append(what[:LONGEST])

    def take(self) -> list[str]:
        taken, self.tried = self.tried, []
        return taken

"""The node's own control socket: a Unix socket in its data folder, for the engineer at the machine.

One line of JSON asks, one answers. Who may open the socket is decided by the folder's file
rights; no network reaches it. It lets `baotu backup`, `export` and `fault` speak to a node that runs.
"""

from __future__ import annotations

import os
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from baotu.sdk import BaotuError, Unreachable

NAME = "control.sock"
LONGEST = 1 << 20
Deeds = Mapping[str, Callable[..., Any]]


class Control:
    """Serves named deeds; arguments and answers are JSON."""

    def __init__(self, folder: Path, deeds: Deeds) -> None:
        self.path = folder / NAME
        self.path.unlink(missing_ok=True)  # of a node that was killed; the data lock keeps out two
        before = os.umask(0o077)
        try:
            self._server = socketserver.ThreadingUnixStreamServer(
                _short(self.path), _handler(deeds)
            )
        finally:
            os.umask(before)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="control",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)
        self.path.unlink(missing_ok=True)


def _handler(deeds: Deeds) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline(LONGEST)
            self.wfile.write(msgspec.json.encode(_answer(deeds, line)) + b"\n")

    return Handler


def _answer(deeds: Deeds, line: bytes) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(line, type=dict[str, Any])
        name = asked.pop("do", "")
        if name not in deeds:
            return {"error": f"cannot {name!r}; can: {', '.join(sorted(deeds))}"}
        return {"answer": deeds[name](**asked)}
    except (BaotuError, OSError, ValueError, TypeError, msgspec.MsgspecError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def ask(folder: Path, do: str, deadline_s: float = 600.0, **arguments: Any) -> Any:
    """Ask the node that works in this data folder. Raises Unreachable when none does, and
    RuntimeError with the node's own words when it refuses."""
    path = folder / NAME
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(deadline_s)
            line.connect(_short(path))
            line.sendall(msgspec.json.encode({"do": do} | arguments) + b"\n")
            with line.makefile("rb") as stream:
                answer = msgspec.json.decode(stream.readline(LONGEST), type=dict[str, Any])
    except (FileNotFoundError, ConnectionRefusedError):
        raise Unreachable(f"no node works in {folder}: start one with `baotu run`") from None
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["answer"]


def running(folder: Path) -> bool:
    """Whether a node works in this data folder."""
    try:
        return bool(ask(folder, "status", deadline_s=5.0))
    except (Unreachable, RuntimeError, OSError):
        return False


def _short(path: Path) -> str:
    """Unix sockets take 107 bytes: a long path goes through the folder's descriptor."""
    text = str(path)
    if len(os.fsencode(text)) < 100:
        return text
    relative = os.path.relpath(path)
    if len(os.fsencode(relative)) < 100:
        return relative
    raise Unreachable(f"{path} is too long for a Unix socket; choose a shorter data folder")

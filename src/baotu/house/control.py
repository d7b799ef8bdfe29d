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

    def __init__(self, folder: Path, deeds: Deeds, clean: Callable[[str], str] = str) -> None:
        """clean: takes out of a refusal what nobody may see."""
        self.path = folder / NAME
        self.path.unlink(missing_ok=True)  # of a node that was killed; the data lock keeps out two
        before = os.umask(0o077)
        try:
            self._server = socketserver.ThreadingUnixStreamServer(
                _short(self.path), _handler(deeds, clean)
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


def _handler(deeds: Deeds, clean: Callable[[str], str]) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline(LONGEST)
            self.wfile.write(msgspec.json.encode(_answer(deeds, line, clean)) + b"\n")

    return Handler


def _answer(deeds: Deeds, line: bytes, clean: Callable[[str], str]) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(line, type=dict[str, Any])
        name = asked.pop("do", "")
        if name not in deeds:
            return {"error": f"cannot {name!r}; can: {', '.join(sorted(deeds))}"}
        return {"answer": deeds[name](**asked)}
    except BaotuError as error:
        return {"error": clean(str(error))}
    except (OSError, ValueError, TypeError, msgspec.MsgspecError) as error:
        return {"error": clean(f"{type(error).__name__}: {error}")}


def ask(folder: Path, do: str, deadline_s: float = 600.0, **arguments: Any) -> Any:
    """Ask the node that works in this data folder. Raises Unreachable when none does, and
    RuntimeError with the node's own words when it refuses."""
    path = node_folder(folder) / NAME
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(deadline_s)
            line.connect(_short(path))
            line.sendall(msgspec.json.encode({"do": do} | arguments) + b"\n")
            with line.makefile("rb") as stream:
                answer = msgspec.json.decode(stream.readline(LONGEST), type=dict[str, Any])
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise Unreachable(
            f"{folder}: 没有节点在运行，用 `baotu run` 启动，或用 --data 指明 "
            "no node works in it: start one with `baotu run`, or name its folder by --data"
        ) from None
    except PermissionError:
        raise Unreachable(
            f"{path}: 无权打开，请用启动节点的用户 may not be opened: be the user who started the node"
        ) from None
    except TimeoutError:
        raise Unreachable(
            f"{folder}: 节点 {deadline_s:g} 秒内没有回答 the node did not answer in {deadline_s:g} s"
        ) from None
    except (ConnectionError, msgspec.DecodeError):
        raise Unreachable(
            f"{folder}: 节点没有回答就停了，看它的日志 the node ended before it answered: see its log"
        ) from None
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["answer"]


def node_folder(folder: Path) -> Path:
    """The data folder of a node, also for who names the one given to `demo` or `replay`: they
    keep their node's in `data` below it, beside the plant's."""
    below = folder / "data"
    kept = ("history", "edge", NAME)
    inside = below.is_dir() and not any((folder / name).exists() for name in kept)
    return below if inside else folder


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

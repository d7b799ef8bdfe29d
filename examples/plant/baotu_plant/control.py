"""Switches faults while the plant runs: one JSON object a line, a question and its answer.

The address is a TCP port on the loopback, `[::1]:port`, or the path of a Unix socket.

    {"do": "list"}                                       → {"ok": true, "faults": [...]}
    {"do": "on", "name": "bearing_wear:pump-1", "severity": 0.8}  → {"ok": true, "fault": {...}}
    {"do": "off", "name": "bearing_wear:pump-1"}         → {"ok": true, "fault": {...}}
    {"do": "figures"}                                    → {"ok": true, "figures": {...}}
    anything wrong                                       → {"ok": false, "why": "…"}

A fault: {"name", "kind", "target", "title", "on": bool, "severity": 0 … 1, "strength": 0 … 1 (what
has grown of it so far), "asset": path of the machine or ""}. `severity` may be left out: 1. A line
is at most 64 KiB; a connection may ask any number of questions, one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .faults import Fault, UnknownFault
from .simulation import Simulation

LONGEST = 65_536
ANSWER_S = 5.0


class ControlError(RuntimeError):
    """The plant refused, or cannot be reached; the message says why."""


class Control:
    """The server. figures: what `{"do": "figures"}` answers, kept up to date by the plant."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.figures: dict[str, float] = {}
        self.address = ""

    async def start(self, address: str) -> str:
        """Listen; the address to be used, with the port that was got for port 0."""
        host, port = split(address)
        if host:
            self._server = await asyncio.start_server(self._serve, host, port, limit=LONGEST)
            self.address = f"[{host}]:{self._server.sockets[0].getsockname()[1]}"
        else:
            path = Path(address)
            path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, path, limit=LONGEST)
            path.chmod(0o600)
            self.address = address
        return self.address

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.close()
            await self._server.wait_closed()

    def answer(self, line: bytes) -> dict[str, object]:
        """The answer to one question; never raises."""
        try:
            question = json.loads(line)
            if not isinstance(question, dict):
                raise ValueError("a question is a JSON object")
            return {"ok": True, **self._do(question)}
        except (ValueError, TypeError, KeyError, RecursionError) as wrong:
            return {"ok": False, "why": str(wrong) or type(wrong).__name__}

    def _do(self, question: Mapping[str, Any]) -> dict[str, object]:
        faults, now = self._simulation.faults, self._simulation.now
        do, name = question.get("do"), str(question.get("name", ""))
        if do == "list":
            return {"faults": [self._told(fault) for fault in faults]}
        if do == "on":
            return {"fault": self._told(faults.on(name, float(question.get("severity", 1)), now))}
        if do == "off":
            return {"fault": self._told(faults.off(name))}
        if do == "figures":
            return {"figures": {**self.figures, "seconds": round(now, 1)}}
        raise ValueError(f"cannot do {do!r}: use list, on, off or figures")

    def _told(self, fault: Fault) -> dict[str, str | float | bool]:
        machine = self._simulation.points.layout.machine(fault.target.partition(".")[0])
        return {
            "name": fault.name,
            "kind": fault.kind.id,
            "target": fault.target,
            "title": fault.title,
            "on": fault.on,
            "severity": fault.severity,
            "strength": round(fault.strength(self._simulation.now), 3),
            "asset": machine.path if machine else "",
        }

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line), ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):  # a line without end, or the peer is gone
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


class Switches:
    """A client for programs without an event loop: one question, one connection."""

    def __init__(self, address: str) -> None:
        self.address = address

    def faults(self) -> list[dict[str, Any]]:
        return list(self.ask({"do": "list"})["faults"])

    def switch(self, name: str, on: bool, severity: float = 1.0) -> dict[str, Any]:
        question = {"do": "on" if on else "off", "name": name}
        if on:
            question["severity"] = severity  # type: ignore[assignment] # goes to JSON
        return dict(self.ask(question)["fault"])

    def figures(self) -> dict[str, float]:
        return dict(self.ask({"do": "figures"})["figures"])

    def ask(self, question: Mapping[str, object]) -> dict[str, Any]:
        """Raises ControlError."""
        try:
            with contextlib.closing(_connected(self.address)) as connection:
                connection.sendall(json.dumps(question).encode() + b"\n")
                with connection.makefile("rb") as lines:
                    answer = json.loads(lines.readline() or b"null")
        except (OSError, ValueError) as error:
            raise ControlError(f"no demo plant answers at {self.address}: {error}") from error
        if not isinstance(answer, dict) or not answer.get("ok"):
            why = answer.get("why") if isinstance(answer, dict) else "no answer"
            raise ControlError(f"the demo plant refused: {why}")
        return answer


def split(address: str) -> tuple[str, int]:
    """(host, port) of `[::1]:7000`; ("", 0) of a path. Raises ValueError."""
    if "/" in address or ":" not in address:
        return "", 0
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _connected(address: str) -> socket.socket:
    host, port = split(address)
    if host:
        return socket.create_connection((host, port), timeout=ANSWER_S)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(ANSWER_S)
    connection.connect(address)
    return connection


__all__ = ["Control", "ControlError", "Switches", "UnknownFault", "split"]

"""The fault switches of a demo plant, over its control address: one line of JSON each way.

Speaks the plant's protocol without importing the plant: {"do": "list" | "on" | "off", "name": …}.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from baotu.sdk import Invalid, Unreachable

DEADLINE_S = 3.0
LONGEST = 1 << 20


class PlantFaults:
    """Implements `sdk.ports.Faults`. address: `[::1]:port` or the path of a Unix socket."""

    def __init__(self, address: str) -> None:
        self._address = address

    def faults(self) -> list[Mapping[str, str | float | bool]]:
        return list(self._ask(do="list")["faults"])

    def switch(self, name: str, on: bool) -> None:
        self._ask(do="on" if on else "off", name=name)

    def _ask(self, **question: Any) -> dict[str, Any]:
        try:
            with self._open() as line, line.makefile("rb") as stream:
                line.sendall(msgspec.json.encode(question) + b"\n")
                answer = msgspec.json.decode(stream.readline(LONGEST), type=dict[str, Any])
        except (OSError, msgspec.DecodeError) as error:
            raise Unreachable(
                f"the demo plant at {self._address} does not answer: {error}"
            ) from None
        if not answer.get("ok"):
            raise Invalid("name", str(answer.get("why", "the plant refused")))
        return answer

    def _open(self) -> socket.socket:
        if self._address.startswith("["):
            host, _, port = self._address.rpartition(":")
            return socket.create_connection((host.strip("[]"), int(port)), DEADLINE_S)
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(DEADLINE_S)
        line.connect(str(Path(self._address)))
        return line

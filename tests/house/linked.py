"""A hub with an authority of its own and edges that joined it over TLS, each a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baotu.house.control import ask
from baotu.house.demo import free_port as free6
from tests.fabric.test_secure import HOST, free_port

from . import nodes
from .nodes import Node, until

HUB = """
[node]
name = "hub-1"
role = "hub"
organisation = "{organisation}"
[fabric]
listen = ["tls/{host}:{link}"]
[console]
listen = "[::1]:{console}"
[devices]
est_listen = "[::1]:{est}"
status_listen = ""
{more}
"""
EDGE = """
[node]
name = "{name}"
role = "edge"
[fabric]
connect = ["tls/{host}:{link}"]
[edge]
status = "[::1]:{status}"
[[device]]
name = "plc"
driver = "modbus"
host = "::1"
port = {device}
period_s = 0.1
asset = "{asset}"
[[device.tag]]
property = "flow"
address = "holding:0:float32"
"""


def baotu(*words: str) -> str:
    """What the command says. Raises AssertionError with its own words when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "baotu.cli", *words], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Hub:
    def __init__(self, folder: Path, organisation: str = "plant", more: str = "") -> None:
        folder.mkdir()
        self.folder, self.data, self.config = folder, folder / "data", folder / "h.toml"
        self.link, self.console, self.est = free_port(), free6(), free6()
        self.config.write_text(
            HUB.format(
                organisation=organisation, host=HOST, link=self.link, console=self.console,
                est=self.est, more=more,
            )
        )  # fmt: skip
        baotu("ca", "init", "--root-out", str(folder / "root.key"), "--config", str(self.config))
        self.log = folder / "hub.log"
        self.node = Node(self.config, self.log)

    def again(self, number: int = signal.SIGTERM) -> None:
        self.node.end(number)
        self.node = Node(self.config, self.log)

    def get(self, path: str) -> Any:
        return nodes.get(f"http://[::1]:{self.console}{path}", self.data)

    def call(self, verb: str, **arguments: Any) -> Any:
        return ask(self.data, "call", verb=verb, arguments=arguments)

    def times(self, asset: str) -> list[int]:
        found = self.get(f"/api/history?tag={asset}/flow&points=9000&time=ms")
        return list(found["time"])

    def peer(self, name: str) -> dict[str, Any]:
        rows = self.get("/api/devices?kind=peer")["healths"]
        return next((row for row in rows if row["name"] == name), {})

    def admit(self, name: str) -> str:
        config = str(self.config)
        told = baotu("call", "devices.admit", f"name={name}", "kind=node", "--config", config)
        return str(json.loads(told)["ticket"])


@dataclass
class Edge:
    hub: Hub
    folder: Path
    name: str
    device: int
    asset: str = ""
    status: int = field(default_factory=free6)
    node: Node | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.asset = self.asset or f"plant/{self.name}"
        self.config, self.log = self.folder / "e.toml", self.folder / "edge.log"
        self.write(self.name)

    def write(self, name: str, link: int = 0) -> None:
        self.config.write_text(
            EDGE.format(
                name=name, host=HOST, link=link or self.hub.link, status=self.status,
                device=self.device, asset=self.asset,
            )
        )  # fmt: skip

    def join(self, ticket: str) -> None:
        baotu("join", ticket, "--config", str(self.config))

    def run(self) -> None:
        self.node = Node(self.config, self.log)

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.node is not None
        node, self.node = self.node, None
        return node.end(number)

    def part(self, kind: str) -> dict[str, Any]:
        parts = nodes.get(f"http://[::1]:{self.status}/status.json")["parts"]
        return next((part for part in parts if part["kind"] == kind), {})

    @property
    def read(self) -> int:
        """Samples it has read since it began."""
        return int(self.part("edge")["figures"]["samples_out"])

    def here(self) -> list[int]:
        return self.hub.times(self.asset)


def joined(hub: Hub, folder: Path, name: str, device: int) -> Edge:
    """Admitted, joined and linked; the first samples are in history."""
    edge = Edge(hub, folder, name, device)
    edge.join(hub.admit(name))
    edge.run()
    until(f"samples of {name} at the hub", lambda: len(edge.here()) > 5)
    return edge

"""A node with one counted Modbus device behind it, servers before it, accounts and zones."""

from __future__ import annotations

import asyncio
import json
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from baotu.house.demo import free_port
from baotu.house.file import load
from baotu.house.node import Node
from baotu.kernel.lifecycle import LoopThread
from baotu.sdk import Anonymous, Caller, Denied
from tests.drivers.modbus.device import Device
from tests.house.nodes import token, until
from tests.kernel.writing import Zones

READS = {1, 2, 3, 4}
SPEED, VALVE, FLOW = "plant/pump/speed", "plant/pump/valve", "plant/pump/flow"
CONFIG = """
[node]
name = "one"
[console]
listen = "[::1]:{console}"
[edge]
status = ""
[writes]
tag_interval_s = 0.0
tag_per_min = 100000
caller_per_min = 100000
[[device]]
name = "plc"
driver = "modbus"
host = "::1"
port = {device}
period_s = 0.1
asset = "plant/pump"
[[device.tag]]
property = "speed"
address = "holding:0:float32"
writable = true
low = 0.0
high = 100.0
[[device.tag]]
property = "valve"
address = "holding:2:float32"
writable = true
[[device.tag]]
property = "flow"
address = "holding:4:float32"
[[server]]
name = "opcua-out"
driver = "opcua"
endpoint = "opc.tcp://[::1]:{opcua}"
users = "accounts"
[[server]]
name = "modbus-out"
driver = "modbus"
port = {modbus}
writes = "on"
writes_as = "device:panel"
write_from = ["::1"]
write_tags = ["plant/pump/speed"]
"""
SPARKPLUG = """
[[server]]
name = "sparkplug-out"
driver = "sparkplug"
port = {broker}
host = "::1"
group = "g"
node = "n"
writes = "on"
writes_as = "device:scada"
write_tags = ["plant/pump/speed"]
"""


class People:
    """One account and the devices of this plant."""

    def __init__(self) -> None:
        self.locked: set[str] = set()

    def sign_in(self, name: str, secret: str, via: str = "") -> Caller:
        if (name, secret) != ("eva", "a long secret") or name in self.locked:
            raise Anonymous("名称或密码不对 Wrong name or password")
        permissions = frozenset({"tags.write", "tags.approve", "config.change"})
        return Caller("eva", "plant", permissions, frozenset({"operator"}), via=via)

    def by_certificate(self, der: bytes, via: str = "") -> Caller:
        raise Denied("没有账户有此证书 No account has this certificate")

    def account(self, name: str) -> Caller:
        if name not in ("device:panel", "device:scada") or name in self.locked:
            raise Denied(f"{name} 不在册 {name} is not known")
        return Caller(name, "plant", frozenset({"tags.write"}), kind="device")

    def again(self, caller: Caller) -> Caller:
        if caller.name in self.locked:
            raise Denied(f"{caller.name} 已锁定 {caller.name} is locked")
        return caller


class Plant:
    """The device, as it counts: `writes` are the function codes that would change it."""

    def __init__(self) -> None:
        self.device, self.loop = Device(), LoopThread("device")
        self.port = self.loop.call(self._start())

    async def _start(self) -> int:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = await reader.readexactly(6)
                    rest = await reader.readexactly(struct.unpack(">H", head[4:])[0])
                    writer.write(self.device(head + rest))
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        self.server = await asyncio.start_server(talk, "::1")
        return int(self.server.sockets[0].getsockname()[1])

    @property
    def writes(self) -> list[int]:
        return [f for f in self.device.functions if f not in READS]

    def value(self, register: int) -> float:
        raw = self.device.holding[register : register + 2].astype(">u2").tobytes()
        return float(struct.unpack(">f", raw)[0])

    def stop(self) -> None:
        self.loop.soon(self.server.close)
        self.loop.stop()


class Site:
    """The node with its plant; every way in is a method."""

    def __init__(self, folder: Path, broker: int = 0) -> None:
        self.plant, self.people, self.folder = Plant(), People(), folder
        self.console, self.opcua, self.modbus = free_port(), free_port(), free_port()
        text = CONFIG.format(
            console=self.console, device=self.plant.port, opcua=self.opcua, modbus=self.modbus
        )
        if broker:
            text += SPARKPLUG.format(broker=broker)
        (folder / "node.toml").write_text(text, encoding="utf-8")
        self.policy = Zones(off={VALVE})
        self.node = Node(load(folder / "node.toml"), people=self.people)
        self.node.start()
        assert self.node.hub is not None
        self.hub = self.node.hub
        self.hub.chain.policy = self.policy
        until("the servers are up", lambda: self._up("server", 3 if broker else 2))
        until("the device is read", lambda: self._up("device", 1))
        until("the hub knows the tags", lambda: len(self.hub.plant.all_tags()) == 3)

    def _up(self, kind: str, count: int) -> bool:
        return len([h for h in self.node.board.healths(kind) if h.state == "up"]) == count

    def number(self, tag: str) -> int:
        """The edge's own, which the servers use."""
        return int(self.hub.plant.table.owner(self.hub.plant.tag(tag).id)[1])

    def post(self, tag: str, value: float, **more: Any) -> tuple[int, Any]:
        body = json.dumps({"tag": tag, "value": value, "reason": "test"} | more).encode()
        headers = {"content-type": "application/json", "idempotency-key": more.pop("key", "")}
        headers["authorization"] = f"Bearer {token(self.folder / 'data')}"
        url = f"http://[::1]:{self.console}/api/write"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, body, headers), timeout=30
            ) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def audits(self, *outcomes: str) -> list[str]:
        rows = self.hub.audit().records(limit=100_000)
        return [
            f"{r.caller}: {r.reason}"
            for r in rows
            if r.verb.startswith("tags.") and r.outcome in outcomes
        ]

    def audits_of(self, app: str) -> list[str]:
        rows = self.hub.audit().records(limit=100_000)
        return [r.reason for r in rows if r.verb.startswith(f"{app}.") and r.outcome == "denied"]

    def stop(self) -> None:
        self.node.stop()
        self.plant.stop()


@contextmanager
def site(folder: Path, broker: int = 0) -> Iterator[Site]:
    made = Site(folder, broker)
    try:
        yield made
    finally:
        made.stop()


async def modbus_asked(port: int, *pdus: bytes) -> list[bytes]:
    """The answers to these questions, on one connection."""
    reader, writer = await asyncio.open_connection("::1", port)
    answers = []
    for pdu in pdus:
        writer.write(struct.pack(">HHHB", 7, 0, len(pdu) + 1, 1) + pdu)
        head = await asyncio.wait_for(reader.readexactly(7), 30)
        answers.append(await reader.readexactly(struct.unpack(">H", head[4:6])[0] - 1))
    writer.close()
    return answers


def float_to(register: int, value: float) -> bytes:
    """Function 16 for one float."""
    return struct.pack(">BHHB", 16, register, 2, 4) + struct.pack(">f", value)

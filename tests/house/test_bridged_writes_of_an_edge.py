"""An edge without a hub of its own asks the hub before it writes; without the hub it writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from baotu.house.demo import free_port
from baotu.house.file import load
from baotu.house.node import Node

from .bridged import SPEED, VALVE, People, Plant, float_to, modbus_asked
from .nodes import until

EDGE = """
[node]
name = "edge-1"
role = "edge"
[fabric]
connect = ["tcp/[::1]:{link}"]
[edge]
status = ""
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
[[server]]
name = "panel"
driver = "modbus"
port = {modbus}
writes = "on"
writes_as = "{who}"
write_from = ["::1"]
write_tags = ["plant/pump/*"]
"""
PANEL = """@id("panel")
@title("面板写泵 The panel writes the pump")
permit (principal == Device::"device:panel", action == Action::"tags.write", resource in Asset::"plant/pump");
"""
HUB = """
[node]
name = "hub-1"
role = "hub"
[fabric]
listen = ["tcp/[::1]:{link}"]
[console]
listen = "[::1]:{console}"
[writes]
tag_interval_s = 0.0
"""


class Pair:
    def __init__(self, folder, who: str) -> None:
        (folder / "edge").mkdir()
        (folder / "hub").mkdir()
        self.link, self.modbus, self.plant = free_port(), free_port(), Plant()
        self.config = folder / "hub/h.toml"
        self.config.write_text(HUB.format(link=self.link, console=free_port()))
        edge = EDGE.format(link=self.link, device=self.plant.port, modbus=self.modbus, who=who)
        (folder / "edge/e.toml").write_text(edge)
        self.hub = self.started()
        self.edge = Node(load(folder / "edge/e.toml"))
        self.edge.start()
        until("the hub knows the tags", lambda: len(self.hub.hub.plant.all_tags()) == 2)
        until(
            "the server is up",
            lambda: [h for h in self.edge.board.healths("server") if h.state == "up"],
        )
        until(
            "the device is read",
            lambda: [h for h in self.edge.board.healths("device") if h.state == "up"],
        )
        self.speed = 2 * self.edge.field.edge.tags()[0].id

    def started(self) -> Node:
        node = Node(load(self.config), people=People())
        node.start()
        node.hub.policy.load(PANEL)  # what a security administrator puts in force
        return node

    def ask(self, value: float) -> bytes:
        [answer] = asyncio.run(modbus_asked(self.modbus, float_to(self.speed, value)))
        return answer

    def audits(self) -> list[tuple[str, str, str]]:
        rows = self.hub.hub.audit().records(limit=1000)
        return [(r.caller, r.outcome, r.reason) for r in rows if r.verb.startswith("tags.")]

    def stop(self) -> None:
        self.edge.stop()
        self.hub.stop()
        self.plant.stop()


@pytest.fixture
def pair(tmp_path, request) -> Iterator[Pair]:
    made = Pair(tmp_path, getattr(request, "param", "device:panel"))
    yield made
    made.stop()


def test_the_hub_decides_for_an_edge_and_nothing_is_written_without_it(pair: Pair):
    assert pair.ask(20.0) == float_to(pair.speed, 20.0)[:5]
    assert (pair.plant.writes, pair.plant.value(0)) == ([16], 20.0)
    who, outcome, reason = pair.audits()[0]
    assert (who, outcome) == ("device:panel", "done")
    assert "[panel@edge-1 ::1]" in reason
    assert pair.ask(101.0) == b"\x90\x03"
    pair.hub.stop()
    assert pair.ask(21.0) == b"\x90\x0b", "the gateway's target does not answer"
    assert pair.plant.writes == [16]
    pair.hub = pair.started()
    until("the hub is back", lambda: pair.ask(22.0) == float_to(pair.speed, 22.0)[:5])
    assert pair.plant.value(0) == 22.0


@pytest.mark.parametrize("pair", ["eva"], indirect=True)
def test_an_edge_elsewhere_never_speaks_for_a_person(pair: Pair):
    assert pair.ask(20.0) == b"\x90\x01"
    assert pair.plant.writes == []
    _, outcome, reason = pair.audits()[0]
    assert outcome == "denied" and "may speak for devices only" in reason
    assert (SPEED in reason, VALVE in reason) == (True, False)

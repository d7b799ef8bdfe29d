"""A log belongs to the edge that first used it: nobody else fills its sequences or closes its gaps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from baotu.fabric.frame import encode, seal
from baotu.fabric.message import Answer, FramesHead, HelloHead, Lost, key, pack, pack_table
from baotu.fabric.owners import Owners
from baotu.fabric.sender import FOREIGN
from baotu.fabric.session import open_wire
from baotu.fabric.settings import FabricSettings
from baotu.fabric.wire import Wire, wait
from tests.fabric.plant import Hub, edge, frame, tags, until


@pytest.fixture
def wire() -> Iterator[Wire]:
    found = open_wire(FabricSettings(), "all")
    yield found
    found.close()


def test_the_first_who_uses_a_log_owns_it_after_a_restart_too(tmp_path: Path) -> None:
    owners = Owners(tmp_path / "fabric/logs")
    assert owners.own("a1", "e1") and owners.own("a1", "e1")
    assert not owners.own("a1", "e2")
    again = Owners(tmp_path / "fabric/logs")
    assert not again.own("a1", "e2") and again.own("a1", "e1")
    assert again.owner("a1") == "e1" and again.owner("b2") == ""


def test_a_torn_line_is_no_owner_and_spoils_nothing(tmp_path: Path) -> None:
    file = tmp_path / "logs"
    assert Owners(file).own("a1", "e1")
    with file.open("a") as torn:
        torn.write("b2 e")  # the machine fell here
    owners = Owners(file)
    assert owners.owner("b2") == ""
    assert owners.own("c3", "e3") and owners.own("b2", "e2")
    again = Owners(file)
    assert [again.owner(log) for log in ("a1", "c3")] == ["e1", "e3"]


def test_what_is_no_id_owns_nothing(tmp_path: Path) -> None:
    owners = Owners(tmp_path / "logs")
    assert not owners.own("a1 e2\nb2", "e1") and not owners.own("", "e1")
    assert not (tmp_path / "logs").exists()


def test_a_stolen_id_fills_no_sequence_and_closes_no_gap(wire: Wire, tmp_path: Path) -> None:
    hub, link = Hub(wire, tmp_path, logs=tmp_path / "logs"), edge(wire, tmp_path / "log")
    link.hello(tags(3))
    link.append(frame(0))
    assert link.drained(20)
    version, [table] = pack_table(tags(3))
    hello = HelloHead(log=link.log.id, version=version, part=0, parts=1, edge="e2").pack()
    assert wait(wire, key("hub", "hello", "e2"), table, head=hello) == bytes(Answer.TAKEN)
    head = FramesHead(log=link.log.id, after=None, version=version, live=True, edge="e2").pack()
    stolen = wait(wire, key("hub", "frames", "e2"), seal(2, encode(frame(9))), head=head)
    assert stolen == bytes(Answer.REFUSED)
    lost = pack(Lost(edge="e2", log=link.log.id, first=2, last=900, why="lies"))
    assert wait(wire, key("hub", "lost", "e2"), lost) == bytes(Answer.REFUSED)
    asked = wait(wire, key("hub", "spans", "e2"), link.log.id.encode())
    assert asked == bytes(Answer.REFUSED)
    for number in range(1, 20):
        link.append(frame(number))
    assert link.drained(20)
    assert hub.values(100) == list(range(20))
    assert until(lambda: bool(hub.audit))
    assert hub.audit == [("log of another edge", {"edge": "e2", "log": link.log.id, "of": "e1"})]
    link.close()
    hub.close()


def test_an_edge_with_the_log_of_another_says_so_and_keeps_its_samples(
    wire: Wire, tmp_path: Path
) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    link.hello(tags(3))
    link.append(frame(0))
    assert link.drained(20)
    link.close()
    renamed = edge(wire, tmp_path / "log", name="e2")
    renamed.hello(tags(3))
    renamed.append(frame(1))
    assert until(lambda: renamed.refused == FOREIGN)
    assert renamed.linked is False and not renamed.drained(1.0)
    assert hub.values(100) == [0]
    renamed.close()
    hub.close()

"""From the edge's log into the hub's history: everything once, whatever fails between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from baotu.fabric.frame import BODY, encode, seal
from baotu.fabric.message import Answer, FramesHead, key
from baotu.fabric.session import open_wire
from baotu.fabric.settings import FabricSettings
from baotu.fabric.wire import Wire, ZenohWire, wait
from baotu.sdk import Samples, Unreachable
from baotu.sdk.health import Health
from baotu.sdk.ports import Reply
from baotu.sdk.testing.clock import JumpingClock
from tests.fabric.plant import Hub, edge, frame, tags, until


@pytest.fixture
def wire() -> Iterator[ZenohWire]:
    found = open_wire(FabricSettings(), "all")
    yield found
    found.close()


def test_samples_arrive_renumbered_once_and_are_published_once(wire: Wire, tmp_path: Path) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    link.hello(tags(3))
    for i in range(50):
        assert link.append(frame(i)) == i + 1
    assert link.drained(10)
    assert hub.values(101) == list(range(50))
    assert until(lambda: sum(len(s) for s, _, _ in hub.published) == 150)
    assert {(live, name) for _, live, name in hub.published} == {(True, "e1")}
    assert set(np.concatenate([s.tag for s, _, _ in hub.published]).tolist()) == {100, 101, 102}
    assert hub.tables == [("e1", 3)] and link.figures()["linked"] == 1
    link.close()
    hub.close()


def test_texts_travel_beside_numbers(wire: Wire, tmp_path: Path) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    link.hello(tags(2))
    link.append(Samples.of([0], [1], [1.5]))
    link.append(Samples.of([1], [2], ["停机"]))
    assert link.drained(10)
    assert [s.value.tolist() for s in hub.history.latest(np.array([100, 101]))] == [[1.5], ["停机"]]
    link.close()
    hub.close()


def test_an_edge_waits_for_its_hub_and_a_hub_for_its_edge(wire: Wire, tmp_path: Path) -> None:
    link = edge(wire, tmp_path / "log")
    link.hello(tags(3))
    for i in range(20):
        link.append(frame(i))
    assert until(lambda: link.figures()["linked"] == 0 and link.figures()["durable"] == 20)
    hub = Hub(wire, tmp_path)
    assert link.drained(10)
    hub.close()
    for i in range(20, 30):
        link.append(frame(i))
    assert not link.drained(0.1)
    hub = Hub(wire, tmp_path)  # a new one: it does not know the tags, so it asks for them
    assert link.drained(10)
    assert hub.values(100) == list(range(30)) and hub.tables == [("e1", 3)]
    link.close()
    hub.close()


def test_a_restarted_edge_sends_only_what_is_missing(wire: Wire, tmp_path: Path) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    link.hello(tags(3))
    link.append(frame(0))
    assert link.drained(10)
    link.close()
    link = edge(wire, tmp_path / "log")
    link.append(frame(1))
    link.hello(tags(3))
    assert link.drained(10)
    assert hub.values(100) == [0, 1]
    assert sum(len(s) for s, _, _ in hub.published) == 6
    link.close()
    hub.close()


def test_a_long_backlog_follows_while_the_newest_goes_first(wire: Wire, tmp_path: Path) -> None:
    link = edge(wire, tmp_path / "log", short_frames=20)
    for i in range(3_000):
        link.append(frame(i, size=200))
    assert until(lambda: link.figures()["durable"] == 3_000)
    hub = Hub(wire, tmp_path, rows=5_000)
    link.hello(tags(200))
    assert until(lambda: link.figures()["linked"] == 1)
    for i in range(3_000, 3_010):
        link.append(frame(i, size=200))
    assert link.drained(30)
    assert hub.values(150) == list(range(3_010))
    late = [int(v) for s, live, _ in hub.published if not live for v in s.value[s.tag == 100]]
    live = [int(v) for s, live, _ in hub.published if live for v in s.value[s.tag == 100]]
    assert late == sorted(late) and live == sorted(live) and live[-1] == 3_009
    assert sorted(late + live) == list(range(3_010)) and len(late) == 3_000
    link.close()
    hub.close()


def test_what_a_full_log_dropped_is_audited_and_its_gap_closed(wire: Wire, tmp_path: Path) -> None:
    link = edge(wire, tmp_path / "log", log_mb=8, segment_mb=1)
    rng = np.random.default_rng(1)
    for i in range(40):
        link.append(Samples.of(np.arange(40_000), i * 10**9, rng.normal(0, 1, 40_000)))
    assert link.log.dropped > 0
    hub = Hub(wire, tmp_path)
    link.hello(tags(40_000))
    assert link.drained(20)
    lost = [facts for what, facts in hub.audit if what == "frames lost"]
    assert [(f["first"], f["last"]) for f in lost] == [(1, link.log.first - 1)]
    assert hub.history.spans(link.log.id) == [(1, 40)]
    assert hub.history.read(100, 0, 2**62).time.tolist() == [
        i * 10**9 for i in range(link.log.first - 1, 40)
    ]
    link.close()
    hub.close()


def test_a_damaged_segment_is_confessed_and_the_rest_arrives(wire: Wire, tmp_path: Path) -> None:
    link = edge(wire, tmp_path / "log")
    for i in range(10):
        link.append(frame(i))
    link.close()
    path = next((tmp_path / "log").glob("*.log"))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 255
    path.write_bytes(raw)
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    link.hello(tags(3))
    link.append(frame(10))
    assert link.drained(10)
    (lost,) = [facts for what, facts in hub.audit if what == "frames lost"]
    assert lost["first"] == lost["last"]
    assert hub.values(100) == [i for i in range(11) if i != int(lost["first"]) - 1]
    assert hub.history.spans(link.log.id) == [(1, 11)]
    link.close()
    hub.close()


def test_a_frame_that_does_not_decode_is_quarantined_and_stalls_nothing(
    wire: Wire, tmp_path: Path
) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    link.hello(tags(3))
    link.append(frame(0))
    link.log.append(BODY.pack(5, 0, 0) + b"this is not zlib")
    link.append(frame(2))
    assert link.drained(10)
    assert hub.values(100) == [0, 2]
    (facts,) = [facts for what, facts in hub.audit if what == "frame quarantined"]
    assert facts["sequence"] == 2
    kept = tmp_path / "quarantine" / str(facts["file"])
    assert kept.read_bytes().endswith(b"this is not zlib")
    link.close()
    hub.close()


def test_a_tag_that_came_later_is_announced_before_its_frames(wire: Wire, tmp_path: Path) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    for count in range(1, 12):
        link.hello(tags(count))
        link.append(frame(count, size=count))
    assert link.drained(10)
    assert hub.values(110) == [11] and hub.values(100) == list(range(1, 12))
    assert hub.link.figures()["unknown_samples"] == 0
    link.close()
    hub.close()


def test_samples_of_a_tag_nobody_announced_are_set_aside_the_others_kept(
    wire: Wire, tmp_path: Path
) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    link.hello(tags(2))
    link.append(frame(7, size=5))
    assert link.drained(10)
    assert (hub.values(101), hub.values(102)) == ([7], [])
    assert hub.link.figures()["unknown_samples"] == 3
    assert [what for what, _ in hub.audit] == ["frame quarantined"]
    link.close()
    hub.close()


def test_a_hundred_thousand_tags_are_announced(wire: Wire, tmp_path: Path) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    link.hello(tags(100_000))
    link.append(Samples.of([99_999], [1], [1.0]))
    assert link.drained(30)
    assert hub.values(100_099) == [1.0] and hub.tables == [("e1", 100_000)]
    link.close()
    hub.close()


def test_a_history_that_cannot_store_loses_nothing(wire: Wire, tmp_path: Path) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    right, failing = hub.history.append, [True]

    def append(batches: object) -> list[bool]:
        if failing[0]:
            raise Unreachable("disk full")
        return right(batches)  # type: ignore[arg-type]

    hub.history.append = append  # type: ignore[method-assign]
    link.hello(tags(3))
    for i in range(10):
        link.append(frame(i))
    assert until(lambda: hub.link.figures()["commits"] >= 1)
    assert hub.values(100) == [] and not hub.published
    failing[0] = False
    assert link.drained(15)
    assert hub.values(100) == list(range(10))
    link.close()
    hub.close()


def test_two_edges_do_not_mix(wire: Wire, tmp_path: Path) -> None:
    hub = Hub(wire, tmp_path)
    links = [edge(wire, tmp_path / name, name) for name in ("e1", "e2")]
    hub.adopt = lambda name, tags: np.arange(len(tags)) + (1_000 if name == "e2" else 0)  # type: ignore[method-assign]
    hub.link.desk.adopt = hub.adopt
    for link in links:
        link.hello(tags(3))
        for i in range(10):
            link.append(frame(i))
    assert all(link.drained(10) for link in links)
    assert hub.values(2) == hub.values(1_002) == list(range(10))
    for link in links:
        link.close()
    hub.close()


def test_a_write_reaches_the_edge_and_its_answer_comes_back(wire: Wire, tmp_path: Path) -> None:
    asked = []

    def on_write(tag: int, value: float | str, deadline: int) -> Reply:
        asked.append((tag, value, deadline - time.time_ns() < 5 * 10**9))
        return Reply(done=True, value=value)

    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log", on_write=on_write)
    soon = time.time_ns() + 5 * 10**9
    assert hub.link.write("e1", 4, 21.5, soon) == Reply(done=True, value=21.5)
    assert hub.link.write("e1", 5, "auto", soon).value == "auto"
    assert asked == [(4, 21.5, True), (5, "auto", True)]
    assert not hub.link.write("e1", 4, 1.0, time.time_ns() - 1).done
    late = hub.link.write("nobody", 4, 1.0, time.time_ns() + 5 * 10**9)
    assert not late.done and "did not answer" in late.why
    assert len(asked) == 2
    link.close()
    hub.close()


def test_a_write_whose_callback_fails_is_told(wire: Wire, tmp_path: Path) -> None:
    def on_write(tag: int, value: float | str, deadline: int) -> Reply:
        raise Unreachable("press3 does not answer")

    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log", on_write=on_write)
    reply = hub.link.write("e1", 4, 21.5, time.time_ns() + 5 * 10**9)
    assert not reply.done and reply.why.endswith("press3 does not answer")
    link.close()
    hub.close()


def test_the_state_of_an_edge_is_heard(wire: Wire, tmp_path: Path) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    health = Health(
        kind="device", name="press3", state="down", since=5, why="lost", figures={"n": 2}
    )
    assert until(lambda: link.status([health]) or bool(hub.statuses))
    assert hub.statuses[0] == ("e1", [health])
    link.close()
    hub.close()


def test_messages_that_follow_nothing_or_are_no_messages_are_refused(
    wire: Wire, tmp_path: Path
) -> None:
    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log")
    link.hello(tags(3))
    link.append(frame(0))
    assert link.drained(10)
    link.close()

    def send(after: int | None, data: bytes, name: str = "e1") -> bytes | None:
        log = name[0] * 32  # each its own
        head = FramesHead(log=log, after=after, version=1, live=True, edge=name).pack()
        return wait(wire, key("hub", "frames", name), data, head=head)

    good = encode(frame(1))
    assert send(None, seal(5, good), "stranger") == bytes(Answer.HELLO)
    assert send(4, seal(5, good)) == bytes(Answer.REFUSED)
    assert send(None, seal(5, good)) == bytes(Answer.TAKEN)
    assert send(5, seal(7, good)) == bytes(Answer.REFUSED)
    assert send(5, seal(6, good)[:-1]) == bytes(Answer.REFUSED)
    assert send(5, b"") == bytes(Answer.REFUSED)
    assert send(5, seal(6, good) + seal(7, good)) == bytes(Answer.TAKEN)
    assert wait(wire, key("hub", "frames", "e1"), b"x", head=b"short") == bytes(Answer.REFUSED)
    assert wait(wire, key("hub", "hello", "e1"), b"x", head=b"short") == bytes(Answer.REFUSED)
    assert hub.history.spans("e" * 32) == [(5, 7)]
    hub.close()


def test_a_wall_clock_that_jumps_at_the_edge_disturbs_neither_samples_nor_writes(
    wire: Wire, tmp_path: Path
) -> None:
    clock, deadlines = JumpingClock(now=0), list[int]()

    def on_write(tag: int, value: float | str, deadline: int) -> Reply:
        deadlines.append(deadline - clock.now())
        return Reply(done=True)

    hub, link = Hub(wire, tmp_path), edge(wire, tmp_path / "log", on_write=on_write, clock=clock)
    link.hello(tags(3))
    for i, jump in enumerate((0, 3_600, -7_200, 10**7)):
        clock.jump_wall(jump)
        link.append(frame(i))
        assert hub.link.write("e1", 1, 1.0, time.time_ns() + 5 * 10**9).done
    assert link.drained(10)
    assert hub.values(100) == [0, 1, 2, 3]
    assert all(0 < left <= 5 * 10**9 for left in deadlines)
    link.close()
    hub.close()

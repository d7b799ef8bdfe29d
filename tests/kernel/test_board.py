"""Changes of state are logged, states are not; committed samples reach everyone once."""

import asyncio
import threading

import pytest
import structlog

from baotu.kernel.board import HealthBoard
from baotu.kernel.lifecycle import LoopThread, Stack
from baotu.kernel.live import LiveBus
from baotu.sdk import Samples
from baotu.sdk.health import Health


def health(state, why="", name="plc"):
    return Health(kind="device", name=name, state=state, since=0, why=why)


def test_lost_is_logged_once_and_back_once():
    board = HealthBoard("node")
    with structlog.testing.capture_logs() as logged:
        for state in ("up", "up", "down", "down", "down", "up"):
            board.put(health(state, "no route"))

    assert [(e["event"], e["log_level"]) for e in logged] == [
        ("up", "info"),
        ("down", "warning"),
        ("up", "info"),
    ]


def test_the_board_shows_the_newest_of_each_and_forgets_what_is_gone():
    board = HealthBoard("node")
    board.put(health("up", name="b"))
    board.put(health("down", name="a"))
    board.put(health("up", name="a"))
    board.drop("device", "b")

    assert [(h.name, h.state) for h in board.healths("device")] == [("a", "up")]
    assert board.healths("link") == []


def test_a_watcher_that_fails_is_dropped_and_the_others_go_on():
    bus, heard = LiveBus(), []

    def broken(samples):
        raise RuntimeError("no")

    bus.watch(broken)
    stop = bus.watch(heard.append)
    for _ in range(2):
        bus.publish(Samples.of(1, 0, [1.0]))
    stop()
    bus.publish(Samples.of(1, 0, [2.0]))

    assert [s.value.tolist() for s in heard] == [[1.0], [1.0]]


def test_a_loop_in_its_own_thread_answers_and_ends_what_is_left():
    loop, ended = LoopThread("test"), threading.Event()

    async def wait():
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def answer():
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        return task is not None

    assert loop.call(answer())
    with pytest.raises(TimeoutError):
        loop.call(wait(), deadline_s=0.05)
    loop.stop()
    assert ended.is_set()


def test_what_was_started_is_stopped_in_reverse_even_past_a_failure():
    stack, order = Stack(), []
    stack.add("first", lambda: order.append("first"))
    stack.add("broken", lambda: 1 / 0)
    stack.add("last", lambda: order.append("last"))
    stack.close()

    assert order == ["last", "first"]

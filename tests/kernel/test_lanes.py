"""Lanes: everybody is answered in turn, a slow question holds only its own lane."""

from __future__ import annotations

import threading

import pytest

from baotu.kernel.lanes import Lanes


def at_once(lanes: Lanes, count: int) -> list[int]:
    replies: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: replies.append(lanes.do(lambda: n)))
        for n in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return sorted(replies)


def test_every_caller_gets_its_own_answer():
    for lanes in (1, 2, 5):
        assert at_once(Lanes(lanes), 200) == list(range(200))


def test_an_error_goes_to_who_asked_and_the_lane_goes_on():
    lanes = Lanes(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            lanes.do(lambda: 1 // 0)
    assert lanes.do(lambda: 5) == 5


def test_a_slow_question_holds_one_lane_only():
    lanes, entered, leave = Lanes(2), threading.Event(), threading.Event()

    def slow() -> bool:
        entered.set()
        return leave.wait(10)

    thread = threading.Thread(target=lambda: lanes.do(slow))
    thread.start()
    assert entered.wait(5)
    assert at_once(lanes, 50) == list(range(50))
    leave.set()
    thread.join(5)
    assert not thread.is_alive()

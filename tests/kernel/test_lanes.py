"""Lanes: everybody has his turn, a slow question does not hold up the others."""

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


class Slow:
    """Questions that have begun and do not end before they are let go."""

    def __init__(self, lanes: Lanes, count: int) -> None:
        self.leave, self.begun = threading.Event(), threading.Semaphore(0)
        self.threads = [threading.Thread(target=lanes.do, args=(self._wait,)) for _ in range(count)]

    def _wait(self) -> None:
        self.begun.release()
        assert self.leave.wait(10)

    def __enter__(self) -> Slow:
        for thread in self.threads:
            thread.start()
        for _ in self.threads:
            assert self.begun.acquire(timeout=5)
        return self

    def __exit__(self, *_: object) -> None:
        self.leave.set()
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()


def test_every_caller_gets_its_own_answer():
    for most in (1, 2, 5):
        assert at_once(Lanes(most), 200) == list(range(200))


def test_one_question_runs_at_a_time():
    lanes, under_way, seen = Lanes(3, now=lambda: 0.0), [], []

    def work() -> None:
        under_way.append(1)
        seen.append(len(under_way))
        under_way.pop()

    threads = [threading.Thread(target=lanes.do, args=(work,)) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == [1] * 100


def test_an_error_goes_to_who_asked_and_the_turns_go_on():
    lanes = Lanes(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            lanes.do(lambda: 1 // 0)
    assert lanes.do(lambda: 5) == 5


def test_slow_questions_do_not_hold_up_the_others():
    lanes = Lanes(3, patience_s=0.001)
    with Slow(lanes, 2):
        assert at_once(lanes, 50) == list(range(50))
    assert at_once(lanes, 50) == list(range(50))


def test_a_question_may_ask_another_one():
    lanes = Lanes(2, patience_s=0.001)
    assert lanes.do(lambda: lanes.do(lambda: 5)) == 5


def test_there_are_never_more_than_the_most():
    lanes = Lanes(2, patience_s=0.001)
    third = threading.Event()
    with Slow(lanes, 2):
        waits = threading.Thread(target=lanes.do, args=(third.set,))
        waits.start()
        assert not third.wait(0.05)
    waits.join(5)
    assert third.is_set()

"""Writes: off by default, checked, expiring, read back, and each outcome in the audit."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from baotu.bench import MORNING, Bench
from baotu.kernel.writes import Writes
from baotu.sdk import App, Caller, Denied, Quality, Refused, Samples, Unreachable, Write, stream
from baotu.sdk.ports import Reply
from baotu.sdk.testing import samples

SECOND = 10**9
GRANTS = {"trips": frozenset({"tags.write"})}
OPERATOR = Caller("wu", "spring", frozenset({"tags.write"}))


class Trips(App):
    """Stops what runs too hot."""

    @stream(asset="Motor", property="temperature")
    def trip(self, samples: Samples) -> Iterator[Write]:
        for tag, one in samples.by_tag():
            if (one.value > 100).any():
                yield Write(8, 0.0, "too hot", expires_s=5.0, evidence=(tag,))


class Hands:
    """Actuators that note what they were told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.told = error, []
        self.deadline, self.gone = 0, threading.Event()

    def write(self, tag: int, value: float | str, deadline: int) -> Reply:
        self.told.append((tag, value))
        self.deadline = deadline
        self.gone.set()
        if self.error:
            raise self.error
        return Reply(done=True, value=value)


def made(hands: Hands, grants=GRANTS) -> tuple[Bench, list]:
    bench = Bench(Trips(), actuators=hands, grants=grants)
    orders: list = []
    bench.chain.orders = orders.append
    bench.plant.know("Motor", "running", [8])
    return bench, orders


def audits(bench: Bench) -> list[tuple[str, str]]:
    return [(row[4], row[5]) for row in bench.dump()["ledger_audit_record"]]


def tripped(hands: Hands, quality: int = Quality.GOOD, grants=GRANTS) -> tuple[Bench, list]:
    bench, orders = made(hands, grants)
    bench.feed("Motor", "temperature", samples(7, [120], start=MORNING, quality=quality))
    return bench, orders


def test_a_write_is_carried_out_after_the_commit_read_back_and_audited():
    bench, [order] = tripped(hands := Hands())
    Writes(bench.chain).carry_out(order)
    assert hands.told == [(8, 0.0)]
    assert hands.deadline == bench.clock.time + 5 * SECOND
    assert audits(bench) == [("done", "spring/motor-1/running = 0.0: too hot; read back 0.0")]


def test_without_a_grant_nothing_is_written_and_the_audit_says_why():
    bench, [order] = tripped(hands := Hands(), grants={})
    Writes(bench.chain).carry_out(order)
    assert hands.told == []
    [(outcome, why)] = audits(bench)
    assert outcome == "denied" and "app:trips may not spring/motor-1/running" in why


def test_a_write_that_comes_too_late_is_not_carried_out():
    bench, [order] = tripped(hands := Hands())
    bench.clock.time += 6 * SECOND
    Writes(bench.chain).carry_out(order)
    assert hands.told == []
    assert audits(bench)[0][0] == "expired"


@pytest.mark.parametrize("quality", [Quality.BAD_SENSOR_FAILURE, Quality.UNCERTAIN])
def test_a_write_on_bad_evidence_is_refused(quality):
    bench, [order] = tripped(hands := Hands(), quality)
    Writes(bench.chain).carry_out(order)
    assert hands.told == []
    assert "evidence is not good: spring/motor-1/temperature" in audits(bench)[0][1]


@pytest.mark.parametrize("error", [Refused("interlock"), Unreachable("no answer")])
def test_what_the_device_says_is_audited(error):
    bench, [order] = tripped(Hands(error))
    Writes(bench.chain).carry_out(order)
    assert audits(bench)[0][0] == "refused"
    assert str(error) in audits(bench)[0][1]


def test_a_person_writes_with_a_permission_and_hears_the_read_back():
    bench, _ = made(Hands())
    writes = Writes(bench.chain)
    assert writes.write(8, 1.0, OPERATOR, "start") == Reply(done=True, value=1.0)
    with pytest.raises(Denied, match=r"needs tags\.write"):
        writes.write(8, 1.0, Caller("li", "spring", frozenset()), "start")
    assert [outcome for outcome, _ in audits(bench)] == ["done", "denied"]


def test_a_read_only_tag_is_never_written():
    bench, _ = made(hands := Hands())
    from dataclasses import replace

    bench.plant._tags[8] = replace(bench.plant._tags[8], writable=False)
    with pytest.raises(Denied, match="read only; set writable"):
        Writes(bench.chain).write(8, 1.0, OPERATOR, "start")
    assert hands.told == []


def test_writes_run_on_threads_of_their_own_and_stop_in_time():
    bench, _ = made(hands := Hands())
    writes = Writes(bench.chain)
    writes.start()
    bench.feed("Motor", "temperature", samples(7, [120], start=MORNING))
    assert hands.gone.wait(5)
    writes.stop(5)
    assert audits(bench)[0][0] == "done"


def test_where_writes_are_off_the_audit_says_so():
    bench, _ = made(Hands())
    bench.chain.orders = None
    bench.feed("Motor", "temperature", samples(7, [120], start=MORNING))
    assert audits(bench) == [("refused", "writes are off on this node")]

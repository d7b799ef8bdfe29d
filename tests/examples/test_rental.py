"""Rental, without a browser, an event loop or a mock."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from baotu.bench import Bench
from baotu.sdk import Conflict, Denied, Invalid, Quality, Samples, view
from baotu.sdk.testing.apps import check_app
from baotu.sdk.testing.business import Do, Feed, Work
from tests.examples.rental import Rental

FROM, TO = datetime(2026, 6, 1, 8, tzinfo=UTC), datetime(2026, 6, 3, 8, tzinfo=UTC)
PRESS = {"machine": "press 3", "tag": 7, "price": "80.50"}
BOOKING = {"offer": 1, "customer": "Wu", "start": FROM, "end": TO}


def hours(*counter: float) -> Samples:
    n = len(counter)
    time = int(FROM.timestamp()) * 10**9 + np.arange(n) * 3600 * 10**9
    return Samples(np.full(n, 7, "i4"), time, np.array(counter), np.full(n, Quality.GOOD, "u1"))


STORY = (
    Do("offer", PRESS),
    Do("offer", PRESS | {"machine": "crane 1", "tag": 8}),
    Do("book", BOOKING),
    Feed("RentalMachine", "hours", hours(0.0, 0.8, 1.9, 2.5, 3.25)),
    Do("invoice", {"booking": 1}),
    Do("plan_round", {"restarts": 3}),
    Work(),
)  # fmt: skip


@pytest.fixture
def bench() -> Bench:
    bench = Bench(Rental())
    bench.do("offer", **PRESS)
    return bench


def test_rental_is_a_conforming_app():
    check_app(Rental, bench=Bench, story=STORY)


def test_a_machine_is_booked_once(bench):
    assert bench.do("book", **BOOKING) == 1
    with pytest.raises(Conflict, match="start: Wu has it until 2026-06-03 08:00"):
        bench.do("book", **BOOKING | {"customer": "Li"})
    assert [f.kind for f in bench.facts] == ["rental.booked"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"end": FROM}, "end"),
        ({"start": "2026-06-01T08:00"}, "start"),
        ({"offer": "x"}, "offer"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_request_names_the_field(bench, change, field):
    with pytest.raises(Invalid) as wrong:
        bench.do("book", **BOOKING | change)
    assert wrong.value.field == field


def test_metered_hours_are_invoiced_once_and_in_double_entry(bench):
    bench.do("book", **BOOKING)
    bench.feed("RentalMachine", "hours", hours(100.0, 103.25))
    assert bench.do("invoice", booking=1) == Decimal("261.63")  # 3.25 h at 80.50 is 261.625
    assert bench.ask("balances") == {
        "receivable:Wu": Decimal("261.63"),
        "revenue:rental": Decimal("-261.63"),
    }
    with pytest.raises(Conflict, match="has not run since"):
        bench.do("invoice", booking=1)


def test_the_page_is_a_value(bench):
    bench.do("book", **BOOKING)
    [gantt] = [item for item in view.walk(bench.see("overview")) if isinstance(item, view.Gantt)]
    assert gantt == view.Gantt((view.Bar("press 3", FROM, TO, "Wu"),), title="排期 Schedule")


def test_the_round_is_planned_by_a_job_and_shown(bench):
    bench.do("offer", machine="mill 7", tag=8, price=1, longitude=117.5)
    bench.do("plan_round", restarts=5)
    bench.work()
    [shown] = [item for item in view.walk(bench.see("overview")) if isinstance(item, view.Map)]
    assert sorted(shown.route) == ["mill 7", "press 3"]


def test_denied_is_audited(bench):
    with pytest.raises(Denied, match=r"needs rental\.offer"):
        bench.as_other(permissions=frozenset()).do("offer", **PRESS)
    outcomes = [row[4] for row in bench.dump()["ledger_audit_record"]]
    assert outcomes == ["done", "denied"]

"""Samples to apps: selection, savepoints, overflow read again, apps stopped, alarms resumed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Mapped

from baotu.bench import MORNING, Bench
from baotu.kernel.streams import Streams, chosen
from baotu.sdk import (
    Alarm,
    App,
    Conflict,
    Hysteresis,
    Records,
    Samples,
    Table,
    parameter,
    per_tag,
    query,
    stream,
)
from baotu.sdk.ports import Arrival
from baotu.sdk.testing import samples

SECOND = 10**9


class Reading(Table):
    tag: Mapped[int]
    value: Mapped[float]


class Hot(App):
    """Alarm above the limit."""

    limit = parameter(80.0, title="限 Limit")

    def start(self) -> None:
        self.level = per_tag(Hysteresis, high=self.limit, low=self.limit - 5)

    @stream(asset="Motor", property="temperature")
    def on_temperature(self, samples: Samples) -> Iterator[Alarm]:
        for edge in self.level.edges(samples.good()):
            yield Alarm(edge.tag, edge.time, edge.high, f"{edge.value:.0f}")


class Keeps(App):
    """Keeps what it hears."""

    tables = (Reading,)

    def start(self) -> None:
        self.heard: list[float] = []

    @stream(asset="Motor", property="temperature")
    def keep(self, samples: Samples, records: Records) -> None:
        for tag, value in zip(samples.tag.tolist(), samples.value.tolist(), strict=True):
            self.heard.append(value)
            records.put(Reading(tag=tag, value=value))

    @query(title="值 Values")
    def values(self, records: Records) -> list[float]:
        return list(records.scalars(select(Reading.value).order_by(Reading.id)))


class Fails(App):
    """Fails while there is a 13."""

    tables = (Reading,)

    @stream(asset="Motor", property="temperature")
    def fail(self, samples: Samples, records: Records) -> None:
        records.put(Reading(tag=0, value=-1.0))
        if (samples.value == 13).any():
            raise ZeroDivisionError("13")


class Refuses(App):
    """Raises what only a command may."""

    @stream(asset="Motor", property="temperature")
    def refuse(self, samples: Samples) -> None:
        raise Conflict("samples", "not today")


def hot(bench: Bench) -> list[tuple[int, str]]:
    return [(row[1], row[5]) for row in bench.dump()["alarms_alarm_row"]]


def test_only_the_property_of_the_type_arrives():
    bench = Bench(Hot())
    bench.feed("Motor", "temperature", samples(7, [70, 90], start=MORNING))
    bench.feed("Motor", "speed", samples(8, [900], start=MORNING))
    bench.feed("Pump", "temperature", samples(9, [900], start=MORNING))
    assert [(f.tag, f.active) for f in bench.facts] == [(7, True)]


def test_a_tag_beyond_the_table_is_not_wanted():
    wanted = np.array([False, True])
    assert chosen(wanted, np.array([0, 1, 2, 10**6], "i4")).tolist() == [False, True, False, False]


def test_one_failing_app_undoes_only_itself():
    bench = Bench(Keeps(), Fails())
    with pytest.raises(ZeroDivisionError):
        bench.feed("Motor", "temperature", samples(7, [1, 13], start=MORNING))
    assert bench.ask("values") == [1.0, 13.0]


def test_an_app_is_stopped_after_five_bugs_in_a_row_and_the_others_go_on():
    bench = Bench(Keeps(), Fails(), Refuses())
    for n in range(7):
        bench.plant.know("Motor", "temperature", [7])
        bench.streams.run(samples(7, [13.0 if n != 1 else n], start=MORNING))
    assert len(bench.ask("values")) == 7 + 1  # and the one that Fails kept
    assert bench.chain.blame.stopped("fails")
    assert bench.chain.blame.stopped("refuses")
    assert not bench.chain.blame.stopped("keeps")


def streams(bench: Bench, capacity: int) -> Streams:
    bench.plant.know("Motor", "temperature", [7, 8])
    made = Streams(bench.chain, bench.plant, bench.past, capacity=capacity)
    made.pump()
    return made


def test_what_does_not_fit_is_read_again_from_history_in_its_place():
    bench = Bench(app := Keeps())
    slow = streams(bench, capacity=2)
    bench.past.follow(slow.take)
    for n in range(10):
        bench.past.add(samples(7, [float(n)], start=MORNING + n * SECOND))
    slow.pump()
    bench.past.add(samples(7, [10.0], start=MORNING + 10 * SECOND))
    slow.pump()
    assert app.heard == [float(n) for n in range(11)]
    assert slow.intake.overflows == 8


def test_the_hub_is_never_kept_waiting_and_only_wanted_tags_are_kept():
    bench = Bench(Keeps())
    slow = streams(bench, capacity=1)
    for part in (samples(99, [1.0]), Samples.of([7, 99, 8], [1, 1, 1], [1.0, 2.0, 3.0])):
        start = bench.past.place()
        bench.past.add(part)
        slow.take(Arrival(start=start, end=bench.past.place(), live=(part,)))
    waiting = [part.tag.tolist() for item in slow.intake._queue for part in item.samples]
    assert waiting == [[7, 8]]


def test_the_thread_runs_what_waits_and_stops_in_time():
    bench = Bench(app := Keeps())
    made = streams(bench, capacity=100)
    made.start()
    for n in range(50):
        bench.past.add(samples(7, [float(n)], start=MORNING + n * SECOND))
    made.stop(5)
    assert app.heard == [float(n) for n in range(50)]


def test_a_handler_with_nothing_to_say_costs_no_transaction():
    bench = Bench(Hot())
    bench.plant.know("Motor", "temperature", [7])
    with bench.store.writing():  # a transaction would wait for ever
        bench.streams.run(samples(7, [20, 21], start=MORNING))
    assert bench.facts == []


def again(bench: Bench, *after: float) -> Bench:
    """The platform fell; these samples came to history while it was away; it starts again."""
    if after:
        bench.past.add(samples(7, after, start=MORNING + 60 * SECOND))
    bench.clock.time += 120 * SECOND
    return Bench(Hot(), after=bench)


def test_an_alarm_that_ended_while_the_platform_was_away_returns():
    bench = Bench(Hot())
    bench.feed("Motor", "temperature", samples(7, [90], start=MORNING))
    assert hot(bench) == [(7, "unacknowledged")]
    assert hot(again(bench, 60.0)) == [(7, "returned")]


def test_an_alarm_that_still_stands_is_not_told_twice():
    bench = Bench(Hot())
    bench.feed("Motor", "temperature", samples(7, [90], start=MORNING))
    bench = again(bench, 91.0)
    assert hot(bench) == [(7, "unacknowledged")]
    bench.streams.run(samples(7, [60], start=bench.clock.time))
    assert hot(bench) == [(7, "returned")]
    assert len(bench.dump()["alarms_alarm_event"]) == 2

"""Alarms after ISA-18.2: every transition, hidden alarms, expiry, what people may do."""

from __future__ import annotations

import pytest

from baotu.bench import MORNING, Bench
from baotu.kernel.alarm_app import Alarms, unshelve_due
from baotu.kernel.alarms import state_of
from baotu.sdk import Alarm, Conflict, Invalid, Priority
from baotu.sdk.testing import Do, Say, check_app

SECOND = 10**9


def on(tag: int = 7, at: int = 0, **more: object) -> Alarm:
    return Alarm(tag, MORNING + at * SECOND, True, "hot", **more)  # type: ignore[arg-type]


def off(tag: int = 7, at: int = 60) -> Alarm:
    return Alarm(tag, MORNING + at * SECOND, False, "cool")


@pytest.fixture
def bench() -> Bench:
    return Bench(Alarms())


def state(bench: Bench, alarm: int = 1) -> str:
    return str(next(row[5] for row in bench.dump()["alarms_alarm_row"] if row[-2] == alarm))


def happened(bench: Bench) -> list[str]:
    return [row[2] for row in bench.dump()["alarms_alarm_event"]]


def test_alarms_is_a_conforming_app():
    story = (
        Say(on()), Do("comment", {"alarm": 1, "text": "见 seen"}), Do("shelve", {"alarm": 1}),
        Do("unshelve", {"alarm": 1}), Do("suppress", {"alarm": 1, "reason": "修 repair"}),
        Do("unsuppress", {"alarm": 1}), Do("acknowledge", {"alarm": 1}), Say(on(8)),
        Do("acknowledge_all"),
    )  # fmt: skip
    check_app(Alarms, bench=Bench, story=story)


# ISA-18.2, alarm state transitions: what happens, one after the other, and the state then
PATHS = {
    "raise": ([on()], "unacknowledged"),
    "raise, acknowledge": ([on(), "acknowledge"], "acknowledged"),
    "raise, return": ([on(), off()], "returned"),
    "raise, return, acknowledge": ([on(), off(), "acknowledge"], "normal"),
    "raise, acknowledge, return": ([on(), "acknowledge", off()], "normal"),
    "raise, return, raise": ([on(), off(), on(at=90)], "unacknowledged"),
    "acknowledged, returned, raised again": ([on(), "acknowledge", off(), on(at=90)],
                                             "unacknowledged"),
    "shelve": ([on(), "shelve"], "shelved"),
    "shelve, return, unshelve": ([on(), "shelve", off(), "unshelve"], "normal"),
    "shelve, unshelve while active": ([on(), "acknowledge", "shelve", "unshelve"],
                                      "unacknowledged"),
    "shelve, return, raise": ([on(), "shelve", off(), on(at=90)], "shelved"),
    "suppress": ([on(), "suppress"], "suppressed"),
    "suppress, shelve": ([on(), "shelve", "suppress"], "suppressed"),
    "suppress, return, unsuppress": ([on(), "suppress", off(), "unsuppress"], "normal"),
    "suppress, unsuppress while active": ([on(), "suppress", "unsuppress"], "unacknowledged"),
}  # fmt: skip


@pytest.mark.parametrize("name", PATHS)
def test_a_path_through_the_diagram_ends_in_the_state_of_the_standard(bench, name):
    steps, expected = PATHS[name]
    for step in steps:
        if isinstance(step, Alarm):
            bench.say(step)
        else:
            bench.do(step, alarm=1, **({"reason": "修 repair"} if step == "suppress" else {}))
    assert state(bench) == expected


def test_every_combination_of_facts_has_one_state():
    states = {
        state_of(a, b, c, d)
        for a in (True, False) for b in (True, False) for c in (True, False) for d in (True, False)
    }  # fmt: skip
    assert states == {
        "unacknowledged", "acknowledged", "returned", "normal", "shelved", "suppressed",
    }  # fmt: skip


def test_telling_the_same_state_twice_has_one_effect(bench):
    bench.say(on())
    bench.say(on(at=5))
    bench.say(off())
    bench.say(off(at=70))
    assert happened(bench) == ["raised", "returned"]
    assert len(bench.facts) == 2


def test_the_end_of_what_never_began_is_nothing(bench):
    bench.say(off())
    assert bench.dump()["alarms_alarm_row"] == []


def test_apps_tags_and_kinds_are_told_apart(bench):
    bench.say(on(7), on(8), on(7, kind="dry"))
    assert len(bench.ask("open")) == 3


def test_a_shelf_ends_by_the_clock(bench):
    bench.say(on())
    bench.do("shelve", alarm=1, minutes=10)
    bench.clock.time += 9 * 60 * SECOND
    unshelve_due(bench.chain)
    assert state(bench) == "shelved"
    bench.clock.time += 61 * SECOND
    unshelve_due(bench.chain)
    assert state(bench) == "unacknowledged"
    assert happened(bench)[-1] == "unshelved"


def test_the_list_is_in_order_of_priority_and_hidden_ones_come_last(bench):
    bench.say(on(1, priority=Priority.LOW), on(2, priority=Priority.URGENT), on(3, at=5), on(4))
    bench.do("shelve", alarm=2)
    assert [row.tag for row in bench.ask("open")] == [3, 4, 1, 2]
    assert bench.ask("counts") == {3: 2, 4: 1}


def test_history_tells_who_did_what(bench):
    bench.say(on())
    bench.do("acknowledge", alarm=1)
    newest, first = bench.ask("history", alarm=1)
    assert (newest.what, newest.who, first.what, first.who) == (
        "acknowledged", "li", "raised", "other",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "more", "error"),
    [
        ("shelve", {"minutes": 0}, Invalid),
        ("shelve", {"minutes": 1e9}, Invalid),
        ("suppress", {"reason": " "}, Invalid),
        ("unshelve", {}, Conflict),
        ("unsuppress", {}, Conflict),
    ],
)
def test_what_makes_no_sense_is_refused(bench, command, more, error):
    bench.say(on())
    with pytest.raises(error):
        bench.do(command, alarm=1, **more)
    assert state(bench) == "unacknowledged"


def test_acknowledging_twice_says_by_whom(bench):
    bench.say(on())
    bench.do("acknowledge", alarm=1)
    with pytest.raises(Conflict, match="by li"):
        bench.do("acknowledge", alarm=1)


def test_a_flood_of_alarms_is_dealt_with_in_one_transaction(bench):
    bench.say(*(on(tag) for tag in range(2000)))
    assert bench.do("acknowledge_all") == 2000

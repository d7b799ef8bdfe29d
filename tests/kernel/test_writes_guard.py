"""Before a device is touched: limits, kinds, interlocks, pace, keys; and what a refusal says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baotu.kernel.guard import MINUTE, Pace, WriteSettings
from baotu.sdk import Conflict, Decision, Denied, Invalid, Quality, Refused
from baotu.sdk.interlock import needs_of
from baotu.sdk.messages import halves
from baotu.sdk.testing import samples

from .writing import LI, SLOW, WU, Hands, Platform, Zones


def test_values_outside_the_limits_reach_nobody_unless_who_may_says_so():
    plant = Platform()
    for value in (-0.5, 100.5, float("nan"), float("inf"), "fast"):
        with pytest.raises(Invalid, match="value"):
            plant.writes.write(8, value, WU, "why not")
    assert plant.hands.told == []
    assert plant.writes.write(8, 120.0, WU, "trial run", override=True).done
    plant.policy.barred.add(("wu", "tags.override"))
    with pytest.raises(Denied):
        plant.writes.write(8, 120.0, WU, "trial run", override=True)
    assert plant.hands.told == [(8, 120.0)]
    assert "beyond its limits: trial run" in plant.audits()[-2][2]


def test_what_the_device_cannot_take_is_not_written_by_anyone():
    plant = Platform()
    plant.change(8, clamp_high=150.0)
    with pytest.raises(Invalid, match=r"lies outside .*150"):
        plant.writes.write(8, 151.0, WU, "more", override=True)
    plant.change(9, kind="boolean")
    with pytest.raises(Invalid, match="on or off"):
        plant.writes.write(9, 0.5, WU, "half")
    assert plant.hands.told == []


def test_a_write_needs_a_reason():
    plant = Platform()
    with pytest.raises(Invalid, match="reason"):
        plant.writes.write(8, 1.0, WU, "  ")


def test_interlocks_are_good_fresh_and_true_or_nothing_is_written():
    plant = Platform()
    running = plant.bench.plant._tags[9].name
    plant.change(8, write_needs=f"{running} == 1 within 30 s")

    def refused(why: str) -> None:
        with pytest.raises(Refused, match=why):
            plant.writes.write(8, 1.0, WU, "go")

    refused("is not good")  # it has never told anything
    now = plant.bench.clock.time
    plant.bench.feed("Motor", "running", samples(9, [0], start=now))
    refused("== 1 does not hold, it is 0")
    plant.bench.feed("Motor", "running", samples(9, [1], start=now + 10**9, quality=Quality.BAD))
    refused("is not good")
    plant.bench.feed("Motor", "running", samples(9, [1], start=now + 2 * 10**9))
    assert plant.writes.write(8, 1.0, WU, "go").done
    plant.bench.clock.time += 31 * 10**9
    refused("is 31 s old, older than 30 s")
    for broken in ("nowhere/at/all == 1", "===", f"{running} == x"):
        plant.change(8, write_needs=broken)
        with pytest.raises(Refused):
            plant.writes.write(8, 1.0, WU, "go")
    assert plant.hands.told == [(8, 1.0)]


def test_conditions_are_read_as_they_are_written():
    [one, two] = needs_of("a/b/c; a/b/d >= -1.5e2 within 2 min")
    assert (one.tag, one.op, two.tag, two.op, two.limit, two.within_s) == (
        "a/b/c", "", "a/b/d", ">=", -150.0, 120.0,
    )  # fmt: skip
    for wrong in ("a == ", "== 1", "a = 1", "a < 1 within 5"):
        with pytest.raises(ValueError, match="is no condition"):
            needs_of(wrong)


def test_pace_of_a_tag_and_of_a_caller_is_bounded():
    settings = WriteSettings(tag_interval_s=1.0, tag_per_min=3, caller_per_min=5)
    plant = Platform(settings=settings)
    for tag in (8, 9):
        assert plant.writes.write(tag, 1.0, WU, "go").done
    with pytest.raises(Conflict, match=r"speed is written too often; again in 1\.0 s"):
        plant.writes.write(8, 2.0, WU, "go")
    done = 2
    for _ in range(6):
        plant.bench.clock.time += 1_100_000_000
        try:
            done += plant.writes.write(8, 2.0, WU, "go").done
        except Conflict:
            continue
    assert done == len(plant.hands.told) <= 5
    assert plant.writes.write(9, 1.0, LI, "somebody else").done


@given(st.lists(st.integers(0, 10 * MINUTE), max_size=80), st.integers(1, 10))
def test_no_minute_has_more_than_a_burst_and_its_refill(steps: list[int], most: int):
    pace, now, passed = Pace(most), 0, list[int]()
    for step in steps:
        now += step // 40
        if pace.wait_s("x", now) == 0.0:
            passed.append(now)
    for first in passed:
        assert sum(first <= time < first + MINUTE for time in passed) <= 2 * most


def test_the_same_key_writes_once_and_answers_the_same():
    plant = Platform()
    first = plant.writes.write(8, 5.0, WU, "go", key="k1")
    assert plant.writes.write(8, 5.0, WU, "go", key="k1") == first
    assert plant.hands.told == [(8, 5.0)]
    with pytest.raises(Conflict, match="was used before for other arguments"):
        plant.writes.write(8, 6.0, WU, "go", key="k1")
    with pytest.raises(Conflict):
        plant.writes.write(8, 5.0, LI, "go", key="k1")


def test_a_refusal_names_the_policy_and_who_may_in_both_languages():
    plant = Platform(policy=Zones())
    plant.policy.off.add(plant.speed)
    with pytest.raises(Denied) as told:
        plant.writes.write(8, 5.0, WU, "go")
    chinese, english = halves(str(told.value))
    assert chinese == "区域「熔炼」关闭写入；可找 工程师"
    assert english == "Zone melting has writes off; ask Engineer"
    ahead = plant.writes.outlook(plant.speed, WU)
    assert (ahead.policies, ahead.who_may) == (("zone-melting",), ("工程师 Engineer",))
    assert "melting" in ahead.refused
    assert plant.hands.told == []


def test_the_policy_is_asked_with_the_value_and_the_way_it_came():
    plant = Platform()
    plant.writes.write(8, 5.0, WU, "go", source="modbus-out fd00::7")
    context = next(c for who, action, _, c in plant.policy.asked if action == "tags.write")
    assert context == {"value": 5, "via": "modbus-out fd00::7", "override": False, "inside": True}


def test_a_value_between_two_whole_numbers_must_be_allowed_as_both():
    class Upto80(Zones):
        def judge(self, caller, action, resource, context=None):
            if (context or {}).get("value", 0) > 80:
                return Decision(allowed=False, why="至多 80 At most 80", policies=("upto",))
            return super().judge(caller, action, resource, context)

    plant = Platform(policy=Upto80())
    assert plant.writes.write(8, 79.5, WU, "go").done
    with pytest.raises(Denied, match="At most 80"):
        plant.writes.write(8, 80.4, WU, "go")
    assert plant.hands.told == [(8, 79.5)]


def test_what_a_policy_wants_and_nobody_here_can_give_is_a_refusal():
    class Strange(Zones):
        def judge(self, caller, action, resource, context=None):
            from dataclasses import replace

            found = super().judge(caller, action, resource, context)
            return replace(found, needs=frozenset({"two_keys"}))

    plant = Platform(policy=Strange())
    with pytest.raises(Denied, match="the policy wants two_keys"):
        plant.writes.write(8, 5.0, WU, "go")
    assert plant.hands.told == []


class Killed(BaseException):
    """Not an Exception: nothing of the platform sees it, like a kill -9."""


def test_a_write_that_a_fall_cut_off_is_told_at_the_next_start_and_never_sent_again():
    plant = Platform(hands=Hands(Killed()))
    with pytest.raises(Killed):
        plant.writes.write(8, 5.0, WU, "go", key="k9")
    assert plant.audits() == [], "it is on its way; nothing is known of its end"
    again = Platform(after=plant, settings=SLOW)
    again.writes.recover()
    [(who, outcome, words)] = again.audits()
    assert (who, outcome) == ("wu", "unknown")
    assert "it may have been done, look at the device" in words
    with pytest.raises(Conflict, match="its end is not known"):
        again.writes.write(8, 5.0, WU, "go", key="k9")
    again.writes.recover()
    assert len([one for one in again.audits() if one[1] == "unknown"]) == 1
    assert (plant.hands.told, again.hands.told) == ([(8, 5.0)], [])

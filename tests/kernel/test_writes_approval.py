"""A second person: asked, approved, decided again, carried out once; or told why not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from baotu.sdk import App, Caller, Conflict, Denied, Invalid, Quality, Samples, Write, stream, view
from baotu.sdk.messages import halves
from baotu.sdk.reply import Reply
from baotu.sdk.testing import samples

from .writing import LI, MAY, WU, Hands, Platform, Zones

WHY = "温度过高 Too hot"


def waiting(*apps: App, hands: Hands | None = None, people=None, **more) -> Platform:
    plant = Platform(*apps, policy=Zones(), hands=hands, people=people, **more)
    plant.policy.approved.add(plant.speed)
    return plant


def asked(plant: Platform, value: float = 40.0, who: Caller = WU, **more) -> int:
    reply = plant.writes.write(8, value, who, WHY, **more)
    assert (reply.done, plant.hands.told) == (False, [])
    return reply.request


def carried(plant: Platform, request: int) -> None:
    """What a lane does when it hears of the approval."""
    plant.writes.carry_request(request, "spring")


def state(plant: Platform, request: int) -> tuple[str, str]:
    row = plant.ask("request", request=request)
    return row["state"], row["result"]


def test_nothing_is_sent_before_another_person_has_approved():
    plant = waiting()
    plant.bench.feed("Motor", "speed", samples(8, [20], start=plant.bench.clock.time))
    reply = plant.writes.write(8, 40.0, WU, WHY)
    assert (reply.done, reply.request, plant.hands.told) == (False, 1, [])
    assert halves(reply.why)[1].endswith("request 1 waits for approval; ask Operator, li")
    [row] = plant.ask("waiting")
    shown = {
        k: row[k] for k in ("tag", "before", "value", "unit", "low", "high", "reason", "asker")
    }
    assert shown == {"tag": plant.speed, "before": 20.0, "value": 40.0, "unit": "/min", "low": 0.0,
                     "high": 100.0, "reason": WHY, "asker": "wu"}  # fmt: skip
    assert plant.ask("count") == 1
    assert plant.do("approve", LI, request=1, reason="看过了 Looked at it") == "approved"
    carried(plant, 1)
    assert plant.hands.told == [(8, 40.0)]
    assert state(plant, 1) == ("done", "read back 40.0")
    outcomes = [(who, outcome) for who, outcome, _ in plant.audits()]
    assert outcomes == [("wu", "waiting"), ("wu", "done")]
    assert "approved by li as request 1; read back 40.0" in plant.audits()[-1][2]
    assert plant.events() == ["write.asked", "write.approved", "write.done"]


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (WU, "Who asked for a write may not approve it"),
        (replace(LI, kind="token"), "A person approves, no token and no app"),
        (replace(LI, kind="app"), "A person approves"),
        (replace(LI, permissions=frozenset()), r"needs tags\.approve"),
    ],
)
def test_who_may_not_approve_is_denied(who: Caller, why: str):
    plant = waiting()
    request = asked(plant)
    with pytest.raises(Denied, match=why):
        plant.do("approve", who, request=request, reason="yes")
    carried(plant, request)
    assert (plant.hands.told, state(plant, request)[0]) == ([], "waiting")


def test_an_approver_must_be_allowed_on_that_tag_and_say_why():
    plant = waiting()
    request = asked(plant)
    with pytest.raises(Invalid, match="reason"):
        plant.do("approve", LI, request=request, reason=" ")
    plant.policy.barred.add(("li", "tags.approve"))
    with pytest.raises(Denied, match="Zone melting"):
        plant.do("approve", LI, request=request, reason="yes")
    assert state(plant, request)[0] == "waiting"


def test_a_refusal_is_kept_with_its_reason_and_both_hear_of_it():
    plant = waiting()
    request = asked(plant)
    plant.do("refuse", LI, request=request, reason="not now")
    assert state(plant, request) == ("refused", "not now")
    assert plant.events()[-1] == "write.refused"
    with pytest.raises(Conflict, match="does not wait any more: Refused"):
        plant.do("approve", LI, request=request, reason="yes")
    carried(plant, request)
    assert plant.hands.told == []


def test_only_who_asked_withdraws():
    plant = waiting()
    request = asked(plant)
    with pytest.raises(Denied):
        plant.do("withdraw", LI, request=request)
    assert plant.do("withdraw", WU, request=request) == "withdrawn"


def test_what_nobody_decides_expires():
    plant = waiting()
    request = asked(plant)
    plant.bench.clock.time += 15 * 60 * 10**9
    with pytest.raises(Conflict, match="Expired"):
        plant.do("approve", LI, request=request, reason="late")
    plant.writes.requests.expire()
    assert state(plant, request)[0] == "expired"
    assert plant.audits()[-1][:2] == ("clock", "expired")
    assert plant.hands.told == []


def test_everything_is_decided_once_more_when_it_was_approved():
    """Policy, limits, interlocks and accounts of then, not of when it was asked."""

    def after(change) -> tuple[str, str]:
        plant = waiting()
        request = asked(plant)
        plant.do("approve", LI, request=request, reason="yes")
        change(plant)
        carried(plant, request)
        assert plant.hands.told == []
        return state(plant, request)

    assert after(lambda p: p.policy.off.add(p.speed))[0] == "failed"
    assert after(lambda p: p.policy.barred.add(("li", "tags.approve")))[0] == "failed"
    assert "limits" in after(lambda p: p.change(8, high=30.0))[1]
    assert "read only" in after(lambda p: p.change(8, writable=False))[1]
    assert "not in the tag table" in after(lambda p: p.change(8, write_needs="a/b == 1"))[1]

    def wait(plant: Platform) -> None:
        plant.bench.clock.time += 6 * 10**9

    assert after(wait)[0] == "expired", "an approval is for now, not for later"


def test_accounts_are_asked_again_when_it_was_approved():
    class People:
        locked: frozenset[str] = frozenset()

        def again(self, caller: Caller) -> Caller:
            if caller.name in self.locked:
                raise Denied(f"{caller.name} is locked")
            return caller

    for locked in ("wu", "li"):
        people = People()
        plant = waiting(people=people)
        request = asked(plant, who=replace(WU, via="session 1"))
        plant.do("approve", replace(LI, via="session 2"), request=request, reason="yes")
        people.locked = frozenset({locked})
        carried(plant, request)
        assert (plant.hands.told, state(plant, request)[0]) == ([], "failed")
        assert f"{locked} is locked" in state(plant, request)[1]


def test_a_request_is_carried_out_once_however_many_hear_of_it():
    plant = waiting()
    request = asked(plant)
    plant.do("approve", LI, request=request, reason="yes")
    threads = [threading.Thread(target=carried, args=(plant, request)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert plant.hands.told == [(8, 40.0)]
    assert state(plant, request)[0] == "done"


def test_asked_twice_it_waits_once_and_another_value_is_a_conflict():
    plant = waiting()
    assert asked(plant, 40.0, key="k") == asked(plant, 40.0) == asked(plant, 40.0, key="k") == 1
    with pytest.raises(Conflict, match="your request 1 waits already"):
        plant.writes.write(8, 41.0, WU, WHY)
    assert asked(plant, 41.0, who=replace(WU, name="he")) == 2


class Killed(BaseException):
    pass


def test_approved_but_cut_off_before_it_was_sent_is_refused_as_expired_at_the_start():
    plant = waiting()
    request = asked(plant)
    plant.do("approve", LI, request=request, reason="yes")
    again = Platform(after=plant)
    again.writes.recover()
    carried(again, request)
    assert (again.hands.told, state(again, request)[0]) == ([], "expired")
    assert "ask again if it is still wanted" in state(again, request)[1]
    assert again.events()[-1] == "write.expired"


def test_cut_off_while_it_was_sent_its_end_is_unknown_and_it_is_not_sent_again():
    plant = waiting(hands=Hands(Killed()))
    request = asked(plant)
    plant.do("approve", LI, request=request, reason="yes")
    with pytest.raises(Killed):
        carried(plant, request)
    again = Platform(after=plant)
    again.writes.recover()
    carried(again, request)
    assert (plant.hands.told, again.hands.told) == ([(8, 40.0)], [])
    assert state(again, request)[0] == "unknown"
    assert [outcome for _, outcome, _ in again.audits()] == ["waiting", "unknown", "unknown"]


def test_a_lane_hears_of_an_approval_and_carries_it_out():
    plant = waiting()
    done = threading.Event()

    class Waking(Hands):
        def write(self, tag: int, value: float | str, deadline: int) -> Reply:
            reply = super().write(tag, value, deadline)
            done.set()
            return reply

    hands = Waking()
    plant.bench.chain.reach = replace(plant.bench.chain.reach, actuators=hands)
    plant.writes.start()
    request = plant.writes.write(8, 40.0, WU, WHY).request
    plant.do("approve", LI, request=request, reason="yes")
    assert done.wait(20)
    plant.writes.stop()
    assert (hands.told, state(plant, request)[0]) == ([(8, 40.0)], "done")


class Trips(App):
    """Slows what runs too hot."""

    @stream(asset="Motor", property="temperature")
    def trip(self, samples: Samples) -> Iterator[Write]:
        for tag, one in samples.by_tag():
            if (one.value > 100).any():
                yield Write(8, 10.0, "too hot", evidence=(tag,))


def test_what_an_app_writes_waits_for_a_person_too_and_rests_on_its_evidence():
    plant = waiting(Trips(), grants={"trips": frozenset({"tags.write"})})
    orders: list = []
    plant.bench.chain.orders = orders.append
    now = plant.bench.clock.time
    plant.bench.feed("Motor", "temperature", samples(7, [120], start=now))
    plant.writes.carry_out(orders[0])
    [row] = plant.ask("waiting")
    assert (row["asker"], row["evidence"]) == ("app:trips", ["spring/motor-1/temperature"])
    plant.do("approve", WU, request=row["id"], reason="yes")
    bad = samples(7, [120], start=now + 10**9, quality=Quality.BAD_SENSOR_FAILURE)
    plant.bench.feed("Motor", "temperature", bad)
    carried(plant, row["id"])
    assert plant.hands.told == []
    assert "evidence is not good" in state(plant, row["id"])[1]


def test_the_page_shows_before_and_after_with_limits_and_who_may_do_what():
    plant = waiting()
    page = plant.bench.chain.look("approvals", "overview", {}, LI).view
    [nothing] = [v for v in view.walk(page) if isinstance(v, view.Markdown)]
    assert "No writes wait" in nothing.text
    asked(plant)
    plant.do("refuse", LI, request=asked(plant, who=replace(WU, name="he")), reason="no")
    page = plant.bench.chain.look("approvals", "overview", {}, LI).view
    table, past = [v for v in view.walk(page) if isinstance(v, view.Table)]
    assert table.rows[0][1:7] == (plant.speed, "–", 40.0, "/min", "0 … 100", WHY)
    assert [act.command for act in table.actions] == ["approve", "refuse", "withdraw"]
    assert past.rows[0][3] == "不批准 Refused"


def test_a_bounded_number_of_writes_waits():
    plant = waiting()
    plant.writes.requests.most = 2
    for name in ("a", "b"):
        asked(plant, who=replace(WU, name=name))
    with pytest.raises(Conflict, match="2 writes wait for approval already"):
        plant.writes.write(8, 1.0, replace(WU, name="c", permissions=MAY), WHY)

"""Questions and answers of one connection, without a socket."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.edge.exchange import Exchange
from baotu.edge.tally import Tally
from baotu.edge.transport import Silent
from baotu.sdk import Malformed, Refused, Request, Tag
from baotu.sdk.testing.clock import JumpingClock

from .fakes import ANSWER, FakePolled, FakeSettings


class Line:
    """Stands in for a Wire."""

    def __init__(self):
        self.buffer, self.sent, self.open = bytearray(), [], True

    def send(self, data):
        self.sent.append(data)

    def close(self):
        self.open = False


class Asking:
    """Notes what it is told."""

    def __init__(self):
        self.story, self.want, self.instead = [], True, []

    def wanted(self):
        return self.want

    def stamp(self):
        return 7

    def told(self, request, parts):
        self.story.append(("told", [v for part in parts for v in part.value.tolist()]))

    def refused(self, request, refusal):
        self.story.append(("refused", refusal.code))
        instead, self.instead = self.instead, []
        return instead

    def silent(self, request, why):
        self.story.append(("silent", str(why)))

    def gone(self, why):
        self.story.append(("gone", str(why)))


def made(**more):
    driver, line, clock = FakePolled(FakeSettings(port=1, **more)), Line(), JumpingClock()
    exchange = Exchange(driver, line, clock, Tally(), 2.0)
    tags = [Tag(id=i, asset="a", property=f"p{i}", address=str(i)) for i in range(80)]
    return exchange, line, clock, driver.plan(tags)


def numbers(line):
    sent = b"".join(line.sent)
    return [struct.unpack_from(">H", sent, i)[0] for i in range(0, len(sent), 7)]


def answer(number, *values, code=0):
    return ANSWER.pack(number, code, len(values)) + struct.pack(f">{len(values)}d", *values)


def test_no_more_questions_are_under_way_than_the_window():
    exchange, line, _, plan = made(window=3)
    owner = Asking()
    exchange.ask(plan, owner, 1.0)
    exchange.pump()
    assert numbers(line) == [1, 2, 3] and len(line.sent) == 1  # one write to the socket
    line.buffer += answer(2, *range(8))
    exchange._take()
    exchange.pump()
    assert numbers(line) == [1, 2, 3, 4]


def test_urgent_questions_overtake_waiting_ones():
    exchange, line, _, plan = made()
    exchange.ask(plan[:3], Asking(), 1.0)
    exchange.ask([plan[5]], Asking(), -1.0)
    exchange.pump()
    assert line.sent[0][2:] == plan[5].payload


def test_a_late_answer_is_dropped_and_an_unasked_one_is_nonsense():
    exchange, line, clock, plan = made(window=4)
    owner = Asking()
    exchange.ask(plan[:2], owner, 1.0)
    exchange.pump()
    line.buffer += answer(1, *range(8))
    exchange._take()
    clock.stall(3)
    exchange.expire()
    assert owner.story == [
        ("told", [float(i) for i in range(8)]),
        ("silent", "no answer within 2 s"),
    ]
    line.buffer += answer(2, *range(8))
    exchange._take()
    assert exchange._tally.late == 1 and len(owner.story) == 2
    line.buffer += answer(77, 1.0)
    with pytest.raises(Malformed, match="no question"):
        exchange._take()


def test_answers_in_order_give_the_connection_up_at_the_first_silence():
    exchange, _line, clock, plan = made(ordered=True)
    owner = Asking()
    exchange.ask(plan[:2], owner, 1.0)
    exchange.pump()
    clock.stall(2)
    with pytest.raises(Silent):
        exchange.expire()
    assert owner.story == [("silent", "no answer within 2 s")]


def test_an_answer_that_began_and_never_ends_is_nonsense():
    exchange, line, clock, plan = made()
    exchange.ask(plan[:1], Asking(), 1.0)
    exchange.pump()
    line.buffer += ANSWER.pack(1, 0, 60_000) + bytes(100)
    exchange._take()
    clock.stall(2)
    with pytest.raises(Malformed, match="never ended") as caught:
        exchange.expire()
    assert len(caught.value.frame) == 100 + ANSWER.size


def test_what_nobody_wants_any_more_is_not_sent():
    exchange, line, _, plan = made()
    gone, here = Asking(), Asking()
    gone.want = False
    exchange.ask(plan[:1], gone, 1.0)
    exchange.ask(plan[1:2], here, 1.0)
    exchange.pump()
    assert [data[2:] for data in line.sent] == [plan[1].payload]


def test_a_question_that_cannot_be_put_is_a_refusal_not_a_crash():
    exchange, line, _, plan = made()
    owner = Asking()

    def numbered(request, number):
        raise Refused("needs an answer that never came", 5)

    exchange._driver.numbered = numbered
    exchange.ask(plan[:1], owner, 1.0)
    exchange.pump()
    assert owner.story == [("refused", 5)] and not line.sent and not exchange.busy


def test_other_questions_take_the_place_of_a_refused_one_at_once():
    exchange, line, _, plan = made()
    owner = Asking()
    owner.instead = [plan[3]]
    exchange.ask(plan[:2], owner, 1.0)
    exchange.pump()
    line.buffer += answer(1, code=2)
    exchange._take()
    exchange.pump()
    assert line.sent[-1][2:] == plan[3].payload and owner.story == [("refused", 2)]


def test_when_the_connection_ends_everybody_is_told():
    exchange, line, _, plan = made()
    owner = Asking()
    exchange.ask(plan[:5], owner, 1.0)
    exchange.pump()
    exchange.close(Silent("over"))
    assert owner.story == [("gone", "over")] * 5 and not line.open and not exchange.busy


def test_numbers_never_collide_even_after_sixty_five_thousand_questions():
    exchange, line, _, plan = made(window=4)
    owner = Asking()
    exchange._number = 65_533
    exchange.ask(plan[:4], owner, 1.0)
    exchange.pump()
    assert numbers(line) == [65_534, 65_535, 0, 1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=12), st.booleans())
def test_whatever_comes_in_is_an_answer_or_malformed(parts, ordered):
    exchange, line, clock, plan = made(window=4, ordered=ordered)
    exchange.ask([*plan, Request(payload=b"", tags=np.zeros(0, "i4"))], Asking(), 1.0)
    try:
        for part in parts:
            exchange.pump()
            line.buffer += part
            exchange._take()
            clock.stall(0.5)
            exchange.expire()
    except (Malformed, Silent):
        pass
    assert len(exchange._under_way) <= 4

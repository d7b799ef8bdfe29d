"""Reads are few and within what protocol, settings and device allow; refusals are learned."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.drivers.modbus.driver import Modbus
from baotu.sdk import Quality, Refused, Tag

from .device import Device, Refuse, driver, tags
from .transport import Wire


def read(made: Modbus, asked: list[Tag], device: Device) -> tuple[dict[int, float], set[int]]:
    """Values by tag and the tags given up, with refused questions planned anew."""
    told: dict[int, float] = {}
    given_up: set[int] = set()
    waiting = made.plan(asked)
    while waiting:
        request = waiting.pop(0)
        try:
            for part in made.decode(request, device(made.numbered(request, 1)), 0):
                told |= dict(zip(part.tag.tolist(), part.value.tolist(), strict=True))
        except Refused as refusal:
            smaller = made.replan(request, refusal)
            kept = {int(tag) for r in smaller for tag in r.tags}
            given_up |= {int(tag) for tag in request.tags} - kept
            waiting += smaller
    return told, given_up


def asks(addresses: list[str], **way: object) -> list[tuple[int, int, int, int]]:
    device, made = Device(), driver(**way)
    read(made, tags(*addresses), device)
    return device.asked


def test_neighbours_share_one_read() -> None:
    assert asks([f"holding:{i}:float32" for i in range(0, 124, 2)]) == [(1, 3, 0, 124)]


def test_reads_end_at_the_protocol_limit_and_never_in_a_value() -> None:
    assert asks([f"holding:{i}:float32" for i in range(0, 250, 2)]) == [
        (1, 3, 0, 124), (1, 3, 124, 124), (1, 3, 248, 2),
    ]  # fmt: skip
    assert asks([f"coil:{i}" for i in range(2001)]) == [(1, 1, 0, 2000), (1, 1, 2000, 1)]


def test_gaps_are_read_when_they_are_not_wider_than_max_gap() -> None:
    assert asks(["holding:0", "holding:65"]) == [(1, 3, 0, 66)]
    assert asks(["holding:0", "holding:66"]) == [(1, 3, 0, 1), (1, 3, 66, 1)]
    assert asks(["holding:0", "holding:2"], max_gap=0) == [(1, 3, 0, 1), (1, 3, 2, 1)]
    assert asks(["coil:0", "coil:1000"]) == [(1, 1, 0, 1001)]


def test_units_and_tables_do_not_share_a_read() -> None:
    asked = asks(["holding:0", "input:0", "coil:0", "discrete:0", "2/holding:0"])
    assert sorted(asked) == [(1, 1, 0, 1), (1, 2, 0, 1), (1, 3, 0, 1), (1, 4, 0, 1), (2, 3, 0, 1)]


def test_bits_and_values_of_one_register_share_it() -> None:
    addresses = ["holding:5", "holding:5.0", "holding:5.15", "holding:4:float32"]
    assert asks(addresses) == [(1, 3, 4, 2)]


def least(places: list[tuple[int, int]], most: int) -> int:
    """Fewest reads by trying all ways to cut the sorted places (dynamic programming)."""
    best = [0] + [len(places)] * len(places)
    for end in range(1, len(places) + 1):
        for start in range(end):
            low = places[start][0]
            high = max(at + width for at, width in places[start:end])
            if high - low <= most:
                best[end] = min(best[end], best[start] + 1)
    return best[-1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from([1, 2, 4])), min_size=1, max_size=30),
    st.integers(4, 30),
)
def test_no_plan_has_fewer_reads(places: list[tuple[int, int]], most: int) -> None:
    names = {1: "uint16", 2: "float32", 4: "float64"}
    asked = asks([f"holding:{at}:{names[w]}" for at, w in places], max_registers=most, max_gap=124)
    assert all(count <= most for _, _, _, count in asked)
    assert len(asked) == least(sorted(places), most)


def test_a_unit_that_tells_less_at_once_is_learned() -> None:
    def at_most_50(function: int, start: int, count: int) -> int:
        return 3 if count > 50 else 0

    device, made = Device(refuse=at_most_50), driver()
    asked = tags(*(f"holding:{i}" for i in range(500)))
    told, given_up = read(made, asked, device)
    assert (len(told), given_up) == (500, set())
    device.asked.clear()
    read(made, asked, device)
    assert max(count for *_, count in device.asked) == 31
    assert len(device.asked) == 17, "the next plan asks nothing that would be refused"


def test_a_unit_that_says_illegal_address_for_too_much_is_learned_too() -> None:
    def at_most_64(function: int, start: int, count: int) -> int:
        return 2 if count > 64 else 0

    device, made = Device(refuse=at_most_64), driver()
    asked = tags(*(f"holding:{i}" for i in range(500)))
    read(made, asked, device)
    device.asked.clear()
    assert read(made, asked, device)[1] == set()
    assert {count <= 64 for *_, count in device.asked} == {True}
    assert len(device.asked) == 8


def test_a_border_between_two_memories_is_learned() -> None:
    def border_at_100(function: int, start: int, count: int) -> int:
        return 2 if start < 100 < start + count else 0

    device, made = Device(refuse=border_at_100), driver()
    asked = tags(*(f"holding:{i}" for i in range(60, 180)))
    assert read(made, asked, device)[1] == set()
    device.asked.clear()
    read(made, asked, device)
    assert device.asked == [(1, 3, 60, 40), (1, 3, 100, 80)]


def test_one_place_that_is_missing_costs_only_its_tag() -> None:
    def without_37(function: int, start: int, count: int) -> int:
        return 2 if start <= 37 < start + count else 0

    device, made = Device(refuse=without_37), driver()
    asked = tags(*(f"holding:{i}" for i in range(100)))
    told, given_up = read(made, asked, device)
    assert given_up == {38}
    assert len(told) == 99
    device.asked.clear()
    assert read(made, asked, device)[1] == {38}, "it is asked again, alone"
    assert device.asked == [(1, 3, 0, 37), (1, 3, 37, 1), (1, 3, 38, 62)]


def test_a_place_at_which_the_device_fails_spoils_no_other_for_long() -> None:
    def fails_at_37(function: int, start: int, count: int) -> int:
        return 4 if start <= 37 < start + count else 0

    device, made = Device(refuse=fails_at_37), driver()
    asked = tags(*(f"holding:{i}" for i in range(200)))
    plan = made.plan(asked)
    for _ in range(40):  # as an edge does: the plan is asked again, refused parts are replaced
        for request in list(plan):
            try:
                made.decode(request, device(made.numbered(request, 1)), 0)
            except Refused as refusal:
                at = plan.index(request)
                plan[at : at + 1] = made.replan(request, refusal)
    assert {int(t) for r in plan for t in r.tags} == set(range(1, 201)) - {38}


def test_a_device_that_fails_as_a_whole_keeps_its_plan() -> None:
    device, made = Device(refuse=lambda f, s, c: 4), driver()
    (request,) = made.plan(tags("holding:0", "holding:1"))
    for _ in range(10):
        (samples,) = made.decode(request, device(made.numbered(request, 1)), 0)
        assert set(samples.quality.tolist()) == {Quality.BAD_DEVICE_FAILURE}


def test_what_one_unit_refused_does_not_concern_another() -> None:
    device, made = Device(refuse=lambda f, s, c: 3 if c > 50 and f == 3 else 0), driver()
    read(made, tags(*(f"holding:{i}" for i in range(100))), device)
    device.asked.clear()
    read(made, tags(*(f"input:{i}" for i in range(100))), device)
    assert device.asked == [(1, 4, 0, 100)]


def _limit(most: int, code: int) -> Refuse:
    return lambda function, start, count: code if count > most else 0


def _missing(places: set[int], code: int) -> Refuse:
    def refuse(function: int, start: int, count: int) -> int:
        return code if places & set(range(start, start + count)) else 0

    return refuse


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 250), min_size=1, max_size=60, unique=True),
    st.sets(st.integers(0, 250), max_size=10),
    st.integers(1, 125),
    st.sampled_from([2, 3]),
)
def test_whatever_a_device_refuses_every_place_that_exists_is_read(
    places: list[int], missing: set[int], most: int, code: int
) -> None:
    small, absent = _limit(most, code), _missing(missing, 2)
    device = Device(refuse=lambda f, s, c: small(f, s, c) or absent(f, s, c))
    made, asked = driver(), tags(*(f"holding:{at}" for at in places))
    for _ in range(3):
        told, given_up = read(made, asked, device)
        assert given_up == {t.id for t, at in zip(asked, places, strict=True) if at in missing}
        assert told.keys() == {t.id for t in asked} - given_up


@pytest.mark.parametrize("code", [1, 7, 99])
def test_other_refusals_are_not_asked_again_smaller(code: int) -> None:
    device, made = Device(refuse=lambda f, s, c: code), driver()
    assert read(made, tags("holding:0", "holding:1"), device) == ({}, {1, 2})
    assert len(device.asked) == 1


def test_pipelined_answers_are_matched_by_number_in_any_order() -> None:
    device = Device()
    device.holding[:1000] = range(1000)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held: list[bytes] = []
        while head := await reader.read(12):
            held.append(device(head))
            if len(held) == 4:
                writer.write(b"".join(reversed(held)))
                held.clear()

    async def case() -> dict[int, float | str]:
        server = await asyncio.start_server(answer, "::1", 0)
        port = server.sockets[0].getsockname()[1]
        made = driver(pipeline=4, max_registers=10)
        async with server, Wire(made, port) as wire:
            return (await wire.read(tags(*(f"holding:{i}" for i in range(1000))))).value

    assert asyncio.run(case()) == {i + 1: float(i) for i in range(1000)}


def test_rtu_has_one_question_under_way() -> None:
    assert driver(framing="rtu").window == 1

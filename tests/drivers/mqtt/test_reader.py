"""From messages to columns, by hand: no broker, no waiting."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.drivers.mqtt.address import Pattern
from baotu.drivers.mqtt.reader import KEPT, Message, Reader, Rules
from baotu.sdk import Quality, Tag
from baotu.sdk.testing.sessions import RecordingLine

T = 1_790_000_000


def tag(id: int, address: str, kind: str = "number") -> Tag:
    return Tag(id=id, asset="a", property=f"p{id}", address=address, kind=kind)  # type: ignore[arg-type]


def message(topic: str, document: object, retained: bool = False) -> Message:
    return topic, json.dumps(document).encode(), retained


class Scene:
    def __init__(self, tags: list[Tag], discovers: bool = False, **rules: object) -> None:
        self.line = RecordingLine(tags, discovers=discovers)
        self.reader = Reader(self.line, tags, Rules(**rules))  # type: ignore[arg-type]

    def play(self, *messages: Message) -> None:
        self.reader.receive(messages)


def test_values_of_one_document_reach_their_tags_at_its_time() -> None:
    tags = [
        tag(1, "press#temperature.value"), tag(2, "press#rows[1]"), tag(3, "press#on", "boolean"),
        tag(4, "press#mode", "text"),
    ]  # fmt: skip
    scene = Scene(tags, time="ts")
    document = {
        "ts": T, "temperature": {"value": 21.5}, "rows": [1, 2], "on": True, "mode": "auto",
    }  # fmt: skip
    scene.play(message("press", document))
    for id, value in ((1, 21.5), (2, 2.0), (3, 1.0), (4, "auto")):
        assert scene.line.of(id) == [(T * 10**9, value, 0)]
    assert len(scene.line.samples) == 2  # one of numbers, one of texts


def test_raw_payloads_need_no_json() -> None:
    scene = Scene([tag(1, "a/warm"), tag(2, "a/mode", "text"), tag(3, "a/on", "boolean")])
    scene.play(("a/warm", b"21.5", False), ("a/mode", b"auto", False), ("a/on", b"ON", False))
    assert [scene.line.values(i) for i in (1, 2, 3)] == [[21.5], ["auto"], [1.0]]


def test_many_messages_become_one_samples() -> None:
    scene = Scene([tag(i, f"t/{i}#v") for i in range(50)])
    scene.play(*(message(f"t/{i % 50}", {"v": i}) for i in range(1000)))
    assert len(scene.line.samples) == 1 and len(scene.line.samples[0]) == 1000
    assert scene.line.values(7) == [float(i) for i in range(7, 1000, 50)]


def test_a_broken_message_is_counted_and_kept_and_stops_nothing() -> None:
    scene = Scene([tag(1, "t#v")])
    scene.play(("t", b'{"v": 1', False), message("t", {"v": 2}), ("t", b"\xff", False))
    assert scene.line.values(1) == [2.0]
    assert scene.reader.counts["malformed"] == 2
    assert [(topic, frame) for topic, _, frame in scene.reader.kept] == [
        ("t", b'{"v": 1'), ("t", b"\xff"),
    ]  # fmt: skip
    scene.play(*[("t", b"?" * 9999, False)] * 100)
    assert len(scene.reader.kept) == KEPT and len(scene.reader.kept[0][2]) == 4096


def test_a_value_of_the_wrong_kind_is_bad_and_null_is_no_data() -> None:
    scene = Scene([tag(1, "t#v")])
    scene.play(message("t", {"v": {"x": 1}}), message("t", {"v": None}), message("t", {"w": 1}))
    assert [q for _, _, q in scene.line.of(1)] == [Quality.BAD_DECODING, Quality.BAD_NO_DATA]
    assert all(math.isnan(float(v)) for v in scene.line.values(1))
    assert scene.reader.counts["mismatched"] == 1


def test_a_time_that_is_none_becomes_the_time_of_arrival_and_is_counted() -> None:
    scene = Scene([tag(1, "t#v")], time="ts")
    scene.play(message("t", {"v": 1, "ts": "soon"}), message("t", {"v": 2}))
    assert scene.reader.counts["bad_times"] == 2
    assert abs(scene.line.of(1)[0][0] - scene.line.now()) < 10**10


@pytest.mark.parametrize(
    ("retained", "quality"),
    [("uncertain", [Quality.UNCERTAIN_LAST_USABLE]), ("good", [0]), ("ignored", [])],
)
def test_a_retained_message_without_a_time_is_what_the_settings_say(
    retained: str, quality: list[int]
) -> None:
    scene = Scene([tag(1, "t#v")], retained=retained)
    scene.play(message("t", {"v": 1}, retained=True))
    assert [q for _, _, q in scene.line.of(1)] == quality


def test_a_list_is_read_element_by_element() -> None:
    scene = Scene([tag(1, "t#v"), tag(2, "t#w")], each="rows", time="ts")
    rows = [{"ts": T + i, "v": i} for i in range(3)] + [{"w": 9}]
    scene.play(
        message("t", {"ts": T + 50, "rows": rows}), message("t", {"rows": 5}), message("t", 3)
    )
    assert scene.line.of(1) == [((T + i) * 10**9, float(i), 0) for i in range(3)]
    assert scene.line.of(2) == [((T + 50) * 10**9, 9.0, 0)]


def test_a_pattern_finds_tags_and_says_where_they_belong() -> None:
    scene = Scene(
        [], discovers=True, patterns=[Pattern.of("f/{line}/{asset}/{property}")], value="v"
    )
    scene.play(message("f/l1/press/warm", {"v": 1.5}), message("f/l1/press/mode", {"v": "auto"}),
               message("g/x", {"v": 1}), message("f/l1/press/warm", {"v": 2.5}))  # fmt: skip
    warm, mode = (scene.line.declared[f"f/l1/press/{p}#v"] for p in ("warm", "mode"))
    assert (warm.property, warm.kind, mode.kind) == ("warm", "number", "text")
    assert scene.line.found[0].path == ("l1", "press")
    assert scene.line.values(warm.id) == [1.5, 2.5] and scene.line.values(mode.id) == ["auto"]
    assert scene.reader.counts["unknown"] == 1


def test_several_values_of_one_message_are_found_by_a_table() -> None:
    patterns = [Pattern.of("f/{asset}")]
    scene = Scene(
        [], discovers=True, patterns=patterns, values={"warm": "data.t", "load": "data.l"}
    )
    scene.play(message("f/press", {"data": {"t": 1.5}}), message("f/press", {"data": {"l": 7}}))
    assert set(scene.line.declared) == {"f/press#data.t", "f/press#data.l"}


def test_a_star_finds_every_scalar_there_but_the_time() -> None:
    patterns = [Pattern.of("f/{asset}")]
    scene = Scene([], discovers=True, patterns=patterns, values={"*": ""}, time="ts")
    scene.play(message("f/press", {"ts": T, "warm": 1.5, "on": True, "deep": {"x": 1}}))
    assert set(scene.line.declared) == {"f/press#warm", "f/press#on"}
    assert scene.line.declared["f/press#on"].kind == "boolean"


def test_what_discovery_does_not_want_costs_nothing_more() -> None:
    scene = Scene([], patterns=[Pattern.of("f/{asset}/{property}")])
    scene.play(*[("f/press/warm", b"1", False)] * 3)
    assert len(scene.line.found) == 1 and not scene.line.samples


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.sampled_from("vtxr"), c, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    st.lists(DOCUMENTS.map(lambda d: json.dumps(d).encode()) | st.binary(max_size=20), max_size=5),
    st.sampled_from(["", "t", "x.t"]),
    st.sampled_from(["", "r"]),
    st.sampled_from([{}, {"*": ""}, {"*": "x", "one": "v"}]),
)
def test_whatever_comes_is_read_or_counted_and_never_raises(
    payloads: list[bytes], time: str, each: str, values: dict[str, str]
) -> None:
    tags = [tag(0, "t#v"), tag(1, "t#x.v", "text"), tag(2, "t#r[0]", "boolean"), tag(3, "u")]
    rules = {"time": time, "each": each, "values": values, "patterns": [Pattern.of("{asset}")]}
    scene = Scene(tags, discovers=True, **rules)
    scene.play(*((topic, payload, False) for payload in payloads for topic in "tuw"))
    for samples in scene.line.samples:
        assert samples.is_text or samples.value.dtype == "f8"
        assert (samples.time >= 0).all()

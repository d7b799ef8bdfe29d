"""The host application's state machine, fed by hand: no broker, no clock, no waiting."""

from __future__ import annotations

import numpy as np
import pytest

from baotu.drivers.sparkplug import codec
from baotu.drivers.sparkplug.datatypes import ROWS, DataType
from baotu.drivers.sparkplug.host import Host, Message, Rules
from baotu.drivers.sparkplug.topics import parse_state, state_payload
from baotu.sdk import ConfigError, Invalid, Quality, Refused, Tag, Unreachable
from baotu.sdk.testing.sessions import RecordingLine

T = 1_790_000_000_000
DEVICE = "spBv1.0/g/{}/n/d"
NODE = "spBv1.0/g/{}/n"


def tag(id: int, metric: str, **more: object) -> Tag:
    address = f"g/n/d/{metric}" if "/" not in metric else metric
    return Tag(id=id, asset="a", property=metric, address=address, **more)  # type: ignore[arg-type]


TAGS = [tag(0, "warm"), tag(1, "cold"), tag(2, "mode", kind="text"), tag(3, "g/n//up")]


def metric(name: str, value: float | str, kind: int = 10, alias: int = -1, **more: object) -> bytes:
    body = codec.scalar(ROWS[DataType(kind)].field, value)
    return codec.metric(name=name, alias=alias, time=T, datatype=kind, value=body, **more)  # type: ignore[arg-type]


def message(topic: str, seq: int, *metrics: bytes) -> Message:
    return topic, codec.encode(timestamp=T, metrics=metrics, seq=seq)


def node_birth(bdseq: int = 1, seq: int = 0) -> Message:
    return message(
        NODE.format("NBIRTH"), seq,
        metric("bdSeq", bdseq, 8), metric("Node Control/Rebirth", 0, 11), metric("up", 5, 4),
    )  # fmt: skip


def device_birth(seq: int = 1) -> Message:
    return message(
        DEVICE.format("DBIRTH"), seq,
        metric("warm", 20.5, alias=1), metric("cold", 3.5, alias=2), metric("mode", "auto", 12, 3),
    )  # fmt: skip


def data(seq: int, value: float, alias: int = 1) -> Message:
    return message(DEVICE.format("DDATA"), seq, codec.metric(
        alias=alias, time=T + seq, value=codec.scalar(13, value)))  # fmt: skip


def death(bdseq: int) -> Message:
    return message(NODE.format("NDEATH"), -1, metric("bdSeq", bdseq, 8))


class Scene:
    """A host with a recording line and its own time."""

    def __init__(self, tags: list[Tag] = TAGS, discovers: bool = False, **rules: object) -> None:
        self.line = RecordingLine(tags, discovers=discovers)
        self.host = Host(self.line, tags, Rules(**rules))  # type: ignore[arg-type]
        self.now = 100.0

    def play(self, *messages: Message, after: float = 0.0) -> list[Message]:
        self.now += after
        self.host.receive(messages, self.now)
        self.host.tick(self.now)
        return self.host.commands()

    def marked(self, id: int) -> list[Quality]:
        return [m.quality for m in self.line.marks if id in m.tags]


def test_births_and_data_become_samples_with_their_own_times() -> None:
    scene = Scene()
    assert scene.play(node_birth(), device_birth(), data(2, 21.5)) == []
    assert scene.line.of(0) == [(T * 10**6, 20.5, 0), ((T + 2) * 10**6, 21.5, 0)]
    assert scene.line.of(2) == [(T * 10**6, "auto", 0)], "texts have times like numbers"
    assert scene.line.values(2) == ["auto"] and scene.line.values(3) == [5.0]
    assert not scene.line.marks


def test_many_messages_become_one_samples() -> None:
    scene = Scene()
    scene.play(node_birth(), device_birth())
    scene.line.samples.clear()
    scene.play(*(data(2 + i, float(i)) for i in range(200)))
    assert len(scene.line.samples) == 1 and scene.line.values(0) == [float(i) for i in range(200)]


def test_data_before_birth_asks_for_a_rebirth_and_not_again_at_once() -> None:
    scene = Scene(tags=[], rebirth_s=5.0)
    commands = scene.play(data(7, 1.0), data(8, 1.0))
    assert [topic for topic, _ in commands] == ["spBv1.0/g/NCMD/n"]
    asked = codec.decode(commands[0][1])
    assert (asked.name, asked.value) == ([b"Node Control/Rebirth"], [1])
    assert scene.play(data(9, 1.0), after=4.9) == []
    assert len(scene.play(data(10, 1.0), after=0.2)) == 1
    assert scene.play(data(11, 1.0), after=9.9) == []  # the pause doubles
    assert len(scene.play(after=0.2)) == 1
    scene.play(node_birth())
    assert scene.play(after=1000.0) == []


def test_a_host_that_never_commands_stays_silent() -> None:
    assert Scene(tags=[], rebirth="never").play(data(7, 1.0), data(9, 1.0)) == []


def test_a_node_of_a_configured_tag_is_asked_soon_after_the_start() -> None:
    scene = Scene()
    scene.host.start(scene.now)
    assert scene.play() == []
    assert len(scene.play(after=1.1)) == 1


def test_a_node_that_does_not_answer_is_marked_not_connected() -> None:
    scene = Scene(births_s=10.0)
    scene.host.start(scene.now)
    scene.play(after=9.9)
    assert not scene.line.marks
    scene.play(after=0.2)
    assert [scene.marked(i) for i in range(4)] == [[Quality.BAD_NOT_CONNECTED]] * 4


def test_a_gap_makes_values_uncertain_until_the_node_is_born_again() -> None:
    scene = Scene()
    commands = scene.play(node_birth(), device_birth(), data(2, 1.0), data(4, 2.0), data(5, 3.0))
    assert len(commands) == 1 and scene.host.counts["gaps"] == 1
    assert [q for _, _, q in scene.line.of(0)][-2:] == [Quality.UNCERTAIN_LAST_USABLE] * 2
    scene.play(node_birth(), device_birth(), data(2, 4.0))
    assert scene.line.of(0)[-1][2] == Quality.GOOD


def test_a_message_that_comes_late_is_put_in_its_place() -> None:
    scene = Scene(reorder_s=2.0)
    scene.play(node_birth(), device_birth(), data(2, 1.0), data(4, 3.0), data(5, 4.0))
    assert scene.line.values(0)[1:] == [1.0]
    assert scene.play(data(3, 2.0), after=1.0) == []
    assert scene.line.values(0)[1:] == [1.0, 2.0, 3.0, 4.0]
    assert scene.play(after=5.0) == [] and scene.host.counts["gaps"] == 0


def test_a_message_that_never_comes_is_given_up_after_the_reorder_time() -> None:
    scene = Scene(reorder_s=2.0)
    scene.play(node_birth(), device_birth(), data(2, 1.0), data(4, 3.0))
    assert scene.play(after=1.9) == []
    assert len(scene.play(after=0.2)) == 1
    scene.host.collector.flush()
    assert scene.line.values(0)[1:] == [1.0, 3.0]


def test_the_sequence_wraps_from_255_to_0() -> None:
    scene = Scene()
    messages = [data((2 + i) % 256, float(i)) for i in range(600)]
    assert scene.play(node_birth(), device_birth(), *messages) == []
    assert len(scene.line.values(0)) == 601


def test_a_node_death_marks_all_its_tags() -> None:
    scene = Scene()
    scene.play(node_birth(4), device_birth(), death(4))
    assert [scene.marked(i) for i in range(4)] == [[Quality.BAD_NOT_CONNECTED]] * 4


def test_a_will_of_an_earlier_session_kills_nobody() -> None:
    scene = Scene()
    scene.play(node_birth(5), device_birth(), death(4), data(2, 1.0))
    assert not scene.line.marks and scene.line.values(0) == [20.5, 1.0]


def test_samples_before_a_death_in_one_batch_are_delivered_before_the_mark() -> None:
    scene = Scene()
    order: list[str] = []
    deliver, mark = scene.line.deliver, scene.line.mark
    scene.line.deliver = lambda s: (order.append("deliver"), deliver(s))[1]  # type: ignore[method-assign]
    scene.line.mark = lambda *a: (order.append("mark"), mark(*a))[1]  # type: ignore[method-assign]
    scene.play(node_birth(), device_birth(), data(2, 1.0), message(DEVICE.format("DDEATH"), 3))
    assert order[-1] == "mark" and order.count("mark") == 1


def test_a_device_that_is_not_born_after_its_node_is_marked() -> None:
    scene = Scene(births_s=10.0)
    scene.play(node_birth(), device_birth(), node_birth(2))
    assert not scene.line.marks
    scene.play(after=10.1)
    assert scene.marked(0) == [Quality.BAD_NOT_CONNECTED] and scene.marked(3) == []


def test_a_metric_missing_in_the_birth_is_marked_address_unknown() -> None:
    scene = Scene([*TAGS, tag(9, "gone")])
    scene.play(node_birth(), device_birth())
    assert scene.marked(9) == [Quality.BAD_ADDRESS_UNKNOWN] and scene.marked(0) == []


def test_a_number_tag_on_a_text_metric_is_marked_as_configured_wrongly() -> None:
    scene = Scene([tag(2, "mode")])
    scene.play(node_birth(), device_birth())
    assert scene.marked(2) == [Quality.BAD_CONFIGURATION] and scene.line.values(2) == []


def test_an_alias_nobody_declared_asks_for_a_rebirth() -> None:
    scene = Scene()
    commands = scene.play(node_birth(), device_birth(), data(2, 1.0, alias=77))
    assert len(commands) == 1 and scene.host.counts["unknown"] == 1


def test_null_is_bad_without_a_value_and_the_quality_property_counts() -> None:
    scene = Scene()
    null = codec.metric(alias=1, time=T, flags=codec.NULL)
    stale = codec.metric(
        alias=2, time=T, value=codec.scalar(13, 1.0),
        properties=codec.properties({"Quality": (3, 500)}),
    )  # fmt: skip
    scene.play(node_birth(), device_birth(), message(DEVICE.format("DDATA"), 2, null, stale))
    _, value, quality = scene.line.of(0)[-1]
    assert np.isnan(value) and quality == Quality.BAD_NO_DATA
    assert scene.line.of(1)[-1][1:] == (1.0, Quality.UNCERTAIN_LAST_USABLE)


def test_historical_values_keep_their_times() -> None:
    scene = Scene()
    old = codec.metric(
        alias=1, time=T - 3_600_000, value=codec.scalar(13, 1.0), flags=codec.HISTORICAL
    )
    scene.play(node_birth(), device_birth(), message(DEVICE.format("DDATA"), 2, old))
    assert scene.line.of(0)[-1] == ((T - 3_600_000) * 10**6, 1.0, 0)


@pytest.mark.parametrize("apart", [1, 1 << 22])
def test_a_row_of_aliases_reaches_the_right_tags_near_or_far_apart(apart: int) -> None:
    tags = [tag(i, f"m{i}") for i in range(100)]
    scene = Scene(tags)
    births = [metric(f"m{i}", 0.0, alias=(i + 1) * apart) for i in range(100)]
    row = [
        codec.metric(alias=(i + 1) * apart, time=T + 1, value=codec.scalar(13, i / 2))
        for i in range(100)
    ]
    scene.play(
        node_birth(), message(DEVICE.format("DBIRTH"), 1, *births),
        message(DEVICE.format("DDATA"), 2, *row),
    )  # fmt: skip
    assert [scene.line.values(i) for i in range(100)] == [[0.0, i / 2] for i in range(100)]


def test_new_metrics_become_tags_where_discovery_is_on() -> None:
    scene = Scene([], discovers=True)
    scene.play(node_birth(), device_birth(), data(2, 9.0))
    assert set(scene.line.declared) == {"g/n//up", "g/n/d/warm", "g/n/d/cold", "g/n/d/mode"}
    assert scene.line.values(scene.line.declared["g/n/d/warm"].id) == [20.5, 9.0]
    warm = next(found for found in scene.line.found if found.name == "warm")
    assert warm.path == ("g", "n", "d")


def test_malformed_messages_are_counted_and_the_rest_goes_on() -> None:
    scene = Scene()
    scene.play(node_birth(), (DEVICE.format("DBIRTH"), b"\xff\xff"), device_birth())
    assert scene.host.counts["malformed"] == 1 and scene.line.values(0) == [20.5]


def test_topics_of_others_are_nobodys_business() -> None:
    scene = Scene()
    scene.play(("spBv1.0/STATE/h", b"{}"), ("a/b", b"x"), ("spBv1.0/g/DDATA/n", b""))
    assert scene.host.counts["messages"] == 0


def test_commands_go_by_alias_where_the_birth_gave_one() -> None:
    scene = Scene()
    scene.play(node_birth(), device_birth())
    topic, payload = scene.host.write_command(TAGS[0], 5)
    sent = codec.decode(payload)
    assert (topic, sent.name, sent.alias) == ("spBv1.0/g/DCMD/n/d", [None], [1])
    topic, payload = scene.host.write_command(TAGS[3], -5)
    sent = codec.decode(payload)
    assert (topic, sent.name, sent.value) == ("spBv1.0/g/NCMD/n", [b"up"], [2**64 - 5])


def test_a_command_that_cannot_work_says_why() -> None:
    scene = Scene()
    with pytest.raises(Unreachable, match="not been born"):
        scene.host.write_command(TAGS[0], 5)
    scene.play(node_birth(), device_birth())
    with pytest.raises(Refused, match="no metric 'gone'"):
        scene.host.write_command(tag(9, "gone"), 5)
    with pytest.raises(Invalid, match="whole numbers"):
        scene.host.write_command(TAGS[3], 0.5)
    with pytest.raises(Invalid, match="write a number"):
        scene.host.write_command(TAGS[0], "hot")
    scene.play(message(DEVICE.format("DDEATH"), 2))
    with pytest.raises(Unreachable, match="offline"):
        scene.host.write_command(TAGS[0], 5)


def test_a_wrong_address_names_the_tag_and_the_right_form() -> None:
    with pytest.raises(ConfigError, match=r"a/x.*group/node/device/metric"):
        Scene([Tag(id=1, asset="a", property="x", address="g/n/m")])


def test_the_state_message_is_read_as_it_is_written() -> None:
    assert parse_state(state_payload(True, T)) == (True, T)
    assert parse_state(b"ONLINE") is None and parse_state(b'{"online": true}') is None

"""The edge node's state machine: births, data, commands, by hand and by the host's own eyes."""

from __future__ import annotations

import numpy as np

from baotu.drivers.sparkplug import codec
from baotu.drivers.sparkplug.datatypes import value_of
from baotu.drivers.sparkplug.edge_node import EdgeNode, Message, Shape, Wish
from baotu.drivers.sparkplug.host import Host
from baotu.sdk import Quality, Samples, Tag
from baotu.sdk.testing.sessions import RecordingLine

MS = 1_000_000
T = 1_790_000_000_000
TAGS = [
    Tag(id=3, asset="site/press", property="warm", unit="Cel", writable=True),
    Tag(id=4, asset="site/press", property="mode", kind="text"),
    Tag(id=200, asset="site/pump", property="on", kind="boolean", writable=True),
]


def node(tags: list[Tag] = TAGS, **more: object) -> EdgeNode:
    return EdgeNode(Shape(group="g", node="n", **more), tags, bdseq=4)  # type: ignore[arg-type]


def latest() -> list[Samples]:
    return [Samples.of([3, 200], [T * MS, T * MS], [20.5, 1.0]), Samples.of(4, [T * MS], ["auto"])]


def told(message: Message) -> dict[str, float | str | None]:
    payload = codec.decode(message[1])
    return {
        (name or str(payload.alias[i]).encode()).decode(): value_of(
            payload.value[i], payload.datatype[i]
        )
        for i, name in enumerate(payload.name)
    }


def test_births_come_in_order_with_every_metric_and_its_value() -> None:
    births = list(node().births(latest(), T))
    assert [topic for topic, _ in births] == [
        "spBv1.0/g/NBIRTH/n", "spBv1.0/g/DBIRTH/n/site.press", "spBv1.0/g/DBIRTH/n/site.pump",
    ]  # fmt: skip
    assert [codec.decode(data).seq for _, data in births] == [0, 1, 2]
    assert told(births[0]) == {"bdSeq": 4.0, "Node Control/Rebirth": 0.0}
    assert told(births[1]) == {"warm": 20.5, "mode": "auto"}
    payload = codec.decode(births[1][1])
    assert payload.properties[payload.name.index(b"warm")] == {
        "engUnit": "Cel", "Quality": 192, "readOnly": False,
    }  # fmt: skip
    assert set(payload.alias) == {3, 4}


def test_without_devices_the_node_has_all_metrics_under_their_full_names() -> None:
    births = list(node(devices="none").births(latest(), T))
    assert len(births) == 1
    assert told(births[0])["site/press/warm"] == 20.5


def test_a_tag_without_a_value_is_born_as_null_and_bad() -> None:
    births = list(node().births([], T))
    payload = codec.decode(births[1][1])
    assert payload.flags == [codec.NULL, codec.NULL]
    assert payload.properties[0]["Quality"] == 0


def test_data_go_by_alias_in_order_of_time_and_only_when_changed() -> None:
    edge = node()
    list(edge.births(latest(), T))
    samples = Samples.of([3, 200, 3, 3, 3], [(T + i) * MS for i in (5, 1, 2, 6, 7)],
                         [2.0, 1.0, 1.0, 2.0, 2.5])  # fmt: skip
    messages = list(edge.data(samples.where(np.argsort(samples.time)), T))
    assert [topic for topic, _ in messages] == ["spBv1.0/g/DDATA/n/site.press"]
    payload = codec.decode(messages[0][1])
    assert payload.name == [None] * 3 and payload.alias == [3] * 3
    assert [t - T for t in payload.time] == [2, 5, 7] and payload.seq == 3
    assert list(edge.data(samples.where([0]), T)) != []  # older than the newest: told as history
    assert list(edge.data(Samples.of(3, [(T + 9) * MS], [2.5]), T)) == []


def test_what_is_older_than_the_newest_goes_as_historical() -> None:
    edge = node()
    list(edge.births(latest(), T))
    ((_, data),) = edge.data(Samples.of(3, [(T - 5000) * MS], [1.0]), T)
    payload = codec.decode(data)
    assert payload.flags == [codec.HISTORICAL] and payload.time == [T - 5000]


def test_bad_quality_is_told_and_good_again_as_well() -> None:
    edge = node()
    list(edge.births(latest(), T))
    bad = Samples.of(3, [(T + 1) * MS], [np.nan], Quality.BAD_TIMEOUT)
    payload = codec.decode(next(iter(edge.data(bad, T)))[1])
    assert payload.properties[0] == {"Quality": 0} and payload.flags == [codec.NULL]
    for i, expected in ((2, {0: {"Quality": 192}}), (3, {})):
        good = Samples.of(3, [(T + i) * MS], [float(i)])
        assert codec.decode(next(iter(edge.data(good, T)))[1]).properties == expected


def test_large_batches_are_cut_and_the_sequence_wraps() -> None:
    tags = [Tag(id=i, asset="a", property=f"p{i}") for i in range(100)]
    edge = node(tags, most=10)
    list(edge.births([], T))
    seqs = [
        codec.decode(data).seq
        for k in range(30)
        for _, data in edge.data(
            Samples.of(list(range(100)), [(T + k) * MS] * 100, np.full(100, float(k))), T
        )
    ]
    assert seqs == [(2 + i) % 256 for i in range(300)]


def test_a_sample_of_an_unknown_tag_wants_a_rebirth() -> None:
    edge = node()
    assert list(edge.data(Samples.of([7, 900], [T * MS] * 2, [1.0, 1.0]), T)) == []
    assert edge.rebirth_wanted


def test_two_assets_never_share_a_device_id() -> None:
    tags = [
        Tag(id=i, asset=asset, property="p") for i, asset in enumerate(("a/b", "a.b", "a+b", "a_b"))
    ]
    topics = [topic for topic, _ in node(tags).births([], T)]
    assert len(set(topics)) == 5


def command(topic: str, *metrics: bytes) -> Message:
    return topic, codec.encode(timestamp=T, metrics=metrics)


def test_commands_are_wishes_for_writable_tags_alone() -> None:
    edge = node()
    on = codec.metric(alias=200, datatype=11, value=codec.scalar(14, True))
    warm = codec.metric(name="warm", datatype=10, value=codec.scalar(13, 7.5))
    fixed = codec.metric(alias=4, datatype=12, value=codec.scalar(15, "x"))
    wrong = codec.metric(alias=3, datatype=12, value=codec.scalar(15, "x"))
    topic = "spBv1.0/g/DCMD/n/site.press"
    assert edge.command(*command(topic, on, warm, fixed, wrong)) == [
        Wish(tag=200, value=1.0), Wish(tag=3, value=7.5),
    ]  # fmt: skip
    assert edge.command(*command("spBv1.0/g/DCMD/other/site.press", on)) == []
    assert not edge.rebirth_wanted


def test_a_rebirth_command_wants_births_with_the_same_bdseq() -> None:
    edge = node()
    list(edge.births(latest(), T))
    ask = codec.metric(name="Node Control/Rebirth", datatype=11, value=codec.scalar(14, True))
    assert edge.command(*command("spBv1.0/g/NCMD/n", ask)) == []
    assert edge.rebirth_wanted
    births = list(edge.births(latest(), T))
    assert told(births[0])["bdSeq"] == 4.0 and codec.decode(births[0][1]).seq == 0
    assert not edge.rebirth_wanted


def test_our_host_reads_what_our_node_sends() -> None:
    edge, line = node(), RecordingLine(discovers=True)
    host = Host(line, [])
    host.receive(list(edge.births(latest(), T)), 0.0)
    host.receive(list(edge.data(Samples.of(3, [(T + 1) * MS], [30.0]), T)), 0.0)
    warm = line.declared["g/n/site.press/warm"]
    assert (warm.unit, warm.writable) == ("Cel", True)
    assert line.of(warm.id) == [(T * MS, 20.5, 0), ((T + 1) * MS, 30.0, 0)]
    host.receive([edge.death(T)], 0.0)
    assert line.marks[-1].quality == Quality.BAD_NOT_CONNECTED

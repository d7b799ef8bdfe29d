"""Whatever an edge node or a host sends, in whatever order: counted, never an exception."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.drivers.sparkplug import codec
from baotu.drivers.sparkplug.edge_node import EdgeNode, Shape
from baotu.drivers.sparkplug.host import Host, Rules
from baotu.sdk import Malformed, Tag
from baotu.sdk.testing.sessions import RecordingLine

VERBS = ("NBIRTH", "NDATA", "NDEATH", "NCMD", "DBIRTH", "DDATA", "DDEATH", "DCMD")
varied = st.integers(0, 2**64 - 1) | st.integers(0, 40)
metrics = st.builds(
    lambda name, alias, time, kind, field, value, flags, told: codec.metric(
        name=name, alias=alias, time=time, datatype=kind, flags=flags, properties=told,
        value=codec.scalar(field, value),
    ),
    name=st.sampled_from(["", "warm", "mode", "bdSeq", "Node Control/Rebirth"]) | st.text(max_size=5),
    alias=st.integers(-1, 5) | varied,
    time=st.just(-1) | varied,
    kind=st.integers(0, 40) | varied,
    field=st.sampled_from([10, 11, 13, 14, 15]),
    value=st.integers(0, 2**63),
    flags=st.integers(0, 7),
    told=st.binary(max_size=12) | st.just(codec.properties({"Quality": (3, 0), "engUnit": (12, "m")})),
)  # fmt: skip
payloads = st.builds(
    lambda many, timestamp, seq: codec.encode(timestamp=timestamp, metrics=many, seq=seq),
    many=st.lists(metrics, max_size=4) | st.lists(metrics, min_size=1, max_size=1).map(lambda m: m * 40),
    timestamp=varied,
    seq=st.integers(-1, 4),
) | st.binary(max_size=30)  # fmt: skip
topics = st.builds(
    lambda verb, node, device: f"spBv1.0/g/{verb}/{node}" + (f"/{device}" if verb[0] == "D" else ""),
    verb=st.sampled_from(VERBS), node=st.sampled_from("nm"), device=st.sampled_from("de"),
)  # fmt: skip
TAGS = [
    Tag(id=0, asset="a", property="p", address="g/n/d/warm"),
    Tag(id=1, asset="a", property="q", address="g/n/d/mode", kind="text"),
]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(topics, payloads, st.floats(0, 20)), max_size=12),
    st.sampled_from([0.0, 2.0]),
)
def test_the_host_survives_any_sequence_of_messages(
    rows: list[tuple[str, bytes, float]], reorder_s: float
) -> None:
    line = RecordingLine(TAGS, discovers=True)
    host = Host(line, TAGS, Rules(reorder_s=reorder_s))
    now = 0.0
    host.start(now)
    for topic, payload, after in rows:
        now += after
        host.receive([(topic, payload)], now)
        host.commands()
    kinds = {tag.id: tag.kind for tag in [*TAGS, *line.declared.values()]}
    for samples in line.samples:
        assert all((kinds[tag] == "text") is samples.is_text for tag in samples.tag.tolist())
        assert (samples.time > 0).all() or not len(samples) or (samples.time >= 0).all()


@settings(max_examples=100, deadline=None)
@given(topics, payloads)
def test_the_edge_node_survives_any_command(topic: str, payload: bytes) -> None:
    tags = [Tag(id=1, asset="d", property="warm", writable=True)]
    node = EdgeNode(Shape(group="g", node="n"), tags, 0)
    try:
        wishes = node.command(topic, payload)
    except Malformed:
        return
    assert all(wish.tag == 1 for wish in wishes)

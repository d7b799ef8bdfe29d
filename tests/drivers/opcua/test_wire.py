"""The binary decoder against asyncua's encoder, and against garbage."""

import math
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.drivers.opcua.answers import (
    PageEnd,
    decode_history,
    decode_publish,
    decode_values,
    references,
)
from baotu.drivers.opcua.values import fallback
from baotu.drivers.opcua.wire import unix
from baotu.sdk import Malformed

from .frames import browse, data_value, history, publish

T = ua.VariantType
NOW = 1_780_000_000_123_456_000


def test_equal_records_are_taken_as_one_view():
    values = [i * 0.5 for i in range(1000)]
    told = decode_publish(
        publish([(i, data_value(v, T.Double, NOW + i * 1000, NOW)) for i, v in enumerate(values)])
    )
    assert (told.subscription, told.sequence, told.available, told.data) == (7, 3, [1, 2], True)
    assert told.numbers.handle.tolist() == list(range(1000))
    assert told.numbers.value.tolist() == values
    assert told.numbers.time.tolist() == [NOW + i * 1000 for i in range(1000)]
    assert not told.numbers.status.any()
    assert len(told.texts) == 0


numbers = st.one_of(
    st.tuples(st.just(T.Double), st.floats(allow_nan=False)),
    st.tuples(st.just(T.Float), st.floats(width=32, allow_nan=False)),
    st.tuples(st.just(T.Boolean), st.booleans()),
    st.tuples(st.just(T.SByte), st.integers(-128, 127)),
    st.tuples(st.just(T.Byte), st.integers(0, 255)),
    st.tuples(st.just(T.Int16), st.integers(-(1 << 15), (1 << 15) - 1)),
    st.tuples(st.just(T.UInt16), st.integers(0, (1 << 16) - 1)),
    st.tuples(st.just(T.Int32), st.integers(-(1 << 31), (1 << 31) - 1)),
    st.tuples(st.just(T.UInt32), st.integers(0, (1 << 32) - 1)),
    st.tuples(st.just(T.Int64), st.integers(-(1 << 63), (1 << 63) - 1)),
    st.tuples(st.just(T.UInt64), st.integers(0, (1 << 64) - 1)),
    st.tuples(st.just(T.String), st.text(max_size=20)),
)
stamps = st.one_of(st.none(), st.integers(1, 4_000_000_000_000_000).map(lambda us: us * 1000))
codes = st.sampled_from([None, 0, 0x40900000, 0x808C0000, 0x00000480])
item = st.tuples(st.integers(0, (1 << 32) - 1), numbers, stamps, stamps, codes, st.integers(1, 40))


@settings(max_examples=150, deadline=None)
@given(st.lists(item, max_size=12))
def test_any_mixture_of_scalars_is_read_as_it_was_written(rows):
    """Each row is repeated up to 40 times, so that runs begin and end everywhere."""
    rows = [row for row in rows for _ in range(row[5])]
    told = decode_publish(
        publish([(h, data_value(v, k, s, m, c)) for h, (k, v), s, m, c, _ in rows]), fallback
    )
    words = [row for row in rows if row[1][0] == T.String]
    others = [row for row in rows if row[1][0] != T.String]
    for columns, expected in ((told.texts, words), (told.numbers, others)):
        assert columns.handle.tolist() == [row[0] for row in expected]
        assert columns.time.tolist() == [row[2] or row[3] or 0 for row in expected]
        assert columns.status.tolist() == [row[4] or 0 for row in expected]
        values = [row[1][1] for row in expected]
        assert columns.value.tolist() == (
            values if columns is told.texts else [*map(float, values)]
        )


def test_rarer_types_are_read_too():
    guid = UUID("12345678-1234-5678-1234-567812345678")
    rows = [
        data_value(ua.LocalizedText("ready", "en"), T.LocalizedText),
        data_value(ua.QualifiedName("q", 2), T.QualifiedName),
        data_value(ua.NodeId("Pump", 2), T.NodeId),
        data_value(b"\x01\xff", T.ByteString),
        data_value(guid, T.Guid),
        data_value(datetime(2026, 1, 1, tzinfo=UTC), T.DateTime),
        data_value(None, None, status=0x80310000),
        data_value([41.5], T.Double),
        data_value([1, 2], T.Int32),
        data_value(ua.Range(Low=1.0, High=2.0), T.ExtensionObject),
    ]
    told = decode_publish(publish(list(enumerate(rows))), fallback)
    assert told.texts.value.tolist()[:5] == ["ready", "q", "ns=2;s=Pump", "01ff", str(guid)]
    assert told.texts.value.tolist()[5] == "[1.0, 2.0]"
    assert "Low=1.0" in told.texts.value[6]
    assert told.numbers.handle.tolist() == [5, 6, 7]
    assert told.numbers.value[0] == 1767225600.0
    assert math.isnan(told.numbers.value[1])
    assert told.numbers.value[2] == 41.5


@pytest.mark.parametrize("ticks", [0, -1, 1 << 62, (1 << 63) - 1, -(1 << 63)])
def test_times_that_cannot_be_are_no_times(ticks):
    assert unix(ticks) == 0


def test_history_keeps_nodes_and_continuation_points_apart():
    some = [data_value(float(i), T.Double, NOW + i) for i in range(50)]
    one, two, three = decode_history(
        history([(0, b"more", some), (0x80720000, None, []), (0, None, some[:3])])
    )
    assert (one.more, len(one.numbers), one.numbers.value[-1]) == (b"more", 50, 49.0)
    assert (two.status, two.more, len(two.numbers)) == (0x80720000, b"", 0)
    assert len(three.numbers) == 3


def test_references_come_one_by_one_with_the_end_of_each_node():
    frame = browse(
        [(b"next", [("ns=2;s=Pump", "Pump", 1, 61), ("ns=2;i=70000", "N", 2, 63)]), (None, [])]
    )
    pump, number, first, second = references(frame)
    assert (pump.target, pump.name, pump.node_class, pump.type) == (
        "ns=2;s=Pump",
        "Pump",
        1,
        "i=35",
    )
    assert (number.target, number.definition) == ("ns=2;i=70000", "i=63")
    assert (first, second) == (PageEnd(0, 0, b"next"), PageEnd(1, 0, b""))


def test_attributes_are_read_in_order():
    response = ua.ReadResponse()
    response.Results = [
        data_value(ua.NodeId(11), T.NodeId), data_value(3, T.Byte),
        data_value(None, None, status=0x80340000),
    ]  # fmt: skip
    assert decode_values(struct_to_binary(response)) == [("i=11", 0), (3, 0), (None, 0x80340000)]


GOOD = publish(
    [(i, data_value(float(i), T.Double, NOW, NOW)) for i in range(30)]
    + [(40, data_value("text", T.String, NOW)), (41, data_value([1, 2], T.Int32))]
)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.booleans())
def test_damaged_publications_are_malformed_or_harmless(place, byte, short):
    damaged = bytearray(GOOD)
    damaged[place] = byte
    frame = bytes(damaged[:place] if short else damaged)
    try:
        told = decode_publish(frame, fallback)
    except Malformed as error:
        assert error.frame == frame
    else:
        assert len(told.numbers) + len(told.texts) < 1000
        assert np.all(told.numbers.time >= 0)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([decode_publish, decode_history, decode_values]))
def test_garbage_is_malformed(garbage, decode):
    frame = GOOD[:24] + garbage
    try:
        decode(frame, fallback)
    except Malformed as error:
        assert error.frame == frame


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_references_are_malformed(garbage):
    try:
        found = list(references(GOOD[:24] + garbage))
    except Malformed:
        return
    assert len(found) < 1000


def test_a_count_that_lies_does_not_take_memory():
    frame = bytearray(GOOD)
    place = GOOD.index((32).to_bytes(4, "little") + b"\0\0\0\0\x0d")
    frame[place : place + 4] = (0x7FFFFFFF).to_bytes(4, "little")
    with pytest.raises(Malformed, match="elements in"):
        decode_publish(bytes(frame), fallback)

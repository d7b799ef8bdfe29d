"""The Sparkplug B codec: what it reads, what it refuses, what it never does."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.drivers.sparkplug import codec
from baotu.drivers.sparkplug.codec import HISTORICAL, LONG, NULL, TRANSIENT
from baotu.drivers.sparkplug.datatypes import ROWS, DataType, numbers, raw, value_of
from baotu.drivers.sparkplug.runs import LEAST
from baotu.sdk import Invalid, Malformed

T = 1_790_000_000_123
WHOLE = [kind for kind, row in ROWS.items() if row.bits]


def one(value: float | str, kind: int, **more: object) -> bytes:
    body = codec.scalar(ROWS[DataType(kind)].field, raw(value, kind, "m"))
    more = {"name": "m"} | more
    return codec.metric(time=T, datatype=kind, value=body, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_numbers_survive_at_both_ends_of_their_range(kind: DataType) -> None:
    row = ROWS[kind]
    low = -(1 << row.bits - 1) if row.signed else 0
    for value in (low, -1 if row.signed else 1, low + (1 << row.bits) - 1):
        payload = codec.decode(codec.encode(timestamp=T, metrics=[one(value, kind)], seq=1))
        assert value_of(payload.value[0], kind) == float(value)
    with pytest.raises(Invalid, match="takes"):
        raw(low - 1, kind, "m")


@pytest.mark.parametrize("sent", [0xFB, 0xFFFB, 0xFFFFFFFB, 0xFFFFFFFFFFFFFFFB])
def test_a_negative_int8_is_read_however_far_its_sign_was_extended(sent: int) -> None:
    assert value_of(sent, DataType.INT8) == -5.0


@settings(deadline=None)
@given(st.floats(width=32), st.floats())
def test_floats_keep_every_bit(single: float, double: float) -> None:
    data = codec.encode(timestamp=T, metrics=[one(single, 9), one(double, 10)])
    payload = codec.decode(data)
    assert struct.pack("<d", value_of(payload.value[0], 9)) == struct.pack("<d", single) or (
        single != single
    )
    assert payload.value[1] == int.from_bytes(struct.pack("<d", double), "little")


@settings(deadline=None)
@given(st.text(max_size=300))
def test_texts_survive(text: str) -> None:
    assert (
        value_of(codec.decode(codec.encode(timestamp=T, metrics=[one(text, 12)])).value[0], 12)
        == text
    )


def test_every_field_of_a_metric_is_told() -> None:
    told = codec.properties({"engUnit": (12, "Cel"), "Quality": (3, 500), "low": (3, -4)})
    data = codec.encode(
        timestamp=T,
        seq=255,
        metrics=[
            one(1, 4, alias=300, flags=HISTORICAL | TRANSIENT, properties=told),
            codec.metric(alias=7, flags=NULL),
        ],
    )
    payload = codec.decode(data)
    assert (payload.timestamp, payload.seq, len(payload)) == (T, 255, 2)
    assert (payload.name, payload.alias) == ([b"m", None], [300, 7])
    assert (payload.time, payload.datatype) == ([T, -1], [4, 0])
    assert payload.flags == [HISTORICAL | TRANSIENT | LONG, NULL]
    assert payload.properties == {0: {"engUnit": "Cel", "Quality": 500, "low": -4}}


def test_data_sets_and_unknown_fields_are_skipped() -> None:
    blob = b"\x8a\x01\x03abc"  # dataset_value = 17
    data = codec.encode(timestamp=T, metrics=[codec.metric(name="set", datatype=16, value=blob)])
    payload = codec.decode(data + b"\xfa\x07\x02hi" + b"\x22\x01u")
    assert payload.value == [None] and payload.datatype == [16]


def test_a_row_of_like_metrics_is_read_as_the_loop_reads_it() -> None:
    metrics = [
        codec.metric(alias=i, time=T + i, datatype=10, value=codec.scalar(13, i / 3))
        for i in range(400)
    ]
    metrics[200] = codec.metric(alias=200, time=T, datatype=12, value=codec.scalar(15, "x"))
    payload = codec.decode(codec.encode(timestamp=T, metrics=metrics, seq=2))
    assert len(payload) == 400 and len(payload.runs) >= 2
    seen: dict[int, tuple[int, float]] = {}
    for _, run in payload.runs:
        values = numbers(run.bits, run.datatype)
        for alias, when, value in zip(run.alias, run.time, values, strict=True):
            seen[int(alias)] = (int(when), float(value))
    for i, alias in enumerate(payload.alias):
        if alias != 200:
            seen[alias] = (payload.time[i], float(value_of(payload.value[i], 10) or 0))
    assert seen == {i: (T + i, i / 3) for i in range(400) if i != 200}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 14), st.sampled_from([3, 9, 10, 11]), st.integers(0, 255)),
        min_size=LEAST + 2,
        max_size=120,
    )
)
def test_runs_change_nothing(rows: list[tuple[int, int, int]]) -> None:
    metrics = [
        codec.metric(alias=a, time=T, datatype=k, value=codec.scalar(ROWS[DataType(k)].field, v))
        for a, k, v in rows
    ]
    told: list[tuple[int, int, int]] = []
    payload = codec.decode(codec.encode(timestamp=T, metrics=metrics))
    begin = 0
    for at, run in [*payload.runs, (len(payload.alias), None)]:
        told += zip(
            payload.alias[begin:at],
            payload.datatype[begin:at],
            payload.value[begin:at],
            strict=True,
        )  # type: ignore[arg-type]
        begin = at
        if run is not None:
            told += zip(run.alias.tolist(), run.datatype.tolist(), run.bits.tolist(), strict=True)
    kinds = np.array([k for _, k, _ in told], "u1")
    values = numbers(np.array([v for _, _, v in told], "u8"), kinds)
    assert [(a, k) for a, k, _ in told] == [(a, k) for a, k, _ in rows]
    assert values.tolist() == [float(v != 0) if k == 11 else float(v) for _, k, v in rows]


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_garbage_is_refused_or_read_but_never_anything_else(data: bytes) -> None:
    try:
        payload = codec.decode(data)
    except Malformed as no:
        assert no.frame == data
    else:
        assert len(payload) <= len(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2000), st.integers(0, 255), st.integers(0, 2000))
def test_a_payload_with_a_flipped_byte_or_cut_short_never_breaks_the_reader(
    at: int, byte: int, cut: int
) -> None:
    metrics = [one(i, 10, alias=i) for i in range(40)]
    good = bytearray(codec.encode(timestamp=T, metrics=metrics, seq=9))
    good[at % len(good)] = byte
    for data in (bytes(good), bytes(good[: cut % len(good)])):
        try:
            codec.decode(data)
        except Malformed as no:
            assert str(no)


def test_a_length_that_lies_is_malformed_at_once() -> None:
    begin = time.thread_time()
    for data in (
        b"\x12\xff\xff\xff\xff\x0f",
        b"\x12\x05\x0a\xff\xff\xff\x7f",
        b"\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        b"\xff" * 50,
        b"\x12\x00",
        b"\x0b",
    ):
        with pytest.raises(Malformed):
            codec.decode(data)
    assert time.thread_time() - begin < 0.1


def test_a_payload_above_the_limit_is_not_even_looked_at() -> None:
    with pytest.raises(Malformed, match="at most 100 are taken"):
        codec.decode(b"\x00" * 101, limit=100)


def test_a_time_beyond_our_calendar_counts_as_no_time() -> None:
    data = codec.encode(timestamp=1 << 60, metrics=[codec.metric(name="m", time=1 << 62)])
    payload = codec.decode(data)
    assert (payload.timestamp, payload.time) == (-1, [-1])

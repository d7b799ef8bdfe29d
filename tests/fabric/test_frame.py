"""A frame comes back to the bit; anything else is Malformed, and never large."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.fabric.frame import BODY, decode, encode, records, seal, split
from baotu.sdk import Malformed, Samples

floats = st.floats(width=64)
decimals = st.integers(-(10**6), 10**6).map(lambda n: n / 100)
texts = st.text(st.characters(codec="utf-8"), max_size=12)
stamps = st.integers(-(2**62), 2**62)


@st.composite
def frames(draw: st.DrawFn) -> Samples:
    values = draw(st.sampled_from((floats, decimals, texts)))
    rows = draw(st.lists(st.tuples(st.integers(0, 2**31 - 1), stamps, values, st.integers(0, 255))))
    tag, time, value, quality = zip(*rows, strict=True) if rows else ((), (), (), ())
    column = np.array([*value, None], object)[:-1] if values is texts else np.array(value, "f8")
    return Samples.of(tag, time, column, quality)


@settings(deadline=None)
@given(frames())
def test_a_frame_comes_back_to_the_bit(samples: Samples) -> None:
    back = decode(encode(samples))
    assert back == samples
    if not samples.is_text:
        assert back.value.tobytes() == samples.value.tobytes()


@settings(deadline=None, max_examples=300)
@given(frames(), st.data())
def test_a_damaged_frame_is_malformed_or_reads_as_columns(
    samples: Samples, data: st.DataObject
) -> None:
    body = bytearray(encode(samples))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(body[: data.draw(st.integers(0, len(body)))]))
    except Malformed as error:
        assert "frame of" in str(error)
    else:
        assert len(found.tag) == len(found.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed_or_a_frame(raw: bytes) -> None:
    try:
        assert len(decode(raw)) >= 0
    except Malformed as error:
        assert error.frame == raw


def test_a_frame_that_would_unpack_to_gigabytes_is_refused() -> None:
    bomb = BODY.pack(1 << 20, 0, 0) + zlib.compress(bytes(200 << 20), 9)
    with pytest.raises(Malformed, match="too large"):
        decode(bomb)
    with pytest.raises(Malformed, match="rows"):
        decode(BODY.pack(2**32 - 1, 0, 0) + zlib.compress(b""))


def test_measured_values_take_less_than_two_bytes() -> None:
    rng = np.random.default_rng(1)
    value = np.round(20 + rng.normal(0, 0.1, 10_000), 2)
    body = encode(Samples.of(np.arange(10_000), np.full(10_000, 10**18), value))
    assert len(body) < 20_000


def test_a_large_column_is_cut_into_pieces_in_order() -> None:
    samples = Samples.of(1, range(25), np.arange(25.0))
    assert [len(piece) for piece in split(samples, 10)] == [10, 10, 5]
    assert Samples.concat(list(split(samples, 10))) == samples


@given(st.lists(st.binary(max_size=30), max_size=6), st.integers(0, 400), st.binary(max_size=20))
def test_records_end_at_the_first_torn_one(bodies: list[bytes], cut: int, tail: bytes) -> None:
    whole = [seal(i + 1, body) for i, body in enumerate(bodies)]
    data = b"".join(whole)[:cut]
    found = [(sequence, bytes(body)) for _, sequence, body in records(data + tail)]
    want, end = [], 0
    for i, record in enumerate(whole):
        end += len(record)
        if end <= cut:
            want.append((i + 1, bodies[i]))
    assert found[: len(want)] == want
    assert len(found) == len(want) or (not tail or cut + len(tail) >= end)

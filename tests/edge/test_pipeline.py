"""The pipeline: what becomes of raw samples, however the stream is cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from baotu.edge.pipeline import Pipeline
from baotu.sdk import ConfigError, Quality, Samples, Tag

S = 1_000_000_000


def tag(id, property, **more):
    return Tag(id=id, asset=more.pop("asset", "hall/pump-1"), property=property, **more)


def made(*tags):
    pipeline = Pipeline()
    pipeline.change(tags)
    return pipeline


def rows(parts):
    out = []
    for p in parts:
        columns = (p.tag.tolist(), p.time.tolist(), p.value.tolist(), p.quality.tolist())
        out += [(t, at, repr(v), q) for t, at, v, q in zip(*columns, strict=True)]
    return out


def test_scaling_gives_the_nearest_decimal_to_the_bit():
    pipeline = made(tag(0, "t", scale=0.1), tag(1, "p", scale=0.05, offset=-3.2))
    raw = np.arange(-3000, 3000)
    (out,) = pipeline.process([Samples.of(0, np.arange(6000), raw)], 0)
    assert out.value.tolist() == [round(int(r) / 10, 1) for r in raw]
    (out,) = pipeline.process([Samples.of(1, np.arange(6000), raw)], 0)
    assert out.value.tolist() == [float(f"{int(r) * 5 / 100 - 3.2:.2f}") for r in raw]


def test_a_raw_unit_is_converted_after_scaling():
    pipeline = made(
        tag(0, "t", scale=0.1, raw_unit="[degF]", unit="Cel"),
        tag(1, "p", raw_unit="kPa", unit="bar"),
    )
    (out,) = pipeline.process([Samples.of([0, 1], [0, 0], [2120.0, 250.0])], 0)
    assert out.value.tolist() == [100.0, 2.5]


def test_units_that_do_not_convert_are_refused_with_the_tag_named():
    with pytest.raises(ConfigError, match=r"hall/pump-1/t: kPa \(pressure\) does not convert"):
        made(tag(0, "t", raw_unit="kPa", unit="kW"))


def test_what_lies_beyond_the_limits_is_clamped_and_says_so():
    pipeline = made(tag(0, "level", clamp_low=0, clamp_high=100), tag(1, "free"))
    (out,) = pipeline.process(
        [Samples.of([0, 0, 0, 1], [1, 2, 3, 4], [-5, 50, 130, 999], [0, 0, Quality.UNCERTAIN, 0])],
        0,
    )
    assert out.value.tolist() == [0, 50, 100, 999]
    assert out.quality.tolist() == [Quality.GOOD_CLAMPED, 0, Quality.UNCERTAIN, 0]


def test_a_boolean_is_nought_or_one():
    pipeline = made(tag(0, "on", kind="boolean"), tag(1, "off", kind="boolean", scale=-1, offset=1))
    (out,) = pipeline.process([Samples.of([0, 0, 1], [1, 2, 3], [4.0, 0.0, 1.0])], 0)
    assert out.value.tolist() == [1, 0, 0]


def test_deadband_reports_first_change_quality_and_after_silence():
    pipeline = made(tag(0, "t", deadband=0.5, max_silence_s=10))
    value = [20.0, 20.4, 20.5, 20.6, 20.6, 20.6, 20.6]
    quality = [0, 0, 0, 0, Quality.UNCERTAIN, Quality.UNCERTAIN, Quality.UNCERTAIN]
    time = [0, S, 2 * S, 3 * S, 4 * S, 5 * S, 14 * S]
    (out,) = pipeline.process([Samples.of(0, time, value, quality)], 0)
    assert (out.time // S).tolist() == [0, 2, 4, 14]


def test_without_a_deadband_every_good_sample_goes_on():
    pipeline = made(tag(0, "t"))
    (out,) = pipeline.process([Samples.of(0, range(100), np.zeros(100))], 0)
    assert len(out) == 100


def test_a_lost_tag_is_told_once_and_again_after_its_silence():
    pipeline = made(tag(0, "t"), tag(1, "quiet", max_silence_s=10), tag(2, "name", kind="text"))
    lost = pipeline.voids(np.array([0, 1, 2]), 5 * S, Quality.BAD_TIMEOUT)
    assert [len(p) for p in pipeline.process(lost, 0)] == [2, 1]
    again = pipeline.voids(np.array([0, 1, 2]), 6 * S, Quality.BAD_TIMEOUT)
    assert pipeline.process(again, 0) == []
    assert pipeline.settle(0, 14 * S) == []
    (reminder,) = pipeline.settle(0, 15 * S)
    assert reminder.tag.tolist() == [1] and reminder.quality.tolist() == [Quality.BAD_TIMEOUT]
    assert pipeline.settle(0, 16 * S) == []
    (back,) = pipeline.process([Samples.of([0, 1], 17 * S, [1.0, 2.0])], 0)
    assert back.tag.tolist() == [0, 1]


def test_texts_pass_and_are_reported_by_change_when_a_deadband_is_set():
    pipeline = made(tag(0, "recipe", kind="text"), tag(1, "state", kind="text", deadband=1))
    out = pipeline.process(
        [Samples.of([0, 0, 1, 1, 1], [1, 2, 3, 4, 5], ["a", "a", "b", "b", "c"])], 0
    )
    assert rows(out) == [(0, 1, "'a'", 0), (0, 2, "'a'", 0), (1, 3, "'b'", 0), (1, 5, "'c'", 0)]


def test_samples_of_nobody_or_of_another_kind_are_counted_and_dropped():
    pipeline = made(tag(0, "t"), tag(3, "name", kind="text"))
    out = pipeline.process(
        [Samples.of([0, 1, -1, 99, 3], 1, np.ones(5)), Samples.of([0, 3], 1, ["x", "y"])], 0
    )
    assert rows(out) == [(0, 1, "1.0", 0), (3, 1, "'y'", 0)]
    assert pipeline.stranger == 5


def test_latest_never_steps_back():
    pipeline = made(tag(0, "t"), tag(1, "u"))
    pipeline.process([Samples.of([0, 0, 1], [5, 3, 1], [50.0, 30.0, 1.0])], 0)
    pipeline.process([Samples.of([0], [4], [40.0])], 0)
    (latest,) = pipeline.columns.latest(np.array([0, 1]))
    assert latest.value.tolist() == [50.0, 1.0]


def test_a_clock_set_back_does_not_freeze_the_latest_values():
    pipeline = made(
        tag(0, "t"), tag(1, "m", expression='mean(t, "1 s")'), tag(2, "d", expression="t*2")
    )
    pipeline.process([Samples.of(0, 1000 * S, [1.0])], 0)
    pipeline.rewind(10 * S)
    out = pipeline.process([Samples.of([0, 0], [11 * S, 12 * S], [2.0, 3.0])], 0)
    assert (1, 12 * S, "2.0", 0) in rows(out) and (2, 12 * S, "6.0", 0) in rows(out)
    (latest,) = pipeline.columns.latest(np.array([0]))
    assert latest.value.tolist() == [3.0]


TAGS = (
    tag(0, "a", deadband=0.5, max_silence_s=4),
    tag(1, "b", deadband=2.0),
    tag(2, "c"),
    tag(3, "sum", expression="a + b * 2", deadband=1.0),
    tag(4, "twice", expression="sum * 2 + c"),
    tag(5, "calm", expression='mean(a, "5 s") - min(twice, "3 s")'),
    tag(6, "work", expression='integral(c, "4 s") + std(c, "4 s")'),
    tag(7, "many", expression='count(b, "2 s")', deadband=0.1),
)
ROW = st.tuples(
    st.integers(0, 2),
    st.integers(0, 30),
    st.floats(-5, 5, width=32) | st.just(float("nan")),
    st.sampled_from([0, 0, 0, Quality.UNCERTAIN, Quality.BAD_TIMEOUT]),
)


# what is overtaken belongs to the step of the event that overtakes it
OVERTAKEN = [(0, 0, 0.0, 0), (1, 0, 0.0, 0), (0, 1, 0.0, 0), (2, 0, 0.0, 0), (0, 2, 0.0, 0)]


@settings(max_examples=150, deadline=None)
@example(OVERTAKEN, [3])
@given(st.lists(ROW, min_size=1, max_size=120), st.lists(st.integers(1, 119), max_size=8))
def test_how_the_stream_is_cut_changes_nothing(stream, cuts):
    columns = [np.array(column) for column in zip(*stream, strict=True)]
    whole = Samples.of(columns[0], columns[1] * S, columns[2], columns[3])
    places = [0, *sorted({c for c in cuts if c < len(whole)}), len(whole)]
    one, many = made(*TAGS), made(*TAGS)
    together = rows(one.process([whole], 0)) + rows(one.settle(9, 99 * S))
    pieces = []
    for start, end in pairwise(places):
        pieces += rows(many.process([whole.where(slice(start, end))], 0))
    pieces += rows(many.settle(9, 99 * S))
    for id in range(len(TAGS)):
        assert [r for r in together if r[0] == id] == [r for r in pieces if r[0] == id]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_many_samples_of_few_tags_are_reported_as_if_one_by_one(seed, size):
    dice = np.random.default_rng(seed)
    whole = Samples.of(
        dice.integers(0, 3, size), np.cumsum(dice.integers(0, 2, size)) * S,
        dice.normal(0, 1, size).round(1), dice.choice([0, 0, 0, 64, 130], size),
    )  # fmt: skip
    one, many = made(*TAGS[:3]), made(*TAGS[:3])
    singly = [row for i in range(size) for row in rows(many.process([whole.where([i])], 0))]
    assert rows(one.process([whole], 0)) == singly


def test_removed_tags_are_not_taken_any_more():
    pipeline = made(tag(0, "t"), tag(1, "u"))
    pipeline.change([], [0])
    assert rows(pipeline.process([Samples.of([0, 1], 1, [1.0, 2.0])], 0)) == [(1, 1, "2.0", 0)]
    with pytest.raises(ConfigError, match="no tag"):
        pipeline.change([tag(2, "d", expression="t + 1")])

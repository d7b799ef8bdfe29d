"""The values everything else is made of: columns, qualities, periods, signals."""

import doctest
from datetime import UTC, datetime

import numpy as np
import pytest
from asyncua.ua import StatusCodes
from hypothesis import given
from hypothesis import strategies as st

from baotu.sdk import Hysteresis, Quality, Samples, per_tag, quality, samples
from baotu.sdk.app import App, parameter, seconds
from baotu.sdk.quality import REASONS, from_status, to_status
from baotu.sdk.view import in_language


def test_columns_have_their_types_whatever_was_given():
    made = Samples.of(7, [1, 2], [1, 2])

    assert [getattr(made, c).dtype.str for c in ("tag", "time", "value", "quality")] == [
        "<i4",
        "<i8",
        "<f8",
        "|u1",
    ]
    assert Samples.of(7, 1, ["running"]).is_text
    assert not made.is_text


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        Samples(np.zeros(2, "i4"), np.zeros(2, "i8"), np.zeros(1), np.zeros(2, "u1"))


def test_samples_are_equal_by_what_they_hold_nan_included():
    assert Samples.of(1, 0, [np.nan]) == Samples.of(1, 0, [np.nan])
    assert Samples.of(1, 0, [1.0]) != Samples.of(1, 0, [1.0], Quality.BAD)
    assert Samples.of(1, 0, ["a"]) != Samples.of(1, 0, [1.0])


def test_texts_and_numbers_do_not_share_a_column():
    with pytest.raises(ValueError, match="cannot share"):
        Samples.concat([Samples.of(1, 0, ["a"]), Samples.of(1, 0, [1.0])])


def test_good_leaves_the_rest_out_and_copies_nothing_when_all_is_good():
    mixed = Samples.of(
        1, [0, 1, 2], [1.0, 2.0, 3.0], [Quality.GOOD, Quality.UNCERTAIN, Quality.BAD_TIMEOUT]
    )
    fine = Samples.of(1, [0, 1], [1.0, 2.0], Quality.GOOD_CLAMPED)

    assert mixed.good().value.tolist() == [1.0]
    assert fine.good() is fine


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(allow_nan=False)), max_size=40))
def test_by_tag_gives_every_sample_once_in_its_order(rows):
    made = Samples.of([t for t, _ in rows], range(len(rows)), [v for _, v in rows])
    parts = list(made.by_tag())

    assert [t for t, _ in parts] == sorted({t for t, _ in rows})
    for tag, part in parts:
        assert part.value.tolist() == [v for t, v in rows if t == tag]


def test_between_takes_the_start_and_leaves_the_end():
    made = Samples.of(1, [0, 10**9, 2 * 10**9], [0.0, 1.0, 2.0])
    start, end = datetime.fromtimestamp(1, UTC), datetime.fromtimestamp(2, UTC)

    assert made.between(start, end).value.tolist() == [1.0]
    with pytest.raises(ValueError, match="no time zone"):
        made.between(datetime(2026, 1, 1), end)


def test_every_quality_has_a_reason_in_both_languages_and_the_status_code_of_opc_ua():
    known = {v: k for k, v in vars(StatusCodes).items() if isinstance(v, int)}
    for kind in Quality:
        reason = REASONS[kind]
        assert in_language(reason.title, "zh") != in_language(reason.title, "en")
        assert reason.status in known, kind.name
        assert from_status(reason.status) is kind
        assert to_status(kind) == reason.status
        assert reason.status >> 30 == kind >> 6, "severity is kept"


@given(st.integers(0, 2**32 - 1))
def test_an_unknown_status_keeps_its_severity(status):
    assert from_status(status) >> 6 == min(status >> 30, 2)


@pytest.mark.parametrize(
    ("text", "value"), [("5 min", 300.0), ("100ms", 0.1), (" 1.5 h ", 5400.0), ("2 d", 172800.0)]
)
def test_periods_are_read(text, value):
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "5", "min", "5 weeks", "-1 s", "0 s"])
def test_what_is_no_period_is_refused_and_names_the_units(text):
    with pytest.raises(ValueError, match="ms, s, min, h, d"):
        seconds(text)


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 100)), max_size=40), st.data())
def test_hysteresis_does_not_care_how_the_stream_is_cut(rows, data):
    at = data.draw(st.integers(0, len(rows)))
    whole = Samples.of([t for t, _ in rows], range(len(rows)), [v for _, v in rows])
    one, two = (per_tag(Hysteresis, high=60.0, low=40.0) for _ in range(2))
    place = np.arange(len(rows))
    cut = [*two.edges(whole.where(place < at)), *two.edges(whole.where(place >= at))]

    assert sorted(cut, key=lambda e: (e.tag, e.time)) == list(one.edges(whole))


def test_limits_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match="lies above"):
        Hysteresis(high=1.0, low=2.0)


def test_an_unknown_parameter_is_refused_and_the_known_ones_named():
    class Pressing(App):
        limit = parameter(3.0)

    assert Pressing(limit=4.0).limit == 4.0
    assert Pressing().limit == 3.0
    assert Pressing.name() == "pressing"
    with pytest.raises(ValueError, match="no parameter limits; it has limit"):
        Pressing(limits=3)


@pytest.mark.parametrize("module", [samples, quality])
def test_the_examples_in_the_docstrings_run(module):
    assert doctest.testmod(module).failed == 0

"""Derived tags: what may be written, and what comes out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baotu.edge.expression import parse
from baotu.edge.pipeline import Pipeline
from baotu.sdk import ConfigError, Quality, Samples, Tag

S = 1_000_000_000


def plant(**expressions):
    """a, b, c measured; the rest derived."""
    pipeline = Pipeline()
    names = {"a": "", "b": "", "c": "", **expressions}
    pipeline.change(
        Tag(id=i, asset="hall/unit", property=name, expression=text)
        for i, (name, text) in enumerate(names.items())
    )
    return pipeline


def fed(pipeline, *rows, id=3):
    """(tag, second, value[, quality]) one after the other; what tag `id` said: (second, value)."""
    out = []
    for row in rows:
        t, s, v, *q = row
        for part in pipeline.process([Samples.of([t], [round(s * S)], [v], [*q] or 0)], 0):
            out += [
                (x / S, y)
                for i, x, y in zip(part.tag, part.time, part.value, strict=True)
                if i == id
            ]
    return out


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b * 2 - c / 4", 2 + 6 - 1), ("-a ** 2", -4), ("a // 2 + a % 2", 1.0),
        ("min(a, b, c) + max(a, b)", 5), ("abs(-b) + sqrt(c)", 5), ("exp(0*a) + log(1)", 1),
        ("where(a > 1, b, c)", 3), ("b if a > 5 else c", 4), ("clip(c, 0, 3)", 3),
        ("1 < a < 3", 1), ("a == 2 and not b > 5", 1), ("a > 5 or b > 5", 0), ("True * a", 2),
        ('tag("hall/unit/b") + tag("c")', 7), ("(a > 1) + (b > 1)", 2), ("floor(log10(100*a))", 2),
    ],
)  # fmt: skip
def test_an_expression_means_what_it_says(text, value):
    pipeline = plant(x=text)
    (out,) = pipeline.process([Samples.of([0, 1, 2], 5 * S, [2.0, 3.0, 4.0])], 0)
    out = [*out.value[out.tag == 3], *(p.value[0] for p in pipeline.settle(9, 6 * S))]
    assert out == [pytest.approx(value)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("__import__('os').system('x')", "not allowed"), ("a.real", "not allowed"),
        ("[a for a in b]", "not allowed"), ("lambda: a", "not allowed"), ("open('x')", "open"),
        ("a +", "cannot be read"), ("a; b", "cannot be read"), ("1 + 2", "names no tag"),
        ("sqr(a)", "did you mean sqrt"), ("sqrt(a, b)", "takes 1 to 1"), ("mean(a)", "mean"),
        ('mean(a + b, "1 min")', "takes one tag"), ('mean(a, "1 fortnight")', "not a period"),
        ("preasure", "no tag 'hall/unit/preasure'"), ("'text'", "not allowed"), ("a @ b", "not allow"),
        ("a" * 3000, "at most 2000"), ("+".join(["a"] * 900), "parts"), ("(" * 300 + "a", "cannot be"),
        ("a" + "[0]" * 600, "parts|not allowed|cannot"), ("9" * 500 + "*a", "too great|cannot be"),
        ("-" * 1900 + "a", "parts|cannot"), ("a\0b", "cannot be read"), ("x + 1", "circle"),
        ("f(**a)", "not allowed"), ("a if b", "cannot be read"), ("a is b", "not allowed"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_dangerous_is_refused_with_a_reason(text, why):
    with pytest.raises(ConfigError, match=why):
        plant(x=text)


@given(st.text(max_size=60))
def test_no_text_makes_the_reader_fall(text):
    try:
        assert parse(text, "hall/unit").sources
    except ConfigError as error:
        assert "expression" in str(error)


def test_a_wrong_name_names_the_nearest():
    with pytest.raises(ConfigError, match=r"did you mean hall/unit/x"):
        plant(x="a", y="tag('hall/unix/x')")


def test_one_scan_is_computed_once_and_without_delay():
    assert fed(plant(x="a - b"), (0, 1, 10.0), (1, 1, 4.0), (0, 2, 11.0), (1, 2, 5.0)) == [
        (1, 6), (2, 6),
    ]  # fmt: skip


def test_inputs_of_other_rates_use_the_last_values():
    out = fed(plant(x="a * b"), (1, 0, 2.0), (0, 0, 1.0), (0, 1, 2.0), (0, 2, 3.0), (0, 3, 4.0))
    assert out == [(0, 2), (1, 4), (2, 6)]  # second 3 still waits for b, until a later one


def test_a_result_waits_no_longer_than_its_patience():
    pipeline = plant(x="a * b")
    assert fed(pipeline, (1, 0, 2.0), (0, 0, 1.0), (0, 1, 5.0)) == [(0, 2)]
    assert pipeline.settle(0.1, S) == []
    (late,) = pipeline.settle(0.3, S)
    assert late.value.tolist() == [10.0] and pipeline.settle(0.9, S) == []


def test_quality_is_the_worst_and_nonsense_is_bad():
    pipeline = plant(x="a / b")
    (out,) = pipeline.process([Samples.of([0, 1], S, [1.0, 2.0], [0, Quality.UNCERTAIN])], 0)
    assert out.quality[out.tag == 3].tolist() == [Quality.UNCERTAIN]
    (out,) = pipeline.process([Samples.of([0, 1], 2 * S, [1.0, 0.0])], 0)
    assert out.quality[out.tag == 3].tolist() == [Quality.BAD_OUT_OF_RANGE]
    (out,) = pipeline.process(
        [Samples.of([0, 1], 3 * S, [math.nan, 1.0], [Quality.BAD_TIMEOUT, 0])], 0
    )
    assert out.quality[out.tag == 3].tolist() == [Quality.BAD_TIMEOUT]
    assert np.isnan(out.value[out.tag == 3]).all()


def test_derived_of_derived_come_in_one_pass():
    pipeline = plant(x="a + 1", y="x * x", z="y - b")
    (out,) = pipeline.process([Samples.of([0, 1], S, [2.0, 1.0])], 0)
    assert dict(zip(out.tag.tolist(), out.value.tolist(), strict=True)) == {
        0: 2, 1: 1, 3: 3, 4: 9, 5: 8,
    }  # fmt: skip


def test_a_circle_is_refused():
    with pytest.raises(ConfigError, match="circle"):
        plant(x="y + a", y="x + 1")


@pytest.mark.parametrize(
    ("function", "value"),
    [("mean", 4), ("min", 1), ("max", 9), ("count", 4), ("std", math.sqrt(9.5)), ("integral", 28)],
)
def test_window_aggregates_by_hand(function, value):
    rows = [
        (0, 0, 1.0),
        (0, 2, 2.0),
        (0, 4, 4.0),
        (0, 8, 9.0),
    ]  # held: 2·1 + 2·2 + 4·4 + 2·9 … of 10 s
    expected = {"integral": 2 * 1 + 2 * 2 + 4 * 4 + 2 * 9}.get(function, value)
    out = fed(plant(x=f'{function}(a, "10 s")'), *rows, (0, 10, 7.0))
    assert out == [(10, pytest.approx(expected))]


def test_a_value_holds_into_the_next_window():
    out = fed(plant(x='integral(a, "10 s")'), (0, 5, 2.0), (0, 15, 4.0), (0, 20, 0.0))
    assert out == [(10, 10), (20, 2 * 5 + 4 * 5)]


def test_a_window_closes_by_the_clock_when_the_device_is_silent():
    pipeline = plant(x='mean(a, "10 s")')
    assert fed(pipeline, (0, 1, 3.0), (0, 2, 5.0)) == []
    assert pipeline.settle(50, 14 * S) == []
    (out,) = pipeline.settle(51, 15 * S)
    assert (out.time.tolist(), out.value.tolist()) == ([10 * S], [4.0])
    assert fed(pipeline, (0, 3, 99.0), (0, 11, 1.0), (0, 21, 2.0)) == [(20, 1)]  # belated: dropped


def test_bad_samples_do_not_count_and_are_told():
    pipeline = plant(x='mean(a, "10 s")')
    fed(pipeline, (0, 1, 3.0), (0, 2, 999.0, Quality.BAD_SENSOR_FAILURE))
    (out,) = pipeline.process([Samples.of([0], 11 * S, [0.0], Quality.BAD_TIMEOUT)], 0)
    mine = out.where(out.tag == 3)
    assert (mine.value.tolist(), mine.quality.tolist()) == ([3.0], [Quality.UNCERTAIN_SUB_NORMAL])
    (out,) = pipeline.process([Samples.of([0], 21 * S, [0.0])], 0)
    assert out.quality[out.tag == 3].tolist() == [Quality.BAD_NO_DATA]


def test_an_aggregate_can_be_part_of_an_expression():
    out = fed(plant(x='a - mean(a, "10 s")'), (0, 1, 4.0), (0, 9, 6.0), (0, 10, 8.0), (0, 11, 9.0))
    assert out == [
        (10, 3),
    ]  # at 11 the mean is still that of second 10: waits for a later one


def test_a_jump_of_years_closes_one_window_only():
    out = fed(plant(x='count(a, "1 s")'), (0, 1, 1.0), (0, 1e8, 1.0), (0, 1e8 + 1, 1.0))
    assert out == [(2, 1), (1e8 + 1, 1)]

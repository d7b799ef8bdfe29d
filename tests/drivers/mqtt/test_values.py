"""What payloads mean: values, times, and what is none."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.drivers.mqtt.values import as_kind, as_time, parse_json, raw_value
from baotu.sdk import Malformed

NS = 1_790_000_000_123_000_000


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (1_790_000_000.123, "auto"),
        (1_790_000_000_123, "auto"),
        (1_790_000_000_123_000, "auto"),
        (NS, "auto"),
        ("1790000000123", "auto"),
        ("1790000000.123", "s"),
        ("2026-09-21T14:13:20.123Z", "auto"),
        ("2026-09-21T22:13:20.123+08:00", "iso"),
        ("2026-09-21 14:13:20.123", "iso"),
        (1_790_000_000.123, "s"),
        (1_790_000_000_123, "ms"),
        (NS, "ns"),
    ],
)
def test_a_time_is_understood_in_its_form(value: object, form: str) -> None:
    assert abs((as_time(value, form) or 0) - NS) < 1000


@pytest.mark.parametrize(
    "value", [None, True, "yesterday", "", -5, math.nan, math.inf, 1e40, [], "9" * 400]
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert as_time(value, "auto") is None


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (21.5, "number", 21.5), (3, "number", 3.0), (True, "number", 1.0), ("21.5", "number", 21.5),
        (True, "boolean", 1.0), (0, "boolean", 0.0), ("ON", "boolean", 1.0), ("off", "boolean", 0.0),
        (7, "boolean", 1.0), ("auto", "text", "auto"), (5, "text", "5"), (True, "text", "true"),
        (None, "number", None), (math.nan, "number", None), ("nan", "number", None),
    ],
)  # fmt: skip
def test_a_value_becomes_the_kind_of_its_tag(value: object, kind: str, expected: object) -> None:
    assert as_kind(value, kind) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "kind"),
    [({}, "number"), ("1_0", "number"), ([1], "number"), ("hot", "number"), ("hot", "boolean"), ({}, "text"),
     (10**400, "number")],
)  # fmt: skip
def test_what_is_no_such_kind_is_refused(value: object, kind: str) -> None:
    with pytest.raises(ValueError, match=r"is no|large"):
        as_kind(value, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("payload", "value"),
    [(b"21.5", 21.5), (b"-3", -3.0), (b"auto", "auto"), (b"true", True), (b"null", None),
     (b"", None), (b'"x"', "x"), (b"12 kg", "12 kg"), (b"1_0", "1_0"), ("温".encode(), "温")],
)  # fmt: skip
def test_a_payload_can_be_the_value_itself(payload: bytes, value: object) -> None:
    assert raw_value(payload) == value


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_malformed_or_a_value_and_nothing_else(payload: bytes) -> None:
    for read in (parse_json, raw_value):
        try:
            read(payload)
        except Malformed as no:
            assert no.frame == payload


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
                    lambda c: st.lists(c) | st.dictionaries(st.text(), c), max_leaves=20))  # fmt: skip
def test_json_is_read_as_json(document: object) -> None:
    assert parse_json(json.dumps(document).encode()) == document


def test_a_document_nested_too_deep_is_malformed() -> None:
    with pytest.raises(Malformed, match="not JSON"):
        parse_json(b"[" * 200_000)

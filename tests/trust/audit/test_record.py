"""A row as bytes: everything of it, the same for ever."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baotu.trust.audit.formats import Damaged
from baotu.trust.audit.record import COLUMNS, LONGEST, Canonical, read, rfc3339
from tests.trust.audit.logs import row

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def test_the_bytes_are_these():
    made = Canonical()(
        (7, "厂", 1_780_300_800_000_000_001, 'o"neill\\', "a.b", "", "done", "a\n\x1f\t/é")
    )
    assert made.decode() == (
        '{"caller":"o\\"neill\\\\","id":7,"organisation":"厂","outcome":"done","permission":"",'
        '"reason":"a\\n\\u001f\\t/é","time":"2026-06-01T08:00:00.000000001Z","verb":"a.b"}'
    )


@given(st.integers(1, 2**63 - 1), st.integers(-(2**60), 2**62), TEXT, TEXT, TEXT)
def test_nothing_of_a_row_is_lost_and_names_are_in_order(id, time, caller, verb, reason):
    given = (id, "plant", time, caller, verb, "p", "done", reason)
    entry = Canonical()(given)
    told = json.loads(entry)
    assert list(told) == sorted(told)
    assert [told[name] for name in COLUMNS if name != "time"] == [
        v for n, v in zip(COLUMNS, given, strict=True) if n != "time"
    ]
    assert told["time"] == rfc3339(time)
    assert read(entry) == told
    plain = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert plain.encode() == entry


def test_the_second_it_remembers_is_forgotten_with_the_next():
    made, fresh = Canonical(), [Canonical()(row(id)) for id in range(1, 40)]
    assert [made(row(id)) for id in range(1, 40)] == fresh


def test_a_reason_that_is_too_long_is_there_by_its_hash():
    long = "\x01" * 40_000
    entry = Canonical()((1, "plant", 0, "li", "a.b", "", "bug", long))
    assert len(entry) <= LONGEST
    assert "sha256" in read(entry)["reason"]
    assert entry != Canonical()((1, "plant", 0, "li", "a.b", "", "bug", long[:-1] + "x"))


@pytest.mark.parametrize("entry", [b"", b"{}", b"[1]", b"\xff"])
def test_what_is_no_record_is_refused(entry):
    with pytest.raises(Damaged):
        read(entry)

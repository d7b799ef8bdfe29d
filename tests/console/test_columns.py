"""Columns on the wire: the same samples as JSON, CSV and Arrow."""

from __future__ import annotations

import csv
import io
import json
import sys

import numpy as np
import pytest

from baotu.console import columns
from baotu.console.times import iso, read_time
from baotu.sdk import Invalid, Quality, Samples

NUMBERS = Samples.of([0, 1], [10**18, 10**18 + 10**6], [1.5, float("nan")], [0, Quality.BAD])
TEXTS = Samples.of(2, [10**18], ['运行, "fast"\n'])
NAMES = np.array(["a/x", "b/y", "机/态"], object)


class Named:
    def names(self, ids: np.ndarray) -> np.ndarray:
        return NAMES[ids]

    def names_json(self, ids: np.ndarray) -> bytes:
        return json.dumps(NAMES[ids].tolist()).encode()


names = Named()


def test_json_joins_numbers_and_texts():
    told = json.loads(columns.as_json([NUMBERS, TEXTS], names))
    assert told["tag"] == ["a/x", "b/y", "机/态"]
    assert told["time"] == ["2001-09-09T01:46:40Z", "2001-09-09T01:46:40.001000Z",
                            "2001-09-09T01:46:40Z"]  # fmt: skip
    assert told["value"] == [1.5, None, '运行, "fast"\n']
    assert told["quality"] == [0, 128, 0]


def test_json_of_nothing_has_empty_columns():
    assert json.loads(columns.as_json([], names)) == {
        "tag": [], "time": [], "value": [], "quality": [],
    }  # fmt: skip
    assert json.loads(columns.as_json([Samples.empty(), TEXTS], names))["tag"] == ["机/态"]


def test_nanoseconds_are_not_lost():
    odd = Samples.of(0, [1_780_000_000_123_456_789], [1.0])
    assert json.loads(columns.as_json([odd], names))["time"] == ["2026-05-28T20:26:40.123456789Z"]
    assert json.loads(columns.as_json([odd], names, "ns"))["time"] == [1_780_000_000_123_456_789]
    assert json.loads(columns.as_json([odd], names, "ms"))["time"] == [1_780_000_000_123]


def test_csv_says_the_same():
    told = columns.as_csv([NUMBERS, TEXTS], names).decode()
    rows = list(csv.DictReader(io.StringIO(told, newline="")))
    assert [r["tag"] for r in rows] == ["a/x", "b/y", "机/态"]
    assert [r["value"] for r in rows] == ["1.5", "", '运行, "fast"\n']


def test_arrow_says_the_same():
    pa = pytest.importorskip("pyarrow")
    table = pa.ipc.open_stream(columns.as_arrow([NUMBERS, TEXTS], names)).read_all()
    assert table.column("tag").to_pylist() == ["a/x", "b/y", "机/态"]
    assert table.column("time").cast(pa.int64()).to_pylist() == [10**18, 10**18 + 10**6, 10**18]
    assert table.column("text").to_pylist() == [None, None, '运行, "fast"\n']
    assert table.column("quality").to_pylist() == [0, 128, 0]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", columns.JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", columns.JSON),
        ("text/csv", columns.CSV),
        ("application/json;q=0.2, text/csv;q=0.9", columns.CSV),
        ("application/vnd.apache.arrow.stream", columns.ARROW),
    ],
)
def test_the_form_follows_the_wish(accept, kind):
    assert columns.chosen(accept) == kind


def test_a_form_that_cannot_be_given_is_refused_with_what_can(monkeypatch, web):
    refused = web.get("/api/latest?all=true", headers={"accept": "image/png"})
    assert (refused.status_code, refused.json()["type"]) == (406, "urn:baotu:not-acceptable")
    assert "text/csv" in refused.json()["detail"]
    monkeypatch.setattr(columns, "find_spec", lambda name: None)
    without = web.get("/api/latest?all=true", headers={"accept": columns.ARROW})
    assert without.status_code == 406 and "pyarrow" in without.json()["detail"]


def test_http_negotiates(web):
    pa = pytest.importorskip("pyarrow")
    address = "/api/history?tag=0&points=100"
    as_json = web.get(address)
    assert (as_json.headers["content-type"], as_json.headers["vary"]) == (columns.JSON, "Accept")
    as_csv = web.get(address, headers={"accept": "text/csv"})
    as_arrow = web.get(address, headers={"accept": columns.ARROW})
    size = len(as_json.json()["time"])
    assert len(as_csv.text.splitlines()) == size + 1
    assert pa.ipc.open_stream(as_arrow.content).read_all().num_rows == size


def test_arrow_is_loaded_only_when_asked(web):
    sys.modules.pop("pyarrow.never", None)
    assert "pyarrow" not in columns.__dict__


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T08:00:01+08:00", 10**9),
        ("1970-01-01T08:00:01 08:00", 10**9),  # + in an address is a space
        ("now", 7_200 * 10**9),
        ("-1h", 3_600 * 10**9),
    ],
)
def test_times_are_read(text, time):
    assert read_time(text, "start", 7_200 * 10**9) == time


@pytest.mark.parametrize("text", ["", "soon", "2026-01-01", "2026-01-01T00:00:00", "-1 parsec"])
def test_times_without_sense_or_zone_are_refused(text):
    with pytest.raises(Invalid) as refusal:
        read_time(text, "start", 0)
    assert refusal.value.field == "start"


def test_iso_keeps_every_digit():
    assert iso(0) == "1970-01-01T00:00:00Z"
    assert iso(1_500_000_000) == "1970-01-01T00:00:01.5Z"
    assert iso(10 * 10**9) == "1970-01-01T00:00:10Z"
    assert iso(1) == "1970-01-01T00:00:00.000000001Z"

"""Samples as columns on the wire: JSON, CSV or Arrow, chosen by the `Accept` header.

JSON: {"tag": […], "time": […], "value": […], "quality": […]}, equal lengths; `time` is ISO 8601
UTC, or whole ns or ms since 1970 when asked; NaN and infinities are null.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
import orjson
from starlette.responses import Response

from baotu.sdk import Samples, Tag
from baotu.sdk.ports import Buckets

TimeForm = Literal["iso", "ns", "ms"]
JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
QVALUE = re.compile(r"[0-9](\.[0-9]{0,9})?")  # RFC 9110 12.4.2
OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


class Names(Protocol):
    """Knows what tag numbers are called."""

    def names(self, ids: np.ndarray) -> np.ndarray:
        """Object array of names."""

    def names_json(self, ids: np.ndarray) -> bytes:
        """The same as a JSON list."""


class NotAcceptable(Exception):
    """None of the forms asked for can be given; says which can."""


def chosen(accept: str) -> str:
    """The media type to answer with. Raises NotAcceptable.

    >>> chosen("text/csv;q=0.9, */*;q=0.1")
    'text/csv'
    """
    arrow_asked = False
    for kind in _wishes(accept):
        if kind in ("*/*", "application/*", "", JSON):
            return JSON
        if kind in (CSV, "text/*"):
            return CSV
        if kind in (ARROW, "application/vnd.apache.arrow.file"):
            arrow_asked = True
            if find_spec("pyarrow"):
                return ARROW
    hint = "; for Arrow pyarrow is missing: reinstall baotu" if arrow_asked else ""
    raise NotAcceptable(f"{accept!r} cannot be given; ask for {JSON}, {CSV} or {ARROW}{hint}")


def answer(
    parts: Sequence[Samples], names: Names, accept: str = JSON, time: TimeForm = "iso"
) -> Response:
    """One answer from numbers and texts."""
    kind = chosen(accept)
    write = {JSON: as_json, CSV: as_csv, ARROW: as_arrow}[kind]
    return Response(write(parts, names, time), media_type=kind, headers={"vary": "Accept"})


def as_json(parts: Sequence[Samples], names: Names, time: TimeForm = "iso") -> bytes:
    parts = [part for part in parts if len(part)]
    tags = _joined([names.names_json(p.tag) for p in parts])
    times = _joined([_times(p.time, time) for p in parts])
    values = _joined([_values(p) for p in parts])
    qualities = _joined([_numbers(p.quality) for p in parts])
    return b'{"tag":%b,"time":%b,"value":%b,"quality":%b}' % (tags, times, values, qualities)


def buckets(found: Sequence[tuple[Tag, Buckets]], width: int, time: TimeForm = "iso") -> bytes:
    """Aggregates of some tags as JSON columns."""
    found = [(tag, b) for tag, b in found if len(b.start)]
    lists = {"tag": _joined([orjson.dumps([tag.name] * len(b.start)) for tag, b in found])}
    lists["start"] = _joined([_times(b.start, time) for _, b in found])
    for name in ("count", "low", "high", "mean", "first", "last", "total"):
        lists[name] = _joined([_numbers(getattr(b, name)) for _, b in found])
    lists["duration_s"] = orjson.dumps(width / 1e9)
    return b"{" + b",".join(b'"%b":%b' % (k.encode(), v) for k, v in lists.items()) + b"}"


def as_csv(parts: Sequence[Samples], names: Names, time: TimeForm = "iso") -> bytes:
    import csv
    import io

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    rows.writerow(("tag", "time", "value", "quality"))
    for part in parts:
        times = orjson.loads(_times(part.time, time))
        values = ("" if v != v else v for v in part.value.tolist())
        rows.writerows(
            zip(names.names(part.tag).tolist(), times, values, part.quality.tolist(), strict=True)
        )
    return text.getvalue().encode()


def as_arrow(parts: Sequence[Samples], names: Names, time: TimeForm = "iso") -> bytes:
    """An Arrow IPC stream; `value` is a double, and text in a column of its own when there is."""
    import pyarrow as pa

    stamp = pa.timestamp("ns", tz="UTC")
    word = pa.dictionary(pa.int32(), pa.string())
    texts = any(p.is_text for p in parts)
    fields = [("tag", word), ("time", stamp), ("value", pa.float64()), ("quality", pa.uint8())]
    schema = pa.schema(fields + ([("text", pa.string())] if texts else []))
    batches = []
    for p in parts:
        ids, place = np.unique(p.tag, return_inverse=True)
        tag = pa.DictionaryArray.from_arrays(place.astype("i4"), names.names(ids).tolist())
        empty = pa.nulls(len(p), pa.string())
        value = pa.nulls(len(p), pa.float64()) if p.is_text else pa.array(p.value)
        columns = [tag, pa.array(p.time).cast(stamp), value, pa.array(p.quality)]
        if texts:
            columns.append(pa.array(p.value.tolist(), pa.string()) if p.is_text else empty)
        batches.append(pa.record_batch(columns, schema=schema))
    table = pa.Table.from_batches(batches, schema).unify_dictionaries()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _joined(lists: Sequence[bytes]) -> bytes:
    """JSON lists, one after the other, as one."""
    return lists[0] if len(lists) == 1 else b"[" + b",".join(part[1:-1] for part in lists) + b"]"


def _times(times: np.ndarray, form: TimeForm) -> bytes:
    if form == "ns":
        return _numbers(times)
    if form == "ms":
        return _numbers(times // 1_000_000)
    if (times % 1000).any():  # orjson stops at microseconds
        texts = np.datetime_as_string(times.view("M8[ns]")).tolist()
        return orjson.dumps([t + "Z" for t in texts])
    return _numbers(np.ascontiguousarray(times).view("M8[ns]"))


def _values(part: Samples) -> bytes:
    return orjson.dumps(part.value.tolist()) if part.is_text else _numbers(part.value)


def _numbers(column: np.ndarray) -> bytes:
    return orjson.dumps(np.ascontiguousarray(column), option=OPTIONS)


def _wishes(accept: str) -> list[str]:
    """Media types in order of preference; those with q=0 are left out."""
    found = []
    for place, part in enumerate(accept.split(",")):
        kind, *settings = part.split(";")
        told = next((s.split("=")[1].strip() for s in settings if s.strip().startswith("q=")), "1")
        weight = float(told) if QVALUE.fullmatch(told) else 0.0
        if weight > 0:
            found.append((-weight, place, kind.strip().lower()))
    return [kind for _, _, kind in sorted(found)]

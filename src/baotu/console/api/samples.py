"""Routes for what happened: newest values, windows, aggregates, export."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask
from starlette.responses import Response

from baotu.sdk import Invalid, Samples, Tag
from baotu.sdk.ports import Buckets, Format

from .. import columns
from ..columns import TimeForm
from ..finder import Finder, ids_of
from ..problem import documented
from ..rooms import Rooms
from ..scoped import part_of
from ..times import read_period, read_time
from .models import BucketColumns, Columns

NONE = np.empty(0, "i4")
READ, EXPORT = "history.read", "history.export"
RAW_LIMIT = 1_000_000
Names = Annotated[list[str], Query(description="Name of a tag (`asset/property`), repeatable")]
Start = Annotated[str, Query(description="ISO 8601 with a zone, or `-1h`")]
End = Annotated[str, Query(description="ISO 8601 with a zone, or `now`")]
Form = Annotated[TimeForm, Query(description="How times are written")]
Accept = Annotated[str, Header(include_in_schema=False)]
FORMS: dict[str, Any] = {
    columns.CSV: {"schema": {"type": "string"}, "example": "tag,time,value,quality\r\n"},
    columns.ARROW: {"schema": {"type": "string", "format": "binary"}},
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": FORMS},
    **documented(404, 406, 422),
}
MEDIA = {"parquet": "application/vnd.apache.parquet", "csv": columns.CSV, "arrow": columns.ARROW}
FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {media: {} for media in MEDIA.values()}},
    **documented(422),
}


def routes(api: APIRouter, rooms: Rooms) -> None:
    _latest(api, rooms)
    _history(api, rooms)
    _export(api, rooms)


def _latest(api: APIRouter, rooms: Rooms) -> None:
    @api.get("/latest", response_model=Columns, responses=ANSWERS, tags=["samples"])
    def latest(
        request: Request,
        tag: Names = [],  # noqa: B006 # FastAPI copies it
        search: Annotated[str, Query(description="Tags found by these words")] = "",
        under: Annotated[str, Query(description="Tags below this asset path")] = "",
        every: Annotated[bool, Query(alias="all", description="All tags there are")] = False,
        time: Form = "iso",
        accept: Accept = columns.JSON,
    ) -> Response:
        """The newest sample of each tag that has one: by name, by search, under an asset, or all."""
        if not (tag or search or under or every):
            raise Invalid("tag", "name at least one, or give search=, under= or all=true")
        part = part_of(request, READ)
        ids = part.finder.ids(search, under) if search or under or every else NONE
        if tag:
            ids = np.union1d(ids, ids_of([part.plant.tag(name) for name in tag]))
        return _answer(rooms.history.latest(ids), part.finder, accept, time)


def _history(api: APIRouter, rooms: Rooms) -> None:
    @api.get(
        "/history", response_model=Columns | BucketColumns, responses=ANSWERS, tags=["samples"]
    )
    def history(
        request: Request,
        tag: Names,
        start: Start = "-1h",
        end: End = "now",
        points: Annotated[
            int, Query(ge=0, le=20_000, description="At most so many a tag; 0: every sample")
        ] = 2000,
        bucket: Annotated[str, Query(description="Aggregates instead: width, `1min`")] = "",
        time: Form = "iso",
        accept: Accept = columns.JSON,
    ) -> Response:
        """Samples in [start, end). With `points`, first, lowest, highest and last of each pixel
        are kept, so no spike is lost; with `bucket`, aggregates of numbers."""
        part = part_of(request, READ)
        tags = [part.plant.tag(name) for name in tag]
        begin, stop = interval(rooms, start, end)
        if bucket:
            width = round(read_period(bucket, "bucket") * 1e9)
            return _buckets(rooms, tags, (begin, stop, width), time)
        if points:
            parts = [rooms.history.window(t.id, begin, stop, points) for t in tags]
        else:
            parts = [rooms.history.read(t.id, begin, stop, RAW_LIMIT) for t in tags]
        return _answer(parts, part.finder, accept, time)


def _export(api: APIRouter, rooms: Rooms) -> None:
    @api.get(
        "/export",
        responses=FILES,
        response_class=FileResponse,
        tags=["samples"],
    )
    def export(
        request: Request,
        tag: Names = [],  # noqa: B006 # FastAPI copies it
        under: Annotated[str, Query(description="All tags below this asset path")] = "",
        start: Start = "-1h",
        end: End = "now",
        format: Annotated[Format, Query(description="Form of the file")] = "csv",
    ) -> Response:
        """Every sample of some tags as a file."""
        part = part_of(request, EXPORT)
        tags = [part.plant.tag(name) for name in tag]
        tags += list(part.finder.found(under=under)) if under else []
        if not tags:
            raise Invalid("tag", "name at least one, or give under=")
        folder = tempfile.TemporaryDirectory(prefix="baotu-export-")
        path = Path(folder.name) / f"baotu.{format}"
        ids = [t.id for t in tags]
        rooms.history.export(path, ids, *interval(rooms, start, end), format)
        task = BackgroundTask(folder.cleanup)
        return FileResponse(path, media_type=MEDIA[format], filename=path.name, background=task)


def interval(rooms: Rooms, start: str, end: str) -> tuple[int, int]:
    now = rooms.now()
    begin, stop = read_time(start, "start", now), read_time(end, "end", now)
    if begin >= stop:
        raise Invalid("end", "is not after start")
    return begin, stop


def _answer(
    parts: list[Samples], finder: Finder, accept: str, time: Literal["iso", "ns", "ms"]
) -> Response:
    try:
        return columns.answer(parts, finder, accept, time)
    except columns.NotAcceptable as error:
        raise HTTPException(406, str(error)) from error


def _buckets(rooms: Rooms, tags: list[Tag], span: tuple[int, int, int], time: TimeForm) -> Response:
    begin, stop, width = span
    if (stop - begin) // width > RAW_LIMIT:
        raise Invalid("bucket", "is too small for this interval; widen it")
    found: list[tuple[Tag, Buckets]] = [
        (t, rooms.history.aggregate(t.id, begin, stop, width)) for t in tags
    ]
    return Response(columns.buckets(found, width, time), media_type=columns.JSON)

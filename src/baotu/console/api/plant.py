"""Routes for what exists: tags, assets, search, and the overview of the site."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from baotu.sdk.view import plain

from .. import alarms as told
from ..overview import Overview as Site
from ..problem import NotFound, documented
from ..rooms import Rooms
from ..scoped import caller_of, part_of
from ..search import Search
from ..spelling import fits
from .models import AssetDetail, AssetRows, Found, Overview, TagRows
from .rows import asset_row, json, tag_row

Words = Annotated[str, Query(description="Words in name or title: Chinese, pinyin or English")]
Under = Annotated[str, Query(description="Only below this asset path")]


def routes(api: APIRouter, rooms: Rooms) -> None:
    _tags(api)
    _assets(api, rooms)
    _site(api, rooms)


def _tags(api: APIRouter) -> None:
    @api.get("/tags", response_model=TagRows, responses=documented(422), tags=["plant"])
    def tags(
        request: Request,
        search: Words = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
        cursor: Annotated[str, Query(description="From the answer before")] = "",
        under: Under = "",
        offset: Annotated[int | None, Query(ge=0, description="Jump here instead")] = None,
    ) -> Response:
        """Tags found, in order of name; page on by `cursor`, or jump by `offset`."""
        finder = part_of(request).finder
        if offset is None:
            page = finder.page(search, limit, cursor, under)
            rows, total, cursor = page.tags, page.total, page.cursor
        else:
            found = finder.found(search, under)
            rows, total, cursor = found[offset : offset + limit], len(found), ""
        return json({"tags": [tag_row(t) for t in rows], "total": total, "cursor": cursor})


def _assets(api: APIRouter, rooms: Rooms) -> None:
    @api.get("/assets", response_model=AssetRows, tags=["plant"])
    def assets(request: Request, search: Words = "", under: Under = "") -> Response:
        """The hierarchy (IEC 62264) as a flat list in order of path."""
        words = search.lower().split()
        found = (
            a for a in part_of(request).plant.assets(under)
            if fits(words, f"{a.path} {a.title} {a.type}".lower())
        )  # fmt: skip
        return json({"assets": [asset_row(a) for a in found]})

    @api.get("/asset", response_model=AssetDetail, responses=documented(404), tags=["plant"])
    def asset(
        request: Request, path: Annotated[str, Query(description="jinan/foundry/melting/furnace-1")]
    ) -> Response:
        """One asset or place: its type, what is directly below it, its own tags, open alarms."""
        part = part_of(request)
        plant, found = part.plant, part.plant.asset(path)
        if found is None:
            raise NotFound(
                "path",
                f"没有资产 {path!r}，见 /api/assets There is no asset {path!r}; see /api/assets",
            )
        rows = told.listed(rooms, caller_of(request), plant)
        kind = plant.types().get(found.type)
        inside = f"{path}/"
        below = part.finder.found(under=path)
        counts = Counter(inside + t.asset[len(inside) :].partition("/")[0] for t in below)
        return json({
            "asset": asset_row(found),
            "type": plain(kind) if kind else None,
            "children": [asset_row(a) for a in plant.assets(path) if a.parent == path],
            "tags": [tag_row(t) for t in below if t.asset == path],
            "counts": {p: n for p, n in counts.items() if p != inside},
            "alarms": [r for r in rows if r["asset"] == path or r["asset"].startswith(inside)],
        })  # fmt: skip


def _site(api: APIRouter, rooms: Rooms) -> None:
    @api.get("/overview", response_model=Overview, tags=["plant"])
    def read_overview(request: Request) -> Response:
        """Everything the first page shows: areas, alarms, key values, links, the last shift."""
        part = part_of(request)
        site = part.of(Site, lambda: Site(rooms, part))
        return json(site.answer(caller_of(request)))

    @api.get("/search", response_model=Found, tags=["plant"])
    def search(
        request: Request,
        q: Annotated[str, Query(description="Words: Chinese, pinyin (`wd`, `wendu`) or English")],
        limit: Annotated[int, Query(ge=1, le=100)] = 8,
    ) -> Response:
        """Pages, commands, assets, tags and open alarms, for the search palette."""
        return json(Search(rooms, part_of(request)).answer(q, limit, caller_of(request)))

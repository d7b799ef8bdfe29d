"""Figures over a time, from the samples themselves: lowest, mean, highest, spread, share of good."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from baotu.sdk import Samples, Tag
from baotu.sdk.ports import Buckets

from ..problem import documented
from ..rooms import Rooms
from ..scoped import part_of
from ..times import iso
from .models import Statistics
from .rows import json
from .samples import READ, End, Names, Start, interval

MOST = 200_000  # samples read for one tag; beyond, only what aggregates tell


def routes(api: APIRouter, rooms: Rooms) -> None:
    @api.get(
        "/statistics", response_model=Statistics, responses=documented(404, 422), tags=["samples"]
    )
    def statistics(
        request: Request, tag: Names, start: Start = "-1h", end: End = "now"
    ) -> Response:
        """Of the good samples in [start, end): lowest, mean, highest, last, standard deviation;
        and which share of all samples was good."""
        begin, stop = interval(rooms, start, end)
        plant = part_of(request, READ).plant
        tags = [plant.tag(name) for name in tag]
        return json({"statistics": [_row(rooms, one, begin, stop) for one in tags]})


def _row(rooms: Rooms, tag: Tag, begin: int, stop: int) -> dict[str, Any]:
    if tag.kind != "text":  # aggregates cost little; they tell whether to read at all
        told = rooms.history.aggregate(tag.id, begin, stop, stop - begin)
        if told.count.sum() > MOST:
            return {"tag": tag.name, **rough(told)}
    return {"tag": tag.name, **figures(rooms.history.read(tag.id, begin, stop, MOST))}


def figures(samples: Samples) -> dict[str, Any]:
    """What can be said of one tag's samples; None where nothing can."""
    good = samples.good()
    told: dict[str, Any] = {
        "count": len(samples), "good": len(good) / len(samples) if len(samples) else None,
        "last": None, "last_time": None, "low": None, "mean": None, "high": None, "std": None,
    }  # fmt: skip
    if not len(good):
        return told
    told["last_time"], last = iso(int(good.time[-1])), good.value[-1]
    if good.is_text:
        return {**told, "last": str(last)}
    values = good.value.astype("f8")
    values = values[np.isfinite(values)]
    if len(values):
        told.update(low=float(values.min()), high=float(values.max()), mean=float(values.mean()))
        told.update(std=float(values.std()), last=_finite(float(last)))
    return told


def rough(told: Buckets) -> dict[str, Any]:
    """Without what needs every sample: spread and share of good are left open."""
    count = int(told.count.sum())
    return {
        "count": count, "good": None, "last": _finite(float(told.last[-1])), "last_time": None,
        "low": _finite(float(told.low.min())), "high": _finite(float(told.high.max())),
        "mean": _finite(float(told.total.sum()) / count), "std": None,
    }  # fmt: skip


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""From the values of the SDK to the rows that the API answers with."""

from __future__ import annotations

import math
from typing import Any

import orjson
from starlette.responses import Response

from baotu.sdk import Asset, Tag
from baotu.sdk.door import Verb
from baotu.sdk.health import Health
from baotu.sdk.ports import ElementRow

from ..times import iso


def json(tree: Any) -> Response:
    return Response(orjson.dumps(tree), media_type="application/json")


def tag_row(tag: Tag) -> dict[str, Any]:
    return {
        "id": tag.id, "name": tag.name, "asset": tag.asset, "property": tag.property,
        "title": tag.title, "kind": tag.kind, "unit": tag.unit, "low": tag.low, "high": tag.high,
        "device": tag.device, "address": tag.address, "period_s": tag.period_s,
        "writable": tag.writable, "expression": tag.expression, "asset_type": tag.asset_type,
    }  # fmt: skip


def asset_row(asset: Asset) -> dict[str, Any]:
    return {
        "path": asset.path, "title": asset.title, "type": asset.type, "level": asset.level,
        "parent": asset.parent, "organisation": asset.organisation,
    }  # fmt: skip


def verb_row(verb: Verb) -> dict[str, Any]:
    return {
        "app": verb.app, "name": verb.name, "kind": verb.kind, "title": verb.title,
        "summary": verb.summary, "permission": verb.permission, "takes": dict(verb.takes),
        "gives": dict(verb.gives),
    }  # fmt: skip


def health_row(health: Health) -> dict[str, Any]:
    return {
        "kind": health.kind, "name": health.name, "state": health.state, "node": health.node,
        "since": iso(health.since), "why": health.why,
        "figures": {k: _finite(v) for k, v in health.figures.items()},
    }  # fmt: skip


def element_row(row: ElementRow) -> dict[str, Any]:
    proofs = [
        {"time": iso(p.time), "by": p.by, "claim": p.claim, "figures": dict(p.figures),
         "page": p.page, "count": p.count}
        for p in sorted(row.proofs, key=lambda p: -p.time)
    ]  # fmt: skip
    return {
        "id": row.id, "wing": row.wing, "title": row.title, "asks": row.asks,
        "proved": bool(proofs), "proofs": proofs,
    }  # fmt: skip


def _finite(value: float | str) -> float | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value

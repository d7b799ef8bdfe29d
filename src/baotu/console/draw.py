"""Draws views: one small function for each word of the vocabulary.

NiceGUI holds the boxes and keeps them up to date; what is inside is drawn in the browser from
JSON, so that charts and forms wear the theme of the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from nicegui import ui

from baotu.sdk import Invalid, view
from baotu.sdk.app import seconds
from baotu.sdk.door import Verb
from baotu.sdk.view import View, in_language, plain

Option = dict[str, Any]


class Slot:
    """A place on the page with a view in it; `show` redraws only what differs, so that what is
    being typed in a form, and the focus, survive."""

    def __init__(self, draw: Drawing, item: View, room: str = "cell") -> None:
        self.draw = draw
        self.item: View | None = None
        self.inner: list[Slot] = []
        self.box = ui.element("div").classes(room)
        self.show(item)

    def show(self, item: View) -> None:
        old, self.item = self.item, item
        if old == item:
            return
        both = (view.Row, view.Column)
        if isinstance(item, both) and type(old) is type(item):
            assert isinstance(old, both)
            if len(old.items) == len(item.items):
                for slot, part in zip(self.inner, item.items, strict=True):
                    slot.show(part)
                return
        self.box.clear()
        with self.box:
            self.inner = self.draw(item) or []


class Drawing:
    """Knows the language and the app's verbs; `DRAW` knows the rest."""

    def __init__(self, language: str, verbs: dict[str, Verb]) -> None:
        self.language, self.verbs = language, verbs

    def __call__(self, item: View) -> list[Slot] | None:
        return DRAW[type(item)](self, item)

    def say(self, title: str) -> str:
        return in_language(title, self.language)

    def part(self, name: str, title: str, **about: Any) -> None:
        """A panel with `<bt-name>` in it."""
        with self.panel(title):
            ui.element(f"bt-{name}").props["data-about"] = json.dumps(about, ensure_ascii=False)

    def panel(self, title: str = "") -> Any:
        panel = ui.element("section").classes("panel")
        if title:
            with panel, ui.element("header"), ui.element("h2"):
                ui.label(self.say(title))
        return panel

    def chart(self, title: str, option: Option, height: int = 240) -> None:
        self.part("echart", title, option=option, height=height)

    def verb(self, name: str) -> dict[str, Any]:
        if name not in self.verbs:
            raise Invalid("command", f"the page names {name!r}, which this app does not have")
        return {k: plain(v) for k, v in asdict(self.verbs[name]).items() if k != "gives"}


def row(draw: Drawing, item: view.Row) -> list[Slot]:
    with ui.element("div").classes("view-row"):
        return [Slot(draw, part) for part in item.items]


def column(draw: Drawing, item: view.Column) -> list[Slot]:
    with ui.element("div").classes("stack"):
        return [Slot(draw, part) for part in item.items]


def markdown(draw: Drawing, item: view.Markdown) -> None:
    with draw.panel():
        ui.markdown(in_language(item.text, draw.language)).classes("prose")


def table(draw: Drawing, item: view.Table) -> None:
    actions = [
        {"verb": draw.verb(a.command), "arguments": plain(a.arguments)} for a in item.actions
    ]
    draw.part(
        "table", item.title, columns=plain(item.columns), rows=plain(item.rows),
        links=plain(item.links), actions=actions,
    )  # fmt: skip


def tiles(draw: Drawing, item: view.Tiles) -> None:
    draw.part("tiles", item.title, tiles=plain(item.tiles))


def trend(draw: Drawing, item: view.Trend) -> None:
    draw.part("trend", item.title, tags=plain(item.tags), span_s=seconds(item.span))


def form(draw: Drawing, item: view.Form) -> None:
    verb = draw.verb(item.command)
    draw.part("form", verb["title"], verb=verb, values=plain(dict(item.values)))


def chart(draw: Drawing, item: view.Chart) -> None:
    dated = any(isinstance(s.x[0], datetime) for s in item.series if s.x)
    series = [
        {"name": draw.say(s.name), "type": item.kind, "showSymbol": False,
         "data": [[ms(x), y] for x, y in zip(s.x, s.y, strict=True)]}
        for s in item.series
    ]  # fmt: skip
    draw.chart(item.title, {
        "xAxis": {"type": "time" if dated else "value"}, "legend": {"top": 0, "right": 0},
        "yAxis": {"type": "value", "name": item.unit, "scale": True}, "series": series,
        "tooltip": {"trigger": "axis"},
    })  # fmt: skip


def gauge(draw: Drawing, item: view.Gauge) -> None:
    detail = {
        "formatter": f"{{value}} {item.unit}", "fontSize": 22, "offsetCenter": [0, "10%"],
    }  # fmt: skip
    series = {
        "type": "gauge", "min": item.low, "max": item.high, "detail": detail, "splitNumber": 4,
        "data": [{"value": item.value}],
    }  # fmt: skip
    draw.chart(item.title, {"series": [series]})


def gantt(draw: Drawing, item: view.Gantt) -> None:
    rows = list(dict.fromkeys(bar.row for bar in item.bars))
    labels = list(dict.fromkeys(bar.label for bar in item.bars))
    data = [
        {"value": [rows.index(b.row), ms(b.start), ms(b.end), draw.say(b.label)],
         "label_colour": labels.index(b.label)}
        for b in item.bars
    ]  # fmt: skip
    names = [draw.say(r) for r in rows]
    draw.chart(item.title, {
        "xAxis": {"type": "time"},
        "yAxis": {"type": "category", "data": names, "inverse": True, "splitLine": {"show": True}},
        "series": [{"type": "custom", "data": data, "encode": {"x": [1, 2], "y": 0}, "clip": True}],
    }, height=max(160, 60 + 40 * len(rows)))  # fmt: skip


def graph(draw: Drawing, item: view.Graph) -> None:
    series = {
        "type": "graph", "layout": "force", "roam": False, "symbolSize": 18,
        "label": {"show": True, "position": "bottom"},
        "force": {"repulsion": 220, "edgeLength": 90, "layoutAnimation": False},
        "edgeSymbol": ["none", "arrow"], "edgeSymbolSize": 8,
        "data": [{"name": draw.say(n), "id": n} for n in item.nodes],
        "links": [{"source": a, "target": b} for a, b in item.edges],
    }  # fmt: skip
    draw.chart(item.title, {"series": [series]}, height=300)


def map_(draw: Drawing, item: view.Map) -> None:
    """Places on bare axes: tiles would come from the internet."""
    at = {p.name: [p.longitude, p.latitude] for p in item.places}
    path = [at[n] for n in (*item.route, *item.route[:1]) if n in at]
    axis = {"scale": True, "type": "value", "axisLabel": {"formatter": "{value}°"}}
    points = [{"name": draw.say(n), "value": v} for n, v in at.items()]
    label = {"show": True, "position": "top", "formatter": "{b}"}
    draw.chart(item.title, {"xAxis": axis, "yAxis": axis, "series": [
        {"type": "line", "data": path, "showSymbol": False, "lineStyle": {"type": "dashed"}},
        {"type": "scatter", "symbolSize": 12, "data": points, "label": label},
    ]}, height=300)  # fmt: skip


def scene(draw: Drawing, item: view.Scene) -> None:
    with draw.panel(item.title), ui.scene(height=320, background_color="#8a969c33") as drawn:
        drawn.classes("scene")
        for box in item.boxes:
            drawn.box(*box.size).move(*box.at).material(box.colour).with_name(box.name)


def ms(x: float | datetime) -> float:
    return x.timestamp() * 1000 if isinstance(x, datetime) else x


DRAW: dict[type, Callable[[Drawing, Any], list[Slot] | None]] = {
    view.Row: row, view.Column: column, view.Markdown: markdown, view.Table: table,
    view.Tiles: tiles, view.Trend: trend, view.Form: form, view.Chart: chart, view.Gauge: gauge,
    view.Gantt: gantt, view.Graph: graph, view.Map: map_, view.Scene: scene,
}  # fmt: skip

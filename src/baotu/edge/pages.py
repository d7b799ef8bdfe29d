"""What the status page shows, as HTML and as JSON. Chinese and English side by side, no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Protocol
from urllib.parse import quote

import numpy as np

from baotu.sdk import Samples, Tag
from baotu.sdk.health import Health
from baotu.sdk.quality import REASONS, Quality
from baotu.sdk.units import symbol

PAGE = 200  # tags on a page

_STATES = {
    "up": "正常 Up", "starting": "启动中 Starting", "degraded": "降级 Degraded",
    "down": "中断 Down", "off": "停用 Off",
}  # fmt: skip
_STYLE = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem auto;
max-width:70rem;padding:0 1rem}table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884}
.scroll{overflow-x:auto}.up{color:#2a7d3f}.down{color:#c0392b}.degraded{color:#b7791f}
.starting,.off{color:#888}nav a{margin-right:1rem}small{color:#888}
"""


class Status(Protocol):
    """What the page needs of the edge."""

    name: str

    def now(self) -> int: ...
    def tags(self) -> Sequence[Tag]: ...
    def latest(self, ids: np.ndarray | None = None) -> list[Samples]: ...
    def healths(self) -> Sequence[Health]: ...


def overview_page(status: Status) -> str:
    """Devices, servers and the edge itself: state, why, since, figures."""
    parts = []
    titles = {
        "edge": "边缘 Edge", "link": "与中心的链路 Link to the hub", "device": "设备 Devices",
        "server": "服务 Servers",
    }  # fmt: skip
    healths = status.healths()
    for kind, title in titles.items():
        rows = [_health_row(health) for health in healths if health.kind == kind]
        if rows:
            heads = (
                "名称 Name",
                "状态 State",
                "自 Since",
                "原因 Why",
                "速率 Samples/s",
                "数据 Figures",
            )
            parts.append(f"<h2>{title}</h2>{_table(heads, rows)}")
    return _page(status, "".join(parts) or "<p>没有设备 No devices</p>", refresh=True)


def tags_page(status: Status, page: int, search: str) -> str:
    """The latest value of the tags whose name or title contains every word, a page at a time."""
    words = search.lower().split()
    found = [t for t in status.tags() if all(w in f"{t.name} {t.title}".lower() for w in words)]
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(1, page), pages)
    shown = found[(page - 1) * PAGE : page * PAGE]
    latest = _latest_of(status, shown)
    rows = [_tag_row(tag, latest.get(tag.id)) for tag in shown]
    form = (
        f'<form><input name="search" value="{escape(search)}" placeholder="搜索 Search"> '
        f"<button>搜索 Search</button></form><p>{len(found)} 位号 tags · {page}/{pages} "
    )
    for number, word in ((page - 1, "← 上页 Previous"), (page + 1, "下页 Next →")):
        if 1 <= number <= pages:
            form += f'<a href="/tags?page={number}&amp;search={quote(search)}">{word}</a> '
    heads = (
        "位号 Tag",
        "值 Value",
        "单位 Unit",
        "质量 Quality",
        "时间 Time",
        "设备 Device",
        "地址 Address",
    )
    return _page(status, f"{form}</p>{_table(heads, rows)}", refresh=False)


def status_json(status: Status) -> dict[str, Any]:
    return {
        "edge": status.name,
        "time": _time(status.now()),
        "tags": len(status.tags()),
        "parts": [
            {
                "kind": h.kind, "name": h.name, "state": h.state, "since": _time(h.since),
                "why": h.why, "figures": dict(h.figures),
            }
            for h in status.healths()
        ],
    }  # fmt: skip


def _health_row(health: Health) -> list[str]:
    figures = dict(health.figures)
    rate = figures.pop("samples_per_s", "")
    told = ", ".join(f"{key} {_shown(value)}" for key, value in figures.items() if value != "")
    state = f'<span class="{escape(health.state)}">{escape(_STATES[health.state])}</span>'
    return [
        escape(health.name), state, _time(health.since), escape(health.why), _shown(rate),
        f"<small>{escape(told)}</small>",
    ]  # fmt: skip


def _tag_row(tag: Tag, latest: tuple[int, float | str, int] | None) -> list[str]:
    time, value, quality = latest if latest is not None else (0, "", Quality.BAD_WAITING)
    reason = REASONS.get(Quality(quality)) if quality in Quality._value2member_map_ else None
    told = reason.title if reason is not None else str(quality)
    css = "up" if quality < 64 else "degraded" if quality < 128 else "down"
    return [
        escape(tag.name), escape(_shown(value)), escape(symbol(tag.unit)),
        f'<span class="{css}">{escape(told)}</span>', _time(time) if time else "",
        escape(tag.device), escape(tag.address or tag.expression),
    ]  # fmt: skip


def _latest_of(status: Status, tags: Sequence[Tag]) -> dict[int, tuple[int, float | str, int]]:
    found = status.latest(np.array([tag.id for tag in tags], "i8"))
    return {
        id: (time, value, quality)
        for part in found
        for id, time, value, quality in zip(
            part.tag.tolist(), part.time.tolist(), part.value.tolist(), part.quality.tolist(),
            strict=True,
        )
    }  # fmt: skip


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{head}</th>" for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'


def _page(status: Status, body: str, refresh: bool) -> str:
    again = '<meta http-equiv="refresh" content="5">' if refresh else ""
    return (
        f'<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(status.name)} · 趵突 Baotu</title><style>{_STYLE}</style></head><body>"
        f"<h1>趵突 Baotu · {escape(status.name)}</h1><nav><a href='/'>概况 Overview</a>"
        "<a href='/tags'>位号 Tags</a><a href='/status.json'>JSON</a></nav>"
        f"<p><small>{_time(status.now())}</small></p>{body}</body></html>"
    )


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"


def _time(time: int) -> str:
    if not 0 <= time < 253_402_300_800 * 10**9:
        return str(time)  # a stamp beyond the calendar is shown as it is
    return datetime.fromtimestamp(time / 1e9, UTC).isoformat(timespec="milliseconds")

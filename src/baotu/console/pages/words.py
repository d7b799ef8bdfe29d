"""The pages of the console: address, title, icon (paths on an 18 × 18 grid), what may hide them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """name: last part of the address; "" is the overview. part: the element that fills the page."""

    name: str
    title: str  # 中文 English
    icon: str
    part: str = ""


PLACES: tuple[Place, ...] = (
    Place(name="", title="总览 Overview", part="overview",
          icon="M2.5 2.5h5.5v5.5h-5.5z M10 2.5h5.5v5.5H10z M2.5 10h5.5v5.5h-5.5z M10 10h5.5v5.5H10z"),
    Place(name="alarms", title="报警 Alarms", part="alarms", icon="M9 2.2 16.3 15.3H1.7Z M9 7v4 M9 12.8v.9"),
    Place(name="tags", title="位号 Tags", part="tags", icon="M2.5 4.5h13 M2.5 9h13 M2.5 13.5h13"),
    Place(name="trends", title="趋势 Trends", part="trends", icon="M2.5 2.5v13h13 M4.5 11.5l3-4 3 2.5 4-5.5"),
    Place(name="edges", title="边缘 Edges", part="edges",
          icon="M9 2.5a2 2 0 1 1 0 4 2 2 0 1 1 0-4z M4 11.5a2 2 0 1 1 0 4 2 2 0 1 1 0-4z M14 11.5a2 2 0 1 1 0 4 2 2 0 1 1 0-4z M8 6.5 5 11.5 M10 6.5l3 5"),
    Place(name="apps", title="应用 Apps", icon="M9 2 15.5 5.5v7L9 16 2.5 12.5v-7z M2.5 5.5 9 9l6.5-3.5 M9 9v7"),
    Place(name="jobs", title="任务 Jobs", part="jobs", icon="M3 3.5h12v11H3z M3 7h12 M6 10.5h4"),
    Place(name="audit", title="审计 Audit", part="audit", icon="M4 2.5h10v13H4z M6.5 6h5 M6.5 9h5 M6.5 12h3"),
    Place(name="config", title="配置 Config", icon="M3 5h6 M12 5h3 M10.5 3.5v3 M3 9h2 M8 9h7 M6.5 7.5v3 M3 13h7 M13 13h2 M11.5 11.5v3"),
    Place(name="elements", title="要素 Elements", part="elements", icon="M2.5 9.5l4 4 9-9"),
    Place(name="faults", title="故障 Faults", part="faults", icon="M10 2 4 10h4l-1 6 6-8H9z"),
)  # fmt: skip
APP_ICON = "M3 3h12v12H3z M3 7h12 M7 7v8"
TABS = ("", "alarms", "tags", "trends")  # under the thumb, on a phone

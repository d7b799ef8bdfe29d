"""The frame around every page: top bar, pages, tree of assets, tabs for the thumb.

One piece of HTML, so that a page costs the server a handful of elements.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from urllib.parse import quote

from nicegui import ui

from baotu.sdk import Caller
from baotu.sdk.view import in_language

from ..rights import ROUTES, may
from ..rooms import Rooms
from ..search import places_for
from ..seen import may_use
from .words import APP_ICON, TABS, Place

# before the first paint: the theme remembered, else the system's
THEME = """<script>document.documentElement.dataset.theme = localStorage.getItem("baotu.theme")
  || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");</script>"""
CURRENT = ' aria-current="page"'
SHEETS = ("tokens", "frame", "parts", "pages", "signin")
OUT = "M7 3H3.5v12H7 M7 9h8 M12 6l3 3-3 3"
PEOPLE = "M6.5 2.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 1 1 0-5z M2 15.5c0-3 2-4.8 4.5-4.8s4.5 1.8 4.5 4.8 M12 3.2a2.2 2.2 0 1 1 0 4.2 M12.6 10.8c2 .3 3.4 2 3.4 4.7"
PERSON = "M9 2.5a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 1 1 0-6.4z M3 15.8c.4-3.2 2.8-5 6-5s5.6 1.8 6 5"
OFFICES = ("administer", "guard", "review")
MENU = "M2.5 4.5h13 M2.5 9h13 M2.5 13.5h13"
FIND = "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 1 1 0-11z M12 12l4 4"


@contextmanager
def frame(
    rooms: Rooms,
    caller: Caller,
    language: str,
    static: str,
    here: Place,
    crumbs: tuple[tuple[str, str], ...] = (),
    title: str = "",
) -> Iterator[None]:
    """static: address of the scripts and sheets. crumbs: (text, path) above this page."""
    shown = title or in_language(here.title, language)
    ui.page_title(f"{shown} · {in_language(rooms.title, language)}")
    ui.add_head_html(head(static))
    html = _top(rooms, caller, language, crumbs, shown) + _side(rooms, caller, language, here)
    ui.html(html + _tabs(rooms, caller, language, here), sanitize=False)
    with ui.element("main").classes("main").props("id=main tabindex=-1"):
        yield


def head(static: str) -> str:
    sheets = "".join(f'<link rel="stylesheet" href="{static}/css/{name}.css">' for name in SHEETS)
    return f'{THEME}{sheets}<script type="module" src="{static}/js/frame.js"></script>'


def part(name: str, static: str, **about: object) -> None:
    """A part drawn in the browser, `<bt-name>`; `about` is handed to it as JSON."""
    script(name, static)
    element = ui.element(f"bt-{name}")
    if about:
        element.props["data-about"] = json.dumps(about, ensure_ascii=False)


def script(name: str, static: str) -> None:
    ui.add_head_html(f'<script type="module" src="{static}/js/{name}.js"></script>')


def icon(path: str) -> str:
    return (
        '<svg viewBox="0 0 18 18" fill="none" stroke="currentColor" stroke-width="1.5" '
        f'stroke-linejoin="round" aria-hidden="true"><path d="{path}"/></svg>'
    )


def ways(rooms: Rooms, caller: Caller, language: str) -> str:
    """Every page as a button, for a page that has nothing else to offer."""
    return '<nav class="bar ways">' + _links(rooms, caller, language, None, "btn") + "</nav>"


def _top(
    rooms: Rooms, caller: Caller, language: str, crumbs: tuple[tuple[str, str], ...], title: str
) -> str:
    find = in_language("查找 Search", language)
    plant = escape(in_language(rooms.title, language))
    above = "".join(
        f'<a href="/{language}{quote(path)}">{escape(text)}</a><i>›</i>' for text, path in crumbs
    )
    name = "趵突" if language == "zh" else "Baotu"
    beside = f"<span>{plant}</span>" if plant != name else ""
    where = in_language("位置 You are here", language)
    skip = in_language("跳到内容 Skip to content", language)
    menu = in_language("菜单 Menu", language)
    return f"""
<a class="skip" href="#main">{skip}</a><header class="top">
<a class="brand" href="/{language}" title="{plant}"><b>{name}</b>{beside}</a>
<nav class="crumbs" aria-label="{where}">{above}<h1 class="cut">{escape(title)}</h1></nav>
{_pulse(rooms, caller)}
<button class="tool find" data-act="find" aria-label="{find}">{icon(FIND)}<span>{find}</span><kbd>Ctrl K</kbd></button>
<bt-tools style="display:flex"></bt-tools>{_who(rooms, caller, language)}
</header><div class="veil" data-act="close-menu" aria-label="{menu}"></div>"""


def _who(rooms: Rooms, caller: Caller, language: str) -> str:
    """Who I am, the way to my account, the way out."""
    name, whose = escape(caller.name), escape(caller.organisation)
    if rooms.people is None:
        return f'<span class="who small muted" title="{whose}">{name}</span>'
    mine = in_language("我的账户 My account", language)
    out = in_language("退出登录 Sign out", language)
    return (
        f'<a class="tool who" href="/{language}/account" title="{mine} · {whose}">{icon(PERSON)}{name}</a>'
        f'<button class="tool out" data-act="sign-out" title="{out}" aria-label="{out}">{icon(OUT)}</button>'
    )


def _more(rooms: Rooms, caller: Caller, language: str, here: Place) -> str:
    """Pages that are not for everybody, and one's own."""
    if rooms.people is None:
        return ""
    found = [("account", "我的账户 My account", PERSON)]
    if caller.permissions & {"people.manage", "roles.grant"}:
        found.insert(0, ("people", "人员 People", PEOPLE))
    return "".join(
        f'<a href="/{language}/{name}" data-title="{title}"{CURRENT if here.name == name else ""}>{icon(path)}'
        f"<span>{in_language(title, language)}</span></a>"
        for name, title, path in found
    )


def _pulse(rooms: Rooms, caller: Caller) -> str:
    """Live values and alarms, for those who may see any."""
    live = "<bt-pulse></bt-pulse>" if may(rooms.policy, caller, ROUTES["live"]) else ""
    return live + ("<bt-counts></bt-counts>" if may(rooms.policy, caller, ROUTES["alarms"]) else "")


def entries(rooms: Rooms, caller: Caller) -> list[tuple[str, str, str, Place | None]]:
    """(address behind the language, title, icon, page): what the caller may open. Pages of apps
    stand here for those whose work they are: officers, who have few others."""
    found = [
        (f"/{p.name}" if p.name else "", p.title, p.icon, p) for p in places_for(rooms, caller)
    ]
    pages = (v for v in rooms.door.verbs() if v.kind == "page" and v.duty in OFFICES)
    apps = [
        (f"/app/{v.app}/{v.name}", v.title, APP_ICON, None)
        for v in pages if may_use(rooms, caller, v)
    ]  # fmt: skip
    return [*found, *apps]


def _links(rooms: Rooms, caller: Caller, language: str, here: Place | None, kind: str = "") -> str:
    return "".join(
        f'<a class="{kind}" href="/{language}{path}"'
        f' data-title="{escape(title)}"{CURRENT if here and page is here else ""}>{icon(drawn)}'
        f"<span>{escape(in_language(title, language))}</span></a>"
        for path, title, drawn, page in entries(rooms, caller)
    )


def _side(rooms: Rooms, caller: Caller, language: str, here: Place) -> str:
    links = _links(rooms, caller, language, here) + _more(rooms, caller, language, here)
    tree = "<bt-tree></bt-tree>" if may(rooms.policy, caller, ROUTES["assets"]) else ""
    label = in_language("页面 Pages", language)
    return (
        f'<aside class="side"><nav class="pages" aria-label="{label}">{links}</nav>{tree}</aside>'
    )


def _tabs(rooms: Rooms, caller: Caller, language: str, here: Place) -> str:
    links = "".join(
        f'<a href="/{language}{"/" + p.name if p.name else ""}"'
        f"{CURRENT if p is here else ''}>{icon(p.icon)}"
        f"{in_language(p.title, language)}</a>"
        for p in places_for(rooms, caller)
        if p.name in TABS
    )
    menu = in_language("菜单 Menu", language)
    return f'<nav class="tabs">{links}<button data-act="menu">{icon(MENU)}{menu}</button></nav>'

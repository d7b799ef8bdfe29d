"""Apps: what is installed, what it may do, how it fares; and the live pages that apps offer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from fastapi import Request
from nicegui import ui

from baotu.sdk import Caller, Denied, Invalid
from baotu.sdk.door import Change, Look
from baotu.sdk.view import in_language

from ..draw import Drawing, Slot
from ..rooms import Rooms
from ..scoped import caller_of, part_of
from ..seen import not_whole
from .frame import frame, part, script, ways
from .words import PLACES, Place

HERE = next(p for p in PLACES if p.name == "apps")
REDRAW_S = 0.3  # also joins a burst of changes into one redraw


def register(page: Callable[[str, Place], Any], language: str, static: str) -> None:
    @page("/apps", HERE)
    def cards(request: Request) -> None:
        rooms: Rooms = request.scope["baotu.rooms"]
        with frame(rooms, caller_of(request), language, static, HERE):
            part("apps", static)

    @page("/app/{app}/{name}", HERE)
    async def show(request: Request, app: str, name: str) -> None:
        rooms: Rooms = request.scope["baotu.rooms"]
        caller, arguments = caller_of(request), dict(request.query_params)
        verbs = {v.name: v for v in rooms.door.verbs() if v.app == app}
        shown = in_language(verbs[name].title, language) if name in verbs else name
        crumbs = ((in_language(HERE.title, language), "/apps"),)
        with frame(rooms, caller, language, static, HERE, crumbs, shown):
            for file in ("views", "charts"):
                script(file, static)
            if name not in verbs or verbs[name].kind != "page":
                _say("这个应用没有这一页。 This app has no such page.", language)
                ui.html(ways(rooms, caller, language), sanitize=False)
                return
            try:
                not_whole(rooms, part_of(request).plant, verbs[name])
                look = await asyncio.to_thread(rooms.door.look, app, name, arguments, caller)
            except (Denied, Invalid) as error:
                _say(str(error), language, "problem")
                return
            slot = Slot(Drawing(language, verbs), look.view)
        _keep(rooms, caller, slot, look, lambda: rooms.door.look(app, name, arguments, caller))


def _keep(rooms: Rooms, caller: Caller, slot: Slot, first: Look, again: Callable[[], Look]) -> None:
    """Look again whenever a command wrote a table that the page was made from."""
    tables, stale = [first.tables], threading.Event()

    def heard(change: Change) -> None:
        if change.organisation == caller.organisation and change.tables & tables[0]:
            stale.set()

    async def refresh() -> None:
        if stale.is_set():
            stale.clear()
            fresh = await asyncio.to_thread(again)
            tables[0] = fresh.tables
            slot.show(fresh.view)

    ui.timer(REDRAW_S, refresh)
    ui.context.client.on_delete(rooms.door.watch(heard))


def _say(text: str, language: str, kind: str = "panel empty") -> None:
    with ui.element("div").classes(kind):
        ui.label(in_language(text, language))

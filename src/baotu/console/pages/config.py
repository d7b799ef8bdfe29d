"""Configuration: an editor, a dry run that says what is wrong and what would change, two-step apply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import Request
from nicegui import ui

from baotu.sdk import Caller, ConfigError, Denied, Invalid
from baotu.sdk.view import in_language

from ..api.house import verdict
from ..rooms import Rooms
from ..scoped import caller_of
from .frame import frame
from .words import PLACES, Place

HERE = next(p for p in PLACES if p.name == "config")


# what the desk says of a change, around names that belong to both languages
PHRASES = (
    "设备 device", "服务 server", "资产类型 asset types", "资产 assets", "启动 starts", "停止 stops",
    "按新配置重启 starts anew as configured", "重启后生效 takes effect after a restart",
)  # fmt: skip


def change_in(change: str, language: str) -> str:
    """`change_in("+ 设备 device pump: 启动 starts", "en")` is "+ device pump: starts"."""
    for phrase in PHRASES:
        change = change.replace(phrase, in_language(phrase, language))
    return change


def register(page: Callable[[str, Place], Any], language: str, static: str) -> None:
    @page("/config", HERE)
    def show(request: Request) -> None:
        rooms: Rooms = request.scope["baotu.rooms"]
        caller = caller_of(request)
        with frame(rooms, caller, language, static, HERE):
            Editor(rooms, caller, language)


class Editor:
    """The file, and beside it the verdict on exactly this text; a change of it takes it back."""

    def __init__(self, rooms: Rooms, caller: Caller, language: str) -> None:
        self.rooms, self.caller, self.language = rooms, caller, language
        self.checked = ""  # the text that the last clean dry run saw
        with ui.element("div").classes("config"):
            with ui.element("section").classes("panel editor"):
                self._head()
                self.text = ui.codemirror(
                    rooms.desk.text(), language="TOML", on_change=self._changed
                ).classes("code")
            self.side = ui.element("section").classes("panel")
        self._hint()

    def say(self, title: str) -> str:
        return in_language(title, self.language)

    def _head(self) -> None:
        with ui.element("header"):
            path = self.rooms.desk.path()
            with ui.element("h2") as head:
                ui.label(path.name)
            head.props["title"] = str(path)  # the whole of it is long
            self._button("试运行 Dry run", self.check).classes("push")

    def _button(self, title: str, act: Callable[..., Any], kind: str = "btn") -> Any:
        button = ui.element("button").classes(kind).on("click", act)
        with button:
            ui.label(self.say(title))
        return button

    def _hint(self) -> None:
        with self._side():
            ui.label(self.say(
                "改动后先试运行：它逐行指出错误，说明会启动、停止、改变什么，不产生任何影响。 "
                "After a change, do a dry run: it names every wrong line and tells what would "
                "start, stop or change. It has no effect."
            )).classes("muted")  # fmt: skip

    def _side(self) -> Any:
        self.side.clear()
        return self.side

    def _changed(self) -> None:
        if self.checked and self.text.value != self.checked:
            self.checked = ""
            self.text.decorations = []
            self._hint()

    async def check(self) -> None:
        text = self.text.value
        told = await asyncio.to_thread(verdict, self.rooms, text)
        lines = [p["line"] for p in told["problems"] if p["line"]]
        self.text.decorations = [
            {"kind": "line", "line": n, "class": "wrong-line"} for n in sorted(set(lines))
        ]
        with self._side():
            if told["problems"]:
                self._problems(told["problems"])
            else:
                self.checked = text
                self._changes(told["changes"])

    def _problems(self, problems: list[dict[str, Any]]) -> None:
        with ui.element("h2"):
            ui.label(f"{self.say('有错，不能应用 Not fit to apply')} ({len(problems)})")
        for found in problems:
            with ui.element("div").classes("problem"):
                line = found["line"]
                if line:
                    at = self.say(f"第 {line} 行 Line {line}")
                    button = ui.element("button").classes("chip")
                    button.on("click", lambda n=line: self.text.reveal_line(n))
                    with button:
                        ui.label(at)
                ui.label(self.say(found["why"]))
                if found["hint"]:
                    ui.label(self.say(found["hint"])).classes("muted")

    def _changes(self, changes: list[str]) -> None:
        with ui.element("h2"):
            ui.label(self.say("没有错误 No problems"))
        if not changes:
            ui.label(self.say("什么也不会改变。 Nothing would change.")).classes("muted")
            return
        ui.label(self.say("应用后： When applied:")).classes("muted")
        with ui.element("ul").classes("lines"):
            for change in changes:
                with ui.element("li").classes("line"):
                    ui.label(change_in(change, self.language))
        with ui.element("label").classes("field") as self.field:
            ui.label(self.say("原因，会记入审计 Reason, kept in the audit")).classes("small muted")
            reason = ui.element("input").classes("box").props("type=text name=reason")
            with ui.element("small").classes("needed"):
                ui.label(self.say("先写原因。 Write the reason first."))
        reason.on(
            "input",
            lambda e: reason.props.update(given=e.args),
            js_handler="(e) => emit(e.target.value)",
        )
        self._button(
            "应用 Apply", lambda: self.apply(str(reason.props.get("given", ""))), "btn main-act"
        )

    async def apply(self, reason: str) -> None:
        if not reason.strip():
            self.field.classes("wrong")
            ui.run_javascript("document.querySelector('input[name=reason]').focus()")
            return
        if self.text.value != self.checked:
            await self.check()
            return
        try:
            done = await asyncio.to_thread(
                self.rooms.desk.replace, self.checked, self.caller, reason.strip()
            )
        except (ConfigError, Denied, Invalid) as error:
            with self._side(), ui.element("div").classes("problem"):
                ui.label(self.say(str(error)))
            return
        self.checked = ""
        with self._side():
            with ui.element("h2"):
                ui.label(
                    self.say("已应用，旧文件保留在旁边。 Applied; the old file is kept beside it.")
                )
            with ui.element("ul").classes("lines"):
                for change in done:
                    with ui.element("li").classes("line"):
                        ui.label(change_in(change, self.language))

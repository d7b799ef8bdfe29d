"""What a person reads who may not open a page: why, who may, and where he may go instead."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from baotu.sdk import Caller
from baotu.sdk.view import in_language

from ..language import LANGUAGES
from ..rooms import Rooms
from .frame import entries

SAY = {
    "title": "不许可 Not allowed",
    "who": "可以的有 These may",
    "go": "您可以打开 You may open",
    "none": "没有您可以打开的页面；请系统管理员授予角色。 There is no page you may open; ask for a role.",
}


def denied(
    rooms: Rooms, caller: Caller, language: str, detail: str, who_may: Sequence[str], static: str
) -> str:
    """A page without a script, so that it needs nothing that he may not have."""

    def say(key: str) -> str:
        return escape(in_language(SAY[key], language))

    links = "".join(
        f'<a class="btn" href="/{language}{quote(path)}">{escape(in_language(title, language))}</a> '
        for path, title, _, _ in entries(rooms, caller)
    )
    names = "、" if language == "zh" else ", "
    who = f"<p>{say('who')}: {escape(names.join(who_may))}</p>" if who_may else ""
    ways = f'<p>{say("go")}:</p><nav class="bar ways">{links}</nav>' if links else say("none")
    sheets = "".join(
        f'<link rel="stylesheet" href="{static}/css/{name}.css">'
        for name in ("tokens", "frame", "parts", "pages")
    )
    return (
        f'<!doctype html><html lang="{LANGUAGES[language]}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{say('title')}</title>{sheets}</head><body>"
        f'<main class="main" id="main" style="margin:0 auto;max-width:40rem;padding:2rem">'
        f'<section class="panel"><h1>{say("title")}</h1>'
        f"<p>{escape(in_language(detail, language))}</p>{who}{ways}</section></main></body></html>"
    )

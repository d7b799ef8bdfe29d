"""One search over everything that has an address: pages, commands, assets, tags, alarms.

By Chinese, by pinyin, by English. What the caller may not do or see is not found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from baotu.sdk import Caller
from baotu.sdk.view import in_language

from . import alarms
from .api.rows import asset_row, tag_row, verb_row
from .pages.words import PLACES, Place
from .rights import PAGES, may
from .rooms import Rooms
from .scoped import Part
from .seen import may_use
from .spelling import fits


class Search:
    def __init__(self, rooms: Rooms, part: Part) -> None:
        self._rooms, self._part = rooms, part

    def answer(self, text: str, limit: int, caller: Caller) -> dict[str, Any]:
        """As `models.Found`: of each kind the best few. Without words: every page, some commands."""
        words = text.lower().split()
        tags = self._part.finder.page(text, limit) if words else None
        return {
            "pages": self._pages(words, caller),
            "verbs": self._verbs(words, limit, caller),
            "assets": self._assets(words, limit) if words else [],
            "tags": [tag_row(t) for t in tags.tags] if tags else [],
            "alarms": self._alarms(words, limit, caller) if words else [],
            "total": tags.total if tags else 0,
        }

    def _pages(self, words: list[str], caller: Caller) -> list[dict[str, str]]:
        here = places_for(self._rooms, caller)
        found = [p for p in here if fits(words, f"{p.title} {p.name}".lower())]
        return [{"page": f"/{p.name}" if p.name else "", "title": p.title} for p in found]

    def _verbs(self, words: list[str], limit: int, caller: Caller) -> list[dict[str, Any]]:
        """Commands and pages of apps that the caller may use; queries are for programs."""
        found = (
            v for v in self._rooms.door.verbs()
            if v.kind != "query" and may_use(self._rooms, caller, v) and fits(words, f"{v.title} {v.app} {v.name}".lower())
        )  # fmt: skip
        rows = sorted(found, key=lambda v: _rank(words, v.title, v.name))
        return [verb_row(v) for v in rows[:limit]]

    def _assets(self, words: list[str], limit: int) -> list[dict[str, Any]]:
        assets = self._part.plant.assets()
        found = [a for a in assets if fits(words, f"{a.path} {a.title} {a.type}".lower())]
        found.sort(key=lambda a: (_rank(words, a.title, a.path), len(a.path)))
        return [asset_row(a) for a in found[:limit]]

    def _alarms(self, words: list[str], limit: int, caller: Caller) -> list[dict[str, Any]]:
        rows: Iterable[dict[str, Any]] = alarms.listed(self._rooms, caller, self._part.plant)
        found = [r for r in rows if fits(words, f"{r['message']} {r['tag'] or r['asset']}".lower())]
        return found[:limit]


def places_for(rooms: Rooms, caller: Caller) -> list[Place]:
    """Pages that the caller may open."""
    here = (p for p in PLACES if p.name != "faults" or rooms.faults is not None)
    return [p for p in here if may(rooms.policy, caller, PAGES[p.name])]


def _rank(words: list[str], title: str, name: str) -> int:
    """0: a title or name begins with the first word; so what is typed in full comes first."""
    first = words[0] if words else ""
    both = (in_language(title, "zh").lower(), in_language(title, "en").lower(), name.lower())
    return 0 if any(one.startswith(first) for one in both) else 1

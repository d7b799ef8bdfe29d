"""Names for tag numbers, and found tags by place, so that a table of 100,000 rows can be scrolled.

The plant pages forward by cursor; a scroll bar jumps. What one search found is remembered until
the plant changes; at most `KEPT` searches.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from sys import intern

import numpy as np
import orjson

from baotu.sdk import Tag
from baotu.sdk.ports import Plant, TagPage

from .spelling import spelled

KEPT = 8
MANY = 1000
PAGE = 100_000
NOT_HAN = re.compile(r"[^\u4e00-\u9fff]+")


class Finder:
    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[int, str, str], tuple[Tag, ...]] = OrderedDict()
        self._ids: OrderedDict[tuple[int, str, str], np.ndarray] = OrderedDict()
        self._names: tuple[int, np.ndarray] = (-1, np.empty(0, object))
        self._titles: tuple[int, dict[str, str]] = (-1, {})
        self._written: deque[tuple[int, np.ndarray, bytes]] = deque(maxlen=KEPT)

    def found(self, search: str = "", under: str = "") -> tuple[Tag, ...]:
        """Every tag found, in order of name."""
        key = (self._plant.version(), search, under)
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        titles = self._spelled(search)
        tags = tuple(self._scanned(titles, under) if titles else self._all_pages(search, under))
        with self._lock:
            self._found[key] = tags
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
        return tags

    def page(self, search: str, limit: int, cursor: str = "", under: str = "") -> TagPage:
        """As `Plant.tags`, and by pinyin besides."""
        if not self._spelled(search):
            return self._plant.tags(search, limit, cursor, under)
        found = self.found(search, under)
        first = bisect_right(found, cursor, key=lambda tag: tag.name) if cursor else 0
        shown = found[first : first + limit]
        more = shown[-1].name if first + limit < len(found) else ""
        return TagPage(tags=shown, total=len(found), cursor=more)

    def _spelled(self, search: str) -> dict[str, frozenset[str]]:
        """The titles that each word spells; empty when none does, so that the plant searches."""
        version = self._plant.version()
        if self._titles[0] != version:
            titles = {tag.title for tag in self._plant.all_tags()}
            self._titles = (version, {t: intern(NOT_HAN.sub("", t)) for t in titles})
        found = {word: self._spelling(word) for word in search.lower().split()}
        return found if any(found.values()) else {}

    def _spelling(self, word: str) -> frozenset[str]:
        """Titles spelled so. Many titles differ by their numbers only, so characters are asked."""
        titles = self._titles[1]
        if not word.isalpha():  # `2hb` is 2 号泵: the number counts
            return frozenset(t for t in titles if spelled(word, t.lower()))
        said = {characters for characters in titles.values() if spelled(word, characters)}
        return frozenset(t for t, characters in titles.items() if characters in said)

    def _scanned(self, titles: dict[str, frozenset[str]], under: str) -> Iterator[Tag]:
        """Tags that have every word: as the plant searches, or in a title spelled so."""
        written = {word: {t.id for t in self._all_pages(word, under)} for word in titles}
        for tag in self._all_pages("", under):
            if all(tag.title in known or tag.id in written[w] for w, known in titles.items()):
                yield tag

    def ids(self, search: str = "", under: str = "") -> np.ndarray:
        """int32, ascending: the numbers of every tag found."""
        key = (self._plant.version(), search, under)
        known = self._ids.get(key)
        if known is None:
            known = np.sort(ids_of(self.found(search, under)))
            with self._lock:
                self._ids[key] = known
                while len(self._ids) > KEPT:
                    self._ids.popitem(last=False)
        return known

    def names_json(self, ids: np.ndarray) -> bytes:
        """A JSON list of names. The same many tags are asked for again and again (all of them, an
        area): writing their names is most of the work, so the last few lists are kept."""
        if len(ids) < MANY:
            return orjson.dumps(self.names(ids).tolist())
        version = self._plant.version()
        for known, tags, text in tuple(self._written):
            if known == version and len(tags) == len(ids) and np.array_equal(tags, ids):
                return text
        text = orjson.dumps(self.names(ids).tolist())
        self._written.append((version, ids.copy(), text))
        return text

    def names(self, ids: np.ndarray) -> np.ndarray:
        """Object array of names; a number that nobody has is "?"."""
        version = self._plant.version()
        if self._names[0] != version:
            tags = self._plant.all_tags()
            names = np.full(max((t.id for t in tags), default=-1) + 2, "?", object)
            for tag in tags:
                names[tag.id] = tag.name
            self._names = (version, names)
        names = self._names[1]
        return names[np.minimum(ids, len(names) - 1)]

    def _all_pages(self, search: str, under: str) -> Sequence[Tag]:
        found: list[Tag] = []
        cursor = ""
        while True:
            page = self._plant.tags(search, PAGE, cursor, under)
            found += page.tags
            if not page.cursor:
                return found
            cursor = page.cursor


def ids_of(tags: Sequence[Tag]) -> np.ndarray:
    return np.fromiter((tag.id for tag in tags), "i4", len(tags))

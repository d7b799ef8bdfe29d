"""Names for tag numbers, and found tags by place, so that a table of 100,000 rows can be scrolled.

The plant pages forward by cursor; a scroll bar jumps. What one search found is remembered until
the plant changes; at most `KEPT` searches.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from sys import intern
from typing import NamedTuple, TypeVar

import numpy as np
import orjson

from baotu.sdk import Tag
from baotu.sdk.ports import Plant, TagPage
from baotu.sdk.tags import ById, Tags

from .spelling import spelled

KEPT = 8
MANY = 1000
PAGE = 100_000
Made = TypeVar("Made")
Kept = deque[tuple[int, np.ndarray, Made]]  # version of the plant, numbers of tags, what they gave
NOT_HAN = re.compile(r"[^\u4e00-\u9fff]+")


class Said(NamedTuple):
    """What one word of a search means besides text in a tag: titles of tags, paths of assets."""

    titles: frozenset[str]
    assets: frozenset[str]


class Finder:
    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[int, str, str], Tags] = OrderedDict()
        self._ids: OrderedDict[tuple[int, str, str], np.ndarray] = OrderedDict()
        self._named: tuple[int, ById] = (-1, ById(Tags.of(())))
        self._titles: tuple[int, dict[str, str]] = (-1, {})
        self._assets: tuple[tuple[str, str, str], ...] = ()  # path, title, in small letters
        # version of the plant, search, what it means: one search is asked for often
        self._latest: tuple[int, str, dict[str, Said]] = (-1, "", {})
        self._written: Kept[bytes] = deque(maxlen=KEPT)
        self._listed: Kept[np.ndarray] = deque(maxlen=2)  # 90 bytes a name

    def found(self, search: str = "", under: str = "") -> Tags:
        """Every tag found, in order of name."""
        key = (self._plant.version(), search, under)
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        said = self._said(search)
        tags = self._scanned(said, under) if said else self._searched(search, under)
        with self._lock:
            self._found[key] = tags
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
        return tags

    def page(self, search: str, limit: int, cursor: str = "", under: str = "") -> TagPage:
        """As `Plant.tags`; by pinyin, and by what the asset and the places above are called, besides."""
        if not self._said(search):
            return self._plant.tags(search, limit, cursor, under)
        found = self.found(search, under)
        first = bisect_right(found, cursor, key=lambda tag: tag.name) if cursor else 0
        shown = found[first : first + limit]
        more = shown[-1].name if first + limit < len(found) else ""
        return TagPage(tags=shown, total=len(found), cursor=more)

    def _said(self, search: str) -> dict[str, Said]:
        """What each word is beyond the tags' own text; empty when nothing, so that the plant searches."""
        version = self._plant.version()
        if self._titles[0] != version:
            self._assets = tuple((a.path, a.title, a.title.lower()) for a in self._plant.assets())
            titles = {title for (title,) in Tags.of(self._plant.all_tags()).distinct("title")[0]}
            titles.update(title for _, title, _ in self._assets)
            self._titles = (version, {t: intern(NOT_HAN.sub("", t)) for t in titles})
        if self._latest[:2] != (version, search):
            found = {word: self._meant(word) for word in search.lower().split()}
            some = any(said.titles or said.assets for said in found.values())
            self._latest = (version, search, found if some else {})
        return self._latest[2]

    def _meant(self, word: str) -> Said:
        """An asset that is called so stands for all below it: `泵 流量` is the flow of any pump.
        The root does not: what names everything finds nothing."""
        titles = self._spelling(word)
        named = {
            path for path, title, small in self._assets
            if (word in small or title in titles) and "/" in path
        }  # fmt: skip
        below = (path for path, _, _ in self._assets if not named.isdisjoint(upwards(path)))
        return Said(titles, frozenset(below) if named else frozenset())

    def _spelling(self, word: str) -> frozenset[str]:
        """Titles spelled so. Many titles differ by their numbers only, so characters are asked."""
        titles = self._titles[1]
        if not word.isalpha():  # `2hb` is 2 号泵: the number counts
            return frozenset(t for t in titles if spelled(word, t.lower()))
        said = {characters for characters in set(titles.values()) if spelled(word, characters)}
        return frozenset(t for t, characters in titles.items() if characters in said)

    def _scanned(self, said: dict[str, Said], under: str) -> Tags:
        """Tags that have every word: as the plant searches, or in a title or an asset said so."""
        tags = self._searched("", under)
        fit = np.ones(len(tags), bool)
        for word, known in said.items():
            written = np.isin(tags.id, self._searched(word, under).id)
            titled = tags.mask("title", known.titles.__contains__)
            fit &= titled | tags.mask("asset", known.assets.__contains__) | written
        return tags.pick(fit)

    def ids(self, search: str = "", under: str = "") -> np.ndarray:
        """int32, ascending: the numbers of every tag found."""
        key = (self._plant.version(), search, under)
        known = self._ids.get(key)
        if known is None:
            known = np.sort(self.found(search, under).id)
            with self._lock:
                self._ids[key] = known
                while len(self._ids) > KEPT:
                    self._ids.popitem(last=False)
        return known

    def names_json(self, ids: np.ndarray) -> bytes:
        """A JSON list of names. The same many tags are asked for again and again (all of them, an
        area): writing their names is most of the work, so the last few lists are kept."""
        if len(ids) < MANY:
            return orjson.dumps(self._names(ids).tolist())
        return self._lately(self._written, ids, lambda: orjson.dumps(self._names(ids).tolist()))

    def names(self, ids: np.ndarray) -> np.ndarray:
        """Object array of names; a number that nobody has is "?". Not to be changed."""
        if len(ids) < MANY:
            return self._names(ids)
        return self._lately(self._listed, ids, lambda: self._names(ids))

    def _lately(self, kept: Kept[Made], ids: np.ndarray, make: Callable[[], Made]) -> Made:
        """What was made of the same tags a while ago, as long as the plant is the same."""
        version = self._plant.version()
        for known, tags, made in tuple(kept):
            if known == version and len(tags) == len(ids) and np.array_equal(tags, ids):
                return made
        made = make()
        kept.append((version, ids.copy(), made))
        return made

    def _names(self, ids: np.ndarray) -> np.ndarray:
        version = self._plant.version()
        if self._named[0] != version:
            self._named = (version, ById(Tags.of(self._plant.all_tags())))
        known = self._named[1]
        places = known.places(np.asarray(ids))
        names = np.full(len(places), "?", object)
        names[places >= 0] = list(known.tags.pick(places[places >= 0]).names())
        return names

    def _searched(self, search: str, under: str) -> Tags:
        return Tags.concat(list(self._all_pages(search, under)))

    def _all_pages(self, search: str, under: str) -> Iterator[Tags]:
        cursor = ""
        while True:
            page = self._plant.tags(search, PAGE, cursor, under)
            yield Tags.of(page.tags)
            if not page.cursor:
                return
            cursor = page.cursor


def ids_of(tags: Sequence[Tag]) -> np.ndarray:
    return np.fromiter((tag.id for tag in tags), "i4", len(tags))


def upwards(path: str) -> Iterator[str]:
    """A path and every one above it.

    >>> list(upwards("works/line/pump"))
    ['works/line/pump', 'works/line', 'works']
    """
    while path:
        yield path
        path = path.rpartition("/")[0]

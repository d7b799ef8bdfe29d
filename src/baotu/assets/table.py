"""The hub's tag table: numbers for names, kept for ever. Never holds a value of a tag."""

from __future__ import annotations

import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from baotu.sdk import Invalid, Tag
from baotu.sdk.ports import TagPage
from baotu.sdk.tags import ById, Tags

from .search import said

_SCHEMA = """
create table if not exists tag(id integer primary key, name text not null unique, edge text not null,
                               spec blob not null) strict
"""
_PUT = """
insert into tag values (?, ?, ?, ?)
on conflict(id) do update set edge = excluded.edge, spec = excluded.spec
"""
HUB = "hub"  # the owner of tags that apps derive


class TagTable:
    """Tags by number, by name and by search. Thread-safe; readers never wait for a writer.

    The name is the identity: a replaced edge that says the same names continues the same history.
    """

    def __init__(self, path: Path | None) -> None:
        self._db = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None
        )
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        self._db.execute(_SCHEMA)
        self._lock = threading.Lock()
        self._edges: dict[str, int] = {}
        self._edge = np.empty(0, "i4")  # by number: place in _edges
        self._local = np.empty(0, "i4")  # by number: the number at the edge, -1: it has none now
        self._known = ById(_sorted(Tags.of(self._rows())))  # readers keep the old one until done
        self.version = 0

    def close(self) -> None:
        self._db.close()

    def adopt(self, edge: str, tags: Tags) -> np.ndarray:
        """Takes an edge's tags over; int32: the hub's number at the place of the edge's number.

        Numbers the edge does not use are -1. A name that belongs to another edge gets
        `@edge` behind its property, so that nothing is mixed up and nothing lost.
        """
        with self._lock:
            tags = self._told_apart(edge, tags)
            kept = tags.numbered(self._numbers(tags))
            known = self._known.places(kept.id)
            put = known < 0
            self._own(edge, kept.id, tags.id)
            put[~put] = kept.pick(~put).differ(self._known.tags, known[~put])
            self._keep(edge, kept.pick(put))
            numbers = np.full(int(tags.id.max(initial=-1)) + 1, -1, "i4")
            numbers[tags.id] = kept.id
            return numbers

    def allot(self, tag: Tag, edge: str = HUB) -> int:
        """The number of a tag that the hub itself writes (an app derives it)."""
        return int(self.adopt(edge, Tags.of([replace(tag, id=0)]))[0])

    def owner(self, id: int) -> tuple[str, int]:
        """(edge, number there) of a tag. Raises Invalid when no edge has it now."""
        local = int(self._local[id]) if 0 <= id < len(self._local) else -1
        if local < 0:
            tag = self.by_id(id)
            name = tag.name if tag else str(id)
            raise Invalid("tag", f"{name}: its edge has not connected since the hub started")
        return list(self._edges)[self._edge[id]], local

    def _told_apart(self, edge: str, tags: Tags) -> Tags:
        """With other names for those that another edge has already."""
        known, mine = self._known.tags, self._edges.setdefault(edge, len(self._edges))
        places = known.places(tags.names())
        foreign = places >= 0
        foreign[foreign] = self._edge[known.id[places[foreign]]] != mine
        if not foreign.any():
            return tags
        others = [replace(t, property=f"{t.property}@{edge}") for t in tags.pick(foreign)]
        order = np.argsort(np.r_[np.flatnonzero(~foreign), np.flatnonzero(foreign)])
        return Tags.concat([tags.pick(~foreign), Tags.of(others)]).pick(order)

    def _numbers(self, tags: Tags) -> np.ndarray:
        """int32: the number of each tag; a new name gets the next one."""
        known = self._known.tags
        places = known.places(tags.names())
        ids = np.full(len(tags), -1, "i4")
        ids[places >= 0] = known.id[places[places >= 0]]
        new = np.flatnonzero(places < 0)
        fresh = tags.pick(new)
        first = fresh.places(fresh.names())  # of those that have the same name
        ids[new] = len(known) + np.cumsum(first == np.arange(len(first)))[first]
        return ids

    def _own(self, edge: str, ids: np.ndarray, local: np.ndarray) -> None:
        size = int(ids.max(initial=-1)) + 1
        if size > len(self._local):
            self._local = np.pad(self._local, (0, size - len(self._local)), constant_values=-1)
            self._edge = np.pad(self._edge, (0, size - len(self._edge)), constant_values=-1)
        self._local[ids] = local
        self._edge[ids] = self._edges[edge]

    def _keep(self, edge: str, rows: Tags) -> None:
        if not len(rows):
            return
        plain = rows.numbered(np.zeros(len(rows), "i4"))  # the number is not a part of what is said
        self._db.execute("begin immediate")
        self._db.executemany(
            _PUT,
            ((id, tag.name, edge, msgspec.json.encode(tag))
             for id, tag in zip(rows.id.tolist(), plain, strict=True)),
        )  # fmt: skip
        self._db.execute("commit")
        before = self._known.tags
        old = before.pick(ById(rows).places(before.id) < 0)
        self._known = ById(_sorted(Tags.concat([old, rows])))
        self.version += 1

    def _rows(self) -> Iterator[Tag]:
        """Everything that was ever kept, with its edge noted."""
        rows = self._db.execute("select id, edge, spec from tag")
        decode = msgspec.json.Decoder(Tag).decode
        while part := list(islice(rows, 1_000)):
            for edge in {edge for _, edge, _ in part}:
                self._edges.setdefault(edge, len(self._edges))
                ids = np.array([id for id, of, _ in part if of == edge], "i4")
                self._own(edge, ids, np.full(len(ids), -1, "i4"))
            yield from (replace(decode(spec), id=id) for id, _, spec in part)

    # reading ----------------------------------------------------------------

    def all(self) -> Tags:
        """In order of name."""
        return self._known.tags

    def by_id(self, id: int) -> Tag | None:
        return self._known.get(id)

    def find(self, name: str) -> int:
        """The number of a name, -1 when there is none."""
        known = self._known.tags
        place = known.find(name)
        return int(known.id[place]) if place >= 0 else -1

    def near(self, name: str) -> str:
        """A name that is like this one, for an error message."""
        tags = self._known.tags
        last = name.rpartition("/")[2].lower()
        fit = np.flatnonzero(said(tags, last)) if last else np.empty(0, np.intp)
        if len(fit):
            return tags.name(int(fit[0]))
        return tags.name(min(_place(tags, name), len(tags) - 1)) if len(tags) else ""

    def page(self, search: str, limit: int, cursor: str, under: str) -> TagPage:
        tags = self._known.tags
        low, high = 0, len(tags)
        if under:
            low, high = _place(tags, f"{under}/"), _place(tags, f"{under}0")
        places = np.arange(low, high)
        for word in search.lower().split():
            places = places[said(tags, word)[places]]
        first = int(np.searchsorted(places, _place(tags, f"{cursor}\0"))) if cursor else 0
        shown = places[first : first + limit]
        more = tags.name(int(shown[-1])) if len(shown) and first + limit < len(places) else ""
        return TagPage(tags=tags.pick(shown), total=len(places), cursor=more)


def _place(tags: Tags, name: str) -> int:
    """Where it is, or would be, in the order of names."""
    return bisect_left(range(len(tags)), name, key=tags.name)


def _sorted(tags: Tags) -> Tags:
    names = list(tags.names())
    return tags.pick(np.array(sorted(range(len(names)), key=names.__getitem__), np.intp))

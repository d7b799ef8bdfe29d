"""The hub's tag table: numbers for names, kept for ever. Never holds a value of a tag."""

from __future__ import annotations

import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import msgspec
import numpy as np

from baotu.sdk import Invalid, Tag
from baotu.sdk.ports import TagPage

_SCHEMA = """
create table if not exists tag(id integer primary key, name text not null unique, edge text not null,
                               spec blob not null) strict
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
        self._tags: dict[int, Tag] = {}
        self._edge: dict[int, str] = {}
        self._local: dict[int, int] = {}
        self._id: dict[str, int] = {}
        for id, name, edge, spec in self._db.execute("select id, name, edge, spec from tag"):
            self._tags[id] = replace(msgspec.json.decode(spec, type=Tag), id=id)
            self._edge[id], self._id[name] = edge, id
        self.version = 0
        self._sort()

    def close(self) -> None:
        self._db.close()

    def adopt(self, edge: str, tags: Sequence[Tag]) -> np.ndarray:
        """Takes an edge's tags over; int32: the hub's number at the place of the edge's number.

        Numbers the edge does not use are -1. A name that belongs to another edge gets
        `@edge` behind its property, so that nothing is mixed up and nothing lost.
        """
        with self._lock:
            numbers = np.full(max((t.id for t in tags), default=-1) + 1, -1, "i4")
            rows: list[tuple[int, str, str, bytes]] = []
            for tag in tags:
                name, kept = tag.name, tag
                if self._edge.get(self._id.get(name, -1), edge) != edge:
                    kept = replace(tag, property=f"{tag.property}@{edge}")
                    name = kept.name
                id = self._id.get(name, -1)
                if id < 0:
                    id = len(self._id) + 1
                    self._id[name] = id
                numbers[tag.id] = id
                self._local[id] = tag.id
                if self._tags.get(id) != (new := replace(kept, id=id)):
                    self._tags[id], self._edge[id] = new, edge
                    rows.append((id, name, edge, msgspec.json.encode(replace(kept, id=0))))
            self._keep(rows)
            return numbers

    def allot(self, tag: Tag, edge: str = HUB) -> int:
        """The number of a tag that the hub itself writes (an app derives it)."""
        return int(self.adopt(edge, [replace(tag, id=0)])[0])

    def owner(self, id: int) -> tuple[str, int]:
        """(edge, number there) of a tag. Raises Invalid when no edge has it now."""
        if id not in self._local:
            name = self._tags[id].name if id in self._tags else str(id)
            raise Invalid("tag", f"{name}: its edge has not connected since the hub started")
        return self._edge[id], self._local[id]

    def _keep(self, rows: list[tuple[int, str, str, bytes]]) -> None:
        if not rows:
            return
        self._db.execute("begin immediate")
        self._db.executemany(
            "insert into tag values (?, ?, ?, ?) on conflict(id) do update set edge = excluded.edge, spec = excluded.spec",
            rows,
        )
        self._db.execute("commit")
        self._sort()
        self.version += 1

    def _sort(self) -> None:
        """Fresh lists in order of name; readers keep the old ones until they are done."""
        tags = tuple(sorted(self._tags.values(), key=lambda t: t.name))
        names = [t.name for t in tags]
        said = [f"{t.name} {t.title} {t.address} {t.device}".lower() for t in tags]
        self._ordered = (tags, names, said)

    # reading ----------------------------------------------------------------

    def all(self) -> tuple[Tag, ...]:
        return self._ordered[0]

    def by_id(self, id: int) -> Tag | None:
        return self._tags.get(id)

    def find(self, name: str) -> int:
        """The number of a name, -1 when there is none."""
        return self._id.get(name, -1)

    def near(self, name: str) -> str:
        """A name that is like this one, for an error message."""
        _, names, said = self._ordered
        last = name.rpartition("/")[2].lower()
        at = next((i for i, text in enumerate(said) if last and last in text), None)
        if at is None and names:
            at = min(bisect_left(names, name), len(names) - 1)
        return names[at] if at is not None else ""

    def page(self, search: str, limit: int, cursor: str, under: str) -> TagPage:
        tags, names, said = self._ordered
        low, high = (
            (bisect_left(names, f"{under}/"), bisect_left(names, f"{under}0"))
            if under
            else (0, len(names))
        )
        words = search.lower().split()
        if words:
            places: Sequence[int] = [
                i for i in range(low, high) if all(w in said[i] for w in words)
            ]
        else:
            places = range(low, high)
        first = bisect_left(places, bisect_left(names, f"{cursor}\0")) if cursor else 0
        shown = places[first : first + limit]
        more = names[shown[-1]] if len(shown) and first + limit < len(places) else ""
        return TagPage(tags=tuple(tags[i] for i in shown), total=len(places), cursor=more)


def by_selection(tags: Iterable[Tag], asset_type: str, property: str) -> np.ndarray:
    chosen = [t.id for t in tags if t.asset_type == asset_type and t.property == property]
    return np.array(sorted(chosen), "i4")


TAG_FIELDS = tuple(f.name for f in fields(Tag))

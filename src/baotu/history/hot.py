"""The hot tables: samples as they arrived, with the sequences that make them exactly once.

Each kind has one table that takes what arrives. Full ones are sorted by `tidy` and sealed by `seal`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import duckdb

from baotu.sdk.errors import Unreachable
from baotu.sdk.link import Batch
from baotu.sdk.ports import Arrival, Place
from baotu.sdk.samples import Samples

from .columns import column
from .latest import Latest
from .ledger import Ledger
from .sql import COLUMNS
from .store import Connection, Store, first_line

End = tuple[int, int]  # table, rows: how far someone has come in order of arrival
LINK_ROWS = 20_000
HELD = 16  # full tables that are kept in order of arrival for a reader who is behind
KNOWN = 10_000  # newest tables of which is known how many rows they had in order of arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`hot_<number>` in the database; origin: the number of the table it was sorted from."""

    number: int
    kind: str
    rows: int
    origin: int | None = None


class Hot:
    """The only writer of samples. `latest` and `ledger` are what is committed, in memory."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.commits: deque[float] = deque(maxlen=2_000)  # seconds of the newest commits
        self.appended = self.number = self._links = 0
        self.ledger, self.latest = Ledger(), Latest()
        self.tables: tuple[Table, ...] = ()  # in order of arrival, as they are committed
        self.current: dict[str, int] = {}  # kind → number of the table that takes what arrives
        self.ends: dict[str, End] = {}  # of each kind, behind the newest row
        self.held: dict[str, int] = {}  # number of the first table that someone still reads
        self.followers: tuple[Callable[[Arrival], None], ...] = ()
        store.revived = self._load
        self._load()

    # append ------------------------------------------------------------------------------------
    def append(self, batches: Sequence[Batch]) -> list[bool]:
        with self.store.writing:
            self.store.revive()
            begin = time.perf_counter()
            ledger = self.ledger.copy()
            links: list[tuple[str, int, int]] = []
            live: list[Samples] = []
            late: list[Samples] = []
            answers = [
                self._take(batch, ledger, links, live if batch.live else late) for batch in batches
            ]
            if not links:
                return answers
            parts, old = _by_kind([*live, *late]), _by_kind(late)
            tables, current = self.tables, dict(self.current)
            try:
                with self.store.change() as db:
                    for kind, samples in parts.items():
                        tables = self._insert(db, kind, samples, tables, current)
                        if kind in old:
                            number, rows = _end(tables, current[kind])
                            row = [number, rows - len(old[kind]), rows]
                            db.execute("insert into late values (?, ?, ?)", row)
                    _enter_links(db, links)
            except duckdb.Error as error:
                raise Unreachable(
                    f"history/{self.store.folder}: the commit failed ({first_line(error)}); free "
                    "disk space or give memory_mb; edges keep their samples and send them again"
                ) from error
            self.store.seam("committed")
            start = self.place()
            self.ledger, self.tables, self.current = ledger, tables, current
            self.ends |= {kind: _end(tables, current[kind]) for kind in parts}
            self._links += len(links)
            for samples in parts.values():
                self.latest.update(samples)
                self.appended += len(samples)
            self.commits.append(time.perf_counter() - begin)
            self._tell(start, _by_kind(live) if old else parts, old)
            return answers

    def place(self) -> Place:
        return (*self.ends["number"], *self.ends["text"])

    def _tell(self, start: Place, live: dict[str, Samples], late: dict[str, Samples]) -> None:
        if self.followers and start != self.place():
            kinds = tuple(live.values())
            told = Arrival(start=start, end=self.place(), live=kinds, late=tuple(late.values()))
            for tell in self.followers:
                tell(told)

    @staticmethod
    def _take(
        batch: Batch, ledger: Ledger, links: list[tuple[str, int, int]], fresh: list[Samples]
    ) -> bool:
        """Whether the batch is in history once this transaction is; its new frames into `fresh`."""
        if batch.last < batch.first or len(batch.samples) != batch.last - batch.first + 1:
            raise ValueError(
                f"log {batch.log}: {len(batch.samples)} frames for {batch.first}…{batch.last}"
            )
        missing = ledger.missing(batch.log, batch.first, batch.last)
        if not missing:
            return True
        if batch.after is not None and not ledger.has(batch.log, batch.after):
            return False
        for first, last in missing:  # what an earlier delivery brought is skipped
            fresh += batch.samples[first - batch.first : last - batch.first + 1]
            ledger.add(batch.log, first, last)
            links.append((batch.log, first, last))
        return True

    def _insert(
        self,
        db: Connection,
        kind: str,
        samples: Samples,
        tables: tuple[Table, ...],
        current: dict[str, int],
    ) -> tuple[Table, ...]:
        """The tables there are after this; `current` is changed when a new one was needed."""
        found = {table.number: table for table in tables}
        table = found.get(current.get(kind, 0))
        if table is None or table.rows + len(samples) > self.store.settings.table_rows:
            table = Table(number=self.next_number(), kind=kind, rows=0)
            current[kind] = table.number
            db.execute(f"create table hot_{table.number}({COLUMNS[kind]})")
            db.execute("insert into hot values (?, ?, null)", [table.number, kind])
        columns = {  # noqa: F841 DuckDB reads it by its name
            "tag": samples.tag,
            "time": samples.time,
            "value": samples.value,
            "quality": samples.quality,
        }
        db.execute(f"insert into hot_{table.number} select * from columns")
        found[table.number] = replace(table, rows=table.rows + len(samples))
        return tuple(found.values())

    def next_number(self) -> int:
        with self.store.writing:
            self.number += 1
            return self.number

    # sealing -----------------------------------------------------------------------------------
    def full(self, everything: bool) -> list[list[Table]]:
        """Groups of tables of one kind that are enough for a segment and take nothing more. Decided
        under the lock: between the commit of an append and its note here the newest looks full."""
        with self.store.writing:
            if everything:
                self.current = {}
            groups, most = [], self.store.settings.seal_rows - self.store.settings.table_rows
            for kind in COLUMNS:
                group: list[Table] = []
                for table in self._closed(kind) if everything else self._free(kind):
                    group.append(table)
                    if sum(t.rows for t in group) > most:  # another would not fit
                        groups.append(group)
                        group = []
                if everything and group:
                    groups.append(group)
            return groups

    def unsorted(self) -> list[Table]:
        """Those that take nothing more and are still in order of arrival, the oldest first."""
        with self.store.writing:
            free = [table for kind in COLUMNS for table in self._free(kind)]
            return [table for table in free if table.origin is None]

    def _free(self, kind: str) -> list[Table]:
        """Full ones whose order of arrival nobody needs, or too many do."""
        closed = self._closed(kind)
        first = self.held.get(kind, self.number + 1)
        read = [t for t in closed if t.origin is None and t.number >= first][-HELD:]
        return [table for table in closed if table not in read]

    def _closed(self, kind: str) -> list[Table]:
        current = self.current.get(kind, 0)
        return [t for t in self.tables if t.kind == kind and t.number != current]

    def sort(self, db: Connection, table: Table, number: int) -> None:
        """End the transaction in which `hot_<number>` became the sorted copy of `table`."""
        with self.store.writing:
            self._check(db, number, table.rows)
            row = [number, table.kind, table.number]
            db.execute("insert into hot values (?, ?, ?)", row)
            self._remove(db, table)
            db.execute("commit")
            copy = replace(table, number=number, origin=table.number)
            self.tables = tuple(copy if t == table else t for t in self.tables)

    def drop(self, db: Connection, tables: Sequence[Table], rows: int) -> None:
        """In the transaction that enters the segments of these tables, which hold `rows` rows."""
        if rows != (known := sum(table.rows for table in tables)):
            raise RuntimeError(f"{rows} rows were sealed, {known} are hot: they are kept")
        for table in tables:
            self._check(db, table.number, table.rows)
        self._save_latest(db)
        if self._links > LINK_ROWS:
            db.execute("delete from link")
            _enter_links(db, self.ledger.rows())
            self._links = 0
        for table in tables:
            self._remove(db, table)

    def forget(self, tables: Sequence[Table]) -> None:
        """After that transaction."""
        with self.store.writing:
            self.tables = tuple(table for table in self.tables if table not in tables)

    @staticmethod
    def _check(db: Connection, number: int, rows: int) -> None:
        if rows != (found := _one(db, f"select count(*) from hot_{number}")):
            raise RuntimeError(f"hot_{number} has {found} rows, {rows} were meant: all are kept")

    @staticmethod
    def _remove(db: Connection, table: Table) -> None:
        if table.origin is None:  # its order of arrival ends here
            number, row = table.number, [table.number, table.kind, table.rows]
            db.execute("insert into unordered values (?, ?, ?)", row)
            db.execute("delete from unordered where id <= ?", [number - KNOWN])
            db.execute("delete from late where hot = ?", [number])
        db.execute("delete from hot where id = ?", [table.number])
        db.execute(f"drop table hot_{table.number}")

    # restart -----------------------------------------------------------------------------------
    def _save_latest(self, db: Connection) -> None:
        """`latest` covers all that is in Parquet; hot tables are read again at start."""
        db.execute("delete from latest")
        for samples in self.latest.all():
            columns = {  # noqa: F841 DuckDB reads it by its name
                "tag": samples.tag,
                "time": samples.time,
                "value": samples.value,
                "quality": samples.quality,
            }
            number, text = ("null", "value") if samples.is_text else ("value", "null")
            db.execute(
                f"insert into latest select tag, time, {number}, {text}, quality from columns"
            )

    def _load(self) -> None:
        """What is committed, at start and after the database had to be opened again."""
        db = self.store.db
        self.latest, self.tables, self.current = Latest(), (), {}
        self.ledger = Ledger(db.execute("select * from link order by first").fetchall())
        self._links = _one(db, "select count(*) from link")
        for kind, value in (("number", "number"), ("text", "text")):
            where = f"text is {'not ' if kind == 'text' else ''}null"
            self._learn(f"select tag, time, {value} as value, quality from latest where {where}")
        self.ends = dict.fromkeys(COLUMNS, (0, 0))
        for number, kind, rows in db.execute("select * from unordered order by id").fetchall():
            self.number, self.ends[kind] = number, (number, rows)
        order = "order by coalesce(origin, id)"  # of two samples of one time the later one stays
        for number, kind, origin in db.execute(f"select * from hot {order}").fetchall():
            self.number = max(self.number, number)
            rows = _one(db, f"select count(*) from hot_{number}")
            self.tables += (Table(number=number, kind=kind, rows=rows, origin=origin),)
            if origin is None:
                self.current[kind] = number
                self.ends[kind] = max(self.ends[kind], (number, rows))
            self._learn(
                "select tag, max(time) as time, arg_max_null(value, time) as value, "
                f"arg_max(quality, time) as quality from hot_{number} group by tag"
            )

    def _learn(self, select: str) -> None:
        found = self.store.db.execute(select).fetchnumpy()
        self.latest.update(
            Samples(*(column(found[c]) for c in ("tag", "time", "value", "quality")))
        )


def _end(tables: Sequence[Table], number: int) -> End:
    return number, next(table.rows for table in reversed(tables) if table.number == number)


def _by_kind(fresh: list[Samples]) -> dict[str, Samples]:
    found = {}
    for kind in COLUMNS:
        parts = [s for s in fresh if len(s) and s.is_text == (kind == "text")]
        if parts:
            found[kind] = Samples.concat(parts)
    return found


def _enter_links(db: Connection, links: Sequence[tuple[str, int, int]]) -> None:
    rows = ", ".join("(?, ?, ?)" for _ in links)
    db.execute(f"insert into link values {rows}", [value for link in links for value in link])


def _one(db: Connection, select: str) -> int:
    row = db.execute(select).fetchone()
    return int(row[0]) if row else 0

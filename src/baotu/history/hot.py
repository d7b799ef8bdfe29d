"""The hot tables: samples in order of arrival, with the sequences that make them exactly once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

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

Table = tuple[int, int]  # number, rows; number 0: there is none
LINK_ROWS = 20_000
HELD = 1  # full tables that are kept in order of arrival for a reader who is behind


class Hot:
    """The only writer of samples. `latest` and `ledger` are what is committed, in memory."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.commits: deque[float] = deque(maxlen=2_000)  # seconds of the newest commits
        self.appended = self.number = self._links = 0
        self.ledger, self.latest = Ledger(), Latest()
        self.tables: dict[str, Table] = {}
        self.ends: dict[str, Table] = {}  # of each kind, behind the newest row
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
            tables = dict(self.tables)
            try:
                with self.store.change() as db:
                    for kind, samples in parts.items():
                        tables[kind] = self._insert(db, kind, tables[kind], samples)
                        if kind in old:
                            number, rows = tables[kind]
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
            self.ledger, self.tables = ledger, tables
            self.ends |= {kind: tables[kind] for kind in parts}
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

    def _insert(self, db: Connection, kind: str, table: Table, samples: Samples) -> Table:
        number, rows = table
        if not number or rows + len(samples) > self.store.settings.seal_rows:
            self.number = number = self.number + 1
            rows = 0
            db.execute(f"create table hot_{number}({COLUMNS[kind]})")
            db.execute("insert into hot values (?, ?)", [number, kind])
        columns = {  # noqa: F841 DuckDB reads it by its name
            "tag": samples.tag,
            "time": samples.time,
            "value": samples.value,
            "quality": samples.quality,
        }
        db.execute(f"insert into hot_{number} select * from columns")
        return number, rows + len(samples)

    # sealing -----------------------------------------------------------------------------------
    def sealed(self, everything: bool) -> list[tuple[int, str]]:
        """(number, kind) of the tables that take nothing more. Decided under the lock: between the
        commit of an append and its note in `tables` the newest table would look sealed."""
        with self.store.writing:
            if everything:
                self.tables = dict.fromkeys(COLUMNS, (0, 0))
            current = {number for number, _ in self.tables.values()}
            rows = self.store.db.execute("select id, kind from hot order by id").fetchall()
            full = [(number, kind) for number, kind in rows if number not in current]
            if everything:
                return full
            read = [one for one in full if one[0] >= self.held.get(one[1], one[0] + 1)][-HELD:]
            return [one for one in full if one not in read]

    def drop(self, db: Connection, number: int, rows: int) -> None:
        """In the transaction that enters the segments of this table."""
        found = _one(db, f"select count(*) from hot_{number}")
        if found != rows:
            raise RuntimeError(f"hot_{number} has {found} rows, {rows} were sealed: it is kept")
        self._save_latest(db)
        if self._links > LINK_ROWS:
            db.execute("delete from link")
            _enter_links(db, self.ledger.rows())
            self._links = 0
        db.execute("insert into sealed select id, kind, ? from hot where id = ?", [rows, number])
        db.execute("delete from late where hot = ?", [number])
        db.execute("delete from hot where id = ?", [number])
        db.execute(f"drop table hot_{number}")

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
        self.latest, self.tables = Latest(), dict.fromkeys(COLUMNS, (0, 0))
        self.ledger = Ledger(db.execute("select * from link order by first").fetchall())
        self._links = _one(db, "select count(*) from link")
        for kind, value in (("number", "number"), ("text", "text")):
            where = f"text is {'not ' if kind == 'text' else ''}null"
            self._learn(f"select tag, time, {value} as value, quality from latest where {where}")
        self.ends = dict.fromkeys(COLUMNS, (0, 0))
        for number, kind, rows in db.execute("select * from sealed order by id").fetchall():
            self.number, self.ends[kind] = number, (number, rows)
        for number, kind in db.execute("select id, kind from hot order by id").fetchall():
            self.number = max(self.number, number)
            self.tables[kind] = (number, _one(db, f"select count(*) from hot_{number}"))
            self.ends[kind] = max(self.ends[kind], self.tables[kind])
            self._learn(
                "select tag, max(time) as time, arg_max_null(value, time) as value, "
                f"arg_max(quality, time) as quality from hot_{number} group by tag"
            )

    def _learn(self, select: str) -> None:
        found = self.store.db.execute(select).fetchnumpy()
        self.latest.update(
            Samples(*(column(found[c]) for c in ("tag", "time", "value", "quality")))
        )


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

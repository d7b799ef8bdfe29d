"""History on DuckDB: hot tables in order of arrival, sealed and merged as Parquet by a keeper.

`DuckHistory` is the whole port; what it does is in `hot` (append), `tidy`, `seal`, `merge`, `read`
and `export`.
It never decides by itself when to seal, merge or forget: see `Keeper`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from baotu.sdk.link import Batch
from baotu.sdk.ports import Arrival, Buckets, Format, Place, Stop
from baotu.sdk.samples import Samples

from .amend import Amended
from .export import backup, export
from .hot import Hot
from .journal import Journal
from .merge import merge, plan, runs
from .read import Reader
from .seal import seal
from .settings import HistorySettings
from .store import Seam, Store, no_seam
from .tidy import tidy

OWN = "hub"  # the log of samples that the hub itself derives
RAW = ("number", "text")


class DuckHistory:
    """Implements `sdk.ports.History` and `Journal`. All of it may be called from any thread.

    seam: called at named points of sealing, merging and appending; tests stop the world there.
    """

    def __init__(
        self,
        folder: Path,
        settings: HistorySettings | None = None,
        now: Callable[[], int] = time.time_ns,
        seam: Seam = no_seam,
    ) -> None:
        self.settings, self.now = settings or HistorySettings(), now
        self._store = Store(folder, self.settings, seam)
        self._upkeep = threading.RLock()  # one seals or merges; a merge may seal while it rests
        self._hot = Hot(self._store)
        self._horizon: dict[str, int] = dict(
            self._store.db.execute("select kind, max(before) from horizon group by kind").fetchall()
        )
        self._reader = Reader(self._store, self._hot, lambda kind: self._horizon.get(kind, 0))
        self._amended = Amended(self._store, self._hot, self._reader)
        self._journal = Journal(self._store, self._hot)

    # the port ----------------------------------------------------------------------------------
    def append(self, batches: Sequence[Batch]) -> list[bool]:
        return self._hot.append(batches)

    def spans(self, log: str) -> list[tuple[int, int]]:
        return self._hot.ledger.spans(log)

    def latest(self, tags: np.ndarray) -> list[Samples]:
        return [self._amended.over(part) for part in self._hot.latest.read(tags)]

    def read(self, tag: int, start: int, end: int, limit: int | None = None) -> Samples:
        return self._amended.over(self._reader.read(tag, start, end, limit))

    def window(self, tag: int, start: int, end: int, points: int) -> Samples:
        if self._amended.within(tag, start, end) and start >= self._horizon.get("number", 0):
            return self._amended.window(tag, start, end, points)
        return self._amended.over(self._reader.window(tag, start, end, points))

    def aggregate(self, tag: int, start: int, end: int, bucket_ns: int) -> Buckets:
        if self._amended.within(tag, start, end) and start >= self._horizon.get("number", 0):
            return self._amended.aggregate(tag, start, end, bucket_ns)
        return self._reader.aggregate(tag, start, end, bucket_ns)

    def export(
        self,
        path: Path,
        tags: Sequence[int],
        start: int,
        end: int,
        format: Format,
        names: Mapping[int, str] | None = None,
    ) -> int:
        """names: tag → name, written beside the number where given."""
        newer = self._amended.rows(tags)
        return export(self._store, path, tags, start, end, format, names or {}, newer)

    def retain(self, before: int, kinds: Sequence[str] = RAW) -> int:
        """Forget segments that end before `before`: no row is touched, files are unlinked.

        kinds: "number", "text", and the rollups "minute" and "hour", which may live longer.
        """
        names = []
        with self._store.change() as db:
            for kind in kinds:
                gone = db.execute(
                    "delete from segment where kind = ? and high < ? returning path",
                    [kind, before],
                ).fetchall()
                if gone:
                    names += [name for (name,) in gone]
                    db.execute("delete from horizon where kind = ?", [kind])
                    db.execute("insert into horizon values (?, ?)", [kind, before])
                    self._horizon[kind] = max(before, self._horizon.get(kind, 0))
        self._store.bury(names)
        if "number" in kinds and names:
            self._amended.forget(before)
        return len(names)

    def figures(self) -> Mapping[str, float]:
        with self._store.snapshot() as db:
            kinds = db.execute(
                "select kind, count(*), sum(rows), sum(bytes), count(distinct run) "
                "from segment group by kind"
            ).fetchall()
            hot = db.execute(
                "select coalesce(sum(estimated_size), 0), count(*) from duckdb_tables() "
                "where table_name like 'hot\\_%' escape '\\'"
            ).fetchone()
        rows, tables = hot or (0, 0)
        found: dict[str, float] = {"samples_hot": float(rows), "tables_hot": float(tables)}
        for kind, count, rows, size, many in kinds:
            found |= {f"files_{kind}": count, f"bytes_{kind}": size, f"runs_{kind}": many}
            found[f"samples_{kind}" if kind in RAW else f"rows_{kind}"] = rows
        commits = np.array(list(self._hot.commits) or [0.0]) * 1e3
        folder = self._store.folder
        sizes = [
            p.stat().st_size
            for p in (folder / "history.db", folder / "history.db.wal")
            if p.exists()
        ]
        found |= {
            "samples": found["samples_hot"] + sum(found.get(f"samples_{k}", 0) for k in RAW),
            "segments": sum(count for _, count, *_ in kinds),
            "bytes": sum(sizes) + sum(size for _, _, _, size, _ in kinds),
            "appended": self._hot.appended,
            "commit_p50_ms": float(np.median(commits)),
            "commit_p99_ms": float(np.percentile(commits, 99)),
        }
        return found

    # the journal -------------------------------------------------------------------------------
    def place(self) -> Place:
        return self._journal.place()

    def after(self, place: Place, limit: int) -> Arrival:
        return self._journal.after(place, limit)

    def follow(self, tell: Callable[[Arrival], None]) -> Stop:
        return self._journal.follow(tell)

    def hold(self, place: Place) -> None:
        self._journal.hold(place)

    # the owner's -------------------------------------------------------------------------------
    def keep(self, samples: Sequence[Samples]) -> int:
        """Store samples that the hub derived itself; the sequence they got in the log "hub".

        For each (tag, time) the last one counts: what is there already is not stored twice.
        """
        with self._store.writing:
            settled = [self._amended.settle(part) for part in samples]
            spans = self.spans(OWN)
            last = spans[-1][1] if spans else 0
            batches: list[Batch] = []
            old = tuple(part for _, part in settled if len(part))
            for live, parts in ((True, tuple(part for part, _ in settled)), (False, old)):
                if parts:
                    first, last = last + 1, last + len(parts)
                    after = first - 1 or None
                    batches.append(
                        Batch(
                            log=OWN, first=first, last=last, after=after, samples=parts, live=live
                        )
                    )
            if batches:
                self.append(batches)
            return last

    @property
    def appended(self) -> int:
        """Samples since the start."""
        return self._hot.appended

    def seal(self, everything: bool = False, sort: bool = True) -> int:
        """Write full hot tables as segments; how many segments' worth. everything: write all, the
        current ones too. sort: those that are not enough for a segment are sorted meanwhile."""
        with self._upkeep:
            groups = self._hot.full(everything)
            for tables in groups:
                seal(self._store, self._hot, tables, self.now())
            for table in self._hot.unsorted() if sort else ():
                # appends that are faster than this fill a segment first; and no memory is no memory
                if self._hot.full(everything=False) or not tidy(self._store, self._hot, table):
                    break
            return len(groups)

    def merge(self, everything: bool = False, pause: Callable[[], bool] = lambda: False) -> int:
        """Merge one group of runs if there is a useful one; the number of files that went.

        everything: all groups, each period into one run. pause: called after each file written,
        True to give up.
        """
        while True:
            with self._upkeep:
                with self._store.snapshot() as db:
                    found = runs(db)
                groups = plan(found, self.settings.fan, self.now(), everything)
                went = merge(self._store, groups[0], self.now(), pause) if groups else 0
            if not everything or not went:
                return went

    def backup(self, path: Path) -> int:
        """A consistent copy in the new folder `path`; the bytes it holds. Opening it restores it."""
        return backup(self._store, path)

    def close(self) -> None:
        self._store.close()

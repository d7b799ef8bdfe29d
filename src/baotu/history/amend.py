"""Derived samples that were computed again: the last one written for a (tag, time) is what counts.

What is sealed is never rewritten. The newer value rests in a small table of its own, and every
answer about a tag that has one is made from raw samples with it in place: reads, pictures,
aggregates, exports. Where raw samples were forgotten, rollups still tell the first value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baotu.sdk.ports import Buckets
from baotu.sdk.samples import Samples

from .columns import column, thin
from .hot import Hot
from .read import SUMS, Reader, buckets_of
from .sql import roll
from .store import Store


class Amended:
    """Read from any thread; written under the lock of the one writer."""

    def __init__(self, store: Store, hot: Hot, reader: Reader) -> None:
        self.store, self.hot, self.reader = store, hot, reader
        rows = store.db.execute(
            "select tag, time, value, quality from amended order by tag, time"
        ).fetchnumpy()
        # by tag, in order of time: 21 bytes each, and no more of them than windows of derived tags
        # whose raw samples are kept
        self._of = _by_tag(Samples(*(column(rows[c]) for c in ("tag", "time", "value", "quality"))))

    def settle(self, samples: Samples) -> tuple[Samples, Samples]:
        """Those that are newer than all of their tag, and older ones that history has not; a value
        that differs from the one it has takes its place."""
        if samples.is_text or not len(samples):
            return samples, Samples.empty()
        newest = np.array([self.hot.latest.time(tag) for tag in samples.tag.tolist()])
        fresh = samples.time > newest
        old: list[int] = []
        other: list[int] = []
        for i in np.flatnonzero(~fresh).tolist():
            tag, time = int(samples.tag[i]), int(samples.time[i])
            known = self.over(self.reader.read(tag, time, time + 1))
            if not len(known):
                old.append(i)
            elif known.where(slice(-1, None)) != samples.where(slice(i, i + 1)):
                other.append(i)
        if other:
            self._put(samples.where(np.array(other)))
        if fresh.all():
            return samples, Samples.empty()
        return samples.where(fresh), samples.where(np.array(old, int))

    def _put(self, samples: Samples) -> None:
        columns = (samples.tag, samples.time, samples.value, samples.quality)
        rows = list(zip(*(c.tolist() for c in columns), strict=True))
        with self.store.change() as db:
            for tag, time, *_ in rows:
                db.execute("delete from amended where tag = ? and time = ?", [tag, time])
            db.executemany("insert into amended values (?, ?, ?, ?)", [list(r) for r in rows])
        of = dict(self._of)  # whoever reads meanwhile keeps what it has
        for tag, mine in _by_tag(samples).items():
            of[tag] = _newest(Samples.concat([of[tag], mine]) if tag in of else mine)
        self._of = of

    def forget(self, before: int) -> None:
        """Raw samples from before that time are gone."""
        with self.store.change() as db:
            db.execute("delete from amended where time < ?", [before])
        kept = {tag: of.where(of.time >= before) for tag, of in self._of.items()}
        self._of = {tag: of for tag, of in kept.items() if len(of)}

    def within(self, tag: int, start: int, end: int) -> bool:
        of = self._of.get(tag)
        if of is None:
            return False
        first, last = np.searchsorted(of.time, (start, end)).tolist()
        return first < last

    def over(self, samples: Samples) -> Samples:
        """The same samples, with the newer values in place."""
        if not self._of or not len(samples):
            return samples
        tags = [tag for tag in np.unique(samples.tag).tolist() if tag in self._of]
        if not tags:
            return samples
        value, quality = samples.value.copy(), samples.quality.copy()
        for tag in tags:
            of = self._of[tag]
            mine = np.flatnonzero((samples.tag == tag) & np.isin(samples.time, of.time))
            there = np.searchsorted(of.time, samples.time[mine])
            value[mine], quality[mine] = of.value[there], of.quality[there]
        return Samples(samples.tag, samples.time, value, quality)

    def window(self, tag: int, start: int, end: int, points: int) -> Samples:
        end = max(start, min(end, self.hot.latest.time(tag) + 1))
        return thin(self.over(self.reader.read(tag, start, end)), start, end, points)

    def aggregate(self, tag: int, start: int, end: int, bucket_ns: int) -> Buckets:
        samples = self.over(self.reader.read(tag, start, end))
        columns = {  # noqa: F841 DuckDB reads it by its name
            "tag": samples.tag,
            "time": samples.time,
            "value": samples.value,
            "quality": samples.quality,
        }
        rows = roll("(select * from columns)", bucket_ns, origin=start)
        with self.store.snapshot() as db:
            select = f"select start, {', '.join(SUMS)} from ({rows}) where count > 0"
            return buckets_of(bucket_ns, db.execute(f"{select} order by start").fetchnumpy())

    def rows(self, tags: Sequence[int]) -> Samples:
        """All newer values of these tags."""
        return Samples.concat([of for tag in tags if (of := self._of.get(int(tag))) is not None])


def _by_tag(samples: Samples) -> dict[int, Samples]:
    return {tag: samples.where(samples.tag == tag) for tag in np.unique(samples.tag).tolist()}


def _newest(samples: Samples) -> Samples:
    """The last one written of each time, in order of time. Of one tag."""
    _, back = np.unique(samples.time[::-1], return_index=True)
    return samples.where(len(samples) - 1 - back)

"""What every history must do, whatever it is built on: `check_history(open_history, folder)`.

Batches made by Hypothesis (repetitions, overlaps, gaps, second lanes, late and bad samples, texts)
go into the history and into a plain dictionary; then both are asked the same questions. Needs the
`hypothesis` package.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..link import Batch
from ..ports import History
from ..quality import Quality
from ..samples import SECOND, Samples

OpenHistory = Callable[[Path], AbstractContextManager[History]]
"""A history in this folder; the same folder again is the same history, after a restart."""

BASE = 1_780_000_000 * SECOND // (3600 * SECOND) * 3600 * SECOND
SPAN = 5 * 3600 * SECOND
NUMBERS, TEXTS = (0, 1, 2, 40), (50, 51)
BUCKETS = (7 * SECOND, 60 * SECOND, 300 * SECOND, 3600 * SECOND, 2 * 3600 * SECOND)
Row = tuple[int, float | str, int]


def no_upkeep(history: History) -> None:
    """For a history that looks after itself."""


@dataclass(frozen=True)
class Step:
    what: Literal["next", "repeat", "overlap", "gap", "lane", "upkeep", "reopen"]
    log: str = "a"
    frames: tuple[Samples, ...] = ()


@dataclass
class Model:
    """The dictionary that is always right, and slow."""

    stored: dict[str, set[int]] = field(default_factory=dict)
    rows: dict[int, list[Row]] = field(default_factory=dict)
    frames: dict[tuple[str, int], Samples] = field(default_factory=dict)

    def batch(self, step: Step) -> Batch:
        """A delivery of this sort. A frame that was sent once is the same frame for ever."""
        have = self.stored.setdefault(step.log, set())
        top = max(have, default=0)
        first = {"next": top + 1, "gap": top + 3, "lane": top + 5}.get(step.what, max(1, top - 1))
        after: int | None = first - 1 if first > 1 else None
        if step.what == "lane" or (step.what == "overlap" and first - 1 not in have):
            after = None
        count = 2 if step.what == "repeat" and top > 1 else len(step.frames)
        frames = (*step.frames, *step.frames)[:count]
        samples = tuple(
            self.frames.setdefault((step.log, first + i), frame) for i, frame in enumerate(frames)
        )
        last = first + count - 1
        return Batch(log=step.log, first=first, last=last, after=after, samples=samples)

    def take(self, batch: Batch) -> bool:
        have = self.stored.setdefault(batch.log, set())
        wanted = range(batch.first, batch.last + 1)
        if have.issuperset(wanted):
            return True
        if batch.after is not None and batch.after not in have:
            return False
        for sequence, samples in zip(wanted, batch.samples, strict=True):
            if sequence in have:
                continue
            have.add(sequence)
            for tag, part in samples.by_tag():
                columns = (part.time.tolist(), part.value.tolist(), part.quality.tolist())
                self.rows.setdefault(tag, []).extend(zip(*columns, strict=True))
        return True

    def spans(self, log: str) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for sequence in sorted(self.stored.get(log, ())):
            if found and found[-1][1] == sequence - 1:
                found[-1] = (found[-1][0], sequence)
            else:
                found.append((sequence, sequence))
        return found

    def between(self, tag: int, start: int, end: int) -> list[Row]:
        return _sorted([row for row in self.rows.get(tag, ()) if start <= row[0] < end])


@st.composite
def _frame(draw: st.DrawFn) -> Samples:
    size = draw(st.integers(0, 40))
    text = size > 0 and draw(st.integers(0, 9)) == 0
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    unit = draw(st.sampled_from((1, 1_000_000, SECOND)))
    time = BASE + rng.integers(0, SPAN, size) // unit * unit
    if draw(st.booleans()):
        time.sort()
    if text:
        words = np.array(["run", "停机", "", "it's", 'a "quoted" one'], object)
        return Samples.of(rng.choice(TEXTS, size), time, words[rng.integers(0, 5, size)])
    digits = draw(st.sampled_from((0, 1, 2, 3, 17)))
    value = (
        np.round(rng.normal(20, 30, size), digits) + 0.0
    )  # no negative zero: it may lose its sign
    quality = np.zeros(size, "u1")
    bad = rng.random(size) < 0.1
    quality[bad], value[bad] = Quality.BAD_TIMEOUT, math.nan
    quality[rng.random(size) < 0.05] = Quality.UNCERTAIN
    return Samples.of(rng.choice(NUMBERS, size), time, value, quality)


_STEPS = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(
            ("next", "next", "next", "repeat", "overlap", "gap", "lane", "upkeep", "reopen")
        ),
        log=st.sampled_from(("a", "b")),
        frames=st.lists(_frame(), min_size=1, max_size=4).map(tuple),
    ),
    min_size=1,
    max_size=12,
)


def check_history(
    open_history: OpenHistory,
    folder: Path,
    upkeep: Callable[[History], None] = no_upkeep,
    examples: int = 40,
) -> None:
    """Raises AssertionError with what differs. upkeep: seals, merges … whatever it does in time."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(_STEPS, st.integers(4, 60), st.sampled_from(BUCKETS))
    def story(steps: list[Step], points: int, bucket: int) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            _tell(open_history, Path(place), steps, upkeep, points, bucket)

    story()


def _tell(
    open_history: OpenHistory,
    place: Path,
    steps: list[Step],
    upkeep: Callable[[History], None],
    points: int,
    bucket: int,
) -> None:
    model, at = Model(), 0
    while at < len(steps):
        with open_history(place) as history:
            while at < len(steps) and steps[at].what != "reopen":
                step = steps[at]
                if step.what == "upkeep":
                    upkeep(history)
                else:
                    batch = model.batch(step)
                    got = history.append([batch])
                    assert got == [model.take(batch)], f"{step.what} {batch.first}…: {got}"
                at += 1
            at += 1
            _compare(history, model, points, bucket)


def _compare(history: History, model: Model, points: int, bucket: int) -> None:
    for log in ("a", "b"):
        assert history.spans(log) == model.spans(log), f"spans of {log}"
    for tag in (*NUMBERS, *TEXTS, 7):
        for start, end in ((BASE, BASE + SPAN), (BASE + SPAN // 3 + 11, BASE + SPAN // 2)):
            _compare_tag(history, model, tag, start, end, points)
            if tag not in TEXTS:
                _compare_buckets(history, model, tag, start // bucket * bucket, end, bucket)
    _compare_latest(history, model)


def _compare_tag(
    history: History, model: Model, tag: int, start: int, end: int, points: int
) -> None:
    want = model.between(tag, start, end)
    read = history.read(tag, start, end)
    assert (np.diff(read.time) >= 0).all(), f"tag {tag}: not in order of time"
    assert _same(_sorted(_rows(read)), want), f"tag {tag}: read {len(read)} of {len(want)}"
    few = history.read(tag, start, end, limit=3)
    assert few.time.tolist() == [row[0] for row in want[:3]], f"tag {tag}: limit"
    seen = history.window(tag, start, end, points)
    assert len(seen) <= points, f"tag {tag}: {len(seen)} samples in a window of {points}"
    assert (np.diff(seen.time) >= 0).all(), f"tag {tag}: window not in order of time"
    real = {_key(row) for row in want}
    assert all(_key(row) in real for row in _rows(seen)), f"tag {tag}: window made samples up"
    if want and points >= 5:
        assert seen.time[0] == want[0][0] and seen.time[-1] == want[-1][0], f"tag {tag}: ends"
        values = [row[1] for row in want if _is_good(row)]
        if values and tag not in TEXTS:
            good = [row[1] for row in _rows(seen) if _is_good(row)]
            assert max(good) == max(values) and min(good) == min(values), f"tag {tag}: spike lost"
    if len(want) <= points and end - start < 60 * SECOND * points:
        assert len(seen) == len(want), f"tag {tag}: a window with room for all left some out"


def _compare_buckets(
    history: History, model: Model, tag: int, start: int, end: int, bucket: int
) -> None:
    want: dict[int, list[Row]] = {}
    for row in model.between(tag, start, end):
        if _is_good(row):
            want.setdefault(start + (row[0] - start) // bucket * bucket, []).append(row)
    got = history.aggregate(tag, start, end, bucket)
    where = f"tag {tag}, buckets of {bucket / SECOND:g} s"
    assert got.duration_ns == bucket
    assert got.start.tolist() == sorted(want), f"{where}: other buckets"
    for i, at in enumerate(sorted(want)):
        rows = want[at]
        values = [float(row[1]) for row in rows]
        assert got.count[i] == len(values), f"{where}: count"
        assert (got.low[i], got.high[i]) == (min(values), max(values)), f"{where}: low, high"
        assert math.isclose(got.total[i], math.fsum(values), abs_tol=1e-6), f"{where}: total"
        assert math.isclose(got.mean[i], math.fsum(values) / len(values), abs_tol=1e-6)
        ends = {t: {v for u, v, _ in rows if u == t} for t in (rows[0][0], rows[-1][0])}
        assert got.first[i] in ends[rows[0][0]], f"{where}: first"
        assert got.last[i] in ends[rows[-1][0]], f"{where}: last"


def _compare_latest(history: History, model: Model) -> None:
    tags = np.array([*NUMBERS, *TEXTS, 7], "i4")
    seen: dict[int, Row] = {}
    for samples in history.latest(tags):
        seen |= dict(zip(samples.tag.tolist(), _rows(samples), strict=True))
    assert set(seen) == {tag for tag, rows in model.rows.items() if rows}, "latest: other tags"
    for tag, row in seen.items():
        newest = max(r[0] for r in model.rows[tag])
        assert row[0] == newest, f"latest of tag {tag}: stepped back"
        assert _key(row) in {_key(r) for r in model.rows[tag]}, f"latest of tag {tag}: made up"


def _rows(samples: Samples) -> list[Row]:
    columns = (samples.time.tolist(), samples.value.tolist(), samples.quality.tolist())
    return list(zip(*columns, strict=True))


def _key(row: Row) -> tuple[int, str, int]:
    return row[0], repr(row[1]), row[2]


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=_key)


def _same(a: list[Row], b: list[Row]) -> bool:
    return [_key(row) for row in a] == [_key(row) for row in b]


def _is_good(row: Row) -> bool:
    return row[2] < Quality.UNCERTAIN and row[1] == row[1]

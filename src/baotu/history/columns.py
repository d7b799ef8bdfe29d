"""Columns from DuckDB to numpy and thinner: what comes back as masked arrays becomes plain again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baotu.sdk.samples import Samples

QUALITY_LIMIT = 64  # below: good


def column(found: np.ndarray) -> np.ndarray:
    """DuckDB takes a NaN for NULL and gives it back masked over 0.0: make it NaN again."""
    if found.dtype == "f8":
        return np.ma.filled(found, np.nan)
    return np.ma.getdata(found)


def samples_of(tag: int, found: Mapping[str, np.ndarray], text: bool) -> Samples:
    """Columns time, value, quality of one tag, in order of time."""
    time, value, quality = (column(found[name]) for name in ("time", "value", "quality"))
    if text:
        value = value.astype(object)
    samples = Samples(np.full(len(time), tag, "i4"), time, value, quality)
    if (time[1:] < time[:-1]).any():
        return samples.where(np.argsort(time, kind="stable"))
    return samples


def thin(samples: Samples, start: int, end: int, points: int) -> Samples:
    """At most `points` of `samples`, which are in order of time: of each of equal buckets of
    [start, end) the first, the lowest good, the highest good, the last, and the first that is not
    good, so that neither a spike nor a failure disappears.

    >>> s = Samples.of(1, range(100), [0.0] * 57 + [9.0] + [0.0] * 42)
    >>> 9.0 in thin(s, 0, 100, 8).value
    True
    """
    if len(samples) <= points:
        return samples
    good = _good(samples)
    each = 2 if samples.is_text else 4 if good.all() else 5
    firsts = np.searchsorted(samples.time, _edges(start, end, max(1, points // each)))
    firsts = _nonempty(firsts, len(samples))
    keep = [firsts, np.append(firsts[1:], len(samples)) - 1]
    if not samples.is_text:
        keep += _extremes(samples.value, firsts, np.flatnonzero(good))
        bad = np.flatnonzero(~good)
        keep.append(bad[_nonempty(np.searchsorted(bad, firsts), len(bad))])
    kept = np.unique(np.concatenate(keep))
    return samples.where(kept[:points] if points < each else kept)


def _edges(start: int, end: int, buckets: int) -> np.ndarray:
    """The first nanosecond of each bucket but of the first, whose is the least there is."""
    edges = np.full(buckets, np.iinfo("i8").min)
    if buckets > 1:
        whole, rest = divmod(max(1, end - start), buckets)
        number = np.arange(1, buckets)  # no product is larger than the span: all is exact
        edges[1:] = start + (number * whole + -(-number * rest // buckets))
    return edges


def _nonempty(starts: np.ndarray, size: int) -> np.ndarray:
    """Of places where groups begin in a column of `size`, those of groups that have something."""
    return starts[np.diff(np.append(starts, size)) > 0]


def _good(samples: Samples) -> np.ndarray:
    fit = samples.quality < QUALITY_LIMIT
    return fit if samples.is_text else fit & ~np.isnan(samples.value)


def _extremes(value: np.ndarray, firsts: np.ndarray, good: np.ndarray) -> list[np.ndarray]:
    """Places of the lowest and the highest of each group, among `good` places in ascending order."""
    if not len(good):
        return []
    values = value if len(good) == len(value) else value[good]
    starts = _nonempty(np.searchsorted(good, firsts), len(good))
    sizes = np.diff(np.append(starts, len(good)))
    found = []
    for extreme in (np.minimum, np.maximum):
        hits = np.flatnonzero(values == np.repeat(extreme.reduceat(values, starts), sizes))
        found.append(good[hits[np.searchsorted(hits, starts)]])
    return found

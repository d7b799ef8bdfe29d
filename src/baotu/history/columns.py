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
    buckets = max(1, points // each)
    group = ((samples.time - start).astype("f8") * (buckets / max(1, end - start))).astype("i8")
    group = np.clip(group, 0, buckets - 1)  # rounding may touch the border
    firsts = np.flatnonzero(np.diff(group, prepend=-1))
    keep = [firsts, np.append(firsts[1:], len(samples)) - 1]
    if not samples.is_text:
        keep += _extremes(samples.value, group, np.flatnonzero(good))
        bad = np.flatnonzero(~good)
        keep.append(bad[np.flatnonzero(np.diff(group[bad], prepend=-1))])
    kept = np.unique(np.concatenate(keep))
    return samples.where(kept[:points] if points < each else kept)


def _good(samples: Samples) -> np.ndarray:
    fit = samples.quality < QUALITY_LIMIT
    return fit if samples.is_text else fit & ~np.isnan(samples.value)


def _extremes(value: np.ndarray, group: np.ndarray, good: np.ndarray) -> list[np.ndarray]:
    """Places of the lowest and the highest of each group, among `good` places in ascending order."""
    if not len(good):
        return []
    groups, values = group[good], value[good]
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.diff(np.append(starts, len(groups)))
    found = []
    for extreme in (np.minimum, np.maximum):
        hits = np.flatnonzero(values == np.repeat(extreme.reduceat(values, starts), sizes))
        found.append(good[hits[np.flatnonzero(np.diff(groups[hits], prepend=-1))]])
    return found

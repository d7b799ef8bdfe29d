"""Batches for tests: tag k says `number` at second `number`."""

from __future__ import annotations

import numpy as np

from baotu.history.duck import DuckHistory
from baotu.sdk import Samples
from baotu.sdk.link import Batch
from baotu.sdk.samples import SECOND

BASE = 1_780_000_000 * SECOND // (86_400 * SECOND) * 86_400 * SECOND
END = BASE + 40 * 86_400 * SECOND


def frame(number: int, tags: int = 100, step: int = SECOND) -> Samples:
    return Samples.of(np.arange(tags), BASE + number * step, np.full(tags, float(number)))


def batch(number: int, samples: Samples, log: str = "a") -> Batch:
    after = number - 1 or None
    return Batch(log=log, first=number, last=number, after=after, samples=(samples,))


def fill(history: DuckHistory, first: int, last: int, tags: int = 100, step: int = SECOND) -> None:
    """Frames first … last, the first one being 1."""
    for number in range(first, last + 1):
        assert history.append([batch(number, frame(number, tags, step))]) == [True]


def numbers(history: DuckHistory, tag: int = 7) -> list[int]:
    return history.read(tag, 0, END).value.astype("i8").tolist()

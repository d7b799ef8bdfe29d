"""The newest sample of every tag, in memory, in columns. A late sample never steps it back."""

from __future__ import annotations

import threading

import numpy as np

from baotu.sdk.quality import Quality
from baotu.sdk.samples import Samples

NEVER = np.iinfo("i8").min
NOTHING, NUMBER, TEXT = 0, 1, 2


class Latest:
    """Safe from any thread: a reader never sees the time of one sample and the value of another."""

    def __init__(self, capacity: int = 16_384) -> None:
        self._lock = threading.Lock()
        self._time = np.full(capacity, NEVER)
        self._number = np.full(capacity, np.nan)
        self._quality = np.full(capacity, int(Quality.BAD), "u1")
        self._kind = np.zeros(capacity, "u1")
        self._text: dict[int, str] = {}

    def update(self, samples: Samples) -> None:
        if not len(samples):
            return
        with self._lock:
            self._reserve(int(samples.tag.max()) + 1)
            keep = np.flatnonzero(samples.time >= self._time[samples.tag])
            times = samples.time[keep]
            if len(keep) > 1 and (times[1:] < times[:-1]).any():
                keep = keep[np.argsort(times, kind="stable")]  # the later assignment stays
            tag = samples.tag[keep]
            self._time[tag], self._quality[tag] = samples.time[keep], samples.quality[keep]
            self._kind[tag] = TEXT if samples.is_text else NUMBER
            if samples.is_text:
                self._text.update(zip(tag.tolist(), samples.value[keep], strict=True))
            else:
                self._number[tag] = samples.value[keep]

    def read(self, tags: np.ndarray) -> list[Samples]:
        """Numbers, then texts; tags that never had a sample are left out, empty columns too."""
        with self._lock:
            tags = np.asarray(tags, "i4")
            tags = tags[(tags >= 0) & (tags < len(self._time))]
            found = []
            for kind in (NUMBER, TEXT):
                tag = tags[self._kind[tags] == kind]
                if not len(tag):
                    continue
                value = self._number[tag] if kind == NUMBER else self._texts(tag)
                found.append(Samples(tag, self._time[tag], value, self._quality[tag]))
            return found

    def _texts(self, tag: np.ndarray) -> np.ndarray:
        return np.array([self._text[t] for t in tag.tolist()], object)

    def is_text(self, tag: int) -> bool:
        return 0 <= tag < len(self._kind) and self._kind[tag] == TEXT

    def time(self, tag: int) -> int:
        """ns of the newest sample, the least int64 when there is none."""
        return int(self._time[tag]) if 0 <= tag < len(self._time) else int(NEVER)

    def all(self) -> list[Samples]:
        return self.read(np.flatnonzero(self._kind != NOTHING))

    def _reserve(self, size: int) -> None:
        if size <= len(self._time):
            return
        extra = size + size // 4 - len(self._time)
        for name, fill in (
            ("_time", NEVER),
            ("_number", np.nan),
            ("_quality", int(Quality.BAD)),
            ("_kind", NOTHING),
        ):
            old: np.ndarray = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.full(extra, fill, old.dtype)]))

"""What was told last of each tag, so that only changes are sent (report by exception)."""

from __future__ import annotations

import numpy as np

from baotu.sdk import Quality, Samples

NEVER = np.iinfo("i8").min
BIRTH_QUALITY = 255  # of a tag of which nothing is known


class Memory:
    """Columns by tag number. bad: tags whose last message said that they are not good."""

    def __init__(self, size: int) -> None:
        self.value = np.full(size, np.nan)
        self.quality = np.full(size, BIRTH_QUALITY, "u1")
        self.time = np.full(size, NEVER, "i8")
        self.text: dict[int, str] = {}
        self.bad: set[int] = set()

    def changed(self, samples: Samples) -> np.ndarray:
        """Which samples differ, in value or in how good they are, from the one before them of
        the same tag; the first one ever does."""
        order = np.lexsort((np.arange(len(samples)), samples.tag))
        tag, value, quality = (c[order] for c in (samples.tag, samples.value, samples.quality))
        first = np.r_[True, np.diff(tag) != 0]
        if samples.is_text:
            last = np.array([self.text.get(int(id)) for id in tag], object)
        else:
            last = self.value[tag]
        before = np.where(first, last, np.roll(value, 1))
        code, was = quality >> 6, self.quality[tag] >> 6
        other = code != np.where(first, was, np.roll(code, 1))
        if samples.is_text:
            differs = np.array([a != b for a, b in zip(value, before, strict=True)], bool)
        else:
            differs = (value != before) & ~(np.isnan(value) & np.isnan(before.astype("f8")))
        out = np.empty(len(samples), bool)
        out[order] = differs | other | (first & (self.time[tag] == NEVER))
        return out

    def keep(self, samples: Samples) -> None:
        """Remember the newest of each tag."""
        inside = samples.tag < len(self.time)
        samples = samples if inside.all() else samples.where(inside)
        newer = samples.time >= self.time[samples.tag]
        part = samples if newer.all() else samples.where(newer)
        part = part.where(np.argsort(part.time, kind="stable"))
        self.time[part.tag] = part.time
        self.quality[part.tag] = part.quality
        if part.is_text:
            self.text.update(zip(part.tag.tolist(), part.value.tolist(), strict=True))
        else:
            self.value[part.tag] = part.value

    def turned(self, tag: int, quality: int) -> bool:
        """Whether a message must tell the quality: it is not good, or it is good again."""
        if quality >= Quality.UNCERTAIN:
            self.bad.add(tag)
            return True
        if tag in self.bad:
            self.bad.discard(tag)
            return True
        return False

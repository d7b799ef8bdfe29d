"""Report by exception: which samples are worth sending on. How the stream is cut never matters.

A sample goes on when it is the first, its quality differs from that reported last, its value has
moved by the deadband, or the tag was silent for `max_silence`. Without a deadband every sample goes
on, but a bad one without a value (device lost) only once, and again after `max_silence`.
"""

from __future__ import annotations

import numpy as np

from baotu.sdk import Quality, Samples

from .columns import FOREVER, NEVER, Columns, void

MANY = 32  # samples of one tag in one call from which on the tag is walked alone


class Reporter:
    """Remembers, for each tag, what was reported last."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._value = np.zeros(0)
        self._time = np.zeros(0, "i8")
        self._quality = np.zeros(0, "u1")
        self._text: dict[int, str] = {}

    def numbers(self, samples: Samples) -> Samples:
        """Those worth reporting, in their order."""
        self._grow()
        tag = samples.tag
        if len(tag) < 2 or (tag[1:] > tag[:-1]).all():
            return _chosen(samples, self._round(samples))
        places = np.empty(self._columns.size, "i4")
        order = np.arange(len(tag), dtype="i4")
        places[tag] = order
        if (places[tag] == order).all():  # no tag twice
            return _chosen(samples, self._round(samples))
        return _chosen(samples, self._repeated(samples))

    def texts(self, samples: Samples) -> Samples:
        """The same for texts, whose smallest change is any."""
        self._grow()
        columns, keep = self._columns, np.zeros(len(samples), bool)
        empty = void(samples)
        rows = zip(
            samples.tag.tolist(), samples.time.tolist(), samples.value.tolist(),
            samples.quality.tolist(), strict=True,
        )  # fmt: skip
        for i, (tag, time, text, quality) in enumerate(rows):
            rule = columns.rule[tag]
            changed = text != self._text.get(tag) or columns.rules.band[rule] == 0
            if (
                quality != self._quality[tag]
                or (changed and not empty[i])
                or time - self._time[tag] >= columns.rules.silence[rule]
            ):
                keep[i] = True
                self._quality[tag], self._time[tag], self._text[tag] = quality, time, text
        return _chosen(samples, keep)

    def reminders(self, now: int) -> np.ndarray:
        """Tags that were last reported bad and have been silent for their `max_silence`."""
        self._grow()
        quality = self._quality[: self._columns.size]
        bad = np.flatnonzero((quality >= Quality.BAD) & (quality != NEVER))
        silence = self._columns.rules.silence[self._columns.rule[bad]]
        due = (silence != FOREVER) & (now - self._time[bad] >= silence)
        return bad[due].astype("i4")

    def forget(self, tags: np.ndarray) -> None:
        """The next sample of these tags is their first again."""
        self._grow()
        self._quality[tags] = NEVER

    def rewind(self, now: int) -> None:
        """The clock was set back to `now`: silence is counted from there."""
        np.minimum(self._time, now, out=self._time)

    def _round(self, samples: Samples) -> np.ndarray:
        """Which to keep, where no tag comes twice."""
        tag, time, value, quality = samples.tag, samples.time, samples.value, samples.quality
        rules, rule = self._columns.rules, self._columns.rule[tag]
        keep = ~(np.abs(value - self._value[tag]) < rules.band[rule])  # NaN counts as a change
        bad = quality >= Quality.BAD
        if bad.any():
            keep &= ~(bad & np.isnan(value))
        keep |= quality != self._quality[tag]
        keep |= time - self._time[tag] >= rules.silence[rule]
        chosen = np.flatnonzero(keep)
        kept = tag[chosen]
        self._value[kept], self._time[kept] = value[chosen], time[chosen]
        self._quality[kept] = quality[chosen]
        return keep

    def _repeated(self, samples: Samples) -> np.ndarray:
        """Which to keep, where tags come again: rounds of first, second, … samples; a tag with
        very many is walked alone."""
        keep = np.zeros(len(samples), bool)
        order = np.argsort(samples.tag, kind="stable")
        tags = samples.tag[order]
        starts = np.flatnonzero(np.r_[True, tags[1:] != tags[:-1]])
        counts = np.diff(np.r_[starts, len(tags)])
        nth = np.arange(len(tags)) - np.repeat(starts, counts)
        light = np.repeat(counts <= MANY, counts)
        for i in range(int(counts[counts <= MANY].max(initial=0))):
            chosen = order[light & (nth == i)]
            keep[chosen] = self._round(samples.where(chosen))
        for start, count in zip(starts[counts > MANY], counts[counts > MANY], strict=True):
            chosen = order[start : start + count]
            keep[chosen] = self._walk(samples.where(chosen))
        return keep

    def _walk(self, samples: Samples) -> np.ndarray:
        """Which to keep of one tag with many samples."""
        tag, columns = int(samples.tag[0]), self._columns
        empty = void(samples)
        if columns.rules.band[columns.rule[tag]] == 0 and not empty.any():
            keep = np.ones(len(samples), bool)
        else:
            keep = self._walked(tag, samples, empty)
        if keep.any():
            last = len(samples) - 1 - int(np.argmax(keep[::-1]))
            self._value[tag], self._time[tag] = samples.value[last], samples.time[last]
            self._quality[tag] = samples.quality[last]
        return keep

    def _walked(self, tag: int, samples: Samples, empty: np.ndarray) -> np.ndarray:
        rules, rule = self._columns.rules, self._columns.rule[tag]
        band, silence = float(rules.band[rule]), int(rules.silence[rule])
        value, time = float(self._value[tag]), int(self._time[tag])
        quality = int(self._quality[tag])
        keep = []
        for v, t, q, nothing in zip(
            samples.value.tolist(), samples.time.tolist(), samples.quality.tolist(),
            empty.tolist(), strict=True,
        ):  # fmt: skip
            chosen = (
                q != quality
                or (not nothing and not abs(v - value) < band)  # NaN counts as a change
                or t - time >= silence
            )
            keep.append(chosen)
            if chosen:
                value, time, quality = v, t, q
        return np.array(keep, bool)

    def _grow(self) -> None:
        room, had = len(self._columns.kind), len(self._value)
        if room > had:
            self._value = np.concatenate([self._value, np.zeros(room - had)])
            self._time = np.concatenate([self._time, np.zeros(room - had, "i8")])
            fresh = np.full(room - had, NEVER, "u1")
            self._quality = np.concatenate([self._quality, fresh])


def _chosen(samples: Samples, keep: np.ndarray) -> Samples:
    chosen = np.flatnonzero(keep)  # indexes choose four columns faster than a mask does
    return samples if len(chosen) == len(keep) else samples.where(chosen)

"""From raw samples to what goes on: scale, unit, clamp, derive, report by exception. In columns.

No loop over samples, no object for a sample, no wait, no clock of its own. It makes no alarms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from baotu.sdk import Quality, Samples, Tag
from baotu.sdk.tags import ById, ByName, Tags

from .columns import BOOLEAN, NONE, TEXT, Columns
from .derivation import Derivation, derived_of
from .reporting import Reporter


class Pipeline:
    """One for each edge, called by one thread."""

    def __init__(self) -> None:
        self.columns = Columns()
        self.stranger = 0  # samples of numbers that are nobody's
        self._reporter = Reporter(self.columns)
        self._tags = Tags.of(())
        self._derivation = Derivation((), ByName(self._tags).get)

    def change(self, put: Iterable[Tag], drop: Iterable[int] = ()) -> None:
        """Add, replace and remove tags; derived ones start anew if any tag of theirs changed.

        Raises ConfigError and changes nothing when a scale, unit or expression is wrong.
        """
        put, gone = Tags.of(put), np.fromiter(drop, "i8")
        kept = (ById(put).places(self._tags.id) < 0) & ~np.isin(self._tags.id, gone)
        after = Tags.concat([self._tags.pick(kept), put.pick(~np.isin(put.id, gone))])
        derivation = self._derivation
        if self._matters(put, gone):
            by_name = ByName(after)
            derivation = Derivation(derived_of(after), by_name.get, by_name)
        self.columns.put(put)
        self.columns.drop(gone)
        self._reporter.forget(put.id.astype(np.intp))
        self._tags, self._derivation = after, derivation

    @property
    def names(self) -> Mapping[str, Tag]:
        return ByName(self._tags)

    def process(self, parts: Sequence[Samples], now: float) -> list[Samples]:
        """Raw samples in order of arrival → at most one `Samples` of numbers, one of texts.

        now: monotonic seconds, for results that wait for other inputs.
        """
        numbers = [part for part in parts if len(part) and not part.is_text]
        texts = [part for part in parts if len(part) and part.is_text]
        out = []
        if numbers:
            out.append(_narrow(self._numbers(_wide(Samples.concat(numbers)), now)))
        if texts:
            out.append(self._texts(Samples.concat(texts)))
        return [samples for samples in out if len(samples)]

    def settle(self, now: float, wall: int) -> list[Samples]:
        """Derived samples that waited long enough, and reminders of tags that stay bad."""
        derived = self._limited(self._derivation.settle(now, wall))
        if len(derived):
            self.columns.see(derived)
            derived = _narrow(self._reporter.numbers(derived))
        due = self._reporter.reminders(wall)
        due = due[self.columns.kind[due] != NONE]
        reminders = [
            self._reporter.texts(part) if part.is_text else self._reporter.numbers(part)
            for part in self.voids(due, wall)
        ]
        return [samples for samples in (derived, *reminders) if len(samples)]

    def voids(self, tags: np.ndarray, time: int, quality: Quality | None = None) -> list[Samples]:
        """Samples without a value that tell a (bad) quality; None: that which each tag has."""
        out = []
        texts = self.columns.kind[tags] == TEXT
        for chosen, value in ((tags[~texts], np.nan), (tags[texts], "")):
            if len(chosen):
                known = self.columns.quality[chosen] if quality is None else int(quality)
                column = np.full(len(chosen), value, object if value == "" else "f8")
                out.append(Samples.of(chosen, time, column, known))
        return out

    def rewind(self, now: int) -> None:
        """The clock was set back to `now`: what comes is the newest although its time is not."""
        np.minimum(self.columns.time, now, out=self.columns.time)
        np.minimum(self.columns.heard, now, out=self.columns.heard)
        self._derivation.rewind()
        self._reporter.rewind(now)

    def _numbers(self, raw: Samples, now: float) -> Samples:
        samples = self._limited(self._scaled(self._ours(raw, texts=False)))
        if not len(samples):
            return samples
        self.columns.see(samples)
        reported = self._reporter.numbers(samples)
        derived = self._limited(self._derivation.take(samples, now))
        if not len(derived):
            return reported
        self.columns.see(derived)
        return Samples.concat([reported, self._reporter.numbers(derived)])

    def _texts(self, raw: Samples) -> Samples:
        samples = self._ours(raw, texts=True)
        if len(samples):
            self.columns.see(samples)
        return self._reporter.texts(samples)

    def _ours(self, raw: Samples, texts: bool) -> Samples:
        """Without samples of unknown tags; those of the wrong kind are told as not decoded."""
        columns = self.columns
        tag = raw.tag
        if int(tag.min()) < 0 or int(tag.max()) >= columns.size:
            raw = self._without_strangers(raw, (tag >= 0) & (tag < columns.size))
        kind = columns.kind[raw.tag]
        if (kind == NONE).any():
            raw = self._without_strangers(raw, kind != NONE)
            kind = columns.kind[raw.tag]
        wrong = (kind == TEXT) != texts
        if not wrong.any():
            return raw
        self.stranger += int((wrong & (raw.quality < Quality.BAD)).sum())
        return raw.where(~wrong)

    def _without_strangers(self, raw: Samples, ours: np.ndarray) -> Samples:
        self.stranger += int((~ours).sum())
        return raw.where(ours)

    def _scaled(self, raw: Samples) -> Samples:
        columns, tag, value = self.columns, raw.tag, raw.value
        if columns.any_scaled:
            rules, rule = columns.rules, columns.rule[tag]
            value = value * rules.numerator[rule]
            value += rules.addend[rule]
            value /= rules.denominator[rule]
        if columns.any_boolean and (truth := columns.kind[tag] == BOOLEAN).any():
            value = np.where(truth & ~np.isnan(value), value != 0, value)
        return raw if value is raw.value else Samples(tag, raw.time, value, raw.quality)

    def _limited(self, samples: Samples) -> Samples:
        """Clamped where limits are set; what was clamped and good says so."""
        columns, tag = self.columns, samples.tag
        if not columns.any_clamped or not len(tag):
            return samples
        rules, rule = columns.rules, columns.rule[tag]
        value = np.minimum(np.maximum(samples.value, rules.low[rule]), rules.high[rule])
        moved = (value != samples.value) & ~np.isnan(value)
        if not moved.any():
            return samples
        told = moved & (samples.quality < Quality.UNCERTAIN)
        quality = np.where(told, np.uint8(Quality.GOOD_CLAMPED), samples.quality)
        return Samples(tag, samples.time, value, quality)

    def _matters(self, put: Tags, drop: np.ndarray) -> bool:
        """Whether the derivation must be made anew."""
        touched = {id for node in self._derivation.nodes for id in (*node.inputs, node.out)}
        moved = np.concatenate((put.id, drop))
        return bool(put.mask("expression", bool).any() or np.isin(moved, list(touched)).any())


def _wide(samples: Samples) -> Samples:
    """With tag numbers as numpy indexes: every look-up below is twice as fast."""
    return Samples(samples.tag.astype(np.intp), samples.time, samples.value, samples.quality)


def _narrow(samples: Samples) -> Samples:
    return Samples(samples.tag.astype("i4"), samples.time, samples.value, samples.quality)

"""The tag table as columns, indexed by tag number: what the pipeline looks up, and the latest."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isfinite, lcm

import numpy as np

from baotu.sdk import ConfigError, Quality, Samples, Tag
from baotu.sdk.samples import SECOND
from baotu.sdk.tags import Tags
from baotu.sdk.units import linear

NONE, NUMBER, BOOLEAN, TEXT = 0, 1, 2, 3  # kinds in the column; NONE: no such tag here
KINDS = {"number": NUMBER, "boolean": BOOLEAN, "text": TEXT}
NEVER = np.uint8(255)  # a quality that no sample has: nothing was seen yet
FOREVER = np.iinfo(np.int64).max
RULE = (
    "scale", "offset", "raw_unit", "unit", "clamp_low", "clamp_high", "deadband", "max_silence_s",
)  # fmt: skip
EXACT = 1 << 53  # greatest whole number up to which doubles have no gaps


@dataclass(frozen=True, slots=True)
class Scaling:
    """engineering = (raw × numerator + addend) / denominator.

    With whole numbers for the three, 205 × 0.1 is 20.5 to the last bit, so history may keep the
    value as a scaled integer; 205 × 0.1 in doubles is 20.500000000000004 often enough.
    """

    numerator: float
    addend: float
    denominator: float

    @classmethod
    def of(cls, tag: Tag) -> Scaling:
        """Scale and offset give `raw_unit` (or `unit`), which is then converted to `unit`.

        Raises ConfigError, naming the tag.
        """
        try:
            return _scaling(tag.scale, tag.offset, tag.raw_unit, tag.unit)
        except ConfigError as error:
            raise ConfigError(error.why, error.where or tag.name, error.hint) from None

    @property
    def trivial(self) -> bool:
        return self == Scaling(1.0, 0.0, 1.0)

    def raw(self, value: float) -> float:
        """The raw value that gives this engineering value, without the dust of division."""
        exact = (value * self.denominator - self.addend) / self.numerator
        return float(f"{exact:.14g}")


class Rules:
    """What is asked of samples, once for all tags that ask the same: a few of them in a plant of
    100,000 tags, whose columns would take 56 bytes of every tag. Grows, and forgets nothing."""

    def __init__(self) -> None:
        self._places: dict[tuple[float, ...], int] = {}
        self._take()

    def places(self, tags: Tags) -> np.ndarray:
        """intp: the rule of each tag. Raises ConfigError, naming the tag, before anything changes."""
        kinds, at = tags.distinct(*RULE)
        found = []
        for place, (scale, offset, raw_unit, unit, low, high, deadband, silence) in enumerate(
            kinds
        ):
            try:
                scaling = _scaling(scale, offset, raw_unit, unit)
            except ConfigError as error:
                name = tags.name(int(np.argmax(at == place)))
                raise ConfigError(error.why, error.where or name, error.hint) from None
            found.append((
                scaling.numerator, scaling.addend, scaling.denominator,
                -np.inf if low is None else low, np.inf if high is None else high,
                # a change of exactly one deadband is worth reporting, whatever the last bit says
                deadband * (1 - 1e-9),
                round(silence * SECOND) or FOREVER,
            ))  # fmt: skip
        known = np.array([self._places.setdefault(rule, len(self._places)) for rule in found])
        if len(self._places) > len(self.band):
            self._take()
        return known.astype(np.intp)[at]

    def _take(self) -> None:
        columns = list(zip(*self._places, strict=True)) or [()] * 7
        self.numerator, self.addend, self.denominator, self.low, self.high, self.band = (
            np.array(column, "f8") for column in columns[:6]
        )
        self.silence = np.array(columns[6], "i8")


class Columns:
    """Grows with the table. Whoever asks for a number ≥ `size` gets an IndexError from numpy."""

    def __init__(self) -> None:
        self.size = 0
        self.kind = np.zeros(0, "u1")
        self.rules = Rules()
        self.rule = np.zeros(0, np.intp)  # the place of each tag's
        self.time = np.zeros(0, "i8")  # the latest sample of each tag
        self.value = np.zeros(0)
        self.quality = np.zeros(0, "u1")
        self.heard = np.zeros(0, "i8")  # the latest that carried a value, 0: none did
        self.text: dict[int, str] = {}
        self.any_scaled = self.any_clamped = self.any_boolean = False

    def put(self, tags: Tags) -> None:
        """Add or change. Raises ConfigError before anything is changed."""
        if len(tags):
            rule = self.rules.places(tags)
            self._grow(int(tags.id.max()) + 1)
            self._set(tags, rule)

    def drop(self, ids: np.ndarray) -> None:
        """Samples of these are not taken any more; what was seen last stays readable."""
        self.kind[ids] = NONE

    def latest(self, ids: np.ndarray) -> list[Samples]:
        """The newest sample of each that has one: numbers, then texts."""
        seen = ids[self.quality[ids] != NEVER]
        texts = self.kind[seen] == TEXT
        numbers, words = seen[~texts].astype("i4"), seen[texts].astype("i4")
        found = [Samples(numbers, self.time[numbers], self.value[numbers], self.quality[numbers])]
        if len(words):
            value = np.array([self.text.get(int(t), "") for t in words], object)
            found.append(Samples(words, self.time[words], value, self.quality[words]))
        return found

    def see(self, samples: Samples) -> None:
        """These are the latest now, where they are not older than what is known."""
        newer = samples.time >= self.time[samples.tag]
        fresh = samples if newer.all() else samples.where(newer)
        tag, time = fresh.tag, fresh.time
        if len(tag) > 1 and (np.diff(time) < 0).any():
            fresh = fresh.where(np.argsort(time, kind="stable"))  # the newest is assigned last
            tag, time = fresh.tag, fresh.time
        self.time[tag] = time
        self.quality[tag] = fresh.quality
        told = ~void(fresh)
        self.heard[tag[told]] = time[told]
        if fresh.is_text:
            self.text.update(zip(tag.tolist(), fresh.value.tolist(), strict=True))
        else:
            self.value[tag] = fresh.value

    def _set(self, tags: Tags, rule: np.ndarray) -> None:
        ids = tags.id.astype(np.intp)
        kind = np.fromiter(map(KINDS.__getitem__, tags.values("kind")), "u1", len(tags))
        other = ids[(self.kind[ids] != kind) & (self.kind[ids] != NONE)]
        self.heard[other] = 0
        self.quality[other] = NEVER  # of another kind now: what was seen means nothing
        self.kind[ids], self.rule[ids] = kind, rule
        self.any_boolean |= bool((kind == BOOLEAN).any())
        rules, used = self.rules, np.unique(rule)
        limits = np.concatenate((rules.low[used], rules.high[used]))
        self.any_clamped |= bool(np.isfinite(limits).any())
        self.any_scaled |= not all(
            (column[used] == plain).all()
            for column, plain in ((rules.numerator, 1), (rules.addend, 0), (rules.denominator, 1))
        )

    def _grow(self, size: int) -> None:
        if size > len(self.kind):
            room = max(size, 2 * len(self.kind), 64)
            for name, column in vars(self).items():
                if isinstance(column, np.ndarray):
                    wider = np.zeros(room, column.dtype)
                    wider[: len(column)] = column
                    setattr(self, name, wider)
            self.quality[self.size :] = NEVER
        self.size = max(self.size, size)


def void(samples: Samples) -> np.ndarray:
    """Which are bad and carry no value: they only tell that there is nothing."""
    bad = samples.quality >= Quality.BAD
    if not bad.any():
        return bad
    if samples.is_text:
        return bad & (samples.value == "")
    return bad & np.isnan(samples.value)


@lru_cache(maxsize=4096)  # tens of thousands of tags share a handful of scalings
def _scaling(scale: float, offset: float, raw_unit: str, unit: str) -> Scaling:
    if not (isfinite(scale) and isfinite(offset)) or scale == 0:
        raise ConfigError(f"scale {scale}, offset {offset} lose the value")
    by, plus = Fraction(repr(float(scale))), Fraction(repr(float(offset)))
    if raw_unit and unit and raw_unit != unit:
        factor, shift = linear(raw_unit, unit)
        by, plus = by * factor, plus * factor + shift
    below = lcm(by.denominator, plus.denominator)
    above, addend = by * below, plus * below
    if below >= EXACT or abs(above) >= EXACT or abs(addend) >= EXACT:
        return Scaling(float(by), float(plus), 1.0)
    return Scaling(float(above), float(addend), float(below))

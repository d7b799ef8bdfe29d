"""What is looked at before a device is: kind and limits of the value, interlocks, pace.

Decides nothing about people: that is the policy's. Touches no device.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from baotu.sdk import Conflict, Denied, Invalid, Quality, Refused, Tag, setting
from baotu.sdk.interlock import Need, needs_of
from baotu.sdk.ports import History, Plant
from baotu.sdk.writing import Condition

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
KNOWN = 20_000  # tags and callers whose pace is remembered


@dataclass(frozen=True, kw_only=True)
class WriteSettings:
    """The [writes] table of the configuration: bounds for whoever may write."""

    approval_min: float = setting(
        15.0, title="待批写入的时限 How long a write may wait for its approver",
        unit="min", low=0.1, high=1440,
    )  # fmt: skip
    evidence_s: float = setting(
        300.0, title="联锁与依据的最新值最久多旧，0 为不限 Oldest newest sample of interlocks and evidence, "
        "0: any age", unit="s", low=0,
    )  # fmt: skip
    tag_interval_s: float = setting(
        0.1,
        title="同一位号两次写入的最短间隔 Shortest time between two writes of a tag",
        unit="s",
        low=0,
    )
    tag_per_min: int = setting(
        60, title="每位号每分钟写入上限 Most writes of a tag", unit="/min", low=1
    )
    caller_per_min: int = setting(
        1200,
        title="每主体每分钟写入上限 Most writes of a person, app or client",
        unit="/min",
        low=1,
    )
    waiting: int = setting(
        200, title="待批写入上限 Most writes that wait for approval", low=1, high=10_000
    )


class Pace:
    """Token buckets, refilled evenly: a burst of `most`, then `most` a minute. Thread-safe."""

    def __init__(self, most: int, interval_s: float = 0.0) -> None:
        self.most, self.interval = most, int(interval_s * SECOND)
        self._buckets: dict[object, tuple[float, int]] = {}  # tokens left, when; the oldest first
        self._lock = threading.Lock()

    def wait_s(self, key: object, now: int) -> float:
        """Take a token; 0.0, or how long to wait until there is one (then none was taken)."""
        with self._lock:
            kept, last = self._buckets.pop(key, (float(self.most), now - self.interval))
            passed = max(0, now - last)
            left = min(float(self.most), kept + self.most * passed / MINUTE)
            soon = max(0, self.interval - passed) / SECOND
            wait = max(soon, (1 - left) * 60 / self.most if left < 1 else 0.0)
            self._buckets[key] = (kept, last) if wait else (left - 1, now)
            if len(self._buckets) > KNOWN:
                del self._buckets[next(iter(self._buckets))]
            return wait


class Guard:
    """Raises Denied, Invalid, Conflict, Refused; says what, where, and what to do."""

    def __init__(self, plant: Plant | None, history: History | None, settings: WriteSettings):
        self.plant, self.history, self.settings = plant, history, settings
        self._tags = Pace(settings.tag_per_min, settings.tag_interval_s)
        self._callers = Pace(settings.caller_per_min)

    def check_tag(self, tag: Tag) -> None:
        if not tag.writable:
            raise Denied(f"{tag.name} is read only; set writable = true where it may be written")

    def check_value(self, tag: Tag, value: float | str, *, override: bool = False) -> None:
        """override: beyond low … high; what the device itself cannot take stays out."""
        if isinstance(value, str) != (tag.kind == "text"):
            raise Invalid("value", f"{tag.name} takes a {tag.kind}, not {value!r}")
        if isinstance(value, str):
            return
        if not isfinite(value):
            raise Invalid("value", f"{tag.name}: {value} is no value")
        if tag.kind == "boolean" and value not in (0, 1):
            raise Invalid("value", f"{tag.name} is on or off: write 1 or 0, not {value:g}")
        if not within(value, tag.clamp_low, tag.clamp_high):
            low, high = told(tag.clamp_low), told(tag.clamp_high)
            raise Invalid("value", f"{tag.name}: {value:g} lies outside {low} … {high}")
        if not override and not within(value, tag.low, tag.high):
            low, high = told(tag.low), told(tag.high)
            raise Invalid("value", f"{tag.name}: {value:g} lies outside its limits {low} … {high}")

    def check_pace(self, tag: Tag, caller: str, now: int) -> None:
        """Counts. Called once a write has passed everything else."""
        if wait := self._callers.wait_s(caller, now):
            raise Conflict("caller", f"{caller} writes too often; again in {wait:.1f} s")
        if wait := self._tags.wait_s(tag.id, now):
            raise Conflict("tag", f"{tag.name} is written too often; again in {wait:.1f} s")

    def check_evidence(self, evidence: Sequence[int], now: int) -> None:
        """The newest sample of each tag that a write rests on is good, and not too old."""
        if not evidence:
            return
        newest = self._newest(evidence)
        limit = self.settings.evidence_s
        if bad := [t for t in evidence if newest.get(t, NOTHING)[1] >= Quality.UNCERTAIN]:
            raise Refused(f"evidence is not good: {', '.join(map(self.name, bad))}")
        for tag in evidence:
            age = (now - newest[tag][2]) / SECOND
            if limit and age > limit:
                raise Refused(
                    f"evidence is too old: {self.name(tag)} told its last value {age:.0f} s ago"
                )

    def check_needs(self, tag: Tag, now: int) -> None:
        for condition in self.conditions(tag, now):
            if condition.why:
                raise Refused(f"{tag.name} may not be written now: {condition.why}")

    def conditions(self, tag: Tag, now: int) -> tuple[Condition, ...]:
        """The interlocks of a tag as they stand. What cannot be read does not hold."""
        if not tag.write_needs:
            return ()
        try:
            needs = needs_of(tag.write_needs)
        except ValueError as error:
            return (Condition(text=tag.write_needs, why=str(error)),)
        return tuple(Condition(text=str(n), why=self._unmet(n, now)) for n in needs)

    def _unmet(self, need: Need, now: int) -> str:
        try:
            if self.plant is None:
                raise Invalid("tag", need.tag)
            tag = self.plant.tag(need.tag)
        except Invalid:
            return f"{need.tag} of its condition is not in the tag table"
        value, quality, time = self._newest([tag.id]).get(tag.id, NOTHING)
        if quality >= Quality.UNCERTAIN or (isinstance(value, str) and need.op):
            return f"{tag.name} is not good"
        limit, age = need.within_s or self.settings.evidence_s, (now - time) / SECOND
        if limit and age > limit:
            return f"{tag.name} is {age:.0f} s old, older than {limit:g} s; give it max_silence_s"
        if need.op and not need.holds(float(value)):
            return f"{need} does not hold, it is {value:g}"
        return ""

    def newest(self, tag: int) -> tuple[float | str, int, int] | None:
        """Value, quality, time; None when there is none."""
        return self._newest([tag]).get(tag)

    def _newest(self, tags: Sequence[int]) -> dict[int, tuple[float | str, int, int]]:
        if self.history is None:
            raise Refused("there is no history here to look at the evidence")
        found: dict[int, tuple[float | str, int, int]] = {}
        for samples in self.history.latest(np.array(tags, "i4")):
            rows = (samples.value.tolist(), samples.quality.tolist(), samples.time.tolist())
            found.update(zip(samples.tag.tolist(), zip(*rows, strict=True), strict=True))
        return found

    def name(self, id: int) -> str:
        tag = self.plant.by_id(id) if self.plant else None
        return tag.name if tag else f"tag {id}"


NOTHING: tuple[float | str, int, int] = (float("nan"), int(Quality.BAD), 0)


def within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def told(limit: float | None) -> str:
    return "" if limit is None else f"{limit:g}"

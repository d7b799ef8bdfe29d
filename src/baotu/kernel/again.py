"""Windows computed again, because samples came after they were done; live windows go first.

Only derived samples of such a window are taken, and only those that differ from what history has:
an alarm, an event or a write would be about the past, or told twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from baotu.sdk import Fact, Samples
from baotu.sdk.health import Health
from baotu.sdk.ports import History

from .duty import SECOND, Duty
from .effects import Chain, Deed
from .ledger import Rows
from .marks import Key, Marks

AT_ONCE = 32  # windows in one transaction
TELL_S = 5.0
Make = Callable[[Duty, int], Deed]
Find = Callable[[Key], tuple[Duty, int] | None]
"""The duty of a key and the end of its newest window, ns; None while there is nobody to do it."""


class Again:
    """Owned by the schedule and used on its thread.

    rest_s: how long nothing more must have come for an asset. patience_s: after so long its
    windows are computed although something still comes.
    """

    def __init__(
        self, chain: Chain, history: History, marks: Marks, rest_s: float, patience_s: float
    ) -> None:
        self.chain, self.history, self.marks = chain, history, marks
        self.rest, self.patience = round(rest_s * SECOND), round(patience_s * SECOND)
        self.windows = self.changed = self.untaken = 0
        self._replaced: list[Samples] = []
        self._told: tuple[float, ...] = ()
        self._tell = 0.0

    def run(self, find: Find, make: Make) -> bool:
        """One transaction of windows that have come to rest; False when there is none."""
        ripe = list(self._ripe(find))
        if not ripe:
            return False
        replies = self.chain.submit_all([make(duty, end) for duty, end in ripe])
        failed = set()
        for (duty, end), reply in zip(ripe, replies, strict=True):
            if isinstance(reply, Exception):
                failed.add(duty.key)
            if duty.key not in failed:  # in order: what follows a failed one waits for it
                self.marks.done(duty.key, end)
                self.windows += 1
        replaced, self._replaced = self._replaced, []
        self.marks.see(self.marks.extents(replaced))  # for windows that look at these in turn
        return True

    def _ripe(self, find: Find) -> Iterator[tuple[Duty, int]]:
        now, left = self.chain.clock.now(), AT_ONCE
        for key, mark in self.marks.of.items():
            rests = now - mark.touched >= self.rest or now - mark.since >= self.patience
            found = find(key) if rests else None
            if found is None:
                continue
            duty, done = found
            first, until = mark.spans[0]
            for start in range(first, min(until, done), duty.period):
                yield duty, start + duty.period
                left -= 1
                if not left:
                    return

    def rows(self, rows: Rows, duty: Duty, start: int, end: int) -> None:
        """The mark moves on in the transaction of the window."""
        rows.add("again", end, *duty.key, start)
        rows.add("spent", *duty.key)

    def taken(self, facts: Sequence[Fact], rows: Rows) -> list[Fact]:
        """Samples that differ from those in history; what was computed earlier is superseded."""
        found: list[Fact] = []
        for fact in facts:
            if not isinstance(fact, Samples):
                self.untaken += 1
            elif len(new := self._different(fact)):
                self.changed += len(new)
                for tag, when in zip(new.tag.tolist(), new.time.tolist(), strict=True):
                    rows.add("superseded", tag, when)
                self._replaced.append(new)
                found.append(new)
        return found

    def _different(self, samples: Samples) -> Samples:
        other = []
        for i in range(len(samples)):
            tag, when = int(samples.tag[i]), int(samples.time[i])
            known = self.history.read(tag, when, when + 1).where(slice(-1, None))
            if known != samples.where(slice(i, i + 1)):
                other.append(i)
        return samples.where(np.array(other, int)) if len(other) < len(samples) else samples

    def tell(self) -> None:
        """How it fares, on the board, when it has changed; at most every few seconds."""
        board, now = self.chain.reach.board, time.monotonic()
        waiting = sum(len(mark.spans) for mark in self.marks.of.values())
        told = (waiting, self.windows, self.changed, self.untaken, self.marks.too_old)
        if board is None or told == self._told or now < self._tell or not (any(told) or self._told):
            return
        self._told, self._tell = told, now + TELL_S
        names = ("waiting_intervals", "windows", "changed_samples", "untaken_facts", "too_old")
        figures: dict[str, float | str] = dict(zip(names, map(float, told), strict=True))
        board.put(
            Health(
                kind="history",
                name="again",
                state="up",
                since=self.chain.clock.now(),
                figures=figures,
            )
        )

"""When a reading is due: whole multiples of its period on the wall clock, never two at once."""

from __future__ import annotations

import structlog

from baotu.sdk.clock import Clock

MS = 1_000_000
JUMP_S = 1.0  # a wall clock that moves further than this against the monotonic one has jumped

log = structlog.get_logger("baotu.edge")


def rounded(time: int) -> int:
    """To the millisecond: finer stamps double what history needs and tell nothing."""
    return (time + MS // 2) // MS * MS


class Wall:
    """Notices that the wall clock jumped; every schedule then anchors itself anew."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.jumps = 0
        self._offset = self._measured()

    def now(self) -> int:
        """The wall clock, ns UTC. A jump since the last look is counted and noted once."""
        offset = self._measured()
        moved = offset - self._offset
        self._offset = offset  # a slow drift is followed silently
        if abs(moved) > JUMP_S:
            self.jumps += 1
            log.warning("the wall clock jumped", seconds=round(moved, 3), jumps=self.jumps)
        return self.clock.now()

    def _measured(self) -> float:
        return self.clock.now() / 1e9 - self.clock.monotonic()


class Ticks:
    """The schedule of one period."""

    def __init__(self, period_ns: int) -> None:
        if period_ns <= 0:
            raise ValueError(f"a period of {period_ns} ns is no period")
        self.period_ns = period_ns
        self.next = 0
        self._skipped = False  # the last one was due too late

    def anchor(self, now: int) -> None:
        """The next tick is the first one after now."""
        self.next = (now // self.period_ns + 1) * self.period_ns

    def take(self, now: int) -> tuple[int | None, int]:
        """(the tick that is due, how many were missed). None: nothing is due, or what was due is
        so late that reading it would crowd the next one. Never skips twice in a row: on a machine
        that is always late nothing would be read at all."""
        if now < self.next:
            return None, 0
        due = now // self.period_ns * self.period_ns
        missed = (due - self.next) // self.period_ns
        self.next = due + self.period_ns
        self._skipped = not self._skipped and now - due > self.period_ns // 2
        return (None, missed + 1) if self._skipped else (due, missed)

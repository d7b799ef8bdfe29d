"""Questions and answers of one connection: numbers, how many at once, time-outs, urgency.

It does not know schedules or tags; each question has an owner that is told what became of it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from baotu.sdk import Malformed, PolledDriver, Refused, Request, Samples, Unreachable
from baotu.sdk.clock import Clock

from .tally import Tally
from .transport import Silent, Wire

DEAD_AFTER = 3  # questions in a row without an answer: nobody is there any more
STALE = 1_024  # numbers of given-up questions whose late answers are recognised


class Owner(Protocol):
    """Who asked, and wants to know."""

    def wanted(self) -> bool:
        """Looked at before sending: False drops the question."""

    def stamp(self) -> int:
        """The time, ns UTC, that the answer just come in is to carry."""

    def told(self, request: Request, parts: list[Samples]) -> None: ...

    def refused(self, request: Request, refusal: Refused) -> Sequence[Request]:
        """Other questions to ask instead."""

    def silent(self, request: Request, why: Silent) -> None:
        """No answer came in time."""

    def gone(self, why: Unreachable) -> None:
        """The connection ended before the answer came."""


@dataclass(slots=True)
class Asked:
    request: Request
    owner: Owner
    sent: float  # monotonic s


class Exchange:
    """One for each connection."""

    def __init__(
        self, driver: PolledDriver, wire: Wire, clock: Clock, tally: Tally, timeout_s: float
    ) -> None:
        self._driver, self._wire, self._clock, self._tally = driver, wire, clock, tally
        self._timeout = timeout_s
        self._waiting: list[tuple[float, int, Request, Owner]] = []  # a heap by rank, then age
        self._under_way: dict[int, Asked] = {}  # by number, the oldest first
        self._stale: dict[int, None] = {}
        self._order, self._number = count(), 0
        self._numbered = False  # known from the first answer on
        self._unheard = 0

    @property
    def busy(self) -> bool:
        return bool(self._under_way)

    def ask(self, requests: Iterable[Request], owner: Owner, rank: float) -> None:
        """Queue; a lower rank goes first. `pump` sends."""
        for request in requests:
            heapq.heappush(self._waiting, (rank, next(self._order), request, owner))

    def pump(self) -> None:
        """Send as many as may be under way."""
        room, now = max(1, self._driver.window) - len(self._under_way), self._clock.monotonic()
        payloads = []
        while room > 0 and self._waiting:
            _, _, request, owner = heapq.heappop(self._waiting)
            if not owner.wanted():
                continue
            number = self._next_number()
            try:
                payloads.append(self._driver.numbered(request, number))
            except Refused as refusal:  # it depends on an answer that never came
                owner.refused(request, refusal)
                continue
            self._under_way[number] = Asked(request, owner, now)
            room -= 1
        if payloads:
            self._tally.requests += len(payloads)
            self._wire.send(payloads[0] if len(payloads) == 1 else b"".join(payloads))

    async def answers(self) -> None:
        """Take answers until the connection ends. Raises Unreachable, Malformed."""
        while True:
            await self._wire.more()
            self._take()
            self.pump()

    def expire(self) -> None:
        """Give up what waits too long. Raises Unreachable when nobody seems to be there."""
        now = self._clock.monotonic()
        while self._under_way:
            number, asked = next(iter(self._under_way.items()))
            if now - asked.sent < self._timeout:
                return
            del self._under_way[number]
            self._tally.timeouts += 1
            self._unheard += 1
            why = Silent(f"no answer within {self._timeout:g} s")
            asked.owner.silent(asked.request, why)
            if rest := bytes(self._wire.buffer):
                raise Malformed(f"an answer began with {len(rest)} bytes and never ended", rest)
            if not self._numbered or self._unheard >= DEAD_AFTER:
                raise why  # answers in order: a late one would be taken for the next
            self._stale[number] = None
            if len(self._stale) > STALE:
                del self._stale[next(iter(self._stale))]

    def close(self, why: Unreachable) -> None:
        """The connection is over: whoever still waits is told."""
        self._wire.close()
        owners = [asked.owner for asked in self._under_way.values()]
        owners += [owner for *_, owner in self._waiting]
        self._under_way.clear()
        self._waiting.clear()
        for owner in owners:
            owner.gone(why)

    def _take(self) -> None:
        buffer = self._wire.buffer
        while buffer:
            try:
                length, number = self._driver.whole(buffer)
            except Malformed as error:
                raise Malformed(str(error), error.frame or bytes(buffer)) from None
            if length <= 0 or length > len(buffer):
                return
            answer = bytes(buffer[:length])
            del buffer[:length]
            asked = self._match(number, answer)
            if asked is not None:
                self._hand_over(asked, answer)

    def _match(self, number: int | None, answer: bytes) -> Asked | None:
        """The question of an answer; None for one that was given up."""
        self._unheard = 0
        if number is None:
            number = next(iter(self._under_way), None)
        else:
            self._numbered = True
            if number in self._stale:
                del self._stale[number]
                self._tally.late += 1
                return None
        if number is None or number not in self._under_way:
            raise Malformed(f"answer {number} to no question", answer)
        return self._under_way.pop(number)

    def _hand_over(self, asked: Asked, answer: bytes) -> None:
        request, owner = asked.request, asked.owner
        self._tally.answers += 1
        try:
            parts = self._driver.decode(request, answer, owner.stamp())
        except Refused as refusal:
            self._tally.refused += 1
            for other in owner.refused(request, refusal):
                heapq.heappush(self._waiting, (0.0, next(self._order), other, owner))
            return
        except Malformed as error:
            raise Malformed(str(error), error.frame or answer) from None
        owner.told(request, parts)

    def _next_number(self) -> int:
        while True:
            self._number = (self._number + 1) & 0xFFFF
            if self._number not in self._under_way and self._number not in self._stale:
                return self._number

"""The edge's side of the link: what is on the log goes to the hub until the hub has it.

Two lanes share one log. While the backlog is short there is only the live lane and everything goes
out in order. After a long absence the live lane jumps to the newest frame; the old ones follow in
the backlog lane with the capacity that is left. Each lane is in order, and the hub accepts only the
successor of something it has, so each gap closes exactly once. After any failure the sender asks
the hub what it has: there is one way to recover from everything, and no state of it on the disk.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from baotu.sdk.errors import Unreachable
from baotu.sdk.tag import Tag

from .log import Log
from .message import (
    NONE,
    Answer,
    FramesHead,
    HelloHead,
    Lost,
    answer_of,
    key,
    pack,
    pack_table,
    unpack_spans,
)
from .wire import TIMEOUT_S, Wire, wait

LIVE_WINDOW, BACKLOG_WINDOW = 4, 2  # messages under way at once
MESSAGE = 256 << 10  # bytes
RETRY_S, RETRY_MOST_S = 0.2, 2.0
FOREIGN = (
    "the hub says that this log belongs to another node: was the data folder copied, or renamed?"
)


@dataclass(slots=True)
class Lane:
    """at: newest sequence sent. end: newest one this lane is responsible for. broken: an answer is
    missing or no; wait for the others, then ask the hub what it has."""

    live: bool
    at: int
    end: int = NONE
    acked: int = 0
    opening: bool = True
    flight: int = 0
    broken: bool = False


Link = Callable[[bool, str], None]


class Sender:
    """One thread. tell: called when the hub is reached or lost, with the reason."""

    def __init__(
        self, wire: Wire, log: Log, edge: str, hub: str, short: int, tell: Link | None = None
    ) -> None:
        self.wire, self.log, self.edge, self.hub, self.short = wire, log, edge, hub, short
        self._tell = tell
        self._answers: queue.SimpleQueue[tuple[Lane, int, Answer | None]] = queue.SimpleQueue()
        self._live: Lane | None = None
        self._backlog: Lane | None = None
        self._table: tuple[int, list[bytes]] | None = None
        self._greeted = 0  # version of the table that the hub has
        self._stop, self._wake = threading.Event(), threading.Event()
        self._wait = RETRY_S
        self.linked: bool | None = None
        self.foreign = False  # the hub says that our log is another node's
        self.sent = self.reopened = 0
        self._thread = threading.Thread(target=self._run, name="fabric-sender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def greet(self, tags: Sequence[Tag]) -> None:
        """The tag table that the frames are numbered by. Nothing is sent before the first one."""
        self._table = pack_table(tags)
        self._wake.set()

    def wake(self) -> None:
        """There is something durable to send."""
        self._wake.set()

    @property
    def waiting(self) -> int:
        """Frames the hub has not confirmed, as far as we know."""
        live, backlog = self._live, self._backlog
        if live is None:
            return self.log.last - self.log.acked
        late = backlog.end - backlog.acked if backlog else 0
        return max(0, self.log.last - max(live.acked, 0)) + max(0, late)

    @property
    def draining(self) -> bool:
        return self._backlog is not None

    # the thread --------------------------------------------------------------------------------
    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._turn()
            except Unreachable as error:
                self._state(False, str(error))
                self._rest()

    def _turn(self) -> None:
        table = self._table
        if table is None:
            self._wake.wait(0.2)
            self._wake.clear()
        elif (self._greeted != table[0] and not self._hello(table)) or not self._opened():
            self._rest()
        else:
            busy = self._fill(self._live) or self._fill(self._backlog)
            self._collect(busy)
            self._settle()

    def _opened(self) -> bool:
        return self._live is not None or self._open()

    def _rest(self) -> None:
        self._stop.wait(self._wait)
        self._wait = min(RETRY_MOST_S, self._wait * 1.5)

    def _state(self, linked: bool, why: str = "") -> None:
        if linked:
            self._wait = RETRY_S
        if linked != self.linked:
            self.linked = linked
            if self._tell:
                self._tell(linked, why)

    def _key(self, word: str) -> str:
        return key(self.hub, word, self.edge)

    # asking the hub ----------------------------------------------------------------------------
    def _hello(self, table: tuple[int, list[bytes]]) -> bool:
        version, parts = table
        for part, payload in enumerate(parts):
            head = HelloHead(
                log=self.log.id, version=version, part=part, parts=len(parts), edge=self.edge
            )
            raw = wait(self.wire, self._key("hello"), payload, head=head.pack(), timeout_s=10.0)
            if answer_of(raw) is not Answer.TAKEN:
                refused = answer_of(raw) is Answer.REFUSED
                why = "it refuses the tag table" if refused else "it is busy"
                self._state(False, "the hub does not answer" if raw is None else why)
                return False
        self._greeted = version
        return True

    def _spans(self) -> list[tuple[int, int]] | None:
        """What the hub has of our log, None when it does not answer."""
        raw = wait(self.wire, self._key("spans"), self.log.id.encode())
        self.foreign = raw is not None and len(raw) == 1
        if self.foreign:
            self._state(False, FOREIGN)
            return None
        return None if raw is None else unpack_spans(raw)

    def _holes(self, upto: int) -> list[tuple[int, int]] | None:
        """Runs of sequences we still have and the hub lacks; what we no longer have is confessed."""
        spans = self._spans()
        if spans is None:
            return None
        holes, at = [], 1
        for start, stop in [*sorted(spans), (upto + 1, upto + 1)]:
            if at < start:
                holes.append((at, min(start - 1, upto)))
            at = max(at, stop + 1)
        first = self.log.first
        for low, high in holes:
            if low < first:
                self._confess(low, min(high, first - 1), "dropped: the log was full")
        return [(max(low, first), high) for low, high in holes if high >= first]

    def _confess(self, first: int, last: int, why: str) -> None:
        """The hub audits the loss and closes the gap. Unheard, it is said again at the next opening."""
        lost = Lost(edge=self.edge, log=self.log.id, first=first, last=last, why=why)
        wait(self.wire, self._key("lost"), pack(lost))

    # lanes -------------------------------------------------------------------------------------
    def _open(self) -> bool:
        end = self.log.durable
        holes = self._holes(end)
        if holes is None:
            self._state(False, "the hub does not answer")  # unless it said more
            return False
        self._state(True)
        self.reopened += 1
        tail = holes[-1] if holes and holes[-1][1] == end else (end + 1, end)
        if tail[1] - tail[0] < self.short:  # soon caught up: strict order
            holes = [hole for hole in holes if hole != tail]
        else:
            tail = (end + 1, end)
        self._live = _lane(True, tail[0], NONE)
        self._backlog = _lane(False, *holes[0]) if holes else None
        return True

    def _fill(self, lane: Lane | None) -> bool:
        """Send one message of this lane if there is something to send and room under way."""
        if lane is None or lane.broken:
            return False
        window = LIVE_WINDOW if lane.live else BACKLOG_WINDOW
        if lane.flight >= (1 if lane.opening else window):
            return False
        run = self.log.read(lane.at, lane.end, MESSAGE)
        if run.lost:
            if lane.flight:
                return False  # what is behind a loss opens the lane anew: first hear the others
            self._confess(*run.lost, "damaged or dropped on the edge")
            lane.at = lane.acked = min(run.follows, lane.end)
            lane.opening = True
            return True
        if not run.data or self._table is None or self._table[0] != self._greeted:
            return False  # a table that came meanwhile may name tags of these very frames: it first
        self._send(lane, run.last, run.data)
        return True

    def _send(self, lane: Lane, last: int, data: bytes) -> None:
        head = FramesHead(
            log=self.log.id,
            after=None if lane.opening else lane.at,
            version=self._greeted,
            live=lane.live,
            edge=self.edge,
        )
        lane.flight += 1
        lane.at = last

        def done(raw: bytes | None) -> None:
            self._answers.put((lane, last, answer_of(raw)))
            self._wake.set()

        self.wire.ask(
            self._key("frames"),
            data,
            done,
            head=head.pack(),
            urgent=lane.live,
            timeout_s=TIMEOUT_S,
        )

    def _collect(self, busy: bool) -> None:
        if not busy and self._answers.empty():
            self._wake.wait(0.05)
            self._wake.clear()
        while not self._answers.empty():
            lane, last, answer = self._answers.get()
            lane.flight -= 1
            if answer is Answer.TAKEN:
                lane.acked, lane.opening = max(lane.acked, last), False
                self.sent += 1
                continue
            lane.broken = True
            if answer is Answer.HELLO:
                self._greeted = 0
            elif answer is None:
                self._state(False, "the hub does not answer")
            elif answer is Answer.LATER:
                self._state(False, "the hub is busy or cannot store")

    def _settle(self) -> None:
        live, backlog = self._live, self._backlog
        lanes = [lane for lane in (live, backlog) if lane]
        if any(lane.broken for lane in lanes):
            if not any(lane.flight for lane in lanes):
                self._live = self._backlog = None
                if self.linked is False:
                    self._rest()
            return
        if live is None:
            return
        if backlog is None:
            self.log.acked = max(self.log.acked, live.acked)
            if self.log.durable - live.at > 3 * self.short:
                live.broken = True  # it has fallen behind: jump to the newest, the rest is backlog
            return
        self.log.acked = max(self.log.acked, backlog.acked)
        if backlog.acked >= backlog.end and not backlog.flight:
            holes = self._holes(live.acked if not live.opening else live.at)
            if holes is not None:
                self._backlog = _lane(False, *holes[0]) if holes else None


def _lane(live: bool, start: int, end: int) -> Lane:
    return Lane(live=live, at=start - 1, end=end, acked=start - 1)

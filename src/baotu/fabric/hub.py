"""The hub's end of the fabric: takes frames of all edges into history, exactly once, and tells who watches.

One thread commits: what arrived meanwhile shares the next transaction, live messages before the
backlog, at most `rows` samples in it. An edge hears "taken" only after the commit.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from baotu.sdk.clock import Clock
from baotu.sdk.errors import BaotuError, Malformed, Unreachable
from baotu.sdk.health import Health
from baotu.sdk.link import Batch
from baotu.sdk.ports import History, Reply
from baotu.sdk.samples import Samples

from .desk import Adopt, Desk, OnStatus, Tell
from .message import (
    Answer,
    FramesHead,
    WriteAsked,
    check_name,
    key,
    pack,
    pack_spans,
    same_name,
    speaker,
    unpack,
)
from .open_frames import Opened, Opener
from .owners import Owners
from .wire import Request, Wire, wait

QUEUE = 32 << 20  # bytes of messages waiting for the commit; more are asked to come later
ROWS = 250_000  # of one transaction: bounds its memory and the wait of what comes next
NANO = 1e9
Publish = Callable[[Samples, bool, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    request: Request
    head: FramesHead


class HubLink:
    """adopt(edge, tags): stores the tag table, returns int32 local id → hub id, -1 for none; it may
    raise a BaotuError. publish(samples, live, edge): once after each commit, on the commit thread.
    audit(what, facts): lost frames, quarantined frames. folder: where those are kept. logs: the file
    that says whose log is whose; None: nothing is kept.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        hub: str,
        history: History,
        adopt: Adopt,
        publish: Publish,
        on_status: OnStatus,
        audit: Tell,
        folder: Path,
        clock: Clock,
        rows: int = ROWS,
        tell: Callable[[Health], None] | None = None,
        logs: Path | None = None,
    ) -> None:
        self.wire, self.history, self.publish, self.rows = wire, history, publish, rows
        self.hub, self.clock, self._tell = check_name(hub, "a hub"), clock, tell
        self.desk = Desk(history, adopt, on_status, audit, Owners(logs))
        self.opener = Opener(self.desk.tables, folder, audit)
        self._live: deque[Message] = deque()
        self._late: deque[Message] = deque()
        self._bytes = 0
        self._some = threading.Condition()
        self._stopped = False
        self._why = ""
        self.commits = self.messages = self.samples = self.later = 0
        self.commit_s: deque[float] = deque(maxlen=2_000)
        self._thread = threading.Thread(target=self._run, name="fabric-commit", daemon=True)
        self._thread.start()
        self._stops = [
            wire.answer(key(hub, "hello", "*"), self.desk.hello),
            wire.answer(key(hub, "lost", "*"), self.desk.lost),
            wire.listen(key(hub, "status", "*"), self.desk.status),
            wire.answer(key(hub, "spans", "*"), self._spans),
            wire.answer(key(hub, "frames", "*"), self._take),
        ]

    def write(self, edge: str, tag: int, value: float | str, deadline: int) -> Reply:
        """Ask the edge to set its own tag before `deadline` (ns UTC); waits at most until then."""
        left = (deadline - self.clock.now()) / NANO
        if left <= 0:
            return Reply(done=False, why="the deadline has passed; nothing was sent")
        asked = WriteAsked(tag=tag, value=value, within_s=left)
        raw = wait(self.wire, key(edge, "write"), pack(asked), timeout_s=left)
        if raw is None:
            why = f"edge {edge} did not answer in {left:.1f} s; it may still have been done"
            return Reply(done=False, why=why)
        try:
            return cast(Reply, unpack(raw, Reply))
        except Malformed as error:
            return Reply(done=False, why=f"edge {edge} answered nonsense: {error}")

    def number(self, edge: str, tag: int) -> int:
        """The hub's number of an edge's own tag. Raises Unreachable before its table was told."""
        table = self.desk.tables.get(edge)
        if table is None or not 0 <= tag < len(table.ids) or table.ids[tag] < 0:
            raise Unreachable(f"tag {tag} of edge {edge} is not known at the hub yet")
        return int(table.ids[tag])

    def forget(self, *edges: str) -> None:
        """Tag tables of these edges, or of all: they send them again, and are adopted anew."""
        for edge in edges or tuple(self.desk.tables):
            self.desk.tables.pop(edge, None)

    def figures(self) -> Mapping[str, float]:
        took = np.array(list(self.commit_s) or [0.0]) * 1e3
        return {
            "commits": self.commits,
            "messages": self.messages,
            "samples": self.samples,
            "later": self.later,
            "queued": len(self._live) + len(self._late),
            "queued_bytes": self._bytes,
            "edges": len(self.desk.tables),
            "lost_frames": self.desk.lost_frames,
            "quarantined": self.opener.quarantined,
            "unknown_samples": self.opener.unknown,
            "commit_p50_ms": float(np.median(took)),
            "commit_p99_ms": float(np.percentile(took, 99)),
            "running": float(self._thread.is_alive()),
        }

    def close(self, timeout_s: float = 10.0) -> None:
        """What is being committed is finished; what waits is sent again by the edges."""
        for stop in self._stops:
            stop()
        with self._some:
            self._stopped = True
            self._some.notify()
        self._thread.join(timeout_s)
        self.desk.close(timeout_s)

    # on the wire's threads ---------------------------------------------------------------------
    def _take(self, request: Request) -> None:
        try:
            head = FramesHead.unpack(request.head)
            same_name(head.edge, request.key)
        except Malformed:
            request.reply(bytes(Answer.REFUSED))
            return
        if not self._own(head.log, head.edge):
            request.reply(bytes(Answer.REFUSED))
            return
        with self._some:
            full = self._bytes > 0 and self._bytes + len(request.payload) > QUEUE
            if full or self._stopped:
                self.later += 1
                request.reply(bytes(Answer.LATER))
                return
            self._bytes += len(request.payload)
            (self._live if head.live else self._late).append(Message(request=request, head=head))
            self._some.notify()

    def _spans(self, request: Request) -> None:
        log = request.payload.decode("ascii", "replace")
        if log and not self._own(log, speaker(request.key)):
            request.reply(bytes(Answer.REFUSED))
            return
        request.reply(pack_spans(self.history.spans(log)))

    def _own(self, log: str, edge: str) -> bool:
        try:
            return self.desk.own(log, edge)
        except OSError as error:  # nothing of a log is taken before its owner is on the disk
            self._say(str(error))
            return False

    # the commit thread -------------------------------------------------------------------------
    def _run(self) -> None:
        while True:
            with self._some:
                while not (self._live or self._late or self._stopped):
                    self._some.wait()
                if self._stopped:
                    return
            self._round()

    def _round(self) -> None:
        """One transaction: as many messages as fit."""
        opened: list[tuple[Message, Opened]] = []
        self.opener.begin()
        rows = 0
        while rows < self.rows and (message := self._next()):
            found = self.opener.open(message.head, message.request.payload, self.history.spans)
            opened.append((message, found))
            rows += found.rows
        begin = time.perf_counter()
        answers = self._commit([batch for _, found in opened for batch in found.batches])
        self.commit_s.append(time.perf_counter() - begin)
        at, fresh = 0, list[Batch]()
        for message, found in opened:
            mine = answers[at : at + len(found.batches)]
            at += len(mine)
            fresh += [
                b for b, answer in zip(found.batches, mine, strict=True) if answer is Answer.TAKEN
            ]
            bad = next((answer for answer in mine if answer is not Answer.TAKEN), None)
            message.request.reply(bytes(bad or found.answer))
        self.commits += 1
        self.messages += len(opened)
        self._publish(fresh)

    def _next(self) -> Message | None:
        with self._some:
            lane = self._live or self._late
            if not lane:
                return None
            message = lane.popleft()
            self._bytes -= len(message.request.payload)
            return message

    def _commit(self, batches: Sequence[Batch]) -> list[Answer]:
        if not batches:
            return []
        try:
            taken = self.history.append(batches)
        except (BaotuError, OSError, ValueError, RuntimeError) as error:
            self._say(str(error))
            return [Answer.LATER] * len(batches)  # nothing was stored
        self._say("")
        return [Answer.TAKEN if ok else Answer.REFUSED for ok in taken]

    def _publish(self, batches: Sequence[Batch]) -> None:
        """Each edge and lane once, in its order; numbers before texts."""
        groups: dict[tuple[bool, str, bool], list[Samples]] = {}
        for batch in batches:
            for samples in batch.samples:
                if len(samples):
                    of = (not batch.live, batch.edge, samples.is_text)
                    groups.setdefault(of, []).append(samples)
        for (late, edge, _), parts in sorted(groups.items(), key=lambda item: item[0]):
            samples = Samples.concat(parts)
            self.samples += len(samples)
            self.publish(samples, not late, edge)

    def _say(self, why: str) -> None:
        if why != self._why:
            self._why = why
            if self._tell:
                self._tell(
                    Health(
                        kind="link",
                        name=self.hub,
                        state="degraded" if why else "up",
                        since=self.clock.now(),
                        why=why,
                        node=self.hub,
                    )
                )

"""The hub's desk: tag tables, losses and states that edges report, worked on one thread off the wire."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from baotu.sdk.errors import BaotuError, Malformed
from baotu.sdk.health import Health
from baotu.sdk.link import Batch
from baotu.sdk.ports import History
from baotu.sdk.samples import Samples
from baotu.sdk.tags import Tags

from .message import (
    Answer,
    HelloHead,
    Lost,
    same_name,
    speaker,
    unpack,
    unpack_healths,
    unpack_table,
)
from .owners import Owners
from .wire import Request

Adopt = Callable[[str, Tags], np.ndarray]
OnStatus = Callable[[str, Sequence[Health]], None]
Tell = Callable[[str, Mapping[str, str | int]], None]
QUEUE = 256
MOST_THIEVES = 1_000  # that are told of
PARTS = 2_000  # of one table: 10 M tags
LOST_AT_ONCE = 100_000  # frames of a gap that are closed by one batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """version: of the tag table. ids: int32, local id → hub id, -1 where there is none."""

    version: int
    ids: np.ndarray


@dataclass(slots=True)
class _Coming:
    version: int
    parts: dict[int, Tags] = field(default_factory=dict)


class Desk:
    def __init__(
        self, history: History, adopt: Adopt, on_status: OnStatus, audit: Tell,
        owners: Owners | None = None,
    ) -> None:  # fmt: skip
        self._owners, self._thieves = owners or Owners(), set[tuple[str, str]]()
        self.history, self.adopt, self.on_status, self.audit = history, adopt, on_status, audit
        self.tables: dict[str, Table] = {}
        self.lost_frames = 0
        self.refused = ""  # why the last tag table was not adopted
        self._coming: dict[str, _Coming] = {}
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue(QUEUE)
        self._thread = threading.Thread(target=self._run, name="fabric-desk", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        try:
            self._work.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def own(self, log: str, edge: str) -> bool:
        """Whether this edge may speak of this log; who may not is in the audit, once. Raises OSError."""
        if self._owners.own(log, edge):
            return True
        if (log, edge) not in self._thieves and len(self._thieves) < MOST_THIEVES:
            self._thieves.add((log, edge))
            facts = {"edge": edge, "log": log, "of": self._owners.owner(log)}
            self._put(lambda: self.audit("log of another edge", facts))
        return False

    # on the wire's threads ---------------------------------------------------------------------
    def hello(self, request: Request) -> None:
        self._put(lambda: self._hello(request), request)

    def lost(self, request: Request) -> None:
        self._put(lambda: self._lost(request), request)

    def status(self, key: str, payload: bytes) -> None:
        self._put(lambda: self._status(speaker(key), payload))

    def _put(self, work: Callable[[], None], request: Request | None = None) -> None:
        try:
            self._work.put_nowait(work)
        except queue.Full:
            if request:
                request.reply(bytes(Answer.LATER))

    # on the desk's thread ----------------------------------------------------------------------
    def _run(self) -> None:
        while work := self._work.get():
            work()

    def _hello(self, request: Request) -> None:
        try:
            head = HelloHead.unpack(request.head)
            same_name(head.edge, request.key)
            if not 0 <= head.part < head.parts <= PARTS:
                raise Malformed(f"part {head.part} of {head.parts}")
            tags = unpack_table(request.payload)
        except Malformed as error:
            self.refused = str(error)
            request.reply(bytes(Answer.REFUSED))
            return
        coming = self._coming.get(head.edge)
        if coming is None or coming.version != head.version:
            coming = self._coming[head.edge] = _Coming(head.version)
        coming.parts[head.part] = tags
        answer = Answer.TAKEN
        if len(coming.parts) == head.parts:
            del self._coming[head.edge]
            parts = [part for _, part in sorted(coming.parts.items())]
            answer = self._store(head, Tags.concat(parts))
        elif head.part == head.parts - 1:
            answer = Answer.LATER  # an earlier part never came (we were restarted): all again
        request.reply(bytes(answer))

    def _store(self, head: HelloHead, tags: Tags) -> Answer:
        known = self.tables.get(head.edge)
        if known and known.version == head.version:
            return Answer.TAKEN
        try:
            ids = np.asarray(self.adopt(head.edge, tags), "i4")
        except BaotuError as error:
            if str(error) != self.refused:
                self.refused = str(error)
                self.audit("tag table refused", {"edge": head.edge, "why": self.refused})
            return Answer.LATER
        self.refused = ""
        self.tables[head.edge] = Table(version=head.version, ids=ids)
        return Answer.TAKEN

    def _lost(self, request: Request) -> None:
        """Audit first, then close the gap: a crash between tells the loss twice, never not at all."""
        try:
            lost = cast(Lost, unpack(request.payload, Lost))
            same_name(lost.edge, request.key)
            if not self.own(lost.log, lost.edge):
                request.reply(bytes(Answer.REFUSED))
                return
            gaps = _gaps(self.history.spans(lost.log), lost.first, lost.last)
            for first, last in gaps:
                self.audit(
                    "frames lost",
                    {
                        "edge": lost.edge,
                        "log": lost.log,
                        "first": first,
                        "last": last,
                        "why": lost.why,
                    },
                )
                self.lost_frames += last - first + 1
                self._close_gap(lost.log, lost.edge, first, last)
            request.reply(bytes(Answer.TAKEN))
        except (BaotuError, OSError):
            request.reply(bytes(Answer.LATER))

    def _close_gap(self, log: str, edge: str, first: int, last: int) -> None:
        nothing = Samples.empty()
        for at in range(first, last + 1, LOST_AT_ONCE):
            end = min(last, at + LOST_AT_ONCE - 1)
            self.history.append(
                [
                    Batch(
                        log=log, first=at, last=end, after=None,
                        samples=(nothing,) * (end - at + 1), live=False, edge=edge,
                    )
                ]
            )  # fmt: skip

    def _status(self, edge: str, payload: bytes) -> None:
        try:
            self.on_status(edge, unpack_healths(payload))
        except Malformed:
            pass  # states are told again and again; the next one will do


def _gaps(spans: Sequence[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    found, at = [], first
    for a, b in sorted(spans):
        if b < at:
            continue
        if a > last:
            break
        if at < a:
            found.append((at, a - 1))
        at = b + 1
    return [*found, (at, last)] if at <= last else found

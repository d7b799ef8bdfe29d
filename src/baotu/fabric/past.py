"""The edge's log as others may read it: frames by their sequence. It changes nothing in it."""

from __future__ import annotations

from collections.abc import Sequence

from baotu.sdk.errors import Malformed
from baotu.sdk.ports import Segment, Stretch
from baotu.sdk.samples import Samples

from .frame import decode, records
from .log import Log


class LogPast:
    """Implements `sdk.ports.Past`. Safe from any thread."""

    def __init__(self, log: Log) -> None:
        self._log = log

    @property
    def id(self) -> str:
        return self._log.id

    @property
    def last(self) -> int:
        return self._log.last

    @property
    def durable(self) -> int:
        return self._log.durable

    def segments(self) -> Sequence[Segment]:
        return [Segment(first=a, last=b, bytes=size) for a, b, size in self._log.segments()]

    def read(self, after: int, upto: int, size: int) -> Stretch:
        run = self._log.read(after, upto, size)
        lost = run.lost[1] - run.lost[0] + 1 if run.lost else 0
        frames: list[tuple[int, Samples]] = []
        for _, sequence, body in records(run.data):
            try:
                frames.append((sequence, decode(body)))
            except Malformed:
                lost += 1  # the hub quarantines it, too
            if sequence >= run.last:
                break
        last = min(run.last, upto) if run.lost else run.last
        return Stretch(last=last, frames=tuple(frames), lost=min(lost, max(0, last - after)))

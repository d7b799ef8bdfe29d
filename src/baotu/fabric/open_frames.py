"""From the bytes of a message to batches with the hub's tag numbers: only frames that are new.

A frame whose checksum is right but which does not decode would be refused for ever and stall its
lane: it is put in quarantine, audited, and counted as taken. So are samples of tags nobody knows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baotu.sdk.errors import Malformed
from baotu.sdk.link import Batch
from baotu.sdk.samples import Samples

from .desk import Table, Tell
from .frame import decode, records
from .message import Answer, FramesHead

MOST_FILES = 1_000  # in quarantine; then the audit has to do
Spans = Callable[[str], Sequence[tuple[int, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """batches: what is new. answer: when all of them are taken."""

    batches: tuple[Batch, ...] = ()
    answer: Answer = Answer.TAKEN

    @property
    def rows(self) -> int:
        return sum(len(samples) for batch in self.batches for samples in batch.samples)


class Opener:
    """Used by one thread. `begin` starts a transaction: what is opened in it counts as there."""

    def __init__(self, tables: Mapping[str, Table], folder: Path, audit: Tell) -> None:
        self.tables, self.folder, self.audit = tables, folder, audit
        self.quarantined = self.unknown = 0
        self._here: set[tuple[str, int]] = set()
        self._told: set[tuple[str, int]] = set()  # (edge, version) whose unknown tags were audited

    def begin(self) -> None:
        self._here.clear()

    def open(self, head: FramesHead, data: bytes, spans: Spans) -> Opened:
        table = self.tables.get(head.edge)
        if table is None:
            return Opened(answer=Answer.HELLO)
        found = [(sequence, body) for _, sequence, body in records(data)]
        if not found or not _consecutive(found, head.after):
            return Opened(answer=Answer.REFUSED)
        stored = list(spans(head.log))
        new = [(s, body) for s, body in found if not self._has(stored, head.log, s)]
        frames = []
        for sequence, body in new:
            samples = self._frame(head, table, sequence, body)
            if samples is None:
                return Opened(answer=Answer.HELLO)
            frames.append((sequence, samples))
        self._here.update((head.log, sequence) for sequence, _ in frames)
        return Opened(batches=tuple(_batches(head, found[0][0], frames)))

    def _has(self, stored: list[tuple[int, int]], log: str, sequence: int) -> bool:
        return (log, sequence) in self._here or any(a <= sequence <= b for a, b in stored)

    def _frame(
        self, head: FramesHead, table: Table, sequence: int, body: memoryview
    ) -> Samples | None:
        """Renumbered; None when its tags may be in a newer table, which the edge shall send."""
        try:
            samples = decode(body)
        except Malformed as error:
            self._quarantine(head, sequence, bytes(body), str(error))
            return Samples.empty()
        if not len(samples):
            return samples
        known = samples.tag < len(table.ids)
        ids = np.full(len(samples), -1, "i4")
        ids[known] = table.ids[samples.tag[known]]
        if ids.min() < 0:
            if head.version != table.version:
                return None
            self._strangers(head, sequence, bytes(body), int((ids < 0).sum()))
        fit = ids >= 0
        whole = Samples(ids, samples.time, samples.value, samples.quality)
        return whole if fit.all() else whole.where(fit)

    def _strangers(self, head: FramesHead, sequence: int, body: bytes, count: int) -> None:
        self.unknown += count
        if (head.edge, head.version) not in self._told:
            self._told.add((head.edge, head.version))
            why = f"{count} samples of tags not in the edge's table, or refused (told once a table)"
            self._quarantine(head, sequence, body, why)

    def _quarantine(self, head: FramesHead, sequence: int, body: bytes, why: str) -> None:
        self.quarantined += 1
        name = f"{head.log}-{sequence}.frame"
        kept = name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if sum(1 for _ in os.scandir(self.folder)) >= MOST_FILES:
                kept = "not kept: the folder is full"
            else:
                (self.folder / name).write_bytes(body)
        except OSError as error:
            kept = f"not kept: {error.strerror}"
        facts: dict[str, str | int] = {
            "edge": head.edge,
            "log": head.log,
            "sequence": sequence,
            "why": why,
            "file": kept,
        }
        self.audit("frame quarantined", facts)


def _consecutive(found: Sequence[tuple[int, memoryview]], after: int | None) -> bool:
    first = found[0][0]
    if after is not None and first != after + 1:
        return False
    return all(sequence == first + i for i, (sequence, _) in enumerate(found))


def _batches(head: FramesHead, first: int, frames: Sequence[tuple[int, Samples]]) -> list[Batch]:
    """One for each run of consecutive frames; what follows a frame already there says so."""
    found: list[Batch] = []
    start = 0
    for i in range(1, len(frames) + 1):
        if i < len(frames) and frames[i][0] == frames[i - 1][0] + 1:
            continue
        low, high = frames[start][0], frames[i - 1][0]
        found.append(
            Batch(
                log=head.log,
                first=low,
                last=high,
                after=head.after if low == first else low - 1,
                samples=tuple(samples for _, samples in frames[start:i]),
                live=head.live,
                edge=head.edge,
            )
        )
        start = i
    return found

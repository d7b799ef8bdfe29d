"""A sealed audit for the fake console: a real log over its rows, in a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from baotu.sdk import Invalid
from baotu.sdk.ports import AuditProof, AuditRow, AuditState
from baotu.trust.audit.export import tar
from baotu.trust.audit.formats import ENTRIES, WIDTH
from baotu.trust.audit.keys import Ed25519Signer
from baotu.trust.audit.log import Log
from baotu.trust.audit.record import Canonical
from baotu.trust.audit.tiles import Reader

SIGNER = Ed25519Signer("plant/hub", bytes(range(32)))


class FakeAuditLog:
    """Implements `sdk.ports.AuditLog`; damaged: what it says of itself then."""

    def __init__(self, rows: Sequence[AuditRow], verified: int, damaged: bool) -> None:
        self._rows, self._verified, self._damaged = rows, verified, damaged

    @cached_property
    def reader(self) -> Reader:
        self._folder = tempfile.TemporaryDirectory(prefix="baotu-fake-")
        path, canonical = Path(self._folder.name), Canonical()
        log = Log(path, SIGNER)
        made = [
            canonical((r.id, "plant", r.time, r.caller, r.verb, r.permission, r.outcome, r.reason))
            for r in sorted(self._rows, key=lambda r: r.id)
        ]
        if made:
            log.append(made)
        return Reader(path)

    def state(self) -> AuditState:
        now = self.reader.checkpoint()
        found = "tile/entries/000, record 41 (2026-06-01T08:00:00Z): this record is not the one that was sealed"
        return AuditState(
            state="down" if self._damaged else "up", why=found if self._damaged else "",
            key=str(SIGNER.key), origin=now.origin, size=now.size,
            root=now.text.decode().split("\n")[2], waiting=0, verified=self._verified,
            hashed=now.size, findings=(found,) if self._damaged else (),
        )  # fmt: skip

    def checkpoint(self) -> bytes:
        return bytes(self.reader.checkpoint())

    def prove(self, record: int) -> AuditProof | None:
        now = self.reader.checkpoint()
        index = self.reader.find(record, now.size)
        if index is None:
            return None
        root = now.text.decode().split("\n")[2]
        return AuditProof(index=index, size=now.size, root=root, text=self.reader.proof(index, now))

    def consistency(self, old: int) -> list[bytes]:
        size = self.reader.checkpoint().size
        if old > size:
            raise Invalid("old", f"在 0 与 {size} 之间 Between 0 and {size}")
        return self.reader.consistency(old, size)

    def tile(self, level: int | None, number: int, width: int) -> bytes | None:
        size = self.reader.checkpoint().size
        if not 0 < width <= min(WIDTH, (size >> 8 * (level or 0)) - number * WIDTH):
            return None
        return self.reader.files.read(ENTRIES if level is None else level, number, width)[0]

    def entries(self, since: int, limit: int) -> list[tuple[int, bytes]]:
        rows = self.reader.entries(since, self.reader.checkpoint().size)
        return [row for row, _ in zip(rows, range(limit), strict=False)]

    def export(self) -> Iterator[bytes]:
        return tar(self.reader.folder, self.reader.checkpoint())

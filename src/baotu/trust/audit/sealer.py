"""Seals what the chain has committed: rows of the audit, in the order of their ids, into the log.

A thread of its own, so no command waits for it. The log tells itself how far it is, so there is
nothing to lose between both: after a fall the rows behind the last sealed one are read again.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from baotu.kernel.effects import Chain, Deed
from baotu.sdk import Caller, Fact, Records

from .formats import Checkpoint, Damaged, read_checkpoint
from .keys import Signer
from .log import GROUP, Log
from .record import Canonical, read
from .rows import FILE, NEXT, TABLE
from .tables import Kept
from .tiles import Reader

SECOND = 10**9
KEEP_S = 300.0  # from one checkpoint in the records to the next, at least
NEWEST_KEPT = (
    f"SELECT size, note FROM {Kept.__tablename__} WHERE origin = ? ORDER BY id DESC LIMIT 1"
)


LAST = f"SELECT MAX(id) FROM {TABLE}"


class Sealer:
    """Belongs to one thread. `open` first; after an error open it again.

    Raises Damaged when the log is not what was signed, OSError when the disk does not take it,
    Unreachable when the records are away.
    """

    def __init__(self, chain: Chain, folder: Path, signer: Signer, organisation: str) -> None:
        self.chain, self.folder, self.signer = chain, folder, signer
        self.caller = Caller("platform", organisation, frozenset(), kind="platform")
        self.reader = Reader(folder, signer.key.kind.hashing)
        self.log: Log | None = None
        self._canonical = Canonical()
        self._last = 0  # id of the row that was sealed last
        self._kept: Checkpoint | None = None
        self._due = 0.0

    def open(self) -> Log:
        self.log = None
        self.reader.forget()
        log = Log(self.folder, self.signer)
        self._last = read(self.reader.entry(log.size - 1, log.size))["id"] if log.size else 0
        self._kept = self._newest_kept()
        if self._kept is not None and self._kept.size <= log.size:
            self._agrees(log, self._kept)
        newest = self.chain.store.ask(LAST)[0][0] or 0
        if newest < self._last:  # ids would come again, and what they name would not be sealed
            raise Damaged(f"{FILE}: ends at row {newest}, the log at {self._last}: it was put back")
        self.log = log
        return log

    def seal(self) -> int:
        """All that is committed; how many records."""
        log, sealed = self.log or self.open(), 0
        while rows := self.chain.store.ask(NEXT, (self._last, self._room(log))):
            entries = [self._canonical(row) for row in rows]
            kept = self._kept
            must = kept.root if kept and kept.size == log.size + len(rows) else None
            try:
                log.append(entries, must)
            except BaseException:
                self.log = None
                raise
            self._last, sealed = rows[-1][0], sealed + len(rows)
        self._complete(log)
        return sealed

    def keep(self, now_s: float, at_once: bool = False) -> None:
        """Put the newest checkpoint into the records, now and then."""
        log, kept = self.log, self._kept
        if log is None or (kept is not None and kept.size >= log.size) or not log.size:
            return
        if now_s < self._due and not at_once:
            return
        self._due = now_s + KEEP_S
        newest, time = log.checkpoint, self.chain.clock.now()
        note = bytes(newest).decode()

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            records.put(Kept(time=time, origin=newest.origin, size=newest.size, note=note))
            return None, ()

        self.chain.submit(
            Deed(app="audit", name="keep", caller=self.caller, body=body, audited=False)
        )
        self._kept = newest

    def _room(self, log: Log) -> int:
        """Up to where a checkpoint in the records says what must come out."""
        kept = self._kept
        return min(GROUP, kept.size - log.size) if kept and kept.size > log.size else GROUP

    def _complete(self, log: Log) -> None:
        """The log was put back, and the records cannot make good for it."""
        if self._kept is not None and self._kept.size > log.size:
            why = f"{self._kept.size} records were sealed, {log.size} are left: log and records were put back"
            self.log = None
            raise Damaged(why)

    def _agrees(self, log: Log, kept: Checkpoint) -> None:
        if self.reader.root(kept.size) != kept.root:
            root = base64.b64encode(kept.root).decode()
            raise Damaged(f"the records keep the root {root} of {kept.size} records, not the log's")

    def _newest_kept(self) -> Checkpoint | None:
        found = self.chain.store.ask(NEWEST_KEPT, (self.signer.key.name,))
        if not found:
            return None
        kept = read_checkpoint(str(found[0][1]).encode())
        if not kept.signers([self.signer.key]):
            raise Damaged("a checkpoint in the records is not signed by the log's key")
        return kept

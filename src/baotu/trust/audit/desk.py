"""What the console shows and hands out of the log: read only, from the files and the watch."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from baotu.sdk import Conflict, Invalid
from baotu.sdk.messages import bilingual
from baotu.sdk.ports import AuditProof, AuditState

from .export import tar
from .formats import COSIGNED, ENTRIES, WIDTH, Checkpoint, Damaged, read_checkpoint
from .watch import Watch


class AuditDesk:
    """Implements `sdk.ports.AuditLog`. Safe to call from any thread."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._reader = watch, watch.reader

    def state(self) -> AuditState:
        watch = self._watch
        state, why = watch.health()
        try:
            now: Checkpoint | None = self._now()
        except Conflict:
            now = None
        checked = watch.checked
        return AuditState(
            state=state, why=bilingual(why), key=str(watch.signer.key),
            origin=watch.signer.key.name, size=now.size if now else 0,
            root=base64.b64encode(now.root).decode() if now else "",
            waiting=watch.waiting(), witnesses=self._witnesses(now),
            verified=checked.time if checked else 0, hashed=checked.hashed if checked else 0,
            whole=checked.whole if checked else False,
            findings=tuple(bilingual(str(one)) for one in watch.trouble[:20]),
        )  # fmt: skip

    def checkpoint(self) -> bytes:
        """With the signatures of witnesses, when they have signed this very one."""
        now = self._now()
        cosigned = self._cosigned()
        return bytes(cosigned if cosigned and cosigned.text == now.text else now)

    def prove(self, record: int) -> AuditProof | None:
        """Of a row of the audit by its id; None: it is not sealed yet, or there is none."""
        now = self._now()
        try:
            index = self._reader.find(record, now.size)
            if index is None:
                return None
            text = self._reader.proof(index, now)
        except Damaged as error:
            raise Conflict("record", f"证明不成立 There is no proof: {error}") from None
        root = base64.b64encode(now.root).decode()
        return AuditProof(index=index, size=now.size, root=root, text=text)

    def consistency(self, old: int) -> list[bytes]:
        """That the log begins with the first `old` records, as hashes."""
        now = self._now()
        if not 0 <= old <= now.size:
            raise Invalid("old", f"在 0 与 {now.size} 之间 Between 0 and {now.size}")
        try:
            return self._reader.consistency(old, now.size)
        except Damaged as error:
            raise Conflict("old", f"证明不成立 There is no proof: {error}") from None

    def tile(self, level: int | None, number: int, width: int) -> bytes | None:
        """A tile, or a bundle where level is None, that the newest checkpoint covers."""
        size = self._now().size
        most = min(WIDTH, (size >> 8 * (level or 0)) - number * WIDTH)
        if not 0 < width <= most:
            return None
        data, _ = self._reader.files.read(ENTRIES if level is None else level, number, width)
        return data

    def entries(self, since: int, limit: int) -> list[tuple[int, bytes]]:
        try:
            rows = self._reader.entries(since, self._now().size)
            return [row for row, _ in zip(rows, range(limit), strict=False)]
        except Damaged as error:
            raise Conflict("since", f"日志已损坏 The log is damaged: {error}") from None

    def export(self) -> Iterator[bytes]:
        return tar(self._watch.folder, self._now())

    def _now(self) -> Checkpoint:
        try:
            return self._reader.checkpoint()
        except (Damaged, OSError) as error:
            raise Conflict("log", f"日志读不出 The log cannot be read: {error}") from None

    def _cosigned(self) -> Checkpoint | None:
        try:
            return read_checkpoint((self._watch.folder / COSIGNED).read_bytes())
        except (Damaged, OSError):
            return None

    def _witnesses(self, now: Any) -> tuple[str, ...]:
        cosigned = self._cosigned()
        own = self._watch.signer.key.name
        return tuple(s.name for s in cosigned.signatures if s.name != own) if cosigned else ()

"""The 25 elements with what the running system has proved for each, and nothing else."""

from __future__ import annotations

import json

from baotu.sdk.evidence import ASKS, ROWS
from baotu.sdk.ports import ElementRow, Proof

from .store import Store

READ = (
    "SELECT element, time, app, claim, figures, page, count FROM ledger_evidence_row "
    "ORDER BY time DESC, id DESC"
)


class EvidenceReader:
    """Implements `sdk.ports.Elements`. A row without proof has none."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def elements(self) -> list[ElementRow]:
        proofs: dict[str, list[Proof]] = {}
        for element, time, app, claim, figures, page, count in self.store.ask(READ):
            proofs.setdefault(element, []).append(
                Proof(
                    time=time, by=app, claim=claim, figures=json.loads(figures), page=page,
                    count=count,
                )
            )  # fmt: skip
        return [
            ElementRow(
                id=id, wing=wing, title=title, asks=ASKS[id], proofs=tuple(proofs.get(id, ()))
            )
            for id, wing, title in ROWS
        ]

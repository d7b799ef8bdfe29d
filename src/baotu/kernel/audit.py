"""Reading the audit: who asked for what, and what became of it. It is written by the chain."""

from __future__ import annotations

from baotu.sdk.ports import AuditRow

from .store import Store

COLUMNS = "id, time, caller, verb, permission, outcome, reason"


class AuditReader:
    """Implements `sdk.ports.Audit`. Safe to call from any thread."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def records(
        self,
        limit: int = 200,
        search: str = "",
        before: int | None = None,
        organisations: frozenset[str] | None = None,
    ) -> list[AuditRow]:
        """The newest first; every word of `search` somewhere in the row; `before`: ns UTC."""
        words = [f"%{_escaped(word)}%" for word in search.lower().split()]
        text = (
            "LOWER(caller || ' ' || verb || ' ' || permission || ' ' || outcome || ' ' || reason)"
        )
        where = [f"{text} LIKE ? ESCAPE '!'" for _ in words]
        values: list[object] = [*words]
        if before is not None:
            where.append("time < ?")
            values.append(before)
        if organisations is not None:
            where.append(f"organisation IN ({', '.join('?' * len(organisations)) or 'NULL'})")
            values.extend(sorted(organisations))
        condition = f"WHERE {' AND '.join(where)} " if where else ""
        rows = self.store.ask(
            f"SELECT {COLUMNS} FROM ledger_audit_record {condition}ORDER BY id DESC LIMIT ?",
            (*values, limit),
        )
        return [
            AuditRow(
                id=id, time=time, caller=caller, verb=verb, permission=permission, outcome=outcome,
                reason=reason,
            )
            for id, time, caller, verb, permission, outcome, reason in rows
        ]  # fmt: skip


def _escaped(word: str) -> str:
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")

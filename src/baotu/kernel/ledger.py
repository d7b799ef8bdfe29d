"""What the kernel itself keeps, in the same transaction as the change it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from baotu.sdk.records import Table

from .store import Writer


class AuditRecord(Table):
    """Who asked for what, and what became of it. Rows are only ever added; ids never come again."""

    __table_args__ = {"sqlite_autoincrement": True}
    time: Mapped[int] = mapped_column(BigInteger)
    caller: Mapped[str]
    verb: Mapped[str]
    permission: Mapped[str]
    outcome: Mapped[str]  # done | denied | conflict | bug | refused | expired
    reason: Mapped[str]


class Receipt(Table):
    """The answer already given to a key: asked again, the kernel repeats it."""

    __table_args__ = (UniqueConstraint("organisation", "verb", "key"),)
    verb: Mapped[str]
    key: Mapped[str]
    asked: Mapped[str]
    answer: Mapped[str]
    time: Mapped[int] = mapped_column(BigInteger, index=True)


class Outbox(Table):
    """Events, in the order they became true; each reader goes on from its own place."""

    time: Mapped[int] = mapped_column(BigInteger)
    app: Mapped[str]
    kind: Mapped[str]
    fact: Mapped[str]


class EvidenceRow(Table):
    """The newest proof of each claim that an app made for an element, and how often it was made."""

    __table_args__ = (UniqueConstraint("organisation", "element", "app", "claim"),)
    time: Mapped[int] = mapped_column(BigInteger)
    element: Mapped[str]
    app: Mapped[str]
    claim: Mapped[str]
    figures: Mapped[str]
    page: Mapped[str]
    count: Mapped[int]


class Position(Table):
    """How far a schedule has gone for one asset: the end of its last window, ns UTC."""

    __table_args__ = (UniqueConstraint("organisation", "app", "handler", "asset"),)
    app: Mapped[str]
    handler: Mapped[str]
    asset: Mapped[str]
    done: Mapped[int] = mapped_column(BigInteger)


class Computed(Table):
    """A derived sample that was decided and is not yet seen in history."""

    tag: Mapped[int]
    time: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float]
    quality: Mapped[int]


class Mark(Table):
    """Windows [first, until) of a schedule's asset that late samples fell into, ns UTC."""

    __table_args__ = (UniqueConstraint("organisation", "app", "handler", "asset", "first"),)
    app: Mapped[str]
    handler: Mapped[str]
    asset: Mapped[str]
    first: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[int] = mapped_column(BigInteger)


class Place(Table):
    """How far a reader of history's journal has come."""

    __table_args__ = (UniqueConstraint("organisation", "reader"),)
    reader: Mapped[str]
    place: Mapped[str]


class Sent(Table):
    """A write that is on its way to a device. A row that is found at a start was cut off."""

    mark: Mapped[str] = mapped_column(unique=True)
    time: Mapped[int] = mapped_column(BigInteger)
    caller: Mapped[str]
    verb: Mapped[str]
    words: Mapped[str]


TABLES: tuple[type[Table], ...] = (
    AuditRecord, Receipt, Outbox, EvidenceRow, Position, Computed, Mark, Place, Sent,
)  # fmt: skip
DUTY = "organisation = ? AND app = ? AND handler = ? AND asset = ?"
INSERTS = {
    "audit": (
        "INSERT INTO ledger_audit_record "
        "(organisation, time, caller, verb, permission, outcome, reason) VALUES (?,?,?,?,?,?,?)"
    ),
    "receipt": (
        "INSERT INTO ledger_receipt "
        "(organisation, verb, key, asked, answer, time) VALUES (?,?,?,?,?,?)"
    ),
    "outbox": (
        "INSERT INTO ledger_outbox (organisation, time, app, kind, fact) VALUES (?,?,?,?,?)"
    ),
    "job": (
        "INSERT INTO jobs_job_run (organisation, app, solve, problem, seed, caller, state, "
        "progress, error, attempt, created) VALUES (?,?,?,?,?,?,'queued',0.0,'',0,?)"
    ),
    "evidence": (
        "INSERT INTO ledger_evidence_row "
        "(organisation, element, app, claim, time, figures, page, count) VALUES (?,?,?,?,?,?,?,1) "
        "ON CONFLICT (organisation, element, app, claim) DO UPDATE SET time = excluded.time, "
        "figures = excluded.figures, page = excluded.page, count = ledger_evidence_row.count + 1"
    ),
    "position": (
        "INSERT INTO ledger_position (organisation, app, handler, asset, done) VALUES (?,?,?,?,?) "
        "ON CONFLICT (organisation, app, handler, asset) DO UPDATE SET done = excluded.done"
    ),
    "answered": (
        "UPDATE ledger_receipt SET answer = ? WHERE organisation = ? AND verb = ? AND key = ?"
    ),
    "sent": (
        "INSERT INTO ledger_sent (organisation, mark, time, caller, verb, words) "
        "VALUES (?,?,?,?,?,?)"
    ),
    "landed": "DELETE FROM ledger_sent WHERE organisation = ? AND mark = ?",
    "superseded": "DELETE FROM ledger_computed WHERE tag = ? AND time = ?",
    "computed": (
        "INSERT INTO ledger_computed (organisation, tag, time, value, quality) VALUES (?,?,?,?,?)"
    ),
    "unmark": f"DELETE FROM ledger_mark WHERE {DUTY}",
    "mark": (
        "INSERT INTO ledger_mark (organisation, app, handler, asset, first, until) "
        "VALUES (?,?,?,?,?,?)"
    ),
    "again": f"UPDATE ledger_mark SET first = ? WHERE {DUTY} AND first = ?",
    "spent": f"DELETE FROM ledger_mark WHERE {DUTY} AND first >= until",
    "place": (
        "INSERT INTO ledger_place (organisation, reader, place) VALUES (?,?,?) "
        "ON CONFLICT (organisation, reader) DO UPDATE SET place = excluded.place"
    ),
}
FIND_RECEIPTS = (  # %s: (?, ?, ?) as often as is asked. A join, since IN would read the whole table
    "WITH asked (organisation, verb, key) AS (VALUES %s) "
    "SELECT r.organisation, r.verb, r.key, r.asked, r.answer FROM asked JOIN ledger_receipt r "
    "ON r.organisation = asked.organisation AND r.verb = asked.verb AND r.key = asked.key"
)


@dataclass(slots=True)
class Rows:
    """Rows of the kernel's own tables, written with one statement for each table, in the order in
    which the tables were first named."""

    of: dict[str, list[Sequence[Any]]] = field(default_factory=dict)

    def add(self, table: str, *values: Any) -> None:
        self.of.setdefault(table, []).append(values)

    def extend(self, other: Rows) -> None:
        for table, rows in other.of.items():
            self.of.setdefault(table, []).extend(rows)

    def write(self, writer: Writer) -> None:
        for table, rows in self.of.items():
            writer.many(INSERTS[table], rows)

"""The rows of the audit in the records, read in the order of their ids, compared with the log.

The order of ids is the order of commits: writers of all nodes take turns (`records.postgres`), and
an id is allotted within the turn. So a row that appears behind one already sealed was not written
by the kernel: it is told as such, never sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .record import COLUMNS, Canonical, read
from .scan import Finding, time_of
from .tiles import Reader

TABLE = "ledger_audit_record"
NEXT = f"SELECT {', '.join(COLUMNS)} FROM {TABLE} WHERE id > ? ORDER BY id LIMIT ?"
BETWEEN = f"SELECT {', '.join(COLUMNS)} FROM {TABLE} WHERE id > ? AND id <= ? ORDER BY id"
FILE = "records database"
MOST = 100
Ask = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


def compare(
    reader: Reader, ask: Ask, since: int, until: int, size: int, forgotten: int = 0
) -> list[Finding]:
    """Where rows differ from records [since, until) of a log of this size. forgotten: rows up to
    this id may be gone. Raises Damaged when the log itself cannot be read."""
    entries = [entry for _, entry in zip(range(since, until), _from(reader, since, size))]  # noqa: B905
    if not entries:
        return []
    before = read(reader.entry(since - 1, size))["id"] if since else 0
    rows = ask(BETWEEN, (before, read(entries[-1])["id"]))
    return _merged(entries, rows, since, forgotten)


def _from(reader: Reader, since: int, size: int) -> Any:
    return (entry for _, entry in reader.entries(since, size))


def _merged(
    entries: Sequence[bytes], rows: Sequence[tuple[Any, ...]], since: int, forgotten: int
) -> list[Finding]:
    canonical = Canonical()
    found: list[Finding] = []
    i = j = 0
    while (i < len(entries) or j < len(rows)) and len(found) < MOST:
        made = canonical(rows[j]) if j < len(rows) else b""
        if i < len(entries) and made == entries[i]:
            i, j = i + 1, j + 1
            continue
        id = read(entries[i])["id"] if i < len(entries) else None
        other = rows[j][0] if j < len(rows) else None
        place, time = since + i, time_of(entries[min(i, len(entries) - 1)])
        if id is not None and id == other:
            why = f"row {id} was changed: {', '.join(_differing(entries[i], made))}"
            found.append(Finding(FILE, why, place, place + 1, time))
            i, j = i + 1, j + 1
        elif other is not None and (id is None or other < id):
            why = f"row {other} was not written by the platform: it is not in the log"
            found.append(Finding(FILE, why, place, place + 1, time))
            j += 1
        else:
            if id is not None and id > forgotten:
                why = f"row {id} was deleted; the log still has it"
                found.append(Finding(FILE, why, place, place + 1, time))
            i += 1
    return found


def _differing(entry: bytes, made: bytes) -> list[str]:
    left, right = read(entry), read(made)
    return [name for name in COLUMNS if left[name] != right[name]]

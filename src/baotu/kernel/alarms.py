"""Alarms after ISA-18.2 / IEC 62682: one row for each condition, moved by facts and by people."""

from __future__ import annotations

from typing import Any

from baotu.sdk import Alarm, Table
from baotu.sdk.alarms import AlarmEvent, AlarmRow

from .store import Writer

TABLES: tuple[type[Table], ...] = (AlarmRow, AlarmEvent)
NAMES = tuple(table.__tablename__ for table in TABLES)
FIND = (
    "SELECT id, active, acknowledged, shelved_until, suppressed, count FROM alarms_alarm_row "
    "WHERE organisation = ? AND app = ? AND tag = ? AND kind = ?"
)
EVENT = (
    "INSERT INTO alarms_alarm_event (organisation, alarm, time, what, who, message) "
    "VALUES (?,?,?,?,?,?)"
)
RAISE = (
    "UPDATE alarms_alarm_row SET active = ?, acknowledged = ?, state = ?, priority = ?, "
    "message = ?, raised = ?, count = ? WHERE id = ?"
)
RETURN = (
    "UPDATE alarms_alarm_row SET active = ?, acknowledged = ?, state = ?, message = ?, "
    "returned = ? WHERE id = ?"
)


def state_of(active: bool, acknowledged: bool, shelved: bool, suppressed: bool) -> str:
    """The state of ISA-18.2 that these four facts make."""
    if suppressed:
        return "suppressed"
    if shelved:
        return "shelved"
    if active:
        return "acknowledged" if acknowledged else "unacknowledged"
    return "normal" if acknowledged else "returned"


def tell(writer: Writer, organisation: str, app: str, alarm: Alarm, now: int) -> str:
    """Apply a fact; "raised" or "returned", or nothing when it was known."""
    found = writer.rows(FIND, (organisation, app, alarm.tag, alarm.kind))
    if not found:
        if not alarm.active:
            return ""
        id = writer.insert(*_first(organisation, app, alarm))
    else:
        id, active, acknowledged, shelved_until, suppressed, count = found[0]
        if bool(active) == alarm.active:
            return ""
        hidden = bool(shelved_until) or bool(suppressed)
        if alarm.active:
            state = state_of(True, False, bool(shelved_until), bool(suppressed))
            values: tuple[Any, ...] = (
                True, False, state, int(alarm.priority), alarm.message, alarm.time, count + 1, id,
            )  # fmt: skip
            writer.run(RAISE, values)
        else:
            done = bool(acknowledged) or hidden  # nobody is asked about what nobody saw
            state = state_of(False, done, bool(shelved_until), bool(suppressed))
            writer.run(RETURN, (False, done, state, alarm.message, alarm.time, id))
    what = "raised" if alarm.active else "returned"
    writer.run(EVENT, (organisation, id, alarm.time, what, app, alarm.message))
    return what


def _first(organisation: str, app: str, alarm: Alarm) -> tuple[str, list[str], list[Any]]:
    row: dict[str, Any] = {
        "organisation": organisation, "app": app, "tag": alarm.tag, "kind": alarm.kind,
        "priority": int(alarm.priority), "message": alarm.message, "state": "unacknowledged",
        "active": True, "acknowledged": False, "raised": alarm.time, "returned": 0,
        "acknowledged_at": 0, "acknowledged_by": "", "shelved_until": 0, "suppressed": "",
        "comment": "", "count": 1,
    }  # fmt: skip
    return AlarmRow.__tablename__, list(row), list(row.values())

"""Rows of the register and the facts about them, as the app and enrolment both write them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import select

from baotu.sdk import Alarm, Call, Event, Fact, Records
from baotu.sdk.alarms import AlarmRow

from .tables import Certificate, Device, Enrolment

APP = "devices"
NO_TAG = -1  # these alarms are about devices, not about a tag
LIVING = ("valid", "renewed")
REVOKED = "devices.revoked"  # the event that a revocation yields, one for each certificate


def living_of(records: Records, device: Device, now: dt.datetime) -> list[Certificate]:
    """Certificates of a device that are good now."""
    rows = select(Certificate).where(Certificate.device == device.id, Certificate.ends > now)
    return [row for row in records.scalars(rows) if row.state in LIVING]


def revoke(call: Call, row: Certificate, device: str, reason: str) -> Event:
    """Mark it; the event that everyone who listens needs."""
    row.state = "superseded" if reason == "superseded" else "revoked"
    row.revoked, row.reason = call.now, reason
    return Event(
        REVOKED,
        {
            "serial": row.serial, "issuer": row.issuer, "reason": reason, "device": device,
            "time": call.now.isoformat(), "ends": row.ends.isoformat(),
        },
    )  # fmt: skip


def note(records: Records, call: Call, device: Device, what: str, detail: str = "") -> None:
    who = call.caller.name
    records.put(Enrolment(device=device.id, time=call.now, what=what, who=who, detail=detail))


def alarm(call: Call, kind: str, message: str, *, active: bool = True) -> Alarm:
    return Alarm(NO_TAG, nanos(call.now), active, message, kind=kind)


def ended(records: Records, call: Call, kinds: Sequence[str]) -> list[Fact]:
    """Facts that end those of these alarms that are active."""
    rows = select(AlarmRow).where(
        AlarmRow.app == APP, AlarmRow.tag == NO_TAG, AlarmRow.active, AlarmRow.kind.in_(kinds)
    )
    text = "恢复正常 In order again"
    return [alarm(call, row.kind, text, active=False) for row in records.scalars(rows)]


def nanos(now: dt.datetime) -> int:
    return int(now.timestamp() * 1e6) * 1000

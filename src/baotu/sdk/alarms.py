"""Alarms as they stand, and what happened to them: tables that every app may read.

The states are those of ISA-18.2 / IEC 62682, clause 5 (alarm state transition diagram).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .records import Table, refers


class AlarmRow(Table):
    """One abnormal condition, told by (app, tag, kind). Times are ns UTC, 0 when it never was.

    state: normal | unacknowledged | acknowledged | returned | shelved | suppressed.
    `returned`: the condition is over and nobody has acknowledged it yet.
    """

    __table_args__ = (UniqueConstraint("organisation", "app", "tag", "kind"),)
    app: Mapped[str]
    tag: Mapped[int]
    kind: Mapped[str]
    priority: Mapped[int]
    message: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    active: Mapped[bool]
    acknowledged: Mapped[bool]
    raised: Mapped[int] = mapped_column(BigInteger)
    returned: Mapped[int] = mapped_column(BigInteger, default=0)
    acknowledged_at: Mapped[int] = mapped_column(BigInteger, default=0)
    acknowledged_by: Mapped[str] = mapped_column(default="")
    shelved_until: Mapped[int] = mapped_column(BigInteger, default=0)
    suppressed: Mapped[str] = mapped_column(default="")  # the reason, empty: not suppressed
    comment: Mapped[str] = mapped_column(default="")
    count: Mapped[int] = mapped_column(default=1)


class AlarmEvent(Table):
    """What happened to an alarm. Rows are only ever added.

    what: raised | returned | acknowledged | shelved | unshelved | suppressed | unsuppressed |
    commented.
    """

    alarm: Mapped[int] = refers(AlarmRow)
    time: Mapped[int] = mapped_column(BigInteger, index=True)
    what: Mapped[str]
    who: Mapped[str]
    message: Mapped[str]

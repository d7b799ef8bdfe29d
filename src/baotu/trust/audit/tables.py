"""What the audit keeps in the records: checkpoints away from the log's files, verifications."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from baotu.sdk import Table


class Kept(Table):
    """A checkpoint of the log, kept where the files of the log are not."""

    time: Mapped[int] = mapped_column(BigInteger)  # ns UTC
    origin: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str]


class Verification(Table):
    """A verification of the whole log: asked for, then what it found."""

    asked: Mapped[int] = mapped_column(BigInteger)  # ns UTC
    who: Mapped[str]
    state: Mapped[str]  # asked | running | good | damaged | failed
    ended: Mapped[int] = mapped_column(BigInteger, default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)  # records that were hashed again
    root: Mapped[str] = mapped_column(default="")
    found: Mapped[str] = mapped_column(default="")  # one finding a line


class Forgotten(Table):
    """Rows of the audit up to this id were taken out of the records; the log has them."""

    time: Mapped[int] = mapped_column(BigInteger)
    through: Mapped[int] = mapped_column(BigInteger)  # id of a row of the audit


TABLES = (Kept, Verification, Forgotten)

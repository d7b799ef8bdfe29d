"""What people write on trends: a note at a moment or over a span, on some tags.

Never changes a sample. A note that was removed is kept with who did it and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated as A
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from baotu.sdk import (
    App,
    Call,
    Conflict,
    Invalid,
    Records,
    Table,
    command,
    page,
    query,
    refers,
    view,
)

LONGEST = 2000  # characters
MOST_TAGS = 50
NONE = "还没有批注。在「趋势」页上点「批注」，写下第一条。 No notes yet. Press Note on the page Trends to write the first one."
SEPARATED = "位号，用逗号分开 Tags, separated by commas"


class Note(Table):
    """`until` is `since` for a moment. An empty `removed_why`: it stands."""

    since: Mapped[datetime] = mapped_column(index=True)
    until: Mapped[datetime]
    text: Mapped[str]
    author: Mapped[str]
    written: Mapped[datetime]
    removed_by: Mapped[str] = mapped_column(default="")
    removed_why: Mapped[str] = mapped_column(default="")


class NoteTag(Table):
    """A tag, by name, that a note is written on."""

    note: Mapped[int] = refers(Note)
    tag: Mapped[str] = mapped_column(index=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A note with its tags, as the console draws it."""

    id: int
    tags: list[str]
    since: datetime
    until: datetime
    text: str
    author: str
    written: datetime


class Notes(App):
    """Keeps what people write on trends. 趋势批注。"""

    title = "批注 Notes"
    tables = (Note, NoteTag)

    @command(permission="notes.write", title="写批注 Write a note")
    def add(
        self,
        records: Records,
        call: Call,
        tags: A[str, SEPARATED],
        since: A[datetime, "时刻或开始 Moment or begin"],
        text: A[str, "内容 Text"],
        until: A[datetime | None, "结束，空为一刻 End, empty for a moment"] = None,
    ) -> int:
        """Write a note at a moment or over a span; its number. 在一刻或一段上写批注。"""
        names = named(tags)
        if not names:
            raise Invalid("tags", "写上至少一个位号 Name at least one tag")
        if len(names) > MOST_TAGS:
            raise Invalid("tags", f"至多 {MOST_TAGS} 个 At most {MOST_TAGS}")
        if not text.strip():
            raise Invalid("text", "写上内容 Write what is to be noted")
        if len(text) > LONGEST:
            raise Invalid("text", f"至多 {LONGEST} 字 At most {LONGEST} characters")
        if until is not None and until < since:
            raise Invalid("until", "早于开始 Is before the begin")
        note = records.put(Note(since=since, until=until or since, text=text.strip(),
                                author=call.caller.name, written=call.now))  # fmt: skip
        for name in names:
            records.put(NoteTag(note=note.id, tag=name))
        return note.id

    @command(permission="notes.write", title="删除批注 Remove a note")
    def remove(
        self,
        records: Records,
        call: Call,
        note: A[int, "批注编号 Note id"],
        reason: A[str, "原因 Reason"],
    ) -> int:
        """Take a note off the trends; who did it and why is kept. 删除批注，留下谁与为何。"""
        if not reason.strip():
            raise Invalid("reason", "写上原因，会记入审计 Say why; the audit keeps it")
        row = records.find(Note, note)
        if row.removed_why:
            raise Conflict(
                "note", f"已由 {row.removed_by} 删除 Was removed before, by {row.removed_by}"
            )
        row.removed_by, row.removed_why = call.caller.name, reason.strip()
        return note

    @query(title="一段时间的批注 Notes of a time")
    def between(
        self,
        records: Records,
        tags: A[str, SEPARATED],
        since: A[datetime, "开始 Begin"],
        until: A[datetime, "结束 End"],
        limit: A[int, "条数 Limit"] = 200,
    ) -> list[Written]:
        """Notes on any of these tags that touch the time, in its order; the newest `limit`."""
        on = select(NoteTag.note).where(NoteTag.tag.in_(named(tags)))
        wanted = select(Note).where(
            Note.removed_why == "", Note.since <= until, Note.until >= since, Note.id.in_(on)
        )
        newest = wanted.order_by(Note.since.desc(), Note.id.desc()).limit(limit)
        return told(records, list(reversed(records.scalars(newest).all())))

    @page(title="批注 Notes")
    def overview(self, records: Records) -> view.View:
        wanted = select(Note).where(Note.removed_why == "").order_by(Note.since.desc()).limit(500)
        rows = told(records, list(records.scalars(wanted)))
        if not rows:
            return view.Markdown(NONE)
        columns = ("编号 Id", "开始 Begin", "结束 End", "内容 Text", "位号 Tags", "作者 Author")
        cells = tuple((r.id, r.since, r.until, r.text, ", ".join(r.tags), r.author) for r in rows)
        links = tuple(link(r) for r in rows)
        act = view.Action("remove", (("note", 0),))
        return view.Table(columns, cells, title="批注 Notes", links=links, actions=(act,))


def named(tags: str) -> list[str]:
    """`a, b` is ["a", "b"]; each once."""
    return list(dict.fromkeys(name.strip() for name in tags.split(",") if name.strip()))


def told(records: Records, notes: list[Note]) -> list[Written]:
    """With their tags, asked for at once."""
    found: dict[int, list[str]] = {note.id: [] for note in notes}
    for row in records.scalars(select(NoteTag).where(NoteTag.note.in_(found)).order_by(NoteTag.id)):
        found[row.note].append(row.tag)
    return [
        Written(id=n.id, tags=found[n.id], since=n.since, until=n.until, text=n.text,
                author=n.author, written=n.written)
        for n in notes
    ]  # fmt: skip


def link(note: Written) -> str:
    """The trend it is written on, with its time in the middle."""
    wide = max((note.until - note.since).total_seconds(), 1800.0) * 1e3
    start, end = note.since.timestamp() * 1e3 - wide, note.until.timestamp() * 1e3 + wide
    names = "&".join(f"tag={quote(name)}" for name in note.tags)
    return f"/trends?{names}&start={moment(start)}&end={moment(end)}"


def moment(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1e3, UTC).isoformat().replace("+00:00", "Z")

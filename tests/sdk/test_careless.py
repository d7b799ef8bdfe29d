"""The conformance checks bite: each careless app is caught, with the reason."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Mapped

from baotu.bench import Bench
from baotu.sdk import App, Denied, Records, Table, command, page, query, refers, view
from baotu.sdk.testing.apps import check_app
from baotu.sdk.testing.business import Do


class Note(Table):
    words: Mapped[str]


class Reply(Table):
    note: Mapped[int] = refers(Note)


class Notes(App):
    """Keeps notes."""

    tables = (Note, Reply)

    @command(permission="notes.add", title="加 Add")
    def add(self, records: Records) -> int:
        records.add(note := Note(words="a"))
        records.flush()
        return note.id

    @query(title="数 Count")
    def count(self, records: Records) -> int:
        return len(records.scalars(select(Note)).all())

    @page(title="页 Page")
    def show(self, records: Records) -> view.Markdown:
        return view.Markdown(str(self.count(records)))


class Commits(Notes):
    """Commits by itself."""

    @command(permission="notes.add", title="加 Add")
    def add(self, records: Records) -> None:
        records.add(Note(words="a"))
        records.commit()


class Remembers(Notes):
    """Keeps state in the app."""

    def start(self) -> None:
        self.last = 0

    @command(permission="notes.add", title="加 Add")
    def add(self, records: Records) -> int:
        self.last = self.last + 1
        records.add(Note(words="a"))
        return 0


class Hides(Notes):
    """Hides errors."""

    @command(permission="notes.add", title="加 Add")
    def add(self, records: Records) -> int:
        try:
            records.add(Note(words="a"))
            records.flush()
        except Exception:
            pass
        return 0


class Looks(Notes):
    """Looks at the clock itself."""

    @command(permission="notes.add", title="加 Add")
    def add(self, records: Records) -> int:
        records.add(Note(words=datetime.now(UTC).isoformat()))
        return 0


class OneLanguage(Notes):
    """Speaks English only."""

    @command(permission="notes.add", title="Add")
    def add(self, records: Records) -> int:
        return 0


class Strays(Notes):
    """Writes a table it does not name."""

    tables = (Reply,)

    @command(permission="notes.add", title="加 Add")
    def add(self, records: Records) -> int:
        return records.put(Note(words="a")).id


class Peeks(Notes):
    """Looks at the neighbour's rows with plain SQL."""

    @command(permission="notes.add", title="加 Add")
    def add(self, records: Records) -> int:
        return records.execute(text("select count(*) from test_careless_note")).scalar_one()


class Questions(Notes):
    """A question that writes."""

    @query(title="数 Count")
    def count(self, records: Records) -> int:
        records.add(Note(words="asked"))
        records.flush()
        return 0


def test_the_careful_app_passes():
    check_app(Notes, bench=Bench, story=(Do("add"),))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Commits, "does not commit"), (Remembers, "state in records"), (Hides, "does not hide an error"),
        (Looks, "time and chance"), (Strays, "tables it names"), (OneLanguage, "both languages"),
        (Peeks, "see every organisation"), (Questions, "a question changes nothing"),
    ],
)  # fmt: skip
def test_the_careless_app_is_caught(kind, why):
    with pytest.raises(Exception, match=why):
        check_app(kind, bench=Bench, story=(Do("add"),))


def test_organisations_do_not_see_each_others_rows():
    bench = Bench(Notes())
    other = bench.as_other(organisation="brook")
    bench.do("add")
    other.do("add")
    other.do("add")
    assert (bench.ask("count"), other.ask("count")) == (1, 2)


def test_a_row_cannot_refer_to_a_neighbours_row_nor_move_there():
    bench = Bench(Notes())
    bench.do("add")
    with bench.store.writing() as writer:
        records = writer.records("brook")
        assert records.get(Note, 1) is None
        records.add(Reply(note=1))
        with pytest.raises(Exception, match="note: 1 does not exist"):
            records.flush()
        ours = writer.records("spring")
        ours.get_one(Note, 1).organisation = "brook"
        with pytest.raises(Denied, match="cannot move"):
            ours.flush()


def test_a_command_without_a_permission_cannot_be_written():
    with pytest.raises(ValueError, match="names the permission"):
        command(permission="")

"""The smallest business app, as the guide shows it."""

from typing import Annotated

from sqlalchemy import select
from sqlalchemy.orm import Mapped

from baotu.bench import Bench
from baotu.sdk import App, Event, Facts, Records, Table, command, page, view
from baotu.sdk.testing.apps import check_app
from baotu.sdk.testing.business import Do


class Memo(Table):
    words: Mapped[str]


class Memos(App):
    """Keeps notes. 记事。"""

    tables = (Memo,)

    @command(permission="memos.add", title="记录 Add")
    def add(self, records: Records, words: Annotated[str, "内容 Words"]) -> Facts[int]:
        memo = records.put(Memo(words=words))
        yield Event("memos.added", {"memo": memo.id})
        return memo.id

    @page(title="记事 Notes")
    def show(self, records: Records) -> view.View:
        rows = tuple((m.id, m.words) for m in records.scalars(select(Memo)))
        return view.column(view.Table(("编号 Id", "内容 Words"), rows), view.Form("add"))


def test_memos_conform():
    check_app(Memos, bench=Bench, story=(Do("add", {"words": "a"}),))


def test_the_page_lists_what_was_added():
    bench = Bench(Memos())
    bench.do("add", words="oil the press")
    assert bench.see("show") == view.column(
        view.Table(("编号 Id", "内容 Words"), ((1, "oil the press"),)), view.Form("add")
    )

"""`check_records`: what every relational store must do, whichever engine is below.

It speaks to a store as the kernel does (`kernel/store.py`), through methods alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from sqlalchemy import (
    UniqueConstraint,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column

from ..errors import Conflict, Denied
from ..records import Records, Table, refers


class Leaf(Table):
    """A table of the check's own."""

    __table_args__ = (UniqueConstraint("organisation", "words"),)
    words: Mapped[str]
    price: Mapped[Decimal] = mapped_column(default=Decimal("0.00"))
    since: Mapped[datetime | None] = mapped_column(default=None)
    green: Mapped[bool] = mapped_column(default=True)


class Twig(Table):
    leaf: Mapped[int] = refers(Leaf)
    length: Mapped[float]


class Writing(Protocol):
    def records(self, organisation: str) -> Records: ...
    def mark(self) -> None: ...
    def undo(self) -> None: ...
    def keep(self) -> None: ...


class AnyStore(Protocol):
    def create(self, tables: Any) -> None: ...
    def writing(self) -> AbstractContextManager[Writing]: ...
    def reading(self, organisation: str) -> AbstractContextManager[Records]: ...
    def ask(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]: ...
    def dump(self) -> Any: ...


def asked() -> dict[str, tuple[Any, int]]:
    """Ways of asking that stay inside the organisation, and the count that each must find."""
    other = aliased(Leaf)
    return {
        "rows": (select(func.count(Leaf.id)), 2),
        "select_from": (select(func.count()).select_from(Leaf), 2),
        "alias": (select(func.count(other.id)), 2),
        "join": (select(func.count()).select_from(Leaf).join(other, literal(True)), 4),
        "subquery": (select(func.count()).select_from(select(Leaf.id).subquery()), 2),
        "cte": (select(func.count()).select_from(select(Leaf).cte()), 2),
        "scalar subquery": (select(select(func.count(Leaf.id)).scalar_subquery()), 2),
        "exists": (
            select(func.count(Leaf.id)).where(exists(select(other.id).where(other.words == "c"))),
            0,
        ),
        "union": (
            select(func.count()).select_from(
                union_all(select(Leaf.id), select(Leaf.id)).subquery()
            ),
            4,
        ),
    }


def refused() -> dict[str, Any]:
    """Ways of asking that would see every organisation."""
    plain: Any = Leaf.__table__
    return {
        "core": select(plain),
        "core inside": select(Leaf).where(Leaf.id.in_(select(plain.c.id))),
        "core column": select(aliased(Leaf).id, plain.c.words),
        "text": text("select * from testing_leaf"),
        "text in disguise": select(Leaf).from_statement(text("select * from testing_leaf")),
        "literal": select(literal_column("(select count(*) from testing_leaf)")).select_from(Leaf),
        "insert": insert(Leaf).values(words="x", organisation="spring"),
        "move": update(Leaf).values(organisation="spring"),
    }


def check_records(new: Callable[[], AnyStore]) -> None:
    """`new` opens an empty store each time. Raises AssertionError naming what does not hold."""
    for check in (
        check_inside, check_values, check_references, check_savepoints, check_atomic,
        check_readers, check_unique, check_created_again, check_again, check_closed,
    ):  # fmt: skip
        store = new()
        store.create([Leaf, Twig])
        check(store)


@contextmanager
def planted(store: AnyStore) -> Iterator[Records]:
    """Two leaves of brook, one of spring, one of brook's neighbour; brook's session."""
    with store.writing() as writer:
        for organisation, words in (("spring", "c"), ("brook", "a"), ("brook", "b")):
            writer.records(organisation).put(Leaf(words=words))
        yield writer.records("brook")


def check_inside(store: AnyStore) -> None:
    with planted(store) as brook:
        for name, (statement, count) in asked().items():
            assert brook.scalar(statement) == count, f"{name}: sees its own organisation only"
        for name, statement in refused().items():
            assert denied(partial(brook.execute, statement)), (
                f"{name}: would see every organisation, so it is refused"
            )
        changed = brook.execute(update(Leaf).values(green=False)).rowcount
        assert changed == 2, "an update reaches its own rows only"
        assert brook.execute(delete(Leaf)).rowcount == 2, "a delete reaches its own rows only"
    with store.reading("spring") as spring:
        assert [leaf.green for leaf in spring.scalars(select(Leaf))] == [True]


def check_values(store: AnyStore) -> None:
    since = datetime(2026, 6, 1, 8, 30, 15, 123456, tzinfo=UTC)
    with store.writing() as writer:
        records = writer.records("spring")
        id = records.put(Leaf(words="叶", price=Decimal("19.99"), since=since)).id
        row = Leaf(words="slow", price=Decimal("0.01"))
        records.add(row)  # the long way, through the unit of work
        records.flush()
        records.put(row).words = "changed"
        records.flush()
    with store.reading("spring") as records:
        leaf = records.find(Leaf, id)
        assert (leaf.words, leaf.price, leaf.since) == ("叶", Decimal("19.99"), since)
        assert leaf.green is True, "a default is written"
        total = records.scalar(select(func.sum(Leaf.price)))
        assert total == Decimal("20.00"), "money is exact"
        assert [r.words for r in records.scalars(select(Leaf).order_by(Leaf.id))][1] == "changed"


def check_references(store: AnyStore) -> None:
    with store.writing() as writer:
        leaf = writer.records("spring").put(Leaf(words="a"))
        brook = writer.records("brook")
        assert brook.get(Leaf, leaf.id) is None, "a neighbour's row is not there"
        for way in (brook.put, partial(add, brook)):
            found = conflict(partial(way, Twig(leaf=leaf.id, length=1.0)))
            assert found and found.field == "leaf", "a row cannot refer to a neighbour's row"
            brook.expunge_all()
        spring = writer.records("spring")
        spring.find(Leaf, leaf.id).organisation = "brook"
        assert denied(spring.flush), "a row cannot move to another organisation"


def check_savepoints(store: AnyStore) -> None:
    with store.writing() as writer:
        writer.mark()
        writer.records("spring").put(Leaf(words="a"))
        writer.keep()
        writer.mark()
        writer.records("spring").put(Leaf(words="b"))
        writer.undo()
        writer.mark()
        assert conflict(lambda: writer.records("spring").put(Leaf(words="a"))) is not None
        writer.undo()
        writer.mark()
        writer.records("spring").put(Leaf(words="c"))
        writer.keep()
    with store.reading("spring") as records:
        words = sorted(records.scalars(select(Leaf.words)))
    assert words == ["a", "c"], "what was undone is gone, what was kept stands"


def check_atomic(store: AnyStore) -> None:
    before = store.dump()

    class Accident(Exception):
        pass

    try:
        with store.writing() as writer:
            writer.records("spring").put(Leaf(words="a"))
            raise Accident
    except Accident:
        pass
    assert store.dump() == before, "a transaction that fails leaves nothing"


def check_readers(store: AnyStore) -> None:
    with planted(store):
        pass
    with store.reading("brook") as records:
        assert denied(lambda: records.put(Leaf(words="z"))), "a reader writes nothing"
        leaf = records.scalars(select(Leaf)).first()
        assert leaf is not None
        leaf.words = "y"
        assert denied(records.flush), "a reader changes nothing"
        records.expunge_all()
        assert denied(lambda: records.execute(delete(Leaf))), "a reader deletes nothing"
    rows = store.ask("SELECT organisation FROM testing_leaf WHERE words = ? ORDER BY id", ("a",))
    assert rows == [("brook",)], "the kernel asks with ? for each value"


def check_unique(store: AnyStore) -> None:
    with planted(store) as brook:
        for way in (brook.put, partial(add, brook)):
            with_mark(brook)
            found = conflict(partial(way, Leaf(words="a")))
            assert found and found.field == "words", "what must be unique is named"
            brook._wire.undo()  # type: ignore[attr-defined] # the check plays the kernel
            brook.expunge_all()
        assert brook.put(Leaf(words="c")).id, "another organisation may have the same"


def check_created_again(store: AnyStore) -> None:
    with planted(store):
        pass
    before = store.dump()
    store.create([Leaf, Twig])
    assert store.dump() == before, "creating what is there changes nothing"


def check_again(store: AnyStore) -> None:
    """The second time a question goes by its text: what it finds must be the same."""
    words = {"spring": ["c"], "brook": ["a", "b"]}
    with planted(store) as brook:
        changed = brook.scalars(select(Leaf).order_by(Leaf.words)).first()
        assert changed is not None
        changed.words = "aa"
        assert brook.scalars(select(Leaf).where(Leaf.words == "aa")).one() is changed, (
            "what waits to be written is seen, and a row is one object"
        )
        changed.words = "a"
        brook.flush()
    for whose, found in [*words.items()] * 2:
        with store.reading(whose) as records:
            leaves = list(records.scalars(select(Leaf).order_by(Leaf.words)))
            assert [leaf.words for leaf in leaves] == found, "each sees its own, in any order"
            assert list(records.scalars(select(Leaf.words).order_by(Leaf.words))) == found
            for leaf in leaves:
                again = records.scalar(select(Leaf).where(Leaf.words == leaf.words))
                assert again is leaf, "a row is one object"
                assert (leaf.price, leaf.since, leaf.green) == (Decimal("0.00"), None, True)
            assert records.scalar(select(Leaf).where(Leaf.words == "none")) is None
            assert records.read == {"testing_leaf"}, "what a page read is noted"
            assert records.scalar(select(func.sum(Leaf.price))) == 0


def check_closed(store: AnyStore) -> None:
    with store.reading("spring") as records:
        assert records.scalar(select(func.count(Leaf.id))) == 0
    for way in (records.scalar, records.execute):
        assert denied(partial(way, select(Leaf))), "records that were closed ask nothing"


def add(records: Records, row: Table) -> Table:
    """The long way, through the unit of work."""
    records.add(row)
    records.flush()
    return row


def with_mark(records: Records) -> None:
    records._wire.mark()  # type: ignore[attr-defined] # the check plays the kernel


def denied(work: Callable[[], object]) -> bool:
    try:
        work()
    except Denied:
        return True
    return False


def conflict(work: Callable[[], object]) -> Conflict | None:
    try:
        work()
    except Conflict as error:
        return error
    return None

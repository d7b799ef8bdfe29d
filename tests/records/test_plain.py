"""Plain selects: which go by their text, and that the others still find the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest
from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Mapped, aliased, load_only, mapped_column, object_session

from baotu.records import SqliteStore
from baotu.sdk import Conflict, Denied, Records, Table
from baotu.sdk.testing.records import Leaf, Twig


class Root(Table):
    """Not simple: an attribute has another name than its column."""

    deep: Mapped[float] = mapped_column("depth")


@pytest.fixture
def store() -> SqliteStore:
    store = SqliteStore()
    store.create([Leaf, Twig, Root])
    with store.writing() as writer:
        records = writer.records("spring")
        for words in "abc":
            leaf = records.put(Leaf(words=words, price=Decimal("1.50")))
            records.put(Twig(leaf=leaf.id, length=2.0))
        records.put(Root(deep=1.0))
        writer.records("brook").put(Leaf(words="a"))
    return store


@pytest.fixture
def records(store: SqliteStore) -> Iterator[Records]:
    with store.reading("spring") as records:
        yield records


def by_text(records: Records, statement) -> bool:
    """Whether this statement goes by its text, known after it has run."""
    records.scalars(statement).all()
    [*_, last] = records._known.asks.values()
    return last is not None


def test_rows_and_single_columns_go_by_their_text(records):
    assert by_text(records, select(Leaf).where(Leaf.words == "a").limit(1))
    assert by_text(records, select(Leaf.words).order_by(Leaf.id.desc()))
    assert by_text(records, select(func.sum(Leaf.price)))
    assert by_text(records, select(Twig).join(Leaf).where(Leaf.words == "b"))


def test_whatever_is_not_simple_goes_the_long_way_and_finds_its_rows(records):
    assert not by_text(records, select(Leaf).where(Leaf.words.in_(["a", "b"])))
    assert not by_text(records, select(aliased(Leaf)))
    assert not by_text(records, select(Root))
    assert not by_text(records, select(Leaf.words, Leaf.price))
    assert len(records.scalars(select(Leaf).where(Leaf.words.in_(["a", "b"]))).all()) == 2
    assert records.scalars(select(Root)).one().deep == 1.0
    [leaf, *_] = records.scalars(select(Leaf).options(load_only(Leaf.words)))
    assert leaf.price == Decimal("1.50"), "what was left out is loaded when it is asked for"


def test_the_values_of_each_question_are_its_own(records):
    for words in "abcab":
        assert records.scalar(select(Leaf).where(Leaf.words == words)).words == words
    for limit in (2, 1, 3):
        assert len(records.scalars(select(Leaf).limit(limit)).all()) == limit


def test_a_result_answers_as_sqlalchemys(records):
    words = select(Leaf.words).order_by(Leaf.words)
    assert records.scalars(words).first() == "a"
    assert records.scalars(words.limit(1)).one() == "a"
    assert list(records.scalars(words).partitions(2)) == [["a", "b"], ["c"]]
    assert records.scalars(words.where(Leaf.id < 0)).one_or_none() is None
    assert records.scalars(select(Leaf.price)).unique().all() == [Decimal("1.50")]


def test_the_empty_side_of_an_outer_join_is_none(records):
    long = (Twig.leaf == Leaf.id) & (Twig.length > 5)
    statement = select(Twig).join_from(Leaf, Twig, long, isouter=True)
    assert records.scalars(statement).all() == [None] * 3


def test_an_object_that_was_expired_is_loaded_anew(records):
    leaf = records.scalar(select(Leaf).where(Leaf.words == "a"))
    records.expire(leaf)
    assert records.scalar(select(Leaf).where(Leaf.words == "a")) is leaf
    assert leaf.price == Decimal("1.50")


def test_find_gives_the_one_object_and_names_what_is_missing(records):
    leaf = records.find(Leaf, 2)
    assert records.find(Leaf, 2) is leaf and leaf.words == "b"
    assert records.find(Root, 1).deep == 1.0
    records.expire(leaf)
    assert records.find(Leaf, 2).words == "b"
    with pytest.raises(Conflict, match="leaf: 4 does not exist"):  # the neighbour's
        records.find(Leaf, 4)


def test_a_change_of_a_row_that_was_read_is_written(store):
    with store.writing() as writer, writer.records("spring") as records:
        records.scalar(select(Leaf).where(Leaf.words == "a")).words = "aa"
        records.flush()
    with store.reading("spring") as records:
        assert sorted(records.scalars(select(Leaf.words))) == ["aa", "b", "c"]


def test_a_row_belongs_to_its_records_while_they_are_open(store):
    with store.reading("spring") as records:
        leaf = records.scalar(select(Leaf))
        assert object_session(leaf) is records
    with pytest.raises(Denied, match="were closed"):
        records.scalar(select(Leaf))


def test_a_reference_to_a_row_just_read_needs_no_second_look_and_others_do(store):
    with store.writing() as writer, writer.records("spring") as records:
        leaf = records.scalar(select(Leaf).where(Leaf.words == "a"))
        asked, has = [], writer.has
        writer.has = lambda *key: asked.append(key) or has(*key)
        records.put(Twig(leaf=leaf.id, length=1.0))
        assert asked == []
        with pytest.raises(Conflict, match="leaf: 4 does not exist"):  # the neighbour's
            records.put(Twig(leaf=4, length=1.0))
        assert asked == [("testing_leaf", 4, "spring")]
        del writer.has


def test_mistakes_are_told_in_sqlalchemys_words(records):
    when = select(Leaf).where(Leaf.since < datetime(2026, 6, 1))
    for _ in range(2):
        with pytest.raises(StatementError, match="has no time zone"):
            records.scalar(when)
    with pytest.raises(StatementError, match="value is required"):
        records.scalar(select(Leaf).where(Leaf.words == bindparam("words")))
    with pytest.raises(DBAPIError, match="no such function"):
        records.scalar(select(func.nothing_of_the_kind(Leaf.id)))


def test_a_refused_statement_is_refused_each_time(records):
    for _ in range(2):
        with pytest.raises(Denied):
            records.scalar(select(Leaf.__table__.c.words))

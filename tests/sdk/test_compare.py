"""Columns compared with values: what comes out is what SQLAlchemy makes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import pytest
from sqlalchemy import String, TypeDecorator, func
from sqlalchemy.orm import ColumnProperty, Mapped, aliased, configure_mappers, mapped_column

from baotu.sdk import Table
from baotu.sdk.compare import Comparator
from baotu.sdk.testing.records import Leaf, Twig

NOW = datetime(2026, 6, 1, tzinfo=UTC)
configure_mappers()


class Fold(TypeDecorator[str]):
    """A type that makes more of a comparison than column, operator and value."""

    impl, cache_ok = String, True

    class comparator_factory(TypeDecorator.Comparator[str]):
        def __eq__(self, other: Any) -> Any:
            return func.lower(self.expr) == func.lower(other)


class Name(Table):
    words: Mapped[str] = mapped_column(Fold)


def by_sqlalchemy(attribute: Any, op: Any, value: Any) -> Any:
    return ColumnProperty.Comparator.operate(attribute.comparator, op, value)


@pytest.mark.parametrize("op", [eq, ne, lt, le, gt, ge])
@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        (Leaf.words, ("a", "é", 3)),
        (Leaf.price, (Decimal("1.50"), 2, 2.5)),
        (Leaf.since, (NOW, "2026-06-01")),
        (Twig.leaf, (1, 2**40, "a", 1.5)),
        (Twig.length, (1.5, 2, "1")),
        (aliased(Leaf).words, ("a",)),
    ],
)
def test_a_comparison_is_the_one_sqlalchemy_makes(attribute, values, op):
    assert isinstance(attribute.comparator, Comparator)
    for value in (*values, *values):  # the second time from what was kept
        ours, theirs = op(attribute, value), by_sqlalchemy(attribute, op, value)
        assert ours._generate_cache_key().key == theirs._generate_cache_key().key
        assert ours.compile().params == theirs.compile().params
        assert str(ours) == str(theirs) and str(~ours) == str(~theirs)
        assert repr((ours.type, ours.right.type)) == repr((theirs.type, theirs.right.type))


def test_none_booleans_and_columns_are_words_of_sql():
    assert str(Leaf.words == None) == "testing_leaf.words IS NULL"  # noqa: E711 - as apps write it
    assert str(Twig.length == True) == "testing_twig.length = true"  # noqa: E712
    assert str(Twig.leaf == Leaf.id) == "testing_twig.leaf = testing_leaf.id"


def test_a_type_may_make_more_of_a_comparison():
    for words in ("A", "B"):
        made = Name.words == words
        assert "lower(" in str(made) and words in made.compile().params.values()


def test_each_comparison_has_a_value_of_its_own():
    either = (Leaf.words == "a") | (Leaf.words == "b")
    assert sorted(either.compile().params.values()) == ["a", "b"]

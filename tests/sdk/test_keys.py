"""Keys of selects: the same exactly where SQLAlchemy's keys are the same."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from sqlalchemy import bindparam, func, literal, select
from sqlalchemy.orm import aliased, configure_mappers, joinedload

from baotu.records import SqliteStore
from baotu.sdk.keys import in_order, key_of
from baotu.sdk.testing.records import Leaf, Twig

configure_mappers()
PLAIN = (
    lambda n: select(Leaf),
    lambda n: select(Leaf.words),
    lambda n: select(Leaf.__table__),
    lambda n: select(Twig),
    lambda n: select(Leaf.words, Leaf.price),
    lambda n: select(Leaf).where(Leaf.words == f"a{n}"),
    lambda n: select(Leaf).where(Leaf.words != f"a{n}"),
    lambda n: select(Leaf).where(Leaf.words == Leaf.organisation),
    lambda n: select(Leaf).where(Leaf.id == n),
    lambda n: select(Leaf).where(Leaf.id == str(n)),
    lambda n: select(Leaf).where(Leaf.id == literal(n)),
    lambda n: select(Leaf).where(Leaf.id == n + 0.5),
    lambda n: select(Leaf).where(Leaf.id > n, Leaf.id < n),
    lambda n: select(Leaf).where(Leaf.id < n, Leaf.id > n),
    lambda n: select(Leaf).where(Leaf.id == n).order_by(Leaf.id),
    lambda n: select(Leaf).where(Leaf.id == n).order_by(Leaf.id.desc()),
    lambda n: select(Leaf).where(Leaf.id == n).order_by(Leaf.id.desc().nulls_last()),
    lambda n: select(Leaf).order_by(Leaf.words, Leaf.id),
    lambda n: select(Leaf).order_by(Leaf.id, Leaf.words),
    lambda n: select(Leaf).limit(n),
    lambda n: select(Leaf).offset(n),
    lambda n: select(Leaf).limit(n).offset(n),
)
OTHER = (
    select(Leaf).where(Leaf.id.in_([1, 2])),
    select(Leaf).where((Leaf.id == 1) | (Leaf.id == 2)),
    select(Leaf).where(Leaf.words == None),  # noqa: E711 - as apps write it
    select(Leaf).where(Leaf.words.startswith("a")),
    select(Leaf).where(Leaf.words == bindparam("words")),
    select(Leaf).where(func.length(Leaf.words) == 1),
    select(Leaf).fetch(1),
    select(Leaf).distinct(),
    select(Leaf).with_for_update(),
    select(Leaf.words).group_by(Leaf.words),
    select(Twig).join(Leaf),
    select(Leaf).options(joinedload("*")),
    select(Leaf).execution_options(populate_existing=True),
    select(func.count()),
    select(aliased(Leaf)),
)


@pytest.mark.parametrize(("one", "other"), [*combinations_with_replacement(PLAIN, 2)])
def test_two_selects_share_a_key_exactly_if_sqlalchemys_keys_are_the_same(one, other):
    a, b = one(1), other(2)
    same = a._generate_cache_key().key == b._generate_cache_key().key
    assert (key_of(one(1))[0] == key_of(other(2))[0]) == same, f"{a}\n{b}"
    assert same == (one is other)


@pytest.mark.parametrize("made", PLAIN)
def test_the_values_are_those_of_sqlalchemy_in_its_order(made):
    statement = made(1)
    _, given = key_of(statement)
    assert in_order(given, statement._generate_cache_key().bindparams)


@pytest.mark.parametrize("statement", OTHER, ids=str)
def test_a_select_with_a_part_that_is_not_known_has_no_key(statement):
    assert key_of(statement) is None


def test_one_value_in_two_places_is_left_to_sqlalchemy():
    words = literal("a")
    statement = select(Leaf).where(Leaf.words == words, Leaf.organisation == words)
    _, given = key_of(statement)
    assert not in_order(given, statement._generate_cache_key().bindparams)


def test_a_key_brings_each_select_its_own_values_also_if_two_are_one():
    store = SqliteStore()
    store.create([Leaf])
    with store.writing() as writer, writer.records("spring") as records:
        for words in "abc":
            records.put(Leaf(words=words))
        both = literal("b")
        for low, high in (("a", "c"), ("b", "b"), (both, both), ("c", "a"), (both, "c")):
            between = select(Leaf.words).where(Leaf.words >= low, Leaf.words <= high)
            low, high = (getattr(one, "value", one) for one in (low, high))
            expected = [words for words in "abc" if low <= words <= high]
            assert records.scalars(between).all() == expected
        assert records._known.short, "the others found the text by the key of the first"

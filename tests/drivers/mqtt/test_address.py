"""Addresses, paths, patterns and computed subscriptions of plain MQTT."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.drivers.mqtt.address import (
    Pattern,
    covers,
    parse_address,
    parse_path,
    subscriptions,
    walk,
)
from baotu.sdk import ConfigError, Tag


def tag(address: str) -> Tag:
    return Tag(id=1, asset="a", property="p", address=address)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("v", ("v",)),
        ("temperature.value", ("temperature", "value")),
        ("readings[0].v", ("readings", 0, "v")),
        ("[2][1]", (2, 1)),
        ("温度.值", ("温度", "值")),
    ],
)
def test_a_path_names_keys_and_places(text: str, path: tuple[str | int, ...]) -> None:
    assert parse_path(text) == path
    assert parse_address(tag(f"plant/press3#{text}")) == ("plant/press3", path)


@pytest.mark.parametrize(
    "address", ["", "#v", "plant/+/x#v", "plant#a[", "plant#a..b", "plant#a[x]"]
)
def test_a_wrong_address_is_refused_with_the_tag_named(address: str) -> None:
    with pytest.raises(ConfigError, match="a/p"):
        parse_address(tag(address))


def test_walking_finds_the_value_or_says_there_is_none() -> None:
    document = {"a": [{"v": 1}, {"v": 2}], "b": {"c": None}}
    assert walk(document, ("a", 1, "v")) == 2
    assert walk(document, ("b", "c")) is None
    for path in (("x",), ("a", 5), ("a", "v"), ("b", 0), ("b", "c", "d")):
        with pytest.raises(LookupError):
            walk(document, path)


def test_a_pattern_reads_its_holes_from_the_topic() -> None:
    pattern = Pattern.of("factory/{asset}/+/{property}")
    assert pattern.filter == "factory/+/+/+"
    assert pattern.match("factory/press3/x/warm") == {"asset": "press3", "property": "warm"}
    assert pattern.match("factory/press3/warm") is None
    assert Pattern.of("f/{asset}/#").match("f/p/a/b/c") == {"asset": "p"}


@pytest.mark.parametrize("text", ["factory/x{asset}", "a/#/b", "a/{b}/{b}", "a/b+"])
def test_a_pattern_that_is_no_topic_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="pattern"):
        Pattern.of(text)


def test_few_topics_are_subscribed_one_by_one_and_many_by_a_wildcard() -> None:
    assert subscriptions(["a/1", "a/2"]) == ["a/1", "a/2"]
    assert subscriptions(f"plant/line{i}/press{j}/state" for i in range(20) for j in range(20)) == [
        "plant/+/+/state"
    ]


def test_what_a_pattern_covers_is_not_subscribed_twice() -> None:
    assert subscriptions(["f/a/b", "g/x"], [Pattern.of("f/{asset}/{property}")]) == ["f/+/+", "g/x"]


@settings(deadline=None)
@given(st.sets(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=3).map("/".join)))
def test_every_topic_is_covered_exactly_by_what_is_subscribed(topics: set[str]) -> None:
    filters = subscriptions(topics)
    assert all(any(covers(one, topic) for one in filters) for topic in topics)
    assert not any(covers(a, b) for a in filters for b in filters if a != b)

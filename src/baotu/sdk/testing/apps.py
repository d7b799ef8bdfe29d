"""`check_app`: one call that every app must survive, whatever verbs it has.

An app that only listens needs nothing else; one that is asked or looked at brings a story, a list
of steps that works, and a bench to play it on: the fixture `baotu_bench`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np

from ..app import App, parameter
from ..facts import Fact
from ..quality import Quality
from ..samples import Samples
from ..view import in_language
from .business import Bench, Feed, Step, check_business
from .feed import feed, samples

TAGS = 3


def check_app(
    kind: type[App],
    *,
    bench: type[Bench] | None = None,
    story: Sequence[Step] = (),
    seed: int = 0,
) -> None:
    """Conformance of an app. Raises AssertionError with the law that it breaks."""
    assert kind.__doc__, "an app says in one sentence what it is for"
    assert kind.marked(), "an app listens to something or answers someone"
    for name, one in kind.parameters().items():
        assert two_languages(one.title), f"parameter {name}: '{one.title}' has both languages"
    for name, derived in kind.derives().items():
        assert two_languages(derived.title), f"derived {name}: '{derived.title}' has both languages"
    check_parameters(kind)
    check_streams(kind, seed)
    if kind.marked("command", "query", "page", "result", "every"):
        assert bench is not None and story, (
            "an app that is asked, looked at or scheduled is checked along a story, on a bench: "
            "check_app(App, bench=Bench, story=(Do(…), Feed(…), Wait(…)))"
        )
        check_business(kind, bench, tuple(story))
    elif story and bench is not None:
        check_business(kind, bench, tuple(story))


def two_languages(title: str) -> bool:
    return in_language(title, "zh") != in_language(title, "en")


def check_parameters(kind: type[App]) -> None:
    """Two apps of one class in one process do not notice each other."""
    one, other = kind(), kind()
    for name, value in vars(one).items():
        if isinstance(value, list | dict | set) and name != "settings":
            assert value is not getattr(other, name), f"{name} is shared between two apps"
    assert all(isinstance(p, parameter) for p in kind.parameters().values())


def check_streams(kind: type[App], seed: int) -> None:
    """Laws of a listener that needs no records; one that does is checked along its story."""
    if not any("records" not in handler.__annotations__ for _, handler in kind.marked("stream")):
        return
    middle = middle_of(kind)
    assert heard(kind, [samples(0, [])]) == [], "no samples, no facts"
    bad = samples(0, [middle * 1e3 + 1e9], quality=Quality.BAD)
    assert heard(kind, [bad]) == [], "bad quality is not evidence"
    rng = np.random.default_rng(seed)
    size = 60
    walk = Samples.of(
        np.tile(np.arange(TAGS), size),
        np.repeat(np.arange(size) * 10**9, TAGS),
        rng.normal(middle, abs(middle) / 8 + 1, size * TAGS),
    )
    whole = heard(kind, [walk])
    assert heard(kind, [walk]) == whole, "the same samples give the same facts"
    cuts = [0, *np.sort(rng.integers(0, len(walk), 20)).tolist(), len(walk)]
    place = np.arange(len(walk))
    pieces = [walk.where((place >= a) & (place < b)) for a, b in pairwise(cuts)]
    said = heard(kind, pieces)
    assert by_tag(said) == by_tag(whole), "how the stream is cut must not matter"


def by_tag(facts: list[Fact]) -> dict[object, list[Fact]]:
    """Facts in order within each tag: between tags a cut may change the order."""
    found: dict[object, list[Fact]] = {}
    for fact in facts:
        if isinstance(fact, Samples):
            for tag, one in fact.by_tag():
                known = cast(list[Any], found.setdefault(("samples", tag), [Samples.empty()]))
                known[0] = Samples.concat([known[0], one])
        else:
            found.setdefault(getattr(fact, "tag", None), []).append(fact)
    return found


def heard(kind: type[App], parts: list[Samples]) -> list[Fact]:
    return feed(kind(), *parts)


def middle_of(kind: type[App]) -> float:
    """Where the app's limits are: a walk around it makes something happen."""
    numbers = [
        float(p.default)
        for p in kind.parameters().values()
        if isinstance(p.default, int | float) and not isinstance(p.default, bool)
    ]
    return max(numbers, key=abs, default=50.0)


__all__ = ["Bench", "Feed", "check_app"]

"""`check_app` on listeners and schedules: careful ones pass, each careless one is caught."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from baotu.sdk import (
    Alarm,
    App,
    Event,
    Facts,
    Hysteresis,
    Samples,
    Window,
    derived,
    every,
    page,
    parameter,
    per_tag,
    stream,
    view,
)
from baotu.sdk.testing import Feed, Wait, check_app, feed, samples

MORNING = 1_780_300_800_000_000_000


class Careful(App):
    """Alarm above the limit."""

    limit = parameter(80.0, unit="Cel", title="上限 Limit")

    def start(self) -> None:
        self.level = per_tag(Hysteresis, high=self.limit, low=self.limit - 5)

    @stream(asset="Motor", property="temperature")
    def look(self, samples: Samples) -> Iterator[Alarm]:
        for edge in self.level.edges(samples.good()):
            yield Alarm(edge.tag, edge.time, edge.high, f"{edge.value:.1f}")


class LastOnly(Careful):
    """Looks at the last sample only."""

    @stream(asset="Motor", property="temperature")
    def look(self, samples: Samples) -> Iterator[Alarm]:
        for tag, one in samples.good().by_tag():
            if one.value[-1] > self.limit:
                yield Alarm(tag, int(one.time[-1]), True, "hot")


class Believes(Careful):
    """Takes bad samples for evidence."""

    @stream(asset="Motor", property="temperature")
    def look(self, samples: Samples) -> Iterator[Alarm]:
        for edge in self.level.edges(samples):
            yield Alarm(edge.tag, edge.time, edge.high, f"{edge.value:.1f}")


class Shares(Careful):
    """Keeps its state in the class."""

    heard: list = []

    def start(self) -> None:
        super().start()
        self.heard = type(self).heard


class Counts(Careful):
    """Speaks without having heard anything."""

    @stream(asset="Motor", property="temperature")
    def look(self, samples: Samples) -> Iterator[Event]:
        yield Event("heard", {"count": len(samples)})


class Untitled(Careful):
    """Has a parameter in one language."""

    limit = parameter(80.0, unit="Cel", title="Limit")


class Mute(App):
    """Does nothing."""


def test_a_careful_listener_needs_neither_bench_nor_story():
    check_app(Careful)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (LastOnly, "how the stream is cut"), (Believes, "bad quality is not evidence"),
        (Shares, "heard is shared between two apps"), (Counts, "no samples, no facts"),
        (Untitled, "parameter limit: 'Limit' has both languages"), (Mute, "listens to something"),
    ],
)  # fmt: skip
def test_a_careless_listener_is_caught(kind, why):
    with pytest.raises(AssertionError, match=why):
        check_app(kind)


class Mean(App):
    """Mean power of a meter, with a page."""

    power = derived(asset="Meter", property="mean", unit="kW", title="平均 Mean")

    @every("1 min", asset="Meter", inputs=("power",))
    def mean(self, window: Window) -> Facts[None]:
        value = float(window["power"].value.mean())
        yield Samples.of(window.out["mean"], [window.end], [value])

    @page(title="功率 Power")
    def show(self) -> view.View:
        return view.Markdown("ok")


class OneLanguage(Mean):
    """A page in one language."""

    @page(title="Power")
    def show(self) -> view.View:
        return view.Markdown("ok")


STORY = (
    Feed("Meter", "power", samples(1, [5.0], start=MORNING)), Wait("1 s"),
    Feed("Meter", "power", samples(1, [1.0] * 200, start=MORNING)), Wait("1 min"),
)  # fmt: skip


def test_a_schedule_is_checked_along_a_story_with_the_fixture(baotu_bench):
    check_app(Mean, bench=baotu_bench, story=STORY)


class Sums(Mean):
    """Adds up in the app what belongs into records: late samples are added in another order."""

    def start(self) -> None:
        self.sum: dict[int, float] = {}

    @every("1 min", asset="Meter", inputs=("power",))
    def mean(self, window: Window) -> Facts[None]:
        tag = window.out["mean"]
        self.sum[tag] = self.sum.get(tag, 0.0) + float(window["power"].value.sum())
        yield Samples.of(tag, [window.end], [self.sum[tag] if not window.again else 0.0])


def test_a_handler_that_makes_something_else_of_late_samples_is_caught(baotu_bench):
    with pytest.raises(AssertionError, match="late samples give the same derived samples"):
        check_app(Sums, bench=baotu_bench, story=STORY)


def test_an_app_with_a_page_must_bring_a_story(baotu_bench):
    with pytest.raises(AssertionError, match="along a story"):
        check_app(Mean)
    with pytest.raises(AssertionError, match="'Power' has both languages"):
        check_app(OneLanguage, bench=baotu_bench, story=STORY)


def test_the_bench_lets_time_pass_and_shows_what_was_computed(baotu_bench):
    bench = baotu_bench(Mean())
    for step in STORY[:1]:
        bench.feed(step.asset, step.property, step.samples)
    bench.wait("1 s")
    bench.feed("Meter", "power", samples(1, [2.0] * 120, start=MORNING))
    bench.wait("1 min")
    assert next(f.value.tolist() for f in bench.facts if isinstance(f, Samples)) == [
        pytest.approx(2.0, abs=0.1)
    ]


def test_feed_gives_the_facts_of_one_app():
    app = Careful(limit=80.0)
    facts = feed(app, samples(7, [70, 85]), samples(7, [90, 60]))
    assert [(f.tag, f.active) for f in facts] == [(7, True), (7, False)]

"""An app gives the same in its own process as in ours, in every word that it may use."""

import pytest

from baotu.kernel.sandbox.remote import Fault, remote_app
from baotu.sdk import Conflict, Denied, Event, Evidence, Invalid, Job, Samples, Write
from baotu.sdk.testing import Do, Feed, Wait, check_app
from baotu.sdk.testing.business import play

from .apps.kind import Kind
from .house import SECOND, House, confined, flow, remote

MORNING = 1_780_300_800 * SECOND
WAVE = [40.0, 60.0, 52.0, 47.0, 44.0, 70.0, 30.0]
STORY = (
    Feed("Pump", "flow", flow(1, WAVE, MORNING)),
    Wait("1 ms"),
    Feed("Pump", "flow", flow(1, [48.0, 55.5], MORNING + 20 * SECOND)),
    Wait("2 min"),
    Do("ask", {"words": "ja", "count": 3}),
    Do("set", {"tag": 1, "value": 5.0}),
    Do("work", {"numbers": "4,5"}),
)


@pytest.fixture
def both(best):
    """The same app here and confined."""
    there = House(remote_app(remote(best, "apps/kind")))
    yield House(Kind()), there
    there.remotes[0].close()


def plainly(fact):
    """A job as what it asks for: here its problem is an object, there it is JSON."""
    if isinstance(fact, Job):
        numbers = (
            fact.problem["numbers"] if isinstance(fact.problem, dict) else fact.problem.numbers
        )
        return fact.solve.__qualname__, numbers, fact.seed
    return fact


def test_facts_of_streams_windows_and_commands_are_the_same(both):
    here, there = (play(one, STORY) for one in both)

    assert [plainly(f) for f in there.facts] == [plainly(f) for f in here.facts]
    kinds = {type(f).__name__ for f in there.facts}
    assert kinds == {"Alarm", "Samples", "Evidence", "Event", "Write", "Job"}


def test_rows_are_the_same(both):
    here, there = (play(one, STORY).dump() for one in both)
    path = "jobs_job_run"

    assert [row[0] for row in there[path]] == [row[0] for row in here[path]]
    other = [name for name in here if name != path and here[name] != there[name]]
    assert other == []


def test_verbs_and_what_they_take_and_give_are_the_same(both):
    here, there = both

    assert there.verbs() == here.verbs()
    assert there.apps[0].parameters().keys() == here.apps[0].parameters().keys()
    assert there.apps[0].derives() == here.apps[0].derives()
    assert there.apps[0].__doc__ == here.apps[0].__doc__


def test_answers_and_pages_are_the_same(both):
    here, there = both

    assert there.ask("lines", limit=1) == [
        {"name": "一 one", "amount": "1.50", "at": "2026-06-01T08:00:00+08:00"}
    ]
    assert there.chain.call("kind", "lines", {}, there.caller) == here.chain.call(
        "kind", "lines", {}, here.caller
    )
    assert there.see("shown") == here.see("shown")


@pytest.mark.parametrize(
    ("words", "kind"), [("invalid", Invalid), ("conflict", Conflict), ("denied", Denied)]
)
def test_refusals_are_the_same(both, words, kind):
    said = []
    for one in both:
        with pytest.raises(kind) as raised:
            one.do("ask", words=words)
        said.append((type(raised.value), str(raised.value), getattr(raised.value, "field", "")))
        assert one.chain.blame.errors == type(one.chain.blame.errors)()

    assert said[0] == said[1]
    assert both[0].audit() == both[1].audit()


def test_wrong_arguments_are_refused_in_the_same_words_and_leave_no_line_in_the_audit(both):
    said = []
    for one in both:
        with pytest.raises(Invalid) as raised:
            one.do("ask", words="x", count="many")
        said.append(str(raised.value))
        assert one.audit() == []

    assert said[0] == said[1]


def test_a_bug_shows_the_authors_lines(both):
    _, there = both
    with pytest.raises(Fault, match="KeyError: 'words'") as raised:
        there.do("ask", words="bug")

    assert "kind.py" in raised.value.trace
    assert "site-packages" not in raised.value.trace


def test_texts_reach_the_app(both):
    for one in both:
        one.feed("Pump", "mode", Samples.of(3, [MORNING, MORNING + 1], ["自动 auto", "手动"]))
    here, there = ([f for f in one.facts if isinstance(f, Event)] for one in both)

    assert there == here
    assert [f.data["text"] for f in there] == ["自动 auto", "手动"]


def test_the_same_key_runs_it_once(both):
    _, there = both
    first = there.do("ask", _key="k", words="a")
    calls = there.remotes[0].calls

    assert there.do("ask", _key="k", words="a") == first
    assert there.remotes[0].calls == calls


def test_how_a_stream_is_cut_does_not_matter(both):
    here, there = both
    play(here, STORY[:4])
    play(there, STORY[:4], cut=1)

    assert there.alarms() == here.alarms() != []


def test_a_confined_app_passes_check_app(best):
    check_app(confined(best, "apps/kind"), bench=House, story=STORY)


def test_a_window_computed_again_replaces_what_differs(both):
    for one in both:
        play(one, STORY[:4])
        one.late("Pump", "flow", flow(1, [500.0], MORNING + 30 * SECOND))
        one.wait("15 s")
        one.wait("15 s")

    assert both[1].derived() == both[0].derived()
    assert [len(f) for f in both[1].facts if isinstance(f, Samples)] == [1, 1]


def test_what_is_yielded_is_what_the_sdk_has(both):
    _, there = both
    play(there, STORY)

    assert [f for f in there.facts if isinstance(f, Write)] == [
        Write(1, 5.0, "someone asked", evidence=(1,))
    ]
    assert [f.figures for f in there.facts if isinstance(f, Evidence)] == [
        {"pump": "spring/pump-1", "n": 9}
    ]

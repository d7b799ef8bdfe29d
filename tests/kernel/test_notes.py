"""Notes on trends: written, found by tag and time, removed with a reason, never lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from baotu.bench import Bench
from baotu.kernel.notes import Notes
from baotu.sdk import Conflict, Invalid
from baotu.sdk.testing import Do, check_app

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def write(bench: Bench, tags: str = "plant/a", at: datetime = NOON, **more: object) -> int:
    return bench.do("add", tags=tags, since=at.isoformat(), text="换滤网 filter changed", **more)


def found(bench: Bench, tags: str, begin: datetime = NOON, end: datetime = NOON + HOUR) -> list:
    return bench.ask("between", tags=tags, since=begin.isoformat(), until=end.isoformat())


@pytest.fixture
def bench() -> Bench:
    return Bench(Notes())


def test_notes_is_a_conforming_app():
    when = NOON.isoformat()
    story = (
        Do("add", {"tags": "plant/a", "since": when, "text": "见 seen"}),
        Do("remove", {"note": 1, "reason": "写错 wrong"}),
    )
    check_app(Notes, bench=Bench, story=story)


def test_a_note_is_found_by_any_of_its_tags_and_by_its_time(bench: Bench):
    write(bench, "plant/a, plant/b")
    write(bench, "plant/c", NOON - HOUR, until=(NOON + HOUR / 2).isoformat())
    assert [n.tags for n in found(bench, "plant/b,plant/x")] == [["plant/a", "plant/b"]]
    assert [n.id for n in found(bench, "plant/c,plant/a")] == [2, 1]
    assert found(bench, "plant/c", NOON + HOUR, NOON + 2 * HOUR) == []
    assert found(bench, "plant/a", NOON - HOUR, NOON - HOUR / 2) == []


def test_a_removed_note_is_off_the_trend_and_kept_with_its_reason(bench: Bench):
    write(bench)
    bench.do("remove", note=1, reason="写错了 mistaken")
    assert found(bench, "plant/a") == []
    assert "写错了 mistaken" in str(bench.dump()["notes_note"])
    with pytest.raises(Conflict):
        bench.do("remove", note=1, reason="again")


def test_what_is_missing_is_named(bench: Bench):
    wrong = {
        "tags": {"tags": " , "},
        "until": {"until": (NOON - HOUR).isoformat()},
    }
    for field, given in wrong.items():
        with pytest.raises(Invalid) as told:
            write(bench, **given)  # type: ignore[arg-type]
        assert told.value.field == field
    with pytest.raises(Invalid):
        bench.do("add", tags="a", since=NOON.isoformat(), text=" ")
    write(bench)
    with pytest.raises(Invalid):
        bench.do("remove", note=1, reason=" ")


def test_its_page_leads_to_the_trend(bench: Bench):
    write(bench, "plant/a,plant/b")
    table = bench.see("overview")
    assert table.links[0].startswith("/trends?tag=plant/a&tag=plant/b&start=2026-06-01T11:30:00Z")

"""Sorting full hot tables changes how fast one tag is read, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from baotu.history.duck import DuckHistory
from baotu.history.hot import Table
from baotu.history.keeper import Keeper
from baotu.history.settings import HistorySettings
from baotu.sdk import Quality, Samples
from baotu.sdk.samples import SECOND
from tests.history.samples import BASE, END, batch, fill, numbers

# tables of 1,000 rows, that is ten frames; enough for a segment when there are sixteen
SMALL = HistorySettings(seal_rows=16_000, memory_mb=64)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[DuckHistory]:
    found = DuckHistory(tmp_path, SMALL)
    yield found
    found.close()


def tables(history: DuckHistory) -> tuple[Table, ...]:
    return history._hot.tables


def test_full_tables_are_sorted_and_the_current_one_is_left_alone(history: DuckHistory) -> None:
    fill(history, 1, 25)
    before = tables(history)
    assert [(t.number, t.rows) for t in before] == [(1, 1_000), (2, 1_000), (3, 500)]
    assert history.seal() == 0
    assert [(t.rows, t.origin) for t in tables(history)] == [(1_000, 1), (1_000, 2), (500, None)]
    (first,) = history._store.db.execute(
        f"select list(tag order by rowid) from hot_{tables(history)[0].number}"
    ).fetchall()[0]
    assert first == sorted(first)
    assert history.seal() == 0 and numbers(history) == list(range(1, 26))
    fill(history, 26, 40)
    assert numbers(history) == list(range(1, 41))
    assert history.figures()["samples"] == 4_000


def test_the_keeper_sorts_between_floods_and_not_in_them(history: DuckHistory) -> None:
    keeper = Keeper(history)
    fill(history, 1, 25)
    keeper._seen = (keeper._seen[0], -(10**12))  # as if that many had just come
    keeper.turn()
    assert {t.origin for t in tables(history)} == {None}
    keeper._seen = (keeper._seen[0] - 60, keeper._seen[1])  # a quiet minute
    keeper.turn()
    assert [t.origin for t in tables(history)] == [1, 2, None]


def test_tables_are_sealed_together_when_they_are_enough_for_a_segment(
    history: DuckHistory,
) -> None:
    for number in range(1, 176):
        fill(history, number, number)
        if number % 7 == 0:
            history.seal()
    figures = history.figures()
    assert (figures["runs_number"], figures["samples_number"]) == (1, 16_000)
    assert figures["samples_hot"] == 1_500
    assert numbers(history) == list(range(1, 176))
    assert history.aggregate(7, BASE, END, 3600 * SECOND).count.tolist() == [175]


def test_text_bad_and_late_samples_are_the_same_before_and_after(history: DuckHistory) -> None:
    fill(history, 1, 15)
    history.append([batch(16, Samples.of([7], BASE, [math.nan], Quality.BAD_TIMEOUT))])
    history.append([batch(17, Samples.of([7, 7], BASE + 5, [-1.0, 3.5]))])
    texts = Samples.of(np.full(3_000, 500), BASE + np.arange(3_000), ["开", "关", "停"] * 1_000)
    for number in range(3):
        history.append(
            [batch(18 + number, texts.where(slice(number * 1000, number * 1000 + 1000)))]
        )
    fill(history, 21, 40)

    def seen() -> list[object]:
        raw, text = history.read(7, 0, END), history.read(500, 0, END)
        order = np.lexsort((raw.value, raw.time))
        return [raw.where(order), text, history.window(7, BASE, END, 2_000).time.tolist()]

    before = seen()
    history.seal()
    assert len([t for t in tables(history) if t.origin is not None]) >= 5
    assert seen() == before
    history.seal(everything=True)
    assert seen() == before


def test_the_later_of_two_samples_of_one_time_stays_the_latest_after_a_restart(
    tmp_path: Path,
) -> None:
    history = DuckHistory(tmp_path, SMALL)
    same = Samples.of(np.zeros(1_000, "i4"), BASE, np.full(1_000, 1.0))
    history.append([batch(1, same)])
    history.append([batch(2, Samples.of([0] * 600, BASE, [2.0] * 600))])
    history.seal()
    assert [table.origin for table in tables(history)] == [1, None]
    assert tables(history)[0].number > tables(history)[1].number
    history.close()
    again = DuckHistory(tmp_path, SMALL)
    assert [table.origin for table in tables(again)] == [1, None]
    assert again.latest(np.array([0]))[0].value.tolist() == [2.0]
    assert again.append([batch(3, Samples.of([0], BASE + 1, [3.0]))]) == [True]
    assert [table.rows for table in tables(again)] == [1_000, 601]
    again.close()


def test_a_read_that_began_before_the_sorting_sees_all(history: DuckHistory) -> None:
    fill(history, 1, 25)
    with history._store.snapshot() as db:
        numbers = [n for (n,) in db.execute("select id from hot").fetchall()]
        assert history.seal() == 0
        counts = [db.execute(f"select count(*) from hot_{n}").fetchall()[0][0] for n in numbers]
    assert sum(counts) == 2_500


def test_no_memory_for_sorting_costs_only_speed(history: DuckHistory) -> None:
    fill(history, 1, 25)
    failing = [True]

    def seam(name: str) -> None:
        if name == "sorted" and failing[0]:
            raise duckdb.OutOfMemoryException("made up")

    history._store.seam = seam
    assert history.seal() == 0
    assert [table.origin for table in tables(history)] == [None, None, None]
    failing[0] = False
    assert history.seal() == 0
    assert [table.origin for table in tables(history)] == [1, 2, None]
    assert numbers(history) == list(range(1, 26))


def test_a_database_of_before_is_opened_and_sorted(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "history.db")) as db:
        db.execute("create table hot(id bigint, kind varchar)")
        for number in (3, 4):
            db.execute(
                f"create table hot_{number} as select (range % 100)::int as tag, {BASE} + range "
                "as time, range::double as value, 0::utinyint as quality from range(2000)"
            )
            db.execute("insert into hot values (?, 'number')", [number])
    history = DuckHistory(tmp_path, SMALL)
    fill(history, 1, 1)
    history.seal()
    assert [table.origin for table in tables(history)] == [3, 4, None]
    assert history.figures()["samples"] == 4_100
    history.close()

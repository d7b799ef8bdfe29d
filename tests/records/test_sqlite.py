"""Records on SQLite: the common checks, additions to a schema, a full disk, kill -9."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, create_engine, select
from sqlalchemy import Table as SqlTable

from baotu.records import SqliteStore
from baotu.sdk import ConfigError, Unreachable
from baotu.sdk.testing.records import Leaf, Twig, check_records

ROOT = Path(__file__).parents[2]


def test_a_file_conforms(tmp_path: Path):
    number = iter(range(100))
    check_records(lambda: SqliteStore(tmp_path / f"{next(number)}.db"))


def test_memory_conforms():
    check_records(SqliteStore)


def test_a_reader_sees_one_moment_while_the_writer_goes_on(tmp_path: Path):
    store = SqliteStore(tmp_path / "records.db")
    store.create([Leaf])
    with store.reading("spring") as records:
        assert records.scalars(select(Leaf)).all() == []
        with store.writing() as writer:
            writer.records("spring").put(Leaf(words="a"))
        assert records.scalars(select(Leaf)).all() == []
    with store.reading("spring") as records:
        assert len(records.scalars(select(Leaf)).all()) == 1


def test_an_index_of_the_question_goes_before_that_of_the_organisation(tmp_path: Path):
    old_schema(tmp_path / "records.db")
    for _ in range(2):  # the second time the store has been there before
        store = SqliteStore(tmp_path / "records.db")
        store.create([Leaf, Twig])
        for where, index in (("AND leaf = 1", "leaf"), ("ORDER BY id LIMIT 20", "organisation")):
            sql = "EXPLAIN QUERY PLAN SELECT * FROM testing_twig WHERE organisation = ? "
            [plan] = store.ask(f"{sql}{where}", ("spring",))
            assert f"ix_testing_twig_{index}" in plan[3]
        store.close()


def old_schema(path: Path, *columns: Column) -> None:
    """A store as a former version of the app left it, with one row."""
    engine = create_engine(f"sqlite:///{path}")
    table = SqlTable(
        "testing_leaf", MetaData(), Column("id", Integer, primary_key=True),
        Column("organisation", String, nullable=False), Column("words", String, nullable=False),
        *columns,
    )  # fmt: skip
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert().values(organisation="spring", words="old"))
    engine.dispose()


def test_new_columns_and_tables_are_added_and_old_rows_get_the_default(tmp_path: Path):
    old_schema(tmp_path / "records.db")
    store = SqliteStore(tmp_path / "records.db")
    store.create([Leaf, Twig])
    with store.writing() as writer:
        records = writer.records("spring")
        leaf = records.scalars(select(Leaf)).one()
        assert (leaf.words, str(leaf.price), leaf.since, leaf.green) == ("old", "0.00", None, True)
        records.put(Twig(leaf=leaf.id, length=2.0))


def test_a_changed_type_is_refused_by_name(tmp_path: Path):
    old_schema(tmp_path / "records.db", Column("green", String))
    with pytest.raises(
        ConfigError, match=r"table testing_leaf: column green is VARCHAR .* BOOLEAN"
    ):
        SqliteStore(tmp_path / "records.db").create([Leaf])


def test_a_forgotten_column_that_must_have_a_value_is_refused(tmp_path: Path):
    old_schema(tmp_path / "records.db", Column("colour", String, nullable=False, server_default=""))
    SqliteStore(tmp_path / "records.db").create([Leaf])
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute(
            "create table testing_leaf (id integer primary key, organisation varchar not null, "
            "words varchar not null, colour varchar not null)"
        )
    with pytest.raises(ConfigError, match="column colour is in the store"):
        SqliteStore(tmp_path / "other.db").create([Leaf])


def test_a_full_disk_is_told_and_nothing_changes(tmp_path: Path):
    store = SqliteStore(tmp_path / "records.db")
    store.create([Leaf])
    with store.writing() as writer:
        writer.records("spring").put(Leaf(words="before"))
    [[pages]] = store.ask("PRAGMA page_count")
    store._writer.raw.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Unreachable, match="free space"), store.writing() as writer:
        for n in range(2000):
            writer.records("spring").put(Leaf(words=f"{n}" * 20))
    store._writer.raw.execute("PRAGMA max_page_count=1000000")
    with store.writing() as writer:
        writer.records("spring").put(Leaf(words="after"))
    with store.reading("spring") as records:
        assert sorted(records.scalars(select(Leaf.words))) == ["after", "before"]


WRITER = """
import sys
from pathlib import Path
from threading import Lock, Thread
from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.records import SqliteStore
from baotu.sdk import Caller
from tests.examples.rental import Rental
chain = Chain(SqliteStore(Path(sys.argv[1])), SystemClock(), [Rental()])
who = Caller("li", "spring", frozenset({"rental.offer"}))
lock = Lock()
def work(first):
    for n in range(first, 10**6, 8):
        chain.call("rental", "offer", {"machine": str(n), "tag": n, "price": 1}, who, key=str(n))
        with lock:
            print(n, flush=True)
for first in range(8):
    Thread(target=work, args=(first,), daemon=True).start()
import time
time.sleep(60)
"""


def kill_while_it_writes(path: Path, after: int) -> set[int]:
    """Start the writer, kill it after so many answers; all that it answered."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    answered: list[str] = []
    killer = threading.Timer(60, writer.kill)
    killer.start()
    for line in writer.stdout:
        answered.append(line)
        if len(answered) == after:
            os.kill(writer.pid, signal.SIGKILL)
    writer.wait(10)
    killer.cancel()
    return {int(line) for line in answered if line.endswith("\n")}


@pytest.mark.parametrize("after", [1, 60, 333])
def test_what_was_answered_survives_kill_9_once_with_its_audit_and_receipt(
    tmp_path: Path, after: int
):
    path = tmp_path / "records.db"
    answered = kill_while_it_writes(path, after)
    with sqlite3.connect(path) as found:
        machines = [int(row[0]) for row in found.execute("select machine from rental_offer")]
        counts = [
            found.execute(f"select count(*) from {table}").fetchone()[0]
            for table in ("ledger_audit_record", "ledger_receipt")
        ]
    assert answered <= set(machines), "what was answered is there"
    assert len(machines) == len(set(machines)), "nothing twice"
    assert counts == [len(machines)] * 2, "each with one audit record and one receipt"

"""Records on PostgreSQL: the same checks as SQLite, on a server started for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.sdk import Caller, Unreachable
from baotu.sdk.testing.records import Leaf, Twig, check_records
from tests.examples.rental import Rental
from tests.peers import need

pytestmark = pytest.mark.peer("postgres")
psycopg = pytest.importorskip("psycopg", reason="the extra baotu[postgres] is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server on a socket in a folder, no network; its URL."""
    postgres = need("postgres")
    with tempfile.TemporaryDirectory(prefix="baotu-pg-") as folder:  # pytest's own is root's alone
        yield from served(postgres, Path(folder))


def served(postgres: str, folder: Path) -> Iterator[str]:
    programs = Path(postgres).resolve().parent
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    if user:
        shutil.chown(folder, user, user)
    data = folder / "data"
    setup = [programs / "initdb", "-D", data, "-U", "baotu", "-A", "trust", "--no-sync"]
    subprocess.run(setup, user=user, check=True, capture_output=True, timeout=60, cwd=folder)
    running = subprocess.Popen(
        [postgres, "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stderr is not None
    for line in running.stderr:
        if "ready to accept" in line:
            break
    drain = threading.Thread(target=running.stderr.read, daemon=True)
    drain.start()
    yield f"postgresql://baotu@/%s?host={folder}"
    running.terminate()
    running.wait(20)
    drain.join(5)


@pytest.fixture
def fresh(server: str):
    """Opens an empty store, in a new database, each time it is called."""
    from baotu.records.postgres import PostgresStore

    made: list[PostgresStore] = []

    def new(name: str = "") -> PostgresStore:
        database = name or f"t{os.getpid()}_{len(made)}_{os.urandom(4).hex()}"
        if not name:
            with psycopg.connect(server % "postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {database}")
        made.append(PostgresStore(server % database))
        return made[-1]

    yield new
    for store in made:
        store.close()


def test_postgresql_conforms(fresh):
    check_records(fresh)


def test_new_columns_are_added_and_old_rows_get_the_default(fresh):
    store = fresh()
    with store.writing() as writer:
        writer.connection.execute(
            text(
                "create table testing_leaf (id bigserial primary key, "
                "organisation varchar not null, words varchar not null)"
            )
        )
        writer.run("INSERT INTO testing_leaf (organisation, words) VALUES (?, ?)", ("spring", "o"))
    store.create([Leaf, Twig])
    with store.reading("spring") as records:
        leaf = records.scalars(select(Leaf)).one()
        assert (leaf.words, str(leaf.price), leaf.since, leaf.green) == ("o", "0.00", None, True)


def test_two_nodes_with_one_database_take_turns_and_a_key_has_one_effect(fresh, server):
    first = fresh()
    name = first.url.rpartition("?")[0].rpartition("/")[2]
    chains = [Chain(store, SystemClock(), [Rental()]) for store in (first, fresh(name))]
    who = Caller("li", "spring", frozenset({"rental.offer"}))
    errors: list[Exception] = []

    def work(chain: Chain) -> None:
        for n in range(50):
            try:
                offer = {"machine": str(n), "tag": n, "price": 1}
                chain.call("rental", "offer", offer, who, key=str(n))
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(chain,)) for chain in chains for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    rows = first.dump()
    assert sorted(int(row[0]) for row in rows["rental_offer"]) == list(range(50))
    assert len(rows["ledger_receipt"]) == 50


def test_a_server_that_went_away_is_told_and_found_again(fresh, server):
    store = fresh()
    store.create([Leaf])
    pid = store.ask("SELECT pg_backend_pid()")[0][0]
    with psycopg.connect(server % "postgres", autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", (store._writer.raw.info.backend_pid,))
        connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(Unreachable), store.writing() as writer:
        writer.records("spring").put(Leaf(words="a"))
    with store.writing() as writer:
        writer.records("spring").put(Leaf(words="b"))
    seen = []
    for _ in range(8):  # each pooled reader is tried
        try:
            seen.append(len(store.ask("SELECT * FROM testing_leaf")))
        except Unreachable:
            continue
    assert len(seen) >= 7 and set(seen) == {1}


def test_a_wrong_address_is_told_without_the_password():
    from baotu.records.postgres import PostgresStore

    with pytest.raises(Unreachable, match="records postgresql://li:…@") as error:
        PostgresStore("postgresql://li:secret@[::1]:1/none")
    assert "secret" not in str(error.value)

"""Records on PostgreSQL: the same checks as SQLite, on a server started for them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    # pytest's own folder is root's alone
    with tempfile.TemporaryDirectory(prefix="baotu-pg-") as folder, Server(Path(folder)):
        yield f"postgresql://baotu@/%s?host={folder}"


class Server:
    """A PostgreSQL in a folder, on a socket there; with a port and a password on [::1] as well."""

    def __init__(self, folder: Path, port: int = 0, password: str = "") -> None:
        self.program, self.folder, self.port = need("postgres"), folder, port
        self.user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        secret = folder / "secret"
        secret.write_text(password or "none")
        if self.user:
            shutil.chown(folder, self.user, self.user)
            shutil.chown(secret, self.user, self.user)
        programs = Path(self.program).resolve().parent
        rights = ["-A", "scram-sha-256", f"--pwfile={secret}"] if password else ["-A", "trust"]
        setup = [programs / "initdb", "-D", folder / "data", "-U", "baotu", "--no-sync", *rights]
        self._run(setup)

    def _run(self, command: list[Any]) -> None:
        done = {"check": True, "capture_output": True, "timeout": 60, "cwd": self.folder}
        subprocess.run(command, user=self.user, **done)

    def __enter__(self) -> Server:
        network = [f"listen_addresses={'::1' if self.port else ''}", f"port={self.port or 5432}"]
        options = [word for option in [*network, "fsync=off"] for word in ("-c", option)]
        self.running = subprocess.Popen(
            [self.program, "-D", self.folder / "data", "-k", self.folder, *options],
            user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self.running.stderr is not None
        for line in self.running.stderr:
            if "ready to accept" in line:
                break
        self._drain = threading.Thread(target=self.running.stderr.read, daemon=True)
        self._drain.start()
        return self

    def __exit__(self, *how: object) -> None:
        self.running.send_signal(signal.SIGINT)  # "fast": clients are sent away
        self.running.wait(30)
        self._drain.join(5)


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


def test_connections_that_went_away_are_found_again_before_anything_is_asked(fresh, server):
    store = fresh()
    store.create([Leaf])
    pid = store.ask("SELECT pg_backend_pid()")[0][0]
    with psycopg.connect(server % "postgres", autocommit=True) as connection:
        for gone in (store._writer.raw.info.backend_pid, pid):
            connection.execute("SELECT pg_terminate_backend(%s, 10000)", (gone,))
    with store.writing() as writer:
        writer.records("spring").put(Leaf(words="b"))
    seen = [len(store.ask("SELECT * FROM testing_leaf")) for _ in range(8)]  # each reader
    assert seen == [1] * 8


def test_a_connection_lost_in_a_transaction_is_told_and_nothing_stands(fresh, server):
    store = fresh()
    store.create([Leaf])
    with pytest.raises(Unreachable, match="records postgresql://"), store.writing() as writer:
        writer.records("spring").put(Leaf(words="a"))
        with psycopg.connect(server % "postgres", autocommit=True) as connection:
            gone = (writer.raw.info.backend_pid,)
            connection.execute("SELECT pg_terminate_backend(%s, 10000)", gone)
        writer.rows("SELECT 1")
    with store.writing() as writer:
        writer.records("spring").put(Leaf(words="b"))
    assert [row[0] for row in store.ask("SELECT words FROM testing_leaf")] == ["b"]


def test_a_turn_that_does_not_come_is_told(fresh, server):
    first = fresh()
    first.create([Leaf])
    [[database]] = first.ask("SELECT current_database()")
    from baotu.records.postgres import PostgresStore

    second = PostgresStore(server % database, wait_s=0.2)
    with first.writing(), pytest.raises(Unreachable, match="holds the turn"), second.writing():
        pass
    with second.writing() as writer:
        writer.records("spring").put(Leaf(words="a"))
    second.close()


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://li@[::1]:5432/baotu", None),
        ("postgresql://li@/baotu?host=/run/postgresql", None),
        ("postgresql://li@db.example.com/baotu", "verify-full"),
        ("postgresql://li@[fd00::5]/baotu", "verify-full"),
        ("postgresql://li@db.example.com/baotu?sslmode=require", "require"),
    ],
)
def test_another_machine_is_spoken_to_over_verified_tls_unless_the_url_says_otherwise(url, mode):
    from baotu.records.postgres import conninfo

    made = psycopg.conninfo.conninfo_to_dict(conninfo(url, "secret", 5.0))
    assert made.get("sslmode") == mode
    assert made["password"] == "secret"
    assert made["connect_timeout"] == "5"


def test_a_wrong_address_is_told_without_the_password():
    from baotu.records.postgres import PostgresStore

    with pytest.raises(Unreachable, match=r"records postgresql://li:…@.*start the server") as error:
        PostgresStore("postgresql://li:secret@[::1]:1/none", password="geheim")
    causes = [error.value, error.value.__cause__, error.value.__context__]
    assert not [c for c in causes if "secret" in str(c) or "geheim" in str(c)]

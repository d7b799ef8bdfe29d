"""Several nodes on one PostgreSQL: ids are allotted within the turn, so both logs are the same."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.sdk import Caller
from baotu.trust.audit.app import Audit
from baotu.trust.audit.keys import Ed25519Signer
from baotu.trust.audit.record import Canonical
from baotu.trust.audit.rows import NEXT
from baotu.trust.audit.sealer import Sealer
from baotu.trust.audit.tiles import Reader
from tests.records.test_postgres import Server

WHO = Caller("li", "plant", frozenset())
EACH = 150


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    pytest.importorskip("psycopg", reason="the extra baotu[postgres] is not installed")
    with tempfile.TemporaryDirectory(prefix="baotu-pg-") as folder, Server(Path(folder)):
        yield f"postgresql://baotu@/postgres?host={folder}"


def test_two_nodes_that_write_at_once_seal_the_same_log(url, tmp_path):
    from baotu.records.postgres import PostgresStore

    chains = [Chain(PostgresStore(url), SystemClock(), [Audit()]) for _ in range(2)]
    sealers = [
        Sealer(
            chain, tmp_path / f"log-{n}", Ed25519Signer(f"plant/hub-{n}", bytes([n] * 32)), "plant"
        )
        for n, chain in enumerate(chains)
    ]
    failed: list[BaseException] = []
    over = threading.Event()

    def write(chain: Chain, name: str) -> None:
        for n in range(EACH):
            chain.note("config", name, WHO, "done", f"step {n}")

    def seal(sealer: Sealer) -> None:
        try:
            while not over.is_set():
                sealer.seal()
        except BaseException as error:
            failed.append(error)

    writers = [
        threading.Thread(target=write, args=(chain, f"node-{n}-{m}"))
        for n, chain in enumerate(chains)
        for m in range(2)
    ]
    readers = [threading.Thread(target=seal, args=(sealer,)) for sealer in sealers]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join(120)
    over.set()
    for thread in readers:
        thread.join(60)
    assert failed == []
    for sealer in sealers:
        sealer.seal()

    made = [Canonical()(row) for row in chains[0].store.ask(NEXT, (0, 10**6))]
    assert len(made) == 4 * EACH
    logs = [Reader(sealer.folder) for sealer in sealers]
    for log in logs:
        assert [entry for _, entry in log.entries(0, log.checkpoint().size)] == made
    assert logs[0].checkpoint().root == logs[1].checkpoint().root
    for chain in chains:
        chain.store.close()

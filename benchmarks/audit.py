"""The tamper-evident audit: appends, proofs in a large log, random tamperings, what commands pay.

Appends go through the real sealer from committed rows, each group fsynced and signed, and straight
into a log of 10 million records, which then proves records at random. Tamperings are of every kind
in `tests/trust/audit/tamper.py`, each on the raw files of a whole log: found, and located at the file
and at the first record that differs. Commands run with and without the sealer, in turns.
`python benchmarks/audit.py [--json] [--quick] [--records 10000000] [--tamperings 10000]`
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from _house import bar, tell
from commands import Stock, measured
from tests.examples.rental import Rental
from tests.trust.audit.logs import SIGNER, row, written
from tests.trust.audit.tamper import KINDS, Folder, located

from baotu.kernel.board import HealthBoard
from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.kernel.ledger import INSERTS
from baotu.records import SqliteStore
from baotu.sdk import Caller
from baotu.trust.audit.app import Audit
from baotu.trust.audit.formats import climb
from baotu.trust.audit.log import GROUP, Log
from baotu.trust.audit.record import Canonical
from baotu.trust.audit.sealer import Sealer
from baotu.trust.audit.tiles import Reader
from baotu.trust.audit.verify_log import verify
from baotu.trust.audit.watch import Watch

SIZES = (
    (3_000, 0.47),
    (2_816, 0.24),
    (3_072, 0.24),
    (66_000, 0.05),
)  # of a log, share of tamperings


def sealed(folder: Path, many: int) -> dict[str, float]:
    """Committed rows to a signed, fsynced log: the way of the platform."""
    store = SqliteStore(folder / "records.db")
    chain = Chain(store, SystemClock(), [Audit()])
    with store.writing() as writer:
        for first in range(1, many + 1, 10_000):
            rows = [row(id)[1:] for id in range(first, min(first + 10_000, many + 1))]
            writer.many(INSERTS["audit"], rows)
    sealer = Sealer(chain, folder / "sealed", SIGNER, "plant")
    sealer.open()
    began, burnt = time.perf_counter(), time.thread_time()
    count = sealer.seal()
    took, burnt = time.perf_counter() - began, time.thread_time() - burnt
    store.close()
    assert count == many
    return {
        "sealed_records": many,
        "sealed_per_s": round(many / took),
        "sealed_cpu_us": round(burnt / many * 1e6, 1),
    }


def appended(folder: Path, many: int) -> dict[str, float]:
    """The large log; records a second by the median of its groups."""
    log, canonical, waits = Log(folder, SIGNER), Canonical(), []
    began = time.perf_counter()
    while log.size < many:
        first, last = log.size + 1, min(log.size + GROUP, many)
        rows = [row(id) for id in range(first, last + 1)]
        at = time.perf_counter()
        log.append([canonical(one) for one in rows])
        waits.append((time.perf_counter() - at) / len(rows))
    took = time.perf_counter() - began
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return {
        "log_records": many,
        "appended_per_s": round(1 / statistics.median(waits)),
        "log_made_s": round(took),
        "bytes_a_record": round(size / many, 1),
    }


def proved(folder: Path, many: int, rounds: int) -> dict[str, float]:
    """Inclusion proofs of records at random, every one judged; found by id besides."""
    reader, dice = Reader(folder, SIGNER.key.kind.hashing), random.Random(2)
    now, leaf, hashing = reader.checkpoint(), Canonical(), SIGNER.key.kind.hashing
    names = ("proof", "proof_cpu", "text", "find", "consistency")
    waits: dict[str, list[float]] = {name: [] for name in names}

    def timed(name: str, work: Any) -> Any:
        began = time.perf_counter()
        answer = work()
        waits[name].append((time.perf_counter() - began) * 1e3)
        return answer

    for _ in range(rounds):
        index, old = dice.randrange(many), dice.randrange(1, many)
        burnt = time.thread_time()
        path = timed("proof", lambda index=index: reader.inclusion(index, many))
        waits["proof_cpu"].append((time.thread_time() - burnt) * 1e3)
        entry = leaf(row(index + 1))
        assert climb(index, many, hashing.leaf(entry), path, hashing) == now.root
        timed("text", lambda index=index: reader.proof(index, now))
        assert timed("find", lambda index=index: reader.find(index + 1, many)) == index
        timed("consistency", lambda old=old: reader.consistency(old, many))
    found = {}
    for name, times in waits.items():
        p50, p99 = np.percentile(times[rounds // 10 :], [50, 99])  # once the upper tiles are known
        found |= {f"{name}_p50_ms": round(float(p50), 3), f"{name}_p99_ms": round(float(p99), 3)}
    return found


def hashed_again(folder: Path, many: int) -> dict[str, float]:
    began = time.perf_counter()
    report = verify(folder, SIGNER.key)
    assert report.good and report.hashed == many, report.findings[:3]
    return {"verified_per_s": round(many / (time.perf_counter() - began))}


def tampered(folder: Path, many: int) -> Iterator[tuple[str, str]]:
    """(kind, outcome) of each tampering."""
    for size, share in SIZES:
        place = folder / f"log-{size}"
        written(place, size, (1, 300, 7, 512, 4096))
        log, dice = Folder(place), random.Random(size)
        assert verify(place, SIGNER.key).good
        made = 0
        while made < round(many * share):
            kind = KINDS[made % len(KINDS)]
            done = kind(log, dice)
            if log.changed():
                report = verify(place, SIGNER.key)
                made += 1
                good = "missed" if report.good else "located" if located(report, done) else "found"
                yield kind.__name__, good
            log.restore()
        assert verify(place, SIGNER.key).good


def commands(folder: Path, seconds: float, rounds: int) -> dict[str, Any]:
    """Light commands of 32 callers, without and with the sealer at work on their rows."""
    store = SqliteStore(folder / "records.db")
    chain = Chain(store, SystemClock(), [Stock(), Rental(), Audit()])
    who = Caller("li", "plant", frozenset(v.permission for v in chain.verbs()))
    for n in range(200):
        chain.call("stock", "add", {"code": f"p{n}"}, who)
    numbers = iter(range(10**9))
    lock = threading.Lock()

    def move(_: int) -> None:
        with lock:
            n = next(numbers)
        arguments = {"code": f"p{n % 200}", "amount": 3, "why": "issue"}
        chain.call("stock", "move", arguments, who, key=f"move-{n}")

    found: dict[str, list[dict[str, Any]]] = {"without": [], "with": []}
    for turn in range(rounds * 2):
        name = "with" if turn % 2 else "without"
        watch = Watch(chain, HealthBoard(), folder / "log", SIGNER, "plant")
        watch.sealer.seal()  # what the round before has left
        if name == "with":
            watch.start()
        found[name].append(measured(name, move, 32, seconds))
        watch.stop()
    store.close()
    rates = {name: [row["per_s"] for row in rows] for name, rows in found.items()}
    cpu = {name: statistics.median(row["cpu_us"] for row in rows) for name, rows in found.items()}
    ratios = [b / a for a, b in zip(rates["without"], rates["with"], strict=True)]
    return {
        "commands_per_s": {name: round(statistics.median(v)) for name, v in rates.items()},
        "commands_cpu_us": {name: round(v) for name, v in cpu.items()},
        "commands_ratio": round(statistics.median(ratios), 3),
        "commands_ratios": [round(min(ratios), 3), round(max(ratios), 3)],
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--records", type=int, default=0)
    asked.add_argument("--tamperings", type=int, default=0)
    o = asked.parse_args()
    records = o.records or (200_000 if o.quick else 10_000_000)
    tamperings = o.tamperings or (300 if o.quick else 10_000)
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        figures: dict[str, Any] = sealed(_new(folder, "sealer"), 200_000)
        figures |= appended(folder / "large", records)
        figures |= proved(folder / "large", records, 300 if o.quick else 5_000)
        figures |= hashed_again(folder / "large", records)
        outcomes = Counter(tampered(folder, tamperings))
        rounds, seconds = (2, 1.0) if o.quick else (7, 3.0)
        figures |= commands(_new(folder, "commands"), seconds, rounds)
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    figures["tamperings"] = {k.__name__: 0 for k in KINDS}
    for (kind, _), count in outcomes.items():
        figures["tamperings"][kind] += count
    hit = sum(count for (_, what), count in outcomes.items() if what == "located")
    missed = {f"{kind} {what}": n for (kind, what), n in outcomes.items() if what != "located"}
    figures["not_located"] = missed or "none"
    q = o.quick
    bars = [
        bar("audit appends from committed rows, sealed and fsynced, /s", figures["sealed_per_s"], ">=", 20_000, q),
        bar(f"inclusion proof in {records:,} records, p99 ms", figures["proof_p99_ms"], "<=", 1, q),
        bar(f"inclusion proof in {records:,} records, processor time p99 ms", figures["proof_cpu_p99_ms"], "<=", 1, q),
        bar(f"of {tamperings:,} random tamperings of raw files found and located", hit, "==", tamperings, q),
        bar("commands/s with the sealer to without, median", figures["commands_ratio"], ">=", 0.95, q),
    ]  # fmt: skip
    tell("audit", figures, bars, o.json)


def _new(folder: Path, name: str) -> Path:
    (folder / name).mkdir(exist_ok=True)
    return folder / name


if __name__ == "__main__":
    main()

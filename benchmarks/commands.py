"""Commands and queries through the whole chain on SQLite, 32 callers: decide, check, write, receipt, audit.

`light`: one select, two inserts. `book`: the rental example: overlap check, reference, insert, event.
Every case in several rounds, one case after the other, so that a busy minute of the machine does not
fall on one case alone; each figure is the median of its rounds.
`python benchmarks/commands.py [--json] [--seconds 1.5] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, mapped_column

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.examples.rental import Rental

from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.records import SqliteStore
from baotu.sdk import App, Caller, Conflict, Records, Table, command, page, query, refers, view

FIGURES = ("per_s", "cpu_us", "p50_ms", "p99_ms")
START = datetime(2026, 6, 1, tzinfo=UTC)


class Part(Table):
    code: Mapped[str] = mapped_column(index=True)
    stock: Mapped[int]


class Movement(Table):
    part: Mapped[int] = refers(Part)
    amount: Mapped[int]
    why: Mapped[str]


class Stock(App):
    """Keeps stock."""

    tables = (Part, Movement)

    @command(permission="stock.add", title="新增 Add")
    def add(self, records: Records, code: str) -> int:
        return records.put(Part(code=code, stock=0)).id

    @command(permission="stock.move", title="出入库 Move")
    def move(self, records: Records, code: str, amount: int, why: str) -> int:
        part = records.scalar(select(Part).where(Part.code == code).limit(1))
        if part is None:
            raise Conflict("code", f"{code} does not exist")
        first = records.put(Movement(part=part.id, amount=amount, why=why))
        records.put(Movement(part=part.id, amount=-amount, why=f"against {first.id}"))
        return first.id

    @query(title="件 Part")
    def part(self, records: Records, code: str) -> Part | None:
        return records.scalar(select(Part).where(Part.code == code).limit(1))

    @query(title="件表 Parts")
    def parts(self, records: Records) -> list[Part]:
        return list(records.scalars(select(Part).order_by(Part.id).limit(20)))

    @query(title="合计 Total")
    def total(self, records: Records) -> int:
        return records.scalar(select(func.sum(Part.stock))) or 0

    @page(title="页 Page")
    def show(self, records: Records) -> view.View:
        return view.Table(("件 Part",), tuple((p.code,) for p in self.parts(records)))


def measured(name: str, one: Callable[[int], object], callers: int, seconds: float) -> dict:
    """Callers in a loop each, for this long: calls a second, the times they waited, and the
    processor time of a call, which a busy machine disturbs least."""
    number, waits, ended = count(), [[] for _ in range(callers)], threading.Event()
    failed: list[Exception] = []

    def loop(mine: list[float]) -> None:
        while not ended.is_set():
            began = time.perf_counter()
            try:
                one(next(number))
            except Exception as error:
                failed.append(error)
                return
            mine.append(time.perf_counter() - began)

    threads = [threading.Thread(target=loop, args=(mine,)) for mine in waits]
    began, burnt = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    ended.set()
    for thread in threads:
        thread.join()
    took, burnt = time.perf_counter() - began, time.process_time() - burnt
    if failed:
        raise failed[0]
    every = np.sort(np.concatenate(waits)) * 1000
    return {
        "name": name,
        "callers": callers,
        "per_s": round(len(every) / took),
        "cpu_us": round(burnt / len(every) * 1e6),
        "p50_ms": round(float(every[len(every) // 2]), 2),
        "p99_ms": round(float(every[int(len(every) * 0.99)]), 2),
    }


def in_the_middle(rows: list[dict]) -> dict:
    """The median of each figure over the rounds, and how far the rounds lay apart."""
    found = {key: np.median([row[key] for row in rows]).item() for key in FIGURES}
    rates = [row["per_s"] for row in rows]
    told = {
        key: round(value, 2) if key.endswith("_ms") else round(value)
        for key, value in found.items()
    }
    return {**rows[0], **told, "rounds": len(rows), "per_s_of": [min(rates), max(rates)]}


def run(seconds: float, rounds: int, folder: Path) -> list[dict]:
    store = SqliteStore(folder / "records.db")
    chain = Chain(store, SystemClock(), [Stock(), Rental()])
    who = Caller("li", "spring", frozenset(v.permission for v in chain.verbs()))
    for n in range(200):
        chain.call("stock", "add", {"code": f"p{n}"}, who)
    for n in range(50):
        chain.call("rental", "offer", {"machine": f"m{n}", "tag": n, "price": "80.50"}, who)

    def move(n: int) -> None:
        arguments = {"code": f"p{n % 200}", "amount": 3, "why": "issue"}
        chain.call("stock", "move", arguments, who, key=f"move-{n}")

    def book(n: int) -> None:
        first = START + timedelta(hours=n // 50)
        until = first + timedelta(minutes=59)
        arguments = {"offer": n % 50 + 1, "customer": "Wu", "start": first, "end": until}
        chain.call("rental", "book", arguments, who, key=f"book-{n}")

    def again(n: int) -> None:
        arguments = {"code": "p0", "amount": 3, "why": "issue"}
        chain.call("stock", "move", arguments, who, key="move-0")

    moves, books = count(), count()  # what was booked is not booked again in the next round
    cases: dict[str, tuple[Callable[[int], object], tuple[int, ...]]] = {
        "command, light": (lambda _: move(next(moves)), (1, 32)),
        "command, book": (lambda _: book(next(books)), (1, 32)),
        "command again with its key": (again, (32,)),
        "query, one row": (
            lambda n: chain.call("stock", "part", {"code": f"p{n % 200}"}, who),
            (1, 32),
        ),
        "query, 20 rows": (lambda n: chain.call("stock", "parts", {}, who), (1, 32)),
        "query, sum of 200 rows": (lambda n: chain.call("stock", "total", {}, who), (1, 32)),
        "page, 20 rows": (lambda n: chain.look("stock", "show", {}, who), (1, 32)),
    }
    again(0)  # the first time its key is new
    found: dict[tuple[str, int], list[dict]] = {}
    for _ in range(rounds):
        for name, (one, callers) in cases.items():
            for many in callers:
                row = measured(name, one, many, seconds)
                found.setdefault((name, many), []).append(row)
    store.close()
    return [in_the_middle(rows) for rows in found.values()]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--seconds", type=float, default=1.5)
    asked.add_argument("--rounds", type=int, default=5)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        found = run(options.seconds, options.rounds, Path(folder))
    if options.json:
        print(json.dumps(found))
        return
    for row in found:
        print(
            f"{row['name']:<28}{row['callers']:>4} callers {row['per_s']:>8} /s "
            f"({row['per_s_of'][0]}…{row['per_s_of'][1]})   "
            f"cpu {row['cpu_us']:>5} us   p50 {row['p50_ms']:>7} ms   p99 {row['p99_ms']:>7} ms"
        )
    print("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MB")


if __name__ == "__main__":
    main()

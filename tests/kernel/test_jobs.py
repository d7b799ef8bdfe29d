"""Jobs in real worker processes: result, progress, cancel, limits, falls, several at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Mapped

from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.kernel.jobs import Jobs, Runner
from baotu.records import SqliteStore
from baotu.sdk import App, Caller, Facts, Job, Records, Table, command, query, result

ALL = frozenset({"sums.add", "sums.read", "jobs.cancel", "jobs.read"})
WHO = Caller("li", "spring", ALL)


@dataclass(frozen=True)
class Problem:
    to: int
    how: str = "well"
    path: str = ""


def solve(problem: Problem, stop: Callable[[float], bool], seed: int) -> int:
    if problem.how == "hog":
        return len(bytearray(4 << 30))
    if problem.how == "raise":
        raise ValueError("no sum")
    if problem.how == "die once" and not Path(problem.path).exists():
        Path(problem.path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if problem.how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if problem.how == "spin":
        while True:
            pass
    total = 0
    for n in range(problem.to):
        total += n
        if n % 1000 == 0 and stop(n / problem.to):
            break
    return total + seed


class Total(Table):
    value: Mapped[int]


class Sums(App):
    """Adds numbers up."""

    tables = (Total,)

    @command(permission="sums.add", title="加 Add")
    def add(
        self,
        to: Annotated[int, "到 To"],
        how: Annotated[str, "如何 How"] = "well",
        path: Annotated[str, "路径 Path"] = "",
    ) -> Facts[None]:
        yield Job(solve, Problem(to, how, path), seed=1)

    @result(of=solve)
    def added(self, records: Records, result: int) -> None:
        records.put(Total(value=result))

    @query(title="和 Totals")
    def totals(self, records: Records) -> list[int]:
        return list(records.scalars(select(Total.value)))


def chain_of(path: Path) -> Chain:
    return Chain(SqliteStore(path / "records.db"), SystemClock(), [Sums(), Jobs()])


@contextmanager
def running(chain: Chain, **limits: float) -> Iterator[Runner]:
    runner = Runner(chain, **limits)  # type: ignore[arg-type]
    runner.start()
    try:
        yield runner
    finally:
        runner.stop(5)


def states(chain: Chain) -> list[str]:
    return [run["state"] for run in reversed(chain.call("jobs", "runs", {}, WHO))]


def until(chain: Chain, *wanted: str, then: Callable[[], None] = lambda: None) -> list[str]:
    """Wait until the jobs have these states; `then` may act on what it sees meanwhile."""
    reached = threading.Event()

    def look(change: object = None) -> None:
        then()
        if states(chain) == list(wanted):
            reached.set()

    forget = chain.watch(look)
    look()
    reached.wait(60)
    forget()
    return states(chain)


def test_results_are_handled_two_at_a_time(tmp_path: Path):
    chain = chain_of(tmp_path)
    for to in (10, 20, 30):
        chain.call("sums", "add", {"to": to}, WHO)
    with running(chain, workers=2):
        assert until(chain, "done", "done", "done") == ["done"] * 3
    assert sorted(chain.call("sums", "totals", {}, WHO)) == [46, 191, 436]
    assert [run["progress"] for run in chain.call("jobs", "runs", {}, WHO)] == [1.0] * 3


def test_a_running_job_is_cancelled(tmp_path: Path):
    chain = chain_of(tmp_path)
    chain.call("sums", "add", {"to": 10**12}, WHO)

    def cancel() -> None:
        if states(chain) == ["running"]:
            chain.call("jobs", "cancel", {"job": 1}, WHO)

    with running(chain):
        assert until(chain, "cancelled", then=cancel) == ["cancelled"]
    assert chain.call("sums", "totals", {}, WHO) == []


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("hog", "needs more than 1000 MB"),
        ("raise", "ValueError: no sum"),
        ("die", "the worker process died"),
        ("spin", "took longer than"),
    ],
)
def test_a_job_that_cannot_be_done_says_why_and_the_next_one_runs(tmp_path: Path, how, why):
    chain = chain_of(tmp_path)
    chain.call("sums", "add", {"to": 10, "how": how}, WHO)
    chain.call("sums", "add", {"to": 10}, WHO)
    with running(chain, workers=2, memory_mb=1000, time_s=2):
        assert until(chain, "failed", "done") == ["failed", "done"]
    [_, failed] = chain.call("jobs", "runs", {}, WHO)
    assert why in failed["error"]


def test_a_worker_that_dies_is_begun_again(tmp_path: Path):
    chain = chain_of(tmp_path)
    arguments = {"to": 10, "how": "die once", "path": str(tmp_path / "died")}
    chain.call("sums", "add", arguments, WHO)
    with running(chain):
        assert until(chain, "done") == ["done"]
    assert chain.call("jobs", "runs", {}, WHO)[0]["attempt"] == 2


def test_what_ran_when_the_platform_fell_starts_over(tmp_path: Path):
    chain = chain_of(tmp_path)
    chain.call("sums", "add", {"to": 10}, WHO)
    with chain.store.writing() as writer:
        writer.run("UPDATE jobs_job_run SET state = 'running', progress = 0.5")
    with running(chain_of(tmp_path)) as runner:
        assert until(runner.chain, "done") == ["done"]
    assert chain.call("sums", "totals", {}, WHO) == [46]

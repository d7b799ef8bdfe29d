"""Long computations: a row is the request, worker processes solve, a handler gets the result."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event as Flag
from typing import Annotated as A
from typing import Any

import structlog
from sqlalchemy import select

from baotu.sdk import (
    App,
    Call,
    Caller,
    ConfigError,
    Conflict,
    Fact,
    Records,
    Unreachable,
    command,
    page,
    query,
    view,
)
from baotu.sdk.door import Change
from baotu.sdk.jobs import JobRun

from .effects import Chain, Deed
from .handlers import beforehand
from .sandbox.port import Gone
from .sandbox.solving import Solving
from .worker import solved, work

NAME = JobRun.__tablename__
NEXT = (
    f"SELECT id, organisation, app, solve, problem, seed, caller, attempt FROM {NAME} "
    "WHERE state = 'queued' ORDER BY id LIMIT ?"
)
LOADING_S = 60.0  # to start a process and load the app's modules, at most
AWAY_S = 1.0  # between two tries while the records are away
STEP = 0.02  # progress is written in steps of 2 %

log = structlog.get_logger("baotu.jobs")


class Jobs(App):
    """Shows and cancels long computations. 长时间计算任务。"""

    title = "任务 Jobs"
    tables = (JobRun,)

    @command(permission="jobs.cancel", title="取消任务 Cancel a job")
    def cancel(self, records: Records, job: A[int, "任务编号 Job id"]) -> str:
        """Take a waiting job out of the queue, or ask a running one to stop."""
        run = records.get(JobRun, job)
        if run is None or run.state not in ("queued", "running"):
            raise Conflict("job", "is not waiting or running")
        run.state = "cancelled" if run.state == "queued" else "cancelling"
        return run.state

    @query(title="任务 Jobs")
    def runs(self, records: Records, limit: A[int, "条数 Limit"] = 50) -> list[JobRun]:
        return list(records.scalars(select(JobRun).order_by(JobRun.id.desc()).limit(limit)))

    @page(title="任务 Jobs")
    def overview(self, records: Records) -> view.View:
        rows = tuple(
            (r.id, r.app, r.solve, r.state, f"{r.progress:.0%}", r.error)
            for r in self.runs(records)
        )
        columns = (
            "编号 Id", "应用 App", "算法 Solver", "状态 State", "进度 Progress", "原因 Reason",
        )  # fmt: skip
        return view.column(view.Table(columns, rows, title="任务 Jobs"), view.Form("cancel"))


@dataclass(frozen=True, slots=True)
class Task:
    """A job taken from the queue."""

    id: int
    organisation: str
    app: str
    solve: str
    problem: str
    seed: int
    caller: str
    attempt: int


@dataclass(slots=True, eq=False)
class Running:
    """A worker process and what it told last."""

    task: Task
    process: BaseProcess | Solving
    pipe: Connection | Solving
    cancel: Flag | Solving
    until: float  # monotonic seconds
    began: bool = False
    shown: float = 0.0
    over: str = ""  # why it is being ended


class Runner:
    """Runs queued jobs, `workers` at once, each in a process of its own with limits.

    One thread, `jobs`, owns all of it. A process that dies is begun again, `attempts` times in
    all: same problem, same seed. What ran when the platform fell starts over.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        workers: int = 1,
        memory_mb: int = 2048,
        time_s: float = 3600.0,
        attempts: int = 2,
        elsewhere: Callable[[str, str, str, int], Solving | None] | None = None,
    ) -> None:
        """elsewhere: begins a solver of a third-party app in its own confinement, from (app,
        solver, problem, seed); None for an app that is ours."""
        self.elsewhere = elsewhere
        self.chain, self.workers, self.attempts = chain, workers, attempts
        self.limits = (memory_mb << 20, max(1, int(time_s)))
        self.time_s = time_s
        self._running: list[Running] = []
        self._ended = False
        self._halted = threading.Event()  # set by `stop`
        self._heard, self._wake = multiprocessing.Pipe(duplex=False)
        self._woken = threading.Event()  # a word is in the pipe: one is enough, it has a bound
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._ended = False
        self._halted.clear()
        self._start_over()
        self._forget = self.chain.watch(self._look)
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
        self._thread.start()

    def _start_over(self) -> None:
        """What ran before is begun again, what was to be cancelled is."""
        self._change("UPDATE {} SET state = 'queued', progress = 0.0 WHERE state = 'running'")
        self._change("UPDATE {} SET state = 'cancelled' WHERE state = 'cancelling'")

    def stop(self, deadline_s: float = 5.0) -> None:
        """Ends the workers; their jobs start over when the platform does."""
        if self._thread is None:
            return
        self._forget()
        self._ended = True
        self._halted.set()
        self._rouse()
        self._thread.join(deadline_s)
        self._thread = None

    def _look(self, change: Change) -> None:
        if NAME in change.tables:
            self._rouse()

    def _rouse(self) -> None:
        if not self._woken.is_set():
            self._woken.set()
            self._wake.send(b"")

    def _loop(self) -> None:
        try:
            while not self._ended:
                try:
                    self._begin()
                    self._listen()
                except Unreachable as away:
                    log.warning("jobs wait for the records, then start over", why=str(away))
                    self._end_all()
                    self._wait_for_store()
        finally:
            self._end_all()

    def _end_all(self) -> None:
        for one in self._running:
            one.process.kill()
            one.process.join(1)
        self._running.clear()

    def _wait_for_store(self) -> None:
        """Nobody knows what became of the last change: as after a fall, what ran starts over."""
        while not self._halted.wait(AWAY_S):
            try:
                self._start_over()
            except Unreachable:
                continue
            return

    def _begin(self) -> None:
        free = self.workers - len(self._running)
        for row in self.chain.store.ask(NEXT, (free,)) if free > 0 else ():
            task = Task(*row)
            self._set(task, state="running", attempt=task.attempt + 1)
            try:
                self._running.append(self._spawn(task))
            except (Gone, ConfigError) as error:
                self._set(task, state="failed", error=str(error))

    def _spawn(self, task: Task) -> Running:
        until = self.chain.clock.monotonic() + LOADING_S + self.time_s
        if self.elsewhere is not None:
            one = self.elsewhere(task.app, task.solve, task.problem, task.seed)
            if one is not None:
                return Running(task, one, one, one, until)
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe(duplex=False)
        cancel = spawn.Event()
        what = (task.solve, task.problem, task.seed)
        process = spawn.Process(
            target=work, args=(theirs, cancel, what, self.limits, list(sys.path)), daemon=True
        )
        process.start()
        theirs.close()
        return Running(task, process, ours, cancel, until)

    def _listen(self) -> None:
        """Wait for a word from a worker or a change of the table, then act on all of them."""
        pipes: list[Any] = [self._heard, *(one.pipe for one in self._running)]
        for ready in wait(pipes, 1.0):
            if ready is self._heard:
                while self._heard.poll():
                    self._heard.recv()
                self._woken.clear()  # only now: a word taken after it would be the last one ever
                self._wishes()
            else:
                self._hear(next(one for one in self._running if one.pipe is ready))
        for one in list(self._running):
            if self.chain.clock.monotonic() > one.until and not one.over:
                one.over = self._too_long()
                one.process.kill()

    def _wishes(self) -> None:
        sql = f"SELECT id FROM {NAME} WHERE state = 'cancelling'"
        wished = {row[0] for row in self.chain.store.ask(sql)}
        for one in self._running:
            if one.task.id in wished:
                one.cancel.set()

    def _hear(self, one: Running) -> None:
        try:
            kind, value = one.pipe.recv()
        except (EOFError, OSError):
            self._fallen(one)
            return
        if not kind:
            return  # a part of a word
        if kind == "progress":
            if not one.began:
                one.began, one.until = True, self.chain.clock.monotonic() + self.time_s
            if value >= one.shown + STEP:
                one.shown = value
                self._set(one.task, progress=min(value, 1.0))
            return
        self._end(one)
        if one.cancel.is_set():
            self._set(one.task, state="cancelled")
        elif kind == "done":
            finish(self.chain, one.task, value)
        else:
            self._set(one.task, state="failed", error=str(value))

    def _fallen(self, one: Running) -> None:
        """The process is gone without an answer: again, or give up and say why."""
        self._end(one)
        if one.process.exitcode == -signal.SIGXCPU:  # the system's limit came before our own
            one.over = self._too_long()
        why = one.over or f"the worker process died (exit code {one.process.exitcode})"
        if one.cancel.is_set():
            self._set(one.task, state="cancelled")
        elif one.over or one.task.attempt + 1 >= self.attempts:
            self._set(one.task, state="failed", error=why)
        else:
            self._set(one.task, state="queued", progress=0.0, error=why)

    def _too_long(self) -> str:
        return f"took longer than {self.time_s:.0f} s; raise [jobs] limit_s"

    def _end(self, one: Running) -> None:
        self._running.remove(one)
        one.pipe.close()
        one.process.join(2)
        one.process.kill()
        one.process.join(1)

    def _set(self, task: Task, **values: Any) -> None:
        mark(self.chain, task, values)

    def _change(self, sql: str) -> None:
        with self.chain.store.writing() as writer:
            writer.run(sql.format(NAME))


def mark(chain: Chain, task: Task, values: dict[str, Any]) -> None:
    """Change the row of a job, so that pages that show it are drawn again."""

    def body(records: Records) -> tuple[None, Sequence[Fact]]:
        run = records.find(JobRun, task.id)
        for name, value in values.items():
            setattr(run, name, value)
        return None, ()

    who = Caller("jobs", task.organisation, frozenset(), kind="platform")
    chain.submit(Deed(app="jobs", name="mark", caller=who, body=body, audited=False))


def finish(chain: Chain, task: Task, value: Any) -> None:
    """Hand the result to its handler and close the job, in one transaction."""
    handler = chain.solvers.get((task.app, task.solve))
    came: Callable[[], tuple[Any, Sequence[Fact]]] | None = None
    if handler is not None and handler.apart:
        who = Caller(task.caller, task.organisation, frozenset())
        came = beforehand(handler, {"result": value}, {Call: chain.call_of(who)})

    def body(records: Records) -> tuple[None, Sequence[Fact]]:
        facts: Sequence[Fact] = []
        if came is not None:
            _, facts = came()
        elif handler is not None:
            given = handler.signature.parse({"result": value})
            call = chain.call_of(who)
            _, facts = handler.run(given, {Records: records, Call: call})
        run = records.find(JobRun, task.id)
        run.state, run.progress, run.error = "done", 1.0, ""
        return None, facts

    who = Caller(task.caller, task.organisation, frozenset())
    name = handler.verb.name if handler else "done"
    try:
        chain.submit(Deed(app=task.app, name=name, caller=who, body=body))
    except Exception as error:  # noqa: BLE001 - the app's fault: shown on its job
        mark(chain, task, {"state": "failed", "error": f"{type(error).__name__}: {error}"})


def run_inline(chain: Chain) -> None:
    """Run every queued job here and now: for benches and tests."""
    while rows := chain.store.ask(NEXT, (1,)):
        task = Task(*rows[0])
        mark(chain, task, {"state": "running", "attempt": task.attempt + 1})
        finish(chain, task, solved(task.solve, task.problem, task.seed, lambda progress: False))

"""Solvers of third-party apps work confined, and their jobs are those of any other app."""

import threading
import time

import pytest

from baotu.kernel.jobs import Runner
from baotu.kernel.sandbox.remote import remote_app
from baotu.kernel.sandbox.solving import solving
from baotu.sdk import ConfigError, Event

from .house import House, remote, source


@pytest.fixture
def working(best):
    """A house with a runner; jobs of `kind` go to confined workers."""
    house = House(remote_app(remote(best, "apps/kind")))
    begun = []
    begin = solving(best, lambda app: source("apps/kind") if app == "kind" else None, 512, 4)

    def elsewhere(*task):
        begun.append(begin(*task))
        return begun[-1]

    runner = Runner(house.chain, time_s=60.0, elsewhere=elsewhere)
    runner.start()
    house.begun = begun
    yield house
    runner.stop()
    house.remotes[0].close()


def until(look):
    end, changed = time.monotonic() + 25, threading.Event()
    while not (found := look()):
        assert time.monotonic() < end
        changed.wait(0.05)
    return found


def state(house, wanted):
    rows = house.store.ask("SELECT state, error FROM jobs_job_run ORDER BY id DESC LIMIT 1")
    return rows[0] if rows and rows[0][0] == wanted else None


def test_a_job_is_solved_in_confinement_and_its_result_comes_back(working):
    working.do("work", numbers="4,5")
    until(lambda: state(working, "done"))
    events = [f for f in working.facts if isinstance(f, Event)]

    assert events == [Event("kind.worked", {"total": 9, "seed": 7})]
    assert len(working.begun) == 1


def test_a_confined_job_is_cancelled(working):
    working.do("work", numbers="0")
    until(lambda: state(working, "running"))
    until(lambda: working.begun)
    caller = working.caller
    working.chain.call("jobs", "cancel", {"job": 1}, caller)

    assert until(lambda: state(working, "cancelled"))


def test_a_solver_that_dies_fails_its_job_and_no_other(working):
    working.do("work", numbers="0")
    until(lambda: state(working, "running"))
    for _ in range(2):  # it is tried twice
        one = until(lambda: [o for o in working.begun if o.exitcode is None])[0]
        one._process.end()
        until(lambda one=one: one.exitcode is not None)

    assert "the worker process died" in until(lambda: state(working, "failed"))[1]
    working.do("work", numbers="1,1")
    until(lambda: state(working, "done"))


def test_a_job_that_cannot_be_confined_fails_and_says_why(best):
    house = House(remote_app(remote(best, "apps/kind")))

    def refuse(*task):
        raise ConfigError("a third-party app cannot be confined on this machine")

    runner = Runner(house.chain, elsewhere=refuse)
    runner.start()
    try:
        house.do("work", numbers="1")
        assert "cannot be confined" in until(lambda: state(house, "failed"))[1]
    finally:
        runner.stop()
        house.remotes[0].close()

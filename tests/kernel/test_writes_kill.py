"""`kill -9` at each step of a write: never lost from the record, never late, never twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from baotu.bench import BenchHistory, BenchPlant
from baotu.kernel.approvals import Approvals
from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.kernel.facts import Reach
from baotu.kernel.writes import Writes
from baotu.records import SqliteStore
from baotu.sdk import Caller, Conflict
from baotu.sdk.reply import Reply

from .writing import LI, SLOW, WU, Zones

ROOT = Path(__file__).parents[2]
TAG = "spring/motor-1/speed"


class Device:
    """Keeps every write as a line of a file; may be the end of the process that asks it."""

    def __init__(self, folder: Path, dies: str) -> None:
        self.file, self.dies = folder / "device", dies

    def write(self, tag: int, value: float | str, deadline: int) -> Reply:
        if self.dies == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        with self.file.open("a") as file:
            file.write(f"{value}\n")
            file.flush()
            os.fsync(file.fileno())
        if self.dies == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return Reply(done=True, value=value)


def platform(folder: Path, dies: str = "") -> tuple[Chain, Writes]:
    plant, policy = BenchPlant("spring"), Zones(approved={TAG})
    plant.know("Motor", "speed", [8])
    plant.know("Motor", "other", [9])
    reach = Reach(plant=plant, history=BenchHistory(), actuators=Device(folder, dies))  # type: ignore[arg-type]
    store = SqliteStore(folder / "records.db")
    chain = Chain(store, SystemClock(), [Approvals()], policy=policy, reach=reach)
    return chain, Writes(chain, settings=SLOW)


def story(folder: Path, dies: str) -> None:
    """In a process of its own, which does not survive it."""
    chain, writes = platform(folder, dies)
    request = writes.write(8, 40.0, WU, "go").request
    chain.call("approvals", "approve", {"request": request, "reason": "yes"}, LI)
    if dies == "approved":
        os.kill(os.getpid(), signal.SIGKILL)
    if dies.startswith("plain"):
        chain.reach.actuators.dies = dies.removeprefix("plain ")  # type: ignore[union-attr]
        writes.write(9, 5.0, WU, "go", key="once")
    writes.carry_request(request, "spring")


@pytest.mark.parametrize(
    ("dies", "device", "state"),
    [
        ("approved", [], "expired"),
        ("before", [], "unknown"),
        ("after", ["40.0"], "unknown"),
        ("plain before", [], "expired"),
        ("plain after", ["5.0"], "expired"),
    ],
)
def test_a_kill_at_any_step(tmp_path: Path, dies: str, device: list[str], state: str):
    command = [sys.executable, "-m", "tests.kernel.test_writes_kill", str(tmp_path), dies]
    done = subprocess.run(command, cwd=ROOT, timeout=120)
    assert done.returncode == -signal.SIGKILL
    chain, writes = platform(tmp_path)
    writes.recover()
    writes.carry_request(1, "spring")
    file = tmp_path / "device"
    assert (file.read_text().split() if file.exists() else []) == device
    who = Caller("li", "spring", frozenset({"approvals.read"}))
    assert chain.call("approvals", "request", {"request": 1}, who)["state"] == state
    outcomes = [row[4] for row in chain.store.dump()["ledger_audit_record"]]
    if dies.startswith("plain"):
        assert outcomes.count("unknown") == 1, "the write that was on its way"
        with pytest.raises(Conflict, match="its end is not known"):
            writes.write(9, 5.0, WU, "go", key="once")
    elif state == "unknown":
        assert outcomes.count("unknown") == 2, "of the write and of its request"
    assert chain.store.dump()["ledger_sent"] == []
    chain.store.close()


if __name__ == "__main__":
    story(Path(sys.argv[1]), sys.argv[2])

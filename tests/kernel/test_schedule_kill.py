"""kill -9 of a schedule at work, again and again: no window lost, none twice."""

from __future__ import annotations

import random
import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest

from .worker import Worker

KILLS = 6
WORKER = """
import sqlite3, sys, time
from pathlib import Path
import numpy as np
from baotu.bench import BenchPlant
from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.kernel.facts import Reach
from baotu.kernel.schedule import Schedule
from baotu.records import SqliteStore
from baotu.sdk import App, Facts, Samples, Window, derived, every

SPEED, EPOCH = 200, int(sys.argv[2])

class Fast(SystemClock):
    def now(self):
        return EPOCH + (time.time_ns() - EPOCH) * SPEED

class Past:
    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("create table if not exists out (tag, time, value)")
    def read(self, tag, start, end, limit=None):
        if tag >= 1_000_000:
            sql = "select tag, time, value from out where tag = ? and time >= ? and time < ?"
            rows = self.db.execute(sql, (tag, start, end)).fetchall()
            return Samples.of(*zip(*rows)) if rows else Samples.empty()
        times = np.arange(start, end, 10**9)
        return Samples.of(tag, times, np.ones(len(times)))
    def latest(self, tags):
        rows = self.db.execute("select tag, max(time), value from out group by tag").fetchall()
        return [Samples.of(*zip(*rows))] if rows else []
    def add(self, samples):
        rows = zip(samples.tag.tolist(), samples.time.tolist(), samples.value.tolist())
        self.db.execute("begin")
        self.db.executemany("insert into out values (?, ?, ?)", list(rows))
        self.db.execute("commit")

class Energy(App):
    '''Counts the samples of ten seconds.'''
    power = derived(asset="Meter", property="count", title="数 Count")
    @every("10 s", asset="Meter", inputs=("power",))
    def count(self, window: Window) -> Facts[None]:
        yield Samples.of(window.out["count"], [window.end], [float(len(window["power"]))])

folder = Path(sys.argv[1])
past, plant, clock = Past(folder / "past.db"), BenchPlant("spring"), Fast()
plant.know("Meter", "power", [1, 2, 3])
reach = Reach(emit=past.add, history=past, plant=plant)
chain = Chain(SqliteStore(folder / "records.db"), clock, [Energy()], reach=reach)
schedule = Schedule(chain, plant, past, plant.allot, lateness_s=0, settle_s=0)
print("ready", flush=True)
while True:
    time.sleep(schedule.tick() / 20)
"""


@pytest.mark.slow
def test_after_each_kill_every_window_is_there_once(tmp_path: Path):
    began = 1_780_300_800_000_000_000
    chance = random.Random(7)
    for _ in range(KILLS):
        Worker(WORKER, tmp_path, began).killed(0.5 + chance.random())
    with sqlite3.connect(tmp_path / "past.db") as past:
        rows = past.execute("select tag, time from out order by tag, time").fetchall()
    with sqlite3.connect(tmp_path / "records.db") as records:
        waiting = records.execute("select tag, time from ledger_computed").fetchall()
    tags = sorted({tag for tag, _ in rows})
    assert len(tags) == 3
    for tag in tags:
        times = [time for t, time in rows if t == tag]
        assert len(times) == len(set(times)), "none twice"
        due = sorted({*times, *(time for t, time in waiting if t == tag)})
        steps = {b - a for a, b in pairwise(due)}
        assert steps == {10 * 10**9}, "none lost: what history has not, records still have"
    assert len(rows) > 3 * 10

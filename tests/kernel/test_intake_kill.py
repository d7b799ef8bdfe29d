"""kill -9 between the commit of history and the run of the apps: no fact missing, none twice."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from .worker import Worker

KILLS = 4
WORKER = """
import sys, time
from pathlib import Path
from baotu.bench import BenchPlant
from baotu.history.duck import DuckHistory
from baotu.history.settings import HistorySettings
from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.kernel.facts import Reach
from baotu.kernel.streams import Streams
from baotu.records import SqliteStore
from baotu.sdk import Alarm, App, Event, Hysteresis, Samples, per_tag, stream
from baotu.sdk.link import Batch

class Hot(App):
    '''An alarm on every other sample, and an event for each.'''
    def start(self):
        self.level = per_tag(Hysteresis, high=50.0, low=50.0)
    @stream(asset="Motor", property="temperature")
    def listen(self, samples: Samples):
        time.sleep(0.002)  # the seam: history has it, the app has not said anything yet
        for edge in self.level.edges(samples):
            yield Alarm(edge.tag, edge.time, edge.high, "hot")
        for tag, time_ns in zip(samples.tag.tolist(), samples.time.tolist()):
            yield Event("heard", {"tag": tag, "time": time_ns})

folder = Path(sys.argv[1])
history = DuckHistory(folder / "history", HistorySettings(seal_rows=1000))
plant = BenchPlant("spring")
plant.know("Motor", "temperature", [1, 2])
chain = Chain(SqliteStore(folder / "records.db"), SystemClock(), [Hot()],
              reach=Reach(history=history, plant=plant))
streams = Streams(chain, plant, history, organisation="spring", capacity=int(sys.argv[2]))
streams.start()
spans = history.spans("edge")
n = spans[-1][1] if spans else 0
print("ready", flush=True)
while n < int(sys.argv[3]):
    n += 1
    stamp = time.time_ns()
    # value: 0 … 49 low, 50 … 99 high; hot and cold in turn
    part = Samples.of([1, 2], stamp, [n % 50 + 50.5 * (n % 2), (n + 7) % 50 + 50.5 * (n % 2)])
    late = Samples.of([1, 2], stamp - 10**12, [13.0, 13.0])
    history.append([
        Batch(log="edge", first=n, last=n, after=n - 1 or None, samples=(part,)),
        Batch(log="old", first=n, last=n, after=n - 1 or None, samples=(late,), live=False),
    ])
    if n % 10 == 0:
        history.seal()
    time.sleep(0.001)
while streams.intake.place != history.place():
    time.sleep(0.01)
streams.stop(60)
print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("capacity", [200_000, 3], ids=["in memory", "read again"])
def test_after_each_kill_every_fact_is_there_once(tmp_path: Path, capacity: int):
    chance = random.Random(11)
    for _ in range(KILLS):
        Worker(WORKER, tmp_path, capacity, 10**9).killed(0.1 + chance.random() / 3)
    with sqlite3.connect(tmp_path / "records.db") as records:
        (before,) = records.execute("select count(*) from ledger_outbox").fetchone()
    with duckdb.connect(str(tmp_path / "history" / "history.db")) as db:
        (sent,) = db.execute("select max(last) from link where log = 'edge'").fetchone()
    Worker(WORKER, tmp_path, capacity, sent + 20).done()
    with sqlite3.connect(tmp_path / "records.db") as records:
        facts = records.execute("select kind, fact from ledger_outbox order by id").fetchall()
        alarms = records.execute("select alarm, time, what from alarms_alarm_event").fetchall()
    heard = Counter(fact for kind, fact in facts if kind == "heard")
    assert before > 0
    assert len(heard) == 2 * (sent + 20), "none missing"
    assert set(heard.values()) == {1}, "none twice"
    assert len(alarms) == len(set(alarms)) == 2 * (sent + 20), "each change of state once"

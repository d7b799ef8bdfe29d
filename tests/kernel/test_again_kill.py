"""An edge was offline; kill -9 of the hub while its backlog drains: every figure of the gap is right."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from baotu.history.duck import DuckHistory

from .worker import Worker

MORNING, SECOND = 1_780_300_800_000_000_000, 10**9
MINUTES, TAGS, KILLS = 20, 3, 4
WORKER = """
import sys, time
from pathlib import Path
import numpy as np
from baotu.bench import BenchPlant
from baotu.history.duck import DuckHistory
from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.kernel.facts import Reach
from baotu.kernel.schedule import Schedule
from baotu.kernel.streams import Streams
from baotu.records import SqliteStore
from baotu.sdk import App, Event, Facts, Samples, Window, derived, every
from baotu.sdk.link import Batch

SECOND = 10**9
MORNING, MINUTES, TAGS = map(int, sys.argv[2:])

class Since(SystemClock):
    base, began = MORNING, time.time_ns()
    def now(self):
        return self.base + time.time_ns() - self.began

class Energy(App):
    '''Mean power.'''
    power = derived(asset="Meter", property="mean", title="均 Mean")
    @every("1 min", asset="Meter", inputs=("power",))
    def mean(self, window: Window) -> Facts[None]:
        yield Event("mean")
        value = float(window["power"].value.mean())
        yield Samples.of(window.out["mean"], [window.end], [value])

folder = Path(sys.argv[1])
history, clock, plant = DuckHistory(folder / "history"), Since(), BenchPlant("spring")
plant.know("Meter", "power", range(1, TAGS + 1))
reach = Reach(emit=lambda s: history.keep([s]), history=history, plant=plant)
chain = Chain(SqliteStore(folder / "records.db"), clock, [Energy()], reach=reach)
schedule = Schedule(chain, plant, history, plant.allot, lateness_s=0, settle_s=0, rest_s=0.4)
schedule.duties()

def frame(first, last):
    seconds = np.repeat(np.arange(first, last), TAGS)
    tags = np.tile(np.arange(1, TAGS + 1), last - first)
    return Samples.of(tags, MORNING + seconds * SECOND, tags * 10000.0 + seconds)

if not history.spans("live"):  # half a minute arrives, then the line breaks
    history.append([Batch(log="live", first=1, last=1, after=None, samples=(frame(0, 30),))])
clock.base = MORNING + MINUTES * 60 * SECOND
while schedule.tick() == 0.0:
    pass
streams = Streams(chain, plant, history, ticks=(schedule.tick,), marks=schedule.marks)
streams.start()
print("ready", flush=True)
spans = history.spans("old")
n, pieces = (spans[-1][1] if spans else 0), MINUTES * 6 - 3
while n < pieces:
    n += 1
    part = frame(20 + 10 * n, 30 + 10 * n)
    batch = Batch(
        log="old", first=n, last=n, after=n - 1 or None, samples=(part,), live=False
    )
    history.append([batch])
    time.sleep(0.02)
while streams.intake.place != history.place() or schedule.marks.of:
    time.sleep(0.05)
streams.stop(60)
print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_figure_of_the_gap_is_that_of_an_undisturbed_day(tmp_path: Path):
    chance, given = random.Random(5), (tmp_path, MORNING, MINUTES, TAGS)
    for _ in range(KILLS):
        Worker(WORKER, *given).killed(0.1 + chance.random())
    Worker(WORKER, *given).done()
    history = DuckHistory(tmp_path / "history")
    for tag in range(TAGS):
        figures = history.read(1_000_000 + tag, 0, 2**62)
        minutes = ((figures.time - MORNING) // (60 * SECOND)).tolist()
        assert minutes == list(range(1, MINUTES + 1)), "each window once"
        mean = [(tag + 1) * 10000 + 60 * m + 29.5 for m in range(MINUTES)]
        assert figures.value.tolist() == mean
    history.close()

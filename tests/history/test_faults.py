"""The seams of history, widened on purpose: crashes, races and full disks at the worst moment."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import numpy as np
import pytest

from baotu.history.duck import DuckHistory
from baotu.history.settings import HistorySettings
from baotu.history.store import Store
from baotu.sdk import Unreachable
from baotu.sdk.samples import SECOND
from tests.history.samples import BASE, END, batch, fill, frame, numbers

SMALL = HistorySettings(seal_rows=1_000, memory_mb=64, fan=2, checkpoint_mb=1)

CRASH = """
import os, sys
from pathlib import Path
from baotu.history.duck import DuckHistory
from baotu.history.settings import HistorySettings
from tests.history.samples import fill

where, skip = sys.argv[2], int(sys.argv[3])

def seam(name):
    global skip
    if name == where:
        skip -= 1
        if skip < 0:
            print(done, flush=True)
            os._exit(9)

done = 0
settings = HistorySettings(seal_rows=1_000, memory_mb=64, fan=2, checkpoint_mb=1)
history = DuckHistory(Path(sys.argv[1]), settings, seam=seam)
for number in range(1, 100):
    fill(history, number, number)
    done = number
    if number % 10 == 0:
        history.seal()
        history.merge()
"""
SEAMS = [
    ("committed", 25), ("number written", 0), ("number written", 2), ("minute written", 0),
    ("hour written", 1), ("sealed", 1), ("seal committed", 1), ("merged", 0),
    ("merge committed", 0), ("merge committed", 2), ("sorted", 0), ("sorted", 5),
    ("sort committed", 3),
]  # fmt: skip


@pytest.mark.parametrize(("where", "skip"), SEAMS)
def test_a_crash_at_a_seam_loses_and_repeats_nothing(tmp_path: Path, where: str, skip: int) -> None:
    command = [sys.executable, "-c", CRASH, str(tmp_path), where, str(skip)]
    root = Path(__file__).parents[2]
    died = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert died.returncode == 9, died.stderr
    known = int(died.stdout)
    history = DuckHistory(tmp_path, SMALL)
    last = history.spans("a")[0][1]
    assert (
        known <= last <= known + 1
    )  # a commit may be done whose author did not live to hear of it
    assert numbers(history) == list(range(1, last + 1))
    minutes = history.aggregate(7, BASE, END, 60 * SECOND)
    assert minutes.count.sum() == last
    on_disk = {path.name for path in (tmp_path / "segments").iterdir()}
    assert len(on_disk) == history.figures()["segments"]
    fill(history, last + 1, last + 20)
    history.seal(everything=True)
    history.merge(everything=True)
    assert numbers(history) == list(range(1, last + 21))
    assert history.latest(np.array([7]))[0].value.tolist() == [last + 20]
    history.close()


def test_sealing_between_a_commit_and_its_note_takes_nothing_away(tmp_path: Path) -> None:
    """The race of old: between them the newest table looks sealed."""
    sealers: list[threading.Thread] = []

    def seam(name: str) -> None:
        if name == "committed":
            sealer = threading.Thread(target=lambda: history.seal())
            sealer.start()
            sealer.join(0.01)  # long enough for it to decide wrongly, if it could
            sealers.append(sealer)

    history = DuckHistory(tmp_path, SMALL, seam=seam)
    fill(history, 1, 60)
    for sealer in sealers:
        sealer.join()
    assert history.figures()["files_number"] > 3
    assert numbers(history) == list(range(1, 61))
    assert history.figures()["samples"] == 6_000
    history.close()


def test_a_read_that_began_before_a_merge_ends_with_the_same_files(tmp_path: Path) -> None:
    history = DuckHistory(tmp_path, SMALL)
    for first in range(1, 60, 10):
        fill(history, first, first + 9)
        history.seal(everything=True)
    store: Store = history._store
    with store.snapshot() as db:
        names = [row[0] for row in db.execute("select path from segment").fetchall()]
        history.merge(everything=True)
        assert all((store.files / name).exists() for name in names)
    assert not any((store.files / name).exists() for name in names)
    assert numbers(history) == list(range(1, 61))
    history.close()


def test_reading_while_all_is_sealed_and_merged_always_sees_everything(tmp_path: Path) -> None:
    history = DuckHistory(tmp_path, SMALL)
    stop, wrong = threading.Event(), list[str]()
    sure = [0]

    def look() -> None:
        while not stop.is_set():
            least = sure[0]
            seen = numbers(history)
            if seen != list(range(1, len(seen) + 1)) or len(seen) < least:
                wrong.append(f"{least} were committed, {len(seen)} seen")
            count = history.aggregate(7, BASE, END, 3600 * SECOND).count.sum()
            if count < least:
                wrong.append(f"{least} were committed, {count} in the buckets")

    def keep() -> None:
        while not stop.is_set():
            history.seal()
            history.merge()

    threads = [threading.Thread(target=work) for work in (look, keep, keep)][:2]
    for thread in threads:
        thread.start()
    for number in range(1, 121):
        fill(history, number, number)
        sure[0] = number
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    history.close()


def test_a_seal_that_fails_leaves_no_file_and_no_loss(tmp_path: Path) -> None:
    failing = [True]

    def seam(name: str) -> None:
        if failing[0] and name == "minute written":
            raise OSError(28, "No space left on device")

    history = DuckHistory(tmp_path, SMALL, seam=seam)
    fill(history, 1, 15)
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            history.seal()
    names = [path.name for path in (tmp_path / "segments").iterdir()]
    assert [name for name in names if name.startswith("number")] == []
    assert numbers(history) == list(range(1, 16))
    failing[0] = False
    assert history.seal() == 1
    assert numbers(history) == list(range(1, 16))
    history.close()


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from baotu.history.duck import DuckHistory
from baotu.history.settings import HistorySettings
from baotu.sdk import Samples, Unreachable
from tests.history.samples import batch

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
settings = HistorySettings(memory_mb=64, checkpoint_mb=1, seal_rows=200_000)
history = DuckHistory(Path(sys.argv[1]), settings)
rng, number, failures = np.random.default_rng(0), 1, 0

def put(number):
    samples = Samples.of(np.arange(10_000), number * 10**9, rng.normal(0, 1, 10_000))
    return history.append([batch(number, samples)])

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
while failures < 3:
    try:
        put(number)
        number += 1
    except Unreachable:
        failures += 1
assert [s.tolist() for s in [history.read(5, 0, 2**62).time]] == [[n * 10**9 for n in range(1, number)]]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for _ in range(3):
    assert put(number) == [True]
    number += 1
print(number - 1)
"""


@pytest.mark.parametrize("room", [3_000_000, 600_000])
def test_a_full_disk_costs_nothing_that_was_confirmed(tmp_path: Path, room: int) -> None:
    """3 MB: the checkpoint fails and DuckDB has to be opened again; 0.6 MB: its log fails."""
    assert resource.RLIM_INFINITY
    command = [sys.executable, "-c", FULL, str(tmp_path), str(room)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    last = int(done.stdout)
    history = DuckHistory(tmp_path, SMALL)
    assert history.spans("a") == [(1, last)]
    assert history.read(5, 0, END).time.tolist() == [n * 10**9 for n in range(1, last + 1)]
    history.close()


def test_a_folder_in_use_is_said_so(tmp_path: Path) -> None:
    history = DuckHistory(tmp_path, SMALL)
    program = (
        "import sys; from pathlib import Path; from baotu.history.duck import DuckHistory\n"
        "DuckHistory(Path(sys.argv[1]))"
    )
    second = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "another program may hold it" in second.stderr
    history.close()


def test_a_broken_database_comes_back_by_itself(tmp_path: Path) -> None:
    history = DuckHistory(tmp_path, SMALL)
    fill(history, 1, 12)
    history._store.note(duckdb.FatalException("made up"))
    assert numbers(history) == list(range(1, 13))
    history._store.note(duckdb.FatalException("made up"))
    assert history.append([batch(13, frame(13))]) == [True]
    assert history.spans("a") == [(1, 13)]
    with pytest.raises(Unreachable, match="still being read"), history._store.snapshot():
        history._store.note(duckdb.FatalException("made up"))
        import baotu.history.store as store

        patience, store.PATIENCE_S = store.PATIENCE_S, 0.01
        try:
            history.append([batch(14, frame(14))])
        finally:
            store.PATIENCE_S = patience
    assert history.append([batch(14, frame(14))]) == [True]
    history.close()

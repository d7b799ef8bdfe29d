"""The log loses nothing it accepted, whatever happens to the process, the disk or its bytes."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from baotu.fabric.frame import HEADER, records
from baotu.fabric.log import Log, LogFull, Run


def bodies(run: Run) -> list[tuple[int, bytes]]:
    return [(sequence, bytes(body)) for _, sequence, body in records(run.data)]


def everything(
    log: Log, limit: int = 1 << 20
) -> tuple[list[tuple[int, bytes]], list[tuple[int, int]]]:
    """All that a sender would send, and what it would confess."""
    found, lost, at = [], [], 0
    while (run := log.read(at, 2**62, limit)).data or run.lost:
        found += bodies(run)
        lost += [run.lost] if run.lost else []
        at = run.last
    return found, lost


def filled(folder: Path, count: int, segment: int = 400) -> Log:
    log = Log(folder, segment=segment)
    for i in range(count):
        log.append(bytes([i % 251]) * 50)
    log.sync()
    return log


def test_what_is_appended_is_read_in_order_after_a_restart(tmp_path: Path) -> None:
    log = filled(tmp_path, 40)
    want = [(i + 1, bytes([i]) * 50) for i in range(40)]
    assert everything(log, limit=130) == (want, [])
    log.close()
    again = Log(tmp_path)
    assert again.id == log.id and again.last == again.durable == 40
    assert everything(again) == (want, [])
    assert again.append(b"next") == 41


def test_only_what_is_durable_leaves(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.append(b"a")
    assert not log.read(0, 9).data
    assert log.sync() == 1
    log.append(b"b")
    assert bodies(log.read(0, 9)) == [(1, b"a")]


def test_a_torn_tail_is_cut_wherever_the_crash_came(tmp_path: Path) -> None:
    filled(tmp_path, 20, segment=1 << 20).close()
    path = next(tmp_path.glob("*.log"))
    whole, rng = path.read_bytes(), random.Random(1)
    ends = [end for end, _, _ in records(whole)]
    for cut in [*ends, *rng.choices(range(len(whole)), k=60)]:
        path.write_bytes(whole[:cut] + (rng.randbytes(20) if cut % 2 else b""))
        again = Log(tmp_path)
        kept = sum(end <= cut for end in ends)
        assert again.last == kept
        assert again.append(b"new") == kept + 1
        again.sync()
        found, lost = everything(again)
        assert (len(found), lost) == (kept + 1, [])
        again.close()


@pytest.mark.parametrize("reopened", [False, True])
def test_a_damaged_record_costs_itself_and_is_confessed(tmp_path: Path, reopened: bool) -> None:
    log = filled(tmp_path, 10, segment=1 << 20)
    path = next(tmp_path.glob("*.log"))
    raw = bytearray(path.read_bytes())
    raw[[end for end, _, _ in records(raw)][3] + HEADER.size + 5] ^= 1  # in the body of 5
    path.write_bytes(raw)
    if reopened:
        log = Log(tmp_path)
    found, lost = everything(log)
    assert [sequence for sequence, _ in found] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert lost == [(5, 5)]


def test_a_segment_that_cannot_be_understood_is_skipped_and_confessed(tmp_path: Path) -> None:
    log = filled(tmp_path, 30)
    second = sorted(tmp_path.glob("*.log"))[1]
    first, third = int(second.stem), int(sorted(tmp_path.glob("*.log"))[2].stem)
    second.write_bytes(os.urandom(second.stat().st_size))
    found, lost = everything(log)
    assert lost == [(first, third - 1)]
    assert [s for s, _ in found] == [s for s in range(1, 31) if not first <= s < third]


def test_a_full_log_drops_the_oldest_and_says_so(tmp_path: Path) -> None:
    log = Log(tmp_path, limit=4_000, segment=500)
    for _ in range(200):
        log.append(b"x" * 50)
    log.sync()
    assert log.bytes <= 4_000 and sum(p.stat().st_size for p in tmp_path.glob("*.log")) == log.bytes
    found, lost = everything(log)
    assert lost == [(1, log.first - 1)] and log.dropped == log.first - 1
    assert [s for s, _ in found] == list(range(log.first, 201))


def test_a_full_log_that_refuses_keeps_the_oldest_and_frees_what_the_hub_has(
    tmp_path: Path,
) -> None:
    log = Log(tmp_path, limit=4_000, segment=500, full="refuse")
    with pytest.raises(LogFull, match="wait for the hub"):
        for _ in range(200):
            log.append(b"x" * 50)
    assert log.first == 1 and log.dropped == 0
    kept = log.last
    log.acked = kept
    assert log.append(b"x" * 50) == kept + 1
    assert log.first > 1 and log.dropped == 0


def test_spares_are_still_known_after_a_restart(tmp_path: Path) -> None:
    log = filled(tmp_path, 40)
    log.acked = 40
    log.close()
    again = Log(tmp_path, limit=2_000, segment=400, full="refuse")
    assert again.append(b"x" * 50) == 41 and again.dropped == 0


def test_a_disk_that_takes_half_a_record_leaves_none(tmp_path: Path) -> None:
    room = [10_000]

    def write(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        part = data[: room[0]]
        room[0] -= len(part)
        return os.write(fd, part)

    log = Log(tmp_path, write=write)
    with pytest.raises(LogFull, match="a part of a record"):
        while True:
            log.append(b"y" * 300)
    kept = log.last
    with pytest.raises(LogFull, match="No space left"):
        log.append(b"z")
    room[0] = 10_000
    assert log.append(b"after") == kept + 1
    log.sync()
    found, lost = everything(log)
    assert ([s for s, _ in found], lost) == (list(range(1, kept + 2)), [])
    assert Log(tmp_path).last == kept + 1


def test_a_real_limit_on_the_file_size_is_survived(tmp_path: Path) -> None:
    program = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from baotu.fabric.log import Log, LogFull
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
log, full = Log(Path({str(tmp_path)!r}), segment=1 << 20), 0
for _ in range(60):
    try:
        log.append(b"x" * 200)
    except LogFull:
        full += 1
log.sync()
print(log.last, full)
"""
    assert resource.RLIM_INFINITY
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    last, full = map(int, out.stdout.split())
    assert full == 60 - last > 0
    assert [s for s, _ in everything(Log(tmp_path))[0]] == list(range(1, last + 1))


def test_a_wiped_folder_is_another_log(tmp_path: Path) -> None:
    first = Log(tmp_path / "a").id
    assert Log(tmp_path / "a").id == first != Log(tmp_path / "b").id

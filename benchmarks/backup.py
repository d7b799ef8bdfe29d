"""Backups: MB/s of the first one, of one after 1 % has changed, of a check and of a restore; restic beside.

`python benchmarks/backup.py [--quick] [--json] [--mb 512] [--rounds 3]`

Files: nine tenths immutable segments that cannot be packed, one tenth a database of pages. Each figure is
a median; the ratio to restic is taken round by round, as both share the machine. restic packs and
hashes too and encrypts with AES-CTR and Poly1305; it has no figures of rows and opens no node.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from baotu.trust.backup.check import check
from baotu.trust.backup.node import Memory, begin, remembered
from baotu.trust.backup.objects import Folder
from baotu.trust.backup.restore import restore
from baotu.trust.backup.take import Taken, sources_in, take
from baotu.trust.primitives import suite

PHRASE = "a passphrase of the bench"
SEGMENT, PAGE = 8 << 20, 4096


def fill(folder: Path, size: int, seed: int) -> None:
    drawn = random.Random(seed)
    segments = folder / "data/history/segments"
    segments.mkdir(parents=True)
    for n in range(max(1, size * 9 // 10 // SEGMENT)):
        (segments / f"{n:05}.parquet").write_bytes(drawn.randbytes(SEGMENT))
    pages = [drawn.randbytes(PAGE // 4) + bytes(PAGE * 3 // 4) for _ in range(size // 10 // PAGE)]
    (folder / "data/records.db").write_bytes(b"".join(pages))


def change(folder: Path, size: int, round_: int) -> None:
    """1 %: nine tenths of it a new segment, the rest pages of the database in a row."""
    drawn = random.Random(1000 + round_)
    (folder / f"data/history/segments/new-{round_}.parquet").write_bytes(
        drawn.randbytes(size * 9 // 1000)
    )
    with (folder / "data/records.db").open("r+b") as file:
        file.seek(drawn.randrange(max(1, size // 20)) // PAGE * PAGE)
        file.write(drawn.randbytes(size // 1000))


class Ours:
    def __init__(self, top: Path, files: Path, name: str) -> None:
        self.suite, self.files = suite(name), files
        self.store, self.number = Folder(top / f"ours-{name}"), 0
        self.store.path.mkdir(parents=True)
        _, self.folder = begin(self.store, top / f"state-{name}", self.suite, PHRASE)

    def memory(self) -> Memory:
        found = remembered(self.folder)
        assert found is not None
        return found

    def take(self) -> Taken:
        self.number += 1
        sources = list(sources_in(self.files, lambda path: path.endswith(".parquet")))
        return take(
            self.store, self.folder, self.memory(), self.suite, sources, node="bench",
            now=time.time_ns(), rules={"d": 30}, facts={}, covers=[], without=[],
        )  # fmt: skip

    def check(self) -> None:
        found = check(self.store, self.suite, self.memory().key().public())
        assert not found.faults, found.faults

    def restore(self, into: Path) -> None:
        told = restore(self.store, PHRASE, into)
        assert not told.faults, told.faults


class Restic:
    def __init__(self, top: Path, files: Path) -> None:
        self.files, self.repository = files, top / "restic"
        word = top / "word"
        word.write_text(PHRASE)
        self.options = ["--repo", str(self.repository), "--password-file", str(word), "--no-cache"]
        self("init")

    def __call__(self, *words: str) -> None:
        subprocess.run(
            ["restic", *self.options, *words], check=True, capture_output=True, timeout=900
        )


def timed(work: Callable[[], object]) -> float:
    os.sync()
    begin_s = time.perf_counter()
    work()
    return time.perf_counter() - begin_s


def measure(top: Path, size: int, rounds: int) -> dict[str, object]:
    times: dict[str, list[float]] = {}
    peer = shutil.which("restic") is not None
    for round_ in range(rounds):
        here = top / str(round_)
        files = here / "files"
        fill(files, size, round_)
        ours, restic = Ours(here, files, "international"), Restic(here, files) if peer else None

        def note(
            name: str, ours_do: Callable[[], object], *words: str, restic: Restic | None = restic
        ) -> None:
            times.setdefault(name, []).append(timed(ours_do))
            if restic is not None:
                times.setdefault(f"restic {name}", []).append(timed(lambda: restic(*words)))

        note("first", ours.take, "backup", str(files))
        change(files, size, round_)
        note("incremental", ours.take, "backup", str(files))
        note("check", ours.check, "check", "--read-data")
        back = here / "restic-back"
        note(
            "restore",
            lambda o=ours, h=here: o.restore(h / "back"),
            "restore",
            "latest",
            "--target",
            str(back),
        )
        guomi = Ours(here, files, "guomi")
        times.setdefault("guomi first", []).append(timed(guomi.take))
        shutil.rmtree(here)
    return told(times, size, rounds)


def told(times: dict[str, list[float]], size: int, rounds: int) -> dict[str, object]:
    result: dict[str, object] = {"mb": size / 1e6, "rounds": rounds}
    for name, seconds in times.items():
        result[f"{name} MB/s"] = round(size / 1e6 / statistics.median(seconds), 1)
        result[f"{name} s"] = round(statistics.median(seconds), 3)
        if (peer := times.get(f"restic {name}")) is not None:
            ratios = [theirs / mine for mine, theirs in zip(seconds, peer, strict=True)]
            result[f"{name}, times as fast as restic"] = round(statistics.median(ratios), 2)
    result["load"] = round(os.getloadavg()[0], 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--mb", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    size, rounds = (64 << 20, 1) if given.quick else (given.mb << 20, given.rounds)
    with tempfile.TemporaryDirectory(prefix="baotu-bench-") as folder:
        result = measure(Path(folder), size, rounds)
    if given.json:
        print(json.dumps(result))
    else:
        for name, figure in result.items():
            print(f"{name}: {figure}")


if __name__ == "__main__":
    main()

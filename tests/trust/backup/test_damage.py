"""A flipped bit anywhere in a store, a cut, a loss, a swap: found, and the place is named."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from baotu.sdk import BaotuError
from baotu.trust.backup.check import check
from baotu.trust.backup.restore import restore
from baotu.trust.primitives import NAMES

from .stores import PHRASE, Plant


@pytest.fixture(scope="module", params=NAMES)
def plant(request, tmp_path_factory) -> Plant:
    made = Plant(tmp_path_factory.mktemp("plant"), request.param)
    for n in range(3):
        made.write("records.db", made.random.randbytes(300_000) + bytes(300_000))
        made.write(f"history/segments/{n}.parquet", made.random.randbytes(20_000))
        made.take()
    return made


def places(plant: Plant) -> set[str]:
    memory = plant.memory
    found = check(
        plant.objects, plant.suite, memory.key().public(), expected=(memory.number, memory.hash)
    )
    return {f.where for f in found.faults}


def objects(plant: Plant) -> list[Path]:
    return sorted(p for p in plant.path.rglob("*") if p.is_file())


def name(plant: Plant, path: Path) -> str:
    return path.relative_to(plant.path).as_posix()


def test_an_untouched_store_has_no_fault(plant):
    assert places(plant) == set()
    assert restore(plant.objects, PHRASE, None, whole=True).faults == []


def test_hundreds_of_flipped_bits_are_each_found_and_located(plant):
    """Every object is hit; within an object the byte is drawn, heads and tails more often."""
    drawn = random.Random(20)
    files, unfound = objects(plant), []
    for n in range(400):
        path = files[n % len(files)]
        data = path.read_bytes()
        at = drawn.choice(
            (drawn.randrange(len(data)), drawn.randrange(min(80, len(data))), len(data) - 1)
        )
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << drawn.randrange(8)]) + data[at + 1 :])
        if name(plant, path) not in places(plant):
            unfound.append((name(plant, path), at))
        path.write_bytes(data)
    assert unfound == []
    assert places(plant) == set()


def test_a_cut_a_loss_or_a_longer_object_is_found(plant):
    for path in objects(plant):
        data = path.read_bytes()
        for broken in (data[:-1], data[: len(data) // 2], b"", data + b"\0", None):
            if broken is None:
                path.unlink()
            else:
                path.write_bytes(broken)
            assert name(plant, path) in places(plant), path
            path.write_bytes(data)
    assert places(plant) == set()


def test_swapped_objects_are_found_both(plant):
    drawn, files = random.Random(5), objects(plant)
    for _ in range(60):
        one, other = drawn.sample(files, 2)
        a, b = one.read_bytes(), other.read_bytes()
        one.write_bytes(b)
        other.write_bytes(a)
        found = places(plant)
        assert {name(plant, one), name(plant, other)} <= found
        one.write_bytes(a)
        other.write_bytes(b)


def test_a_stranger_among_the_objects_is_found(plant):
    for where in ("chunks/aa/" + "aa" * 32 + ".1", "runs/00000099", "notes.txt"):
        path = plant.path / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
        assert where in places(plant)
        path.unlink()
    assert places(plant) == set()


def test_restoring_finds_and_names_what_a_check_would(plant, tmp_path):
    drawn, files = random.Random(9), objects(plant)
    if plant.suite_name == "guomi":
        files = files[::3]
    for n, path in enumerate(files):
        data = path.read_bytes()
        at = drawn.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
        try:
            told = " ".join(
                map(str, restore(plant.objects, PHRASE, tmp_path / str(n), whole=True).faults)
            )
        except BaotuError as error:
            told = str(error)
        path.write_bytes(data)
        assert name(plant, path) in told, path

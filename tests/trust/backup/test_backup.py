"""Backups: what is kept comes back, costs only what changed, and nobody can touch it unseen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from baotu.sdk import ConfigError, Invalid, Unreachable
from baotu.trust.backup.check import check, signer_in
from baotu.trust.backup.keep import kept
from baotu.trust.backup.node import begin
from baotu.trust.backup.objects import Folder
from baotu.trust.backup.restore import restore
from baotu.trust.backup.settings import rules
from baotu.trust.primitives import NAMES, Forged

from .stores import BEGIN, DAY, PHRASE, Plant


@pytest.fixture(params=NAMES)
def plant(request, tmp_path) -> Plant:
    return Plant(tmp_path, request.param)


def looked(plant: Plant, **more):
    memory = plant.memory
    return check(
        plant.objects,
        plant.suite,
        memory.key().public(),
        expected=(memory.number, memory.hash),
        **more,
    )


def test_what_was_kept_comes_back_with_its_rights_and_times(plant, tmp_path):
    (plant.files / "records.db").chmod(0o600)
    taken = plant.take()
    done = restore(plant.objects, PHRASE, tmp_path / "back", whole=True)
    assert done.faults == [] and done.facts == {"rows": 1} and done.node == "jinan"
    assert plant.content(tmp_path / "back") == plant.content()
    for name in plant.content():
        old, new = (plant.files / name).stat(), (tmp_path / "back" / name).stat()
        assert (old.st_mode, old.st_mtime_ns) == (new.st_mode, new.st_mtime_ns)
    assert taken.files == done.files == 3 and looked(plant).faults == []


def test_nothing_of_it_can_be_read_in_the_store(plant):
    plant.write("config/baotu.toml", b'password = "Quelle-7-distinct"')
    plant.take()
    everything = b"".join(plant.content(plant.path).values())
    for text in (b"Quelle-7-distinct", b"page of zeros", b"records.db", b"baotu.toml"):
        assert text not in everything and text.hex().encode() not in everything


def test_the_node_alone_cannot_read_its_backups(plant):
    """What it remembers holds neither the private half nor the key of any run."""
    plant.take()
    told = (plant.state / "backup.json").read_bytes() + (plant.state / "backup.cache").read_bytes()
    from baotu.trust.backup.form import IDENTITY
    from baotu.trust.backup.node import unlock

    owner = unlock(plant.objects, plant.suite, plant.objects.get(IDENTITY), PHRASE)
    for form in (owner.private, owner.private.hex().encode()):
        assert form not in told
    import base64

    assert base64.b64encode(owner.private)[:-2] not in told


def test_a_second_run_writes_only_what_changed(plant):
    plant.write("history/segments/big.parquet", plant.random.randbytes(3_000_000))
    first = plant.take()
    plant.write("records.db", b"page of zeros\0" * 60_000 + b"one more row")
    second = plant.take()
    assert first.read > 3_900_000 and second.read < 1_000_000  # the segments were not read again
    assert second.written < 20_000 and looked(plant).faults == []


def test_chunks_are_shared_and_a_removed_file_stays_in_the_run_that_had_it(plant, tmp_path):
    plant.take()
    before = plant.content()
    (plant.files / "history/segments/a.parquet").unlink()
    plant.take()
    assert restore(plant.objects, PHRASE, tmp_path / "one", number=1).faults == []
    assert plant.content(tmp_path / "one") == before
    assert restore(plant.objects, PHRASE, tmp_path / "two").faults == []
    assert plant.content(tmp_path / "two") == plant.content()


def test_old_runs_go_and_their_chunks_with_them(plant, tmp_path):
    plant.keep = "2d"
    for n in range(5):
        plant.write("history/segments/a.parquet", plant.random.randbytes(50_000) + bytes([n]))
        taken = plant.take()
    assert taken.kept == 2 and sorted(p.name for p in (plant.path / "runs").iterdir()) == [
        "00000004",
        "00000005",
    ]
    assert looked(plant).faults == []
    size = sum(len(d) for n, d in plant.content(plant.path).items() if n.startswith("chunks"))
    assert size < 2 * 50_000 + 40_000
    for number in (4, 5):
        assert restore(plant.objects, PHRASE, tmp_path / str(number), number=number).faults == []


def test_the_rules_keep_the_newest_of_each_span():
    runs = [(n, BEGIN + n * DAY) for n in range(1, 400)]
    stays = kept(runs, rules("7d 4w 12m"))
    assert {393, 394, 395, 396, 397, 398, 399} <= stays and 15 <= len(stays) <= 23
    assert 60 < min(stays) < 100
    assert kept([(1, 0), (2, 1)], rules("1d")) == {2}
    for wrong in ("", "7", "d", "7d x", "0d", "7 days"):
        with pytest.raises(ConfigError):
            rules(wrong)


def test_a_wrong_passphrase_and_a_filled_folder_are_refused(plant, tmp_path):
    plant.take()
    with pytest.raises(ConfigError, match="passphrase"):
        restore(plant.objects, "another one", tmp_path / "x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    with pytest.raises(ConfigError, match="not empty"):
        restore(plant.objects, PHRASE, tmp_path / "full")
    with pytest.raises(Invalid, match="no run 9"):
        restore(plant.objects, PHRASE, tmp_path / "x", number=9)
    with pytest.raises(ConfigError, match="something else"):
        begin(Folder(tmp_path / "full"), tmp_path / "s", plant.suite, PHRASE)
    with pytest.raises(Invalid, match="characters"):
        begin(Folder(tmp_path / "empty"), tmp_path / "s", plant.suite, "short")


def test_a_store_that_was_rolled_back_is_found_by_who_remembers(plant, tmp_path):
    import shutil

    plant.take()
    shutil.copytree(plant.path, tmp_path / "old")
    plant.write("records.db", b"new")
    plant.take()
    shutil.rmtree(plant.path)
    shutil.copytree(tmp_path / "old", plant.path)
    [fault] = looked(plant).faults
    assert (fault.kind, fault.where) == ("rolled back", "runs/00000002")
    assert "rolled back" in str(restore(plant.objects, PHRASE, None, least=2).faults)
    assert restore(plant.objects, PHRASE, None).faults == []  # who remembers nothing cannot know
    plant.take()  # the next run goes on, with a number of its own
    assert plant.memory.number == 3


def test_runs_that_are_missing_moved_or_of_another_store_are_found(plant, tmp_path):
    for _ in range(3):
        plant.write("records.db", plant.random.randbytes(1000))
        plant.take()
    runs = plant.path / "runs"
    second = (runs / "00000002").read_bytes()
    (runs / "00000002").unlink()
    assert next((f.where, f.kind) for f in looked(plant).faults) == ("runs/00000002", "missing")
    (runs / "00000002").write_bytes((runs / "00000001").read_bytes())
    faults = {(f.where, f.kind) for f in looked(plant).faults}
    assert ("runs/00000002", "foreign") in faults and ("runs/00000002", "missing") not in faults
    other = Plant(tmp_path / "other", plant.suite_name)
    other.take()
    (runs / "00000002").write_bytes((other.path / "runs/00000001").read_bytes())
    assert ("runs/00000002", "changed") in {(f.where, f.kind) for f in looked(plant).faults}
    (runs / "00000002").write_bytes(second)
    assert looked(plant).faults == []


def test_a_damaged_chunk_is_written_anew_by_the_next_run(plant, tmp_path):
    plant.take()
    victim = next(p for p in (plant.path / "chunks").rglob("*") if p.is_file())
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    faults = looked(plant).faults
    plant.distrust([f.where for f in faults])
    plant.take()
    assert restore(plant.objects, PHRASE, tmp_path / "back").faults == []
    assert plant.content(tmp_path / "back") == plant.content()
    assert [f.where for f in looked(plant).faults] == [victim.relative_to(plant.path).as_posix()]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.trust.backup.stores import Plant
from baotu.trust.backup.objects import Folder
plant = Plant.__new__(Plant)
plant.__dict__.update(folder=Path(sys.argv[1]), suite_name=sys.argv[3], keep="2d", day=5)
from baotu.trust.primitives import suite
plant.suite = suite(plant.suite_name)
plant.files, plant.state, plant.path = (plant.folder / n for n in ("files", "state", "store"))
plant.state = next(plant.state.iterdir())
plant.objects = Folder(plant.path)
left = [int(sys.argv[2])]
class Dying(Folder):
    def step(self):
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def put(self, name, data):
        self.step()
        if left[0] == 1:
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(path.name + ".part").write_bytes(data[: len(data) // 2])
            self.step()
        super().put(name, data)
        self.step()
    def remove(self, name):
        self.step()
        super().remove(name)
    def settle(self):
        self.step()
        super().settle()
plant.take(Dying(plant.path))
"""


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 9, 11, 12, 13, 14, 15, 16, 17, 18, 20])
def test_a_kill_at_any_step_leaves_the_earlier_ones_and_the_next_run_goes_on(tmp_path, steps):
    plant = Plant(tmp_path, keep="2d")
    for _ in range(3):
        plant.write("records.db", plant.random.randbytes(600_000))
        plant.take()
    before = plant.content()
    plant.write("records.db", plant.random.randbytes(700_000))
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(steps), "international"],
                          cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, check=False)  # fmt: skip
    assert done.returncode in (-signal.SIGKILL, 0)
    memory = plant.memory
    found = check(
        plant.objects, plant.suite, memory.key().public(), expected=(memory.number, memory.hash)
    )
    assert found.faults == []
    assert restore(plant.objects, PHRASE, tmp_path / "three", number=3).faults == []
    assert plant.content(tmp_path / "three") == before
    plant.day = 6
    plant.take()
    assert looked(plant).faults == []
    assert not [n for n in plant.objects.names() if n.endswith(".part")]
    assert restore(plant.objects, PHRASE, tmp_path / "last").faults == []
    assert plant.content(tmp_path / "last") == plant.content()


def test_a_full_or_absent_place_is_told(plant):
    plant.take()
    (plant.path / "runs").rename(plant.path / "elsewhere")
    (plant.path / "runs").write_text("no folder")
    with pytest.raises(Unreachable):
        plant.take()


def test_a_path_that_would_leave_the_folder_is_refused(tmp_path):
    from baotu.trust.backup.restore import _inside

    for path in ("../x", "/etc/passwd", "a/../../x", ""):
        with pytest.raises(Forged):
            _inside(tmp_path, path)


def test_the_signer_of_the_store_is_the_pinned_one(plant):
    assert signer_in(plant.objects).pem() == plant.memory.key().public().pem()

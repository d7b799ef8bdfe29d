"""Writing: the same files however records come in groups, whole after a fall at any instant."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from baotu.trust.audit.formats import NEWEST, Damaged, read_checkpoint, read_key
from baotu.trust.audit.keys import Ed25519Signer, kept
from baotu.trust.audit.log import Log
from baotu.trust.audit.tiles import Reader
from baotu.trust.audit.verify_log import verify
from tests.trust.audit.logs import SIGNER, entries, written


class Fall(Exception):
    pass


class Falling(Log):
    """Falls at the n-th time that it touches the disk, in the middle of what it writes."""

    left = 10**9

    def _turn(self) -> bool:
        self.left -= 1
        return self.left < 0

    def _write(self, name: str, data: bytes) -> None:
        if self._turn():
            super()._write(name, data[: len(data) // 2])
            raise Fall
        super()._write(name, data)

    def _replace(self, path: Path, data: bytes) -> None:
        if self._turn():
            path.with_name(path.name + ".new").write_bytes(data[: len(data) // 2])
            raise Fall
        super()._replace(path, data)
        if self._turn():
            raise Fall

    def _drop(self, path: Path) -> None:
        if self._turn():
            raise Fall
        super()._drop(path)


def contents(folder: Path) -> dict[str, bytes]:
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_groups_do_not_change_the_files(tmp_path):
    written(tmp_path / "a", 2_000, (1, 3, 500, 256))
    written(tmp_path / "b", 2_000)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize(("before", "group"), [(0, 1), (250, 20), (1_020, 1_100), (1_023, 2)])
def test_a_fall_at_any_instant_leaves_a_whole_log_that_goes_on(tmp_path, before, group):
    """Nothing twice, nothing missing, the checkpoint never ahead of the data."""
    written(tmp_path / "start", before)
    Log(tmp_path / "start", SIGNER)
    whole = before + group + 300
    written(tmp_path / "wanted", whole)
    wanted = contents(tmp_path / "wanted")
    for turn in range(10_000):
        folder = tmp_path / f"turn-{turn}"
        shutil.copytree(tmp_path / "start", folder)
        log = Falling(folder, SIGNER)
        log.left = turn
        try:
            log.append(entries(before + 1, group))
            fell = False
        except Fall:
            fell = True
        log = Log(folder, SIGNER)  # as a new process would
        assert log.size in (before, before + group)
        assert Reader(folder).root(log.size) == log.checkpoint.root
        report = verify(folder, SIGNER.key)
        assert report.good, report.findings
        log.append(entries(log.size + 1, whole - log.size))
        (folder / f"{NEWEST}.new").unlink(missing_ok=True)
        assert contents(folder) == wanted
        shutil.rmtree(folder)
        if not fell:
            assert turn >= 4
            return
    raise AssertionError("it always fell")


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1_024, 3_000])
def test_a_log_opened_again_goes_on_where_it_was(tmp_path, size):
    written(tmp_path, size)
    log = Log(tmp_path, SIGNER)
    log.append(entries(size + 1, 10))
    assert (log.size, verify(tmp_path, SIGNER.key).good) == (size + 10, True)


def test_a_log_of_another_key_is_not_written(tmp_path):
    written(tmp_path, 10)
    with pytest.raises(Damaged, match="another key"):
        Log(tmp_path, Ed25519Signer("other/hub", bytes(32)))


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/44", "tile/entries/001.p/44"])
def test_a_damaged_edge_is_never_signed_over(tmp_path, name):
    written(tmp_path, 300)
    path = tmp_path / name
    if not path.exists():
        path = tmp_path / name.replace("000.p", "001.p")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(Damaged):
        Log(tmp_path, SIGNER)


def test_records_other_than_those_signed_before_are_not_signed(tmp_path):
    log = written(tmp_path, 10)
    with pytest.raises(Damaged, match="signed before"):
        log.append(entries(11, 5), root=bytes(32))
    assert read_checkpoint((tmp_path / NEWEST).read_bytes()).size == 10
    assert Log(tmp_path, SIGNER).size == 10


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path):
    made = kept(tmp_path / "key", "济南 plant+1/hub")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert made.key.name.startswith("济南-plant-1/hub/")
    again = kept(tmp_path / "key", "something else")
    assert again.key == made.key == read_key(str(made.key))
    assert "PRIVATE" not in repr(again)
    (tmp_path / "key").write_text("rubbish")
    with pytest.raises(Damaged):
        kept(tmp_path / "key", "x")

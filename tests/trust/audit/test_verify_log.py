"""The verifier as strangers run it: one file, another folder, no platform; exit codes and words."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from baotu.trust.audit.export import copy, tar
from baotu.trust.audit.formats import read_checkpoint
from baotu.trust.audit.single import single
from baotu.trust.audit.tiles import Reader
from baotu.trust.audit.verify_log import main, verify
from tests.trust.audit.logs import SIGNER, entries, written

ALONE = "import sys; sys.modules['baotu'] = None; import runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"


@pytest.fixture
def log(tmp_path):
    return written(tmp_path / "log", 1_500, (1, 400))


@pytest.fixture
def program(tmp_path) -> Path:
    path = tmp_path / "verify_log.py"
    path.write_text(single(), encoding="utf-8")
    return path


def run(program: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", ALONE, str(program), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=program.parent, check=False)


def test_it_needs_nothing_of_the_platform(log, program, tmp_path):
    assert "import baotu" not in single() and "from ." not in single()
    done = run(program, tmp_path / "log", "--key", SIGNER.key)
    assert (done.returncode, "1,500 records" in done.stdout) == (0, True), done.stderr
    told = json.loads(run(program, tmp_path / "log", "--json").stdout)
    assert (told["good"], told["hashed"], told["key_given"]) == (True, 1_500, False)


def test_damage_ends_with_1_and_says_where(log, program, tmp_path):
    path = tmp_path / "log" / "tile/entries/002"
    path.write_bytes(path.read_bytes().replace(b"step 601", b"step 602"))
    done = run(program, tmp_path / "log", "--key", SIGNER.key)
    assert done.returncode == 1
    assert "tile/entries/002, record 600 (2026-06-01T08:12:21" in done.stdout


@pytest.mark.parametrize("words", [(), ("nowhere",), (".", "--key", "no+key"), ("--proof", "x")])
def test_what_cannot_be_judged_ends_with_2(program, words):
    assert run(program, *words).returncode == 2


def test_one_record_is_proved_without_the_log(log, program, tmp_path):
    proof = Reader(tmp_path / "log").proof(77, log.checkpoint)
    path = tmp_path / "one.tlog-proof"
    path.write_bytes(proof)
    done = run(program, "--proof", path, "--key", SIGNER.key)
    assert done.returncode == 0 and entries(78, 1)[0].decode() in done.stdout
    at = proof.index(b"extra ") + 60
    path.write_bytes(proof[:at] + (b"A" if proof[at : at + 1] != b"A" else b"B") + proof[at + 1 :])
    assert run(program, "--proof", path, "--key", SIGNER.key).returncode == 1


def test_an_earlier_checkpoint_of_a_witness_is_compared(log, program, tmp_path):
    kept = tmp_path / "checkpoint-of-monday"
    kept.write_bytes(bytes(log.checkpoint))
    log.append(entries(1_501, 100))
    done = run(program, tmp_path / "log", "--key", SIGNER.key, "--checkpoint", kept)
    assert (done.returncode, "2 earlier checkpoints agree" in done.stdout) == (0, True), done.stdout


def test_an_export_is_whole_and_holds_no_secret(log, tmp_path):
    log.append(entries(1_501, 700))
    data = b"".join(tar(tmp_path / "log", log.checkpoint))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    assert verify(tmp_path / "out/audit/log", SIGNER.key).good
    assert b"PRIVATE+KEY" not in data
    done = run(tmp_path / "out/audit/verify_log.py", tmp_path / "out/audit/log")
    assert done.returncode == 0


def test_a_copy_as_of_an_earlier_checkpoint_is_that_log(log, tmp_path):
    before = log.checkpoint
    log.append(entries(1_501, 900))
    copy(tmp_path / "log", tmp_path / "copy", before)
    report = verify(tmp_path / "copy", SIGNER.key)
    assert (report.good, report.size) == (True, 1_500)
    assert read_checkpoint((tmp_path / "copy/checkpoint").read_bytes()) == before


def test_a_log_that_is_written_meanwhile_is_no_damage(log, tmp_path):
    """A checkpoint of before, tiles of now: what grew is read by its begin."""
    seen = []

    def tell(done: int, of: int) -> None:
        if not seen:
            log.append(entries(1_501, 200))
        seen.append(done)

    report = verify(tmp_path / "log", SIGNER.key, tell=tell)
    assert (report.good, report.size, seen[-1]) == (True, 1_500, 1_500), report.findings


def test_the_command_line_of_the_platform_is_the_same(log, tmp_path, capsys):
    assert main([str(tmp_path / "log"), "--quiet"]) == 0
    assert "1,500 records" in capsys.readouterr().out


def test_a_nodes_data_folder_leads_to_its_log(tmp_path, capsys):
    written(tmp_path / "data" / "audit" / "log", 5)
    assert main([str(tmp_path), "--quiet"]) == 0
    assert main([str(tmp_path / "data"), "--quiet"]) == 0

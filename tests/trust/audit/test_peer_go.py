"""An independent reader: golang.org/x/mod/sumdb reads our log, and its proofs are ours."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest

from baotu.trust.audit.formats import COSIGNATURE
from baotu.trust.audit.keys import Ed25519Signer
from baotu.trust.audit.tiles import Reader
from baotu.trust.audit.witness import FolderWitness, witnessed
from tests.peers import NPM, absent
from tests.trust.audit.logs import SIGNER, written

PEER = NPM.parent / "tlogpeer"
EDGE = Ed25519Signer("edge-1/witness", bytes(range(1, 33)), COSIGNATURE)


def run(*words: object) -> subprocess.CompletedProcess[str]:
    if not PEER.is_file():
        absent("tlogpeer", "run `make peers`; it needs the Go compiler")
    return subprocess.run([PEER, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("size", [1, 256, 300, 1_500])
def test_it_reads_every_record_and_its_proofs_are_ours(tmp_path, size):
    written(tmp_path, size, (7, 400))
    done = run(tmp_path, SIGNER.key)
    assert done.returncode == 0, done.stderr
    told, reader = json.loads(done.stdout), Reader(tmp_path)
    assert told["size"] == size
    for index, path in told["inclusion"].items():
        ours = [base64.b64encode(one).decode() for one in reader.inclusion(int(index), size)]
        assert ours == (path or [])
    for old, path in told["consistency"].items():
        ours = [base64.b64encode(one).decode() for one in reader.consistency(int(old), size)]
        assert ours == (path or [])


def test_it_accepts_the_cosignature_of_a_witness(tmp_path):
    log = written(tmp_path / "log", 300)
    witness = FolderWitness(tmp_path / "edge", EDGE, [SIGNER.key], lambda: 1_780_000_000)
    assert witnessed(log, [witness]) == []
    assert run(tmp_path / "log", SIGNER.key, EDGE.key).returncode == 0


def test_it_refuses_a_changed_record_and_another_key(tmp_path):
    written(tmp_path, 300)
    other = Ed25519Signer("plant/hub", bytes(32))
    assert run(tmp_path, other.key).returncode != 0
    path = tmp_path / "tile/entries/000"
    path.write_bytes(path.read_bytes().replace(b"step 100", b"step 101"))
    done = run(tmp_path, SIGNER.key)
    assert done.returncode != 0, "and it says so by its proof check"

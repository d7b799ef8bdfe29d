"""Witnesses: they sign what follows, refuse what does not, and never contradict themselves."""

from __future__ import annotations

import pytest

from baotu.trust.audit.formats import COSIGNATURE, COSIGNED, Damaged, read_checkpoint
from baotu.trust.audit.keys import Ed25519Signer
from baotu.trust.audit.log import Log
from baotu.trust.audit.tiles import Reader
from baotu.trust.audit.verify_log import verify
from baotu.trust.audit.witness import FolderWitness, Refusal, request, witnessed
from tests.trust.audit.logs import SIGNER, entries, written

EDGE = Ed25519Signer("edge-1/witness", bytes(range(1, 33)), COSIGNATURE)


@pytest.fixture
def log(tmp_path) -> Log:
    return written(tmp_path / "log", 300)


@pytest.fixture
def witness(tmp_path) -> FolderWitness:
    return FolderWitness(tmp_path / "edge", EDGE, [SIGNER.key], lambda: 1_780_000_000)


def test_a_witness_follows_the_log_and_its_signature_is_checked(tmp_path, log, witness):
    assert witnessed(log, [witness]) == []
    log.append(entries(301, 900))
    assert witnessed(log, [witness]) == []

    kept = read_checkpoint((tmp_path / "log" / COSIGNED).read_bytes())
    [(_, own), (edge, time)] = kept.signers([SIGNER.key, EDGE.key], strict=True)
    assert (own, edge, time, kept.size) == (0, EDGE.key, 1_780_000_000, 1_200)
    report = verify(tmp_path / "log", SIGNER.key)
    assert (report.good, report.signers) == (True, ["edge-1/witness"])
    assert witness.latest(SIGNER.key.name) == log.checkpoint


def test_a_false_cosignature_is_found(tmp_path, log, witness):
    witnessed(log, [witness])
    path = tmp_path / "log" / COSIGNED
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert {f.file for f in verify(tmp_path / "log", SIGNER.key).findings} == {COSIGNED}
    keys = tmp_path / "log" / "witnesses"
    path.write_bytes(data)
    text = keys.read_bytes()
    keys.write_bytes(text.replace(b"edge-1", b"edge-2"))
    assert verify(tmp_path / "log", SIGNER.key).findings[0].file == "witnesses"


def test_a_log_that_forked_gets_no_signature(tmp_path, log, witness):
    witnessed(log, [witness])
    forged = Log(tmp_path / "forged", SIGNER)
    forged.append([*entries(1, 299), *entries(500, 200)])
    [failed] = witnessed(forged, [witness])
    assert "do not follow" in failed
    assert not (tmp_path / "forged" / COSIGNED).exists()


def test_a_log_that_was_put_back_gets_no_signature(tmp_path, log, witness):
    witnessed(log, [witness])
    [failed] = witnessed(written(tmp_path / "earlier", 200), [witness])
    assert "300 records were signed last" in failed


def test_refusals_are_those_of_the_specification(log, witness, tmp_path):
    stranger = Ed25519Signer("else/where", bytes(32))
    other = Log(tmp_path / "other", stranger)
    forged = Log(tmp_path / "forged", Ed25519Signer("plant/hub", bytes(32)))
    for body, status in (
        (b"rubbish", 400),
        (request(0, [], other.checkpoint), 404),
        (request(0, [], forged.checkpoint), 403),
        (request(301, [], log.checkpoint), 400),
        (request(10, [], log.checkpoint), 409),
        (request(0, [bytes(32)], log.checkpoint), 422),
    ):
        with pytest.raises(Refusal) as refused:
            witness.add_checkpoint(body)
        assert refused.value.status == status
    assert witness.latest(SIGNER.key.name) is None


def test_what_it_signed_it_remembers_after_a_restart(tmp_path, log, witness):
    witnessed(log, [witness])
    again = FolderWitness(tmp_path / "edge", EDGE, [SIGNER.key], lambda: 1_780_000_001)
    with pytest.raises(Refusal, match="300 records were signed last"):
        again.add_checkpoint(request(0, [], log.checkpoint))
    proof = Reader(tmp_path / "log").consistency(300, 300)
    assert again.add_checkpoint(request(300, proof, log.checkpoint)).startswith("— edge-1".encode())


def test_an_answer_that_is_none_is_told(log):
    class Liar:
        key = EDGE.key

        def add_checkpoint(self, body: bytes) -> bytes:
            return "— edge-1/witness AAAA\n".encode()

    class Gone(Liar):
        def add_checkpoint(self, body: bytes) -> bytes:
            raise ConnectionRefusedError("nobody there")

    assert len(witnessed(log, [Liar(), Gone()])) == 2
    assert issubclass(Refusal, Damaged)

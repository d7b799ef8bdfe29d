"""Every kind of tampering with the raw files is found, and located at the first record it touched.

The same kinds run 10,000 times in `benchmarks/audit.py`.
"""

from __future__ import annotations

import random
import shutil

import pytest

from baotu.trust.audit.formats import NEWEST
from baotu.trust.audit.log import Log
from baotu.trust.audit.verify_log import verify
from tests.trust.audit.logs import SIGNER, entries, written
from tests.trust.audit.tamper import KINDS, Folder, located

TIMES = 12


@pytest.fixture(scope="module", params=[2_900, 2_816])
def folder(request, tmp_path_factory) -> Folder:
    path = tmp_path_factory.mktemp("log")
    written(path, request.param, (1, 300, 7, 512))
    return Folder(path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_is_found_and_located(folder, kind):
    dice, done, turn = random.Random(kind.__name__), 0, 0
    while done < TIMES:
        turn += 1
        assert turn < 10 * TIMES
        made = kind(folder, dice)
        if folder.changed():
            report = verify(folder.path, SIGNER.key)
            assert not report.good, (turn, sorted(made.files)[:3])
            assert located(report, made), (turn, made.record, report.findings[:3])
            done += 1
        folder.restore()
    assert verify(folder.path, SIGNER.key).good


def test_the_whole_put_back_is_found_by_a_checkpoint_kept_elsewhere(tmp_path):
    log = written(tmp_path / "log", 500)
    shutil.copytree(tmp_path / "log", tmp_path / "earlier")
    log.append(entries(501, 300))
    elsewhere = bytes(log.checkpoint)

    alone = verify(tmp_path / "earlier", SIGNER.key)
    compared = verify(tmp_path / "earlier", SIGNER.key, [("usb-stick", elsewhere)])

    assert alone.good, "consistent in itself: nothing but a witness can tell"
    assert [(f.file, f.record, f.until) for f in compared.findings] == [(NEWEST, 500, 800)]
    assert "usb-stick" in compared.findings[0].why


def test_a_past_written_anew_by_who_has_the_key_is_found_by_a_checkpoint_kept_elsewhere(tmp_path):
    elsewhere = bytes(written(tmp_path / "true", 700).checkpoint)
    forged = Log(tmp_path / "forged", SIGNER)
    forged.append([*entries(1, 300), *entries(302, 500)])

    assert verify(tmp_path / "forged", SIGNER.key).good
    report = verify(tmp_path / "forged", SIGNER.key, [("lawyer", elsewhere)])

    assert report.findings[0].file == "lawyer"
    assert report.findings[0].record <= 300 < report.findings[0].until


def test_the_time_of_the_damaged_record_is_told(folder):
    number, at = 3, 77
    held = folder.entries(number)
    held[at] = held[at].replace(b"done", b"gone").replace(b"denied", b"unseen")
    folder.keep(number, held)
    [found] = verify(folder.path, SIGNER.key).findings
    folder.restore()
    assert (found.record, found.time[:19]) == (
        number * 256 + at,
        held[at].decode().split('"time":"')[1][:19],
    )


def test_a_witness_that_signs_is_named_and_a_stranger_is_not_let_in(folder):
    assert verify(folder.path, SIGNER.key).signers == []

"""The sealer on the real chain: order, falls, tampered rows, alarms, evidence, what is forgotten."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from baotu.kernel.alarm_app import Alarms
from baotu.kernel.board import HealthBoard
from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.kernel.notes import Notes
from baotu.records import SqliteStore
from baotu.sdk import Caller
from baotu.trust.audit import watch as watching
from baotu.trust.audit.app import Audit
from baotu.trust.audit.desk import AuditDesk
from baotu.trust.audit.formats import NEWEST
from baotu.trust.audit.record import Canonical, read
from baotu.trust.audit.rows import NEXT
from baotu.trust.audit.tiles import Reader
from baotu.trust.audit.verify_log import verify, verify_proof
from baotu.trust.audit.watch import Watch
from tests.trust.audit.logs import SIGNER

ROOT = Path(__file__).parents[3]
AUDITOR = Caller("wang", "plant", frozenset({"audit.read", "audit.prove", "alarms.read"}))


class Platform:
    """A chain on a file and its watch, which moves by hand."""

    def __init__(self, folder: Path, **more) -> None:
        self.folder, self.more = folder, more
        self.open()

    def open(self) -> None:
        self.store = SqliteStore(self.folder / "records.db")
        self.chain = Chain(self.store, SystemClock(), [Alarms(), Notes(), Audit()])
        self.board = HealthBoard()
        self.watch = Watch(
            self.chain, self.board, self.folder / "log", SIGNER, "plant", **self.more
        )

    def again(self) -> None:
        self.watch.stop()
        self.store.close()
        self.open()

    def happen(self, many: int) -> None:
        for n in range(many):
            self.chain.note("config", "replace", AUDITOR, "done", f"step {n}", "config.change")

    def rows(self) -> list:
        return self.store.ask(NEXT, (0, 10**9))

    def sql(self, text: str) -> None:
        """Behind the platform's back."""
        with sqlite3.connect(self.folder / "records.db") as line:
            line.execute(text)
        line.close()

    def alarms(self) -> list[tuple[int, str]]:
        rows = self.chain.call("alarms", "open", {}, AUDITOR)
        return [(row["priority"], row["message"]) for row in rows if row["active"]]

    def proofs(self) -> list[dict]:
        found = self.store.ask("SELECT figures FROM ledger_evidence_row WHERE element = '3.3'")
        return [json.loads(figures) for (figures,) in found]

    def health(self):
        [found] = self.board.healths("audit")
        return found


@pytest.fixture
def platform(tmp_path):
    made = Platform(tmp_path)
    yield made
    made.watch.stop()
    made.store.close()


def until(what: Callable[[], object], turn: Callable[[], object] = lambda: None) -> object:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        turn()
        if found := what():
            return found
        threading.Event().wait(0.02)
    raise AssertionError("it did not happen")


def test_every_committed_row_is_sealed_once_and_in_order(platform):
    platform.happen(30)
    platform.watch.tick()
    platform.happen(5)
    platform.watch.tick()
    made = [Canonical()(row) for row in platform.rows()]
    reader = Reader(platform.folder / "log")
    assert [entry for _, entry in reader.entries(0, 35)] == made
    assert platform.health().state == "up"
    assert platform.watch.waiting() == 0


def test_a_node_that_starts_again_goes_on_behind_what_it_sealed(platform):
    platform.happen(10)
    platform.watch.tick()
    platform.again()
    platform.happen(10)
    platform.watch.tick()
    assert Reader(platform.folder / "log").checkpoint().size == 20
    assert verify(platform.folder / "log", SIGNER.key).good


def test_a_check_that_proved_something_is_evidence(platform):
    assert platform.proofs() == []
    platform.happen(10)
    platform.watch.tick()
    assert platform.watch.check() == []
    [figures] = platform.proofs()
    assert (figures["hashed"], figures["records"], figures["whole"]) == (10, 10, False)
    assert platform.watch.figures()["verified"] == 10


TAMPERED = {
    "edited": ("UPDATE ledger_audit_record SET caller = 'nobody' WHERE id = 7", 6, "caller"),
    "deleted": ("DELETE FROM ledger_audit_record WHERE id = 7", 6, "deleted"),
    "time": ("UPDATE ledger_audit_record SET time = time + 1 WHERE id = 10", 9, "time"),
    "inserted": (
        "INSERT INTO ledger_audit_record (id, organisation, time, caller, verb, permission, outcome,"
        " reason) VALUES (0, 'plant', 1, 'x', 'x', '', 'done', '')",
        None,
        None,
    ),
    "put between": (
        "UPDATE ledger_audit_record SET id = -id WHERE id = 7",
        6,
        "deleted",
    ),
}


@pytest.mark.parametrize("name", [n for n in TAMPERED if n != "inserted"])
def test_a_row_that_is_not_the_sealed_one_is_told_with_its_place(platform, name):
    sql, record, word = TAMPERED[name]
    platform.happen(20)
    platform.watch.tick()
    platform.sql(sql)
    [found] = platform.watch.check()
    assert (found.file, found.record) == ("records database", record)
    assert word in found.why
    assert platform.health().state == "down"
    assert f"record {record}" in platform.health().why
    [(priority, message)] = platform.alarms()
    assert priority == 1 and f"record {record}" in message
    assert platform.proofs() == []


def test_a_row_slipped_in_among_the_sealed_ones_is_told(platform):
    platform.happen(20)
    platform.sql("DELETE FROM ledger_audit_record WHERE id = 7")
    platform.watch.tick()
    platform.sql(
        "INSERT INTO ledger_audit_record (id, organisation, time, caller, verb, permission, outcome,"
        " reason) VALUES (7, 'plant', 1, 'x', 'x', '', 'done', '')"
    )
    [found] = platform.watch.check()
    assert (found.record, "row 7 was not written by the platform" in found.why) == (6, True)


def test_a_damaged_file_is_alarmed_once_and_the_alarm_returns_when_the_whole_is_sound(platform):
    platform.happen(20)
    platform.watch.tick()
    path = platform.folder / "log" / "tile/entries/000.p/20"
    sound = path.read_bytes()
    path.write_bytes(sound.replace(b"step 4", b"step 5"))
    assert platform.watch.check()[0].record == 4
    platform.watch.check()
    assert len(platform.alarms()) == 1
    path.write_bytes(sound)
    assert platform.watch.check() == []
    assert platform.health().state == "down", "only the whole can say that all is well again"
    platform.chain.call("audit", "verify", {}, AUDITOR)
    until(lambda: not platform.alarms(), platform.watch.tick)
    assert platform.health().state == "up"


def test_the_whole_is_verified_on_demand_in_a_process_of_its_own(platform):
    platform.happen(700)
    platform.watch.tick()
    platform.chain.call("audit", "verify", {}, AUDITOR)
    with pytest.raises(Exception, match="under way"):
        platform.chain.call("audit", "verify", {}, AUDITOR)
    verifications = lambda: platform.chain.call("audit", "verifications", {}, AUDITOR)  # noqa: E731
    until(lambda: verifications()[0]["state"] == "good", platform.watch.tick)
    assert verifications()[0]["size"] == 702, "and both times it was asked"
    assert {"hashed": 702, "whole": True}.items() <= platform.proofs()[0].items()


def test_the_whole_finds_an_old_row_that_was_changed(platform):
    platform.happen(600)
    platform.watch.tick()
    platform.sql("UPDATE ledger_audit_record SET reason = 'forged' WHERE id = 123")
    platform.chain.call("audit", "verify", {}, AUDITOR)
    until(
        lambda: platform.chain.call("audit", "verifications", {}, AUDITOR)[0]["state"] == "damaged",
        platform.watch.tick,
    )
    [row] = platform.chain.call("audit", "verifications", {}, AUDITOR)
    assert "record 122" in row["found"] and "reason" in row["found"]


def test_log_files_put_back_are_made_good_from_the_rows(platform):
    platform.happen(30)
    platform.watch.tick()
    shutil.copytree(platform.folder / "log", platform.folder / "earlier")
    platform.happen(30)
    platform.watch.tick(last=True)
    newest = (platform.folder / "log" / NEWEST).read_bytes()
    shutil.rmtree(platform.folder / "log")
    shutil.copytree(platform.folder / "earlier", platform.folder / "log")
    platform.again()
    platform.watch.tick()
    assert (platform.folder / "log" / NEWEST).read_bytes() == newest
    assert platform.health().state == "up"


def test_log_and_rows_put_back_together_are_found_by_the_checkpoint_in_the_records(platform):
    platform.happen(30)
    platform.watch.tick()
    shutil.copytree(platform.folder / "log", platform.folder / "earlier")
    platform.happen(30)
    platform.watch.tick(last=True)
    shutil.rmtree(platform.folder / "log")
    shutil.copytree(platform.folder / "earlier", platform.folder / "log")
    platform.sql("DELETE FROM ledger_audit_record WHERE id > 30")
    platform.again()
    platform.watch.tick()
    assert platform.health().state == "down"
    assert "60 records were sealed, 30 are left" in platform.health().why
    assert len(platform.alarms()) == 1


def test_rows_changed_while_the_log_was_away_are_never_signed(platform):
    platform.happen(30)
    platform.watch.tick()
    platform.again()
    platform.watch.tick(last=True)
    shutil.rmtree(platform.folder / "log")
    platform.sql("UPDATE ledger_audit_record SET caller = 'x' WHERE id = 3")
    platform.again()
    platform.watch.tick()
    assert "signed before" in platform.health().why
    assert Reader(platform.folder / "log").checkpoint().size == 0


def test_a_disk_that_takes_nothing_holds_up_and_then_all_is_sealed(platform, monkeypatch):
    platform.happen(5)
    log = platform.watch.sealer.open()

    def full(name, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log, "_write", full)
    assert platform.watch.tick() == watching.AGAIN_S
    assert (platform.health().state, "No space" in platform.health().why) == ("degraded", True)
    assert platform.watch.tick() == watching.SEAL_S
    assert Reader(platform.folder / "log").checkpoint().size == 5


def test_old_rows_are_forgotten_only_when_sealed_verified_and_backed_up(tmp_path):
    covered = [0]
    platform = Platform(tmp_path, keep_days=1e-9, covered=lambda: covered[0])
    platform.happen(40)
    platform.watch.tick()
    assert platform.watch.forget() == 0, "not verified"
    platform.chain.call("audit", "verify", {}, AUDITOR)
    until(lambda: platform.watch.checked and platform.watch.checked.whole, platform.watch.tick)
    assert platform.watch.forget() == 0, "not backed up"
    covered[0] = 25
    assert platform.watch.forget() == 25
    platform.watch.tick()
    assert platform.rows()[0][0] == 26
    assert platform.watch.check() == [], "what was forgotten is not missed"
    assert any(row[4] == "audit.forget" for row in platform.rows()), "and it is in the audit"
    proof = AuditDesk(platform.watch).prove(3)
    assert read(verify_proof(proof.text, SIGNER.key)[0])["id"] == 3
    platform.sql("DELETE FROM ledger_audit_record WHERE id = 30")
    assert platform.watch.check()[0].record == 29
    platform.store.close()


KILLED = """
import sys, threading
from pathlib import Path
from tests.trust.audit.test_sealer import Platform
platform = Platform(Path(sys.argv[1]))
platform.watch.start()
print("up", flush=True)
for n in range(10**9):
    platform.happen(1)
"""


def test_kill_9_at_any_instant_loses_nothing_and_repeats_nothing(tmp_path, monkeypatch):
    script = KILLED.replace(
        "platform.watch.start()",
        "import baotu.trust.audit.watch as w; w.SEAL_S = 0.01\nplatform.watch.start()",
    )
    for turn in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout and process.stdout.readline() == b"up\n"
        threading.Event().wait(0.15 + turn * 0.037)
        process.kill()
        process.wait()
        process.stdout.close()
        report = verify(tmp_path / "log", SIGNER.key)
        assert [
            f
            for f in report.findings
            if "more than the checkpoint" not in f.why and "put back" not in f.why
        ] == []
    platform = Platform(tmp_path)
    platform.watch.tick()
    made = [Canonical()(row) for row in platform.rows()]
    reader = Reader(tmp_path / "log")
    assert len(made) > 50
    assert [entry for _, entry in reader.entries(0, reader.checkpoint().size)] == made
    assert verify(tmp_path / "log", SIGNER.key).good
    platform.store.close()

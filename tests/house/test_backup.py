"""Backups of a real node: by hand while it runs and when not, by themselves, restored and proved."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from baotu.history.duck import DuckHistory
from baotu.house.backup import BackupKeeper, NodeBackup
from baotu.house.control import ask
from baotu.house.demo import free_port
from baotu.house.file import load
from baotu.kernel.board import HealthBoard
from baotu.sdk import Invalid, Samples
from baotu.sdk.link import Batch

from . import nodes
from .nodes import Node, served, until

PHRASE = "趵突泉 at dawn"
CONFIG = """
[node]
name = "jinan"
role = "{role}"
[console]
listen = "[::1]:{console}"
[fabric]
listen = []
connect = []
[backup]
to = "kept"
passphrase = "secret:recovery"
"""
DEVICE = """
[[device]]
name = "plc"
driver = "modbus"
host = "::1"
port = {device}
period_s = 0.1
asset = "plant/pump"
[[device.tag]]
property = "flow"
address = "holding:0:float32"
"""


def baotu(*words: object, given: str = "", code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "baotu.cli", *map(str, words)],
        input=given, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def phrase(tmp_path) -> Path:
    path = tmp_path / "phrase"
    path.write_text(PHRASE)
    return path


@pytest.fixture
def still(tmp_path) -> Path:
    """The configuration of a node that does not run, with samples, records and a secret."""
    config = tmp_path / "node" / "baotu.toml"
    config.parent.mkdir()
    (config.parent / "tags").mkdir()
    (config.parent / "tags" / "a.csv").write_text("x")
    config.write_text(
        CONFIG.format(role="hub", console=free_port()).replace('passphrase = "secret:recovery"', "")
    )
    data = config.parent / "data"
    data.mkdir()
    history = DuckHistory(data / "history")
    rows = samples(500)
    history.append([Batch(log="e", first=1, last=1, after=None, samples=(rows,), live=True)])
    history.seal(everything=True)
    history.append([Batch(log="e", first=2, last=2, after=1, samples=(rows,), live=True)])
    history.close()
    db = sqlite3.connect(data / "records.db")
    db.executescript(
        "create table agreed (id integer primary key, what text); insert into agreed (what) values ('a'), ('b');"
    )
    db.close()
    (data / "trust" / "audit").mkdir(parents=True)
    (data / "trust" / "audit" / "log").write_bytes(b"entry\n" * 100)
    (data / "edge" / "log").mkdir(parents=True)
    (data / "edge" / "log" / "frames").write_bytes(b"waiting")
    baotu("secret", "set", "recovery", "--config", config, given=PHRASE)
    return config


def nanoseconds_at(n: int) -> int:
    return 1_780_000_000_000_000_000 + n * 10**9


def samples(count: int) -> Samples:
    return Samples.of(
        1, [nanoseconds_at(n) for n in range(count)], [float(n) for n in range(count)]
    )


def test_a_node_that_does_not_run_is_kept_whole_and_comes_back_proved(still, tmp_path, phrase):
    said = baotu("backup", tmp_path / "kept", "--config", still, "--passphrase-file", phrase)
    assert "run 1" in said and "history" in said and "without" in said
    told = baotu(
        "restore", tmp_path / "kept", tmp_path / "back", "--verify", "--passphrase-file", phrase
    )
    assert "✓ run 1, jinan" in told and "1000 samples" in told
    back = tmp_path / "back"
    assert (back / "baotu.toml").read_text() == still.read_text()
    assert (back / "data/trust/audit/log").read_bytes() == b"entry\n" * 100
    assert (back / "secrets.key").read_bytes() == (still.parent / "secrets.key").read_bytes()
    assert (back / "data/trust/secrets/secrets.json").stat().st_mode & 0o077 == 0
    assert not (back / "data/edge/log").exists() and not (back / "data/lock").exists()
    assert baotu("secret", "list", "--config", back / "baotu.toml").startswith("recovery  v1")
    history = DuckHistory(back / "data/history")
    assert history.figures()["samples"] == 1000
    history.close()
    assert not (still.parent / "data" / "backup.stage").exists()
    again = baotu(
        "backup", tmp_path / "kept", "--config", still
    )  # the store is begun: no passphrase
    assert "run 2" in again


def test_a_proof_finds_what_was_changed_behind_the_manifest(still, tmp_path, phrase):
    """Figures of the files, the databases' own checks and the opened node are compared."""
    baotu("backup", tmp_path / "kept", "--config", still, "--passphrase-file", phrase)
    from baotu.house.revive import differences
    from baotu.trust.backup.objects import Folder
    from baotu.trust.backup.restore import restore

    told = restore(Folder(tmp_path / "kept"), PHRASE, tmp_path / "back")
    assert differences(tmp_path / "back", told) == []
    db = sqlite3.connect(tmp_path / "back/data/records.db")
    db.execute("delete from agreed where what = 'b'")
    db.commit()
    db.close()
    assert "tables/records.db" in " ".join(differences(tmp_path / "back", told))
    told = restore(Folder(tmp_path / "kept"), PHRASE, tmp_path / "more")
    history = DuckHistory(tmp_path / "more/data/history")
    history.append([Batch(log="e", first=3, last=3, after=2, samples=(samples(5),), live=True)])
    history.close()
    assert "history/hot" in " ".join(differences(tmp_path / "more", told))
    told = restore(Folder(tmp_path / "kept"), PHRASE, tmp_path / "third")
    (tmp_path / "third/baotu.toml").write_text("no toml at all [")
    assert "does not open" in " ".join(differences(tmp_path / "third", told))
    told.facts["tags"] = 7
    (tmp_path / "third/baotu.toml").write_text(still.read_text())
    assert "tags: 7 was kept" in " ".join(differences(tmp_path / "third", told))


@pytest.mark.timeout(900)
def test_mistakes_are_told(still, tmp_path, phrase):
    kept = tmp_path / "kept"
    assert "passphrase" in baotu("backup", kept, "--config", still, code=2)
    baotu("backup", kept, "--config", still, "--passphrase-file", phrase)
    wrong = tmp_path / "wrong"
    wrong.write_text("no such spring")
    assert "passphrase does not open" in baotu(
        "restore", kept, tmp_path / "x", "--passphrase-file", wrong, code=2
    )
    assert "holds no backups" in baotu(
        "restore", tmp_path / "empty", "--passphrase-file", phrase, code=2
    )
    other = tmp_path / "other" / "baotu.toml"
    other.parent.mkdir()
    other.write_text(still.read_text())
    (other.parent / "data" / "history").mkdir(parents=True)
    assert "of another node" in baotu("backup", kept, "--config", other, code=2)
    victim = next(p for p in (kept / "chunks").rglob("*") if p.is_file())
    victim.write_bytes(victim.read_bytes()[:-2] + b"??")
    told = baotu("restore", kept, "--verify", "--passphrase-file", phrase, code=2)
    assert "✗" in told and victim.name in told
    assert "rolled back" in baotu(
        "restore", kept, "--verify", "--at-least", 2, "--passphrase-file", phrase, code=2
    )


class Turning:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 1_780_000_000 * 10**9

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return self.time / 1e9


def test_the_keeper_takes_checks_proves_and_raises_the_alarm(still, tmp_path):
    config = load(still)
    clock, board = Turning(), HealthBoard("jinan")
    alarms, proofs, word = [], [], [PHRASE]
    history = DuckHistory(still.parent / "data/history")
    keeper = BackupKeeper(
        NodeBackup(config, clock.now, history), board, clock, lambda: word[0],  # type: ignore[arg-type]
        lambda why, active: alarms.append((active, why)), proofs.append,
    )  # fmt: skip
    word[0] = ""
    keeper.look()
    assert keeper.state.state == "degraded" and "baotu backup" in keeper.state.why and alarms[-1][0]
    clock.time += 601 * 10**9
    word[0] = PHRASE
    keeper.look()
    assert (keeper.state.state, keeper.state.number, alarms[-1][0]) == ("up", 1, False)
    keeper.look()  # never checked yet: the whole store is read, and a copy restored and proved
    assert keeper.state.proved == keeper.state.checked == clock.time
    assert proofs == [{"run": 1, "files": proofs[0]["files"], "bytes": proofs[0]["bytes"],
                       "chunks_checked": proofs[0]["chunks_checked"], "differences": 0}]  # fmt: skip
    keeper.look()
    assert keeper.state.number == 1
    clock.time += 86_401 * 10**9
    keeper.look()
    assert keeper.state.number == 2
    victim = next(p for p in (still.parent / "kept/chunks").rglob("*") if p.is_file())
    victim.write_bytes(b"?" + victim.read_bytes()[1:])
    clock.time += 8 * 86_400 * 10**9
    keeper.look()
    keeper.look()
    assert keeper.state.state == "degraded" and victim.name in keeper.state.why and alarms[-1][0]
    assert len(proofs) == 1
    keeper.look(asked=True)  # written anew; the older run stays damaged, and that stays told
    assert keeper.state.state == "degraded" and keeper.state.number == 4
    assert restored(still.parent / "kept").faults == []
    [health] = board.healths("node")
    assert health.name == "backup" and health.figures["number"] == 4
    history.close()


def restored(store: Path):
    from baotu.trust.backup.objects import Folder
    from baotu.trust.backup.restore import restore

    return restore(Folder(store), PHRASE, None)


def test_a_place_that_is_away_is_an_alarm_and_is_tried_again(still):
    clock, alarms = Turning(), []
    backup_of = NodeBackup(load(still), clock.now, None)
    keeper = BackupKeeper(
        backup_of, HealthBoard(), clock, lambda: PHRASE,  # type: ignore[arg-type]
        lambda why, active: alarms.append(active), lambda figures: None,
    )  # fmt: skip
    kept = still.parent / "kept"
    kept.write_text("no folder")
    keeper.look()
    assert alarms == [True] and keeper.state.state == "degraded"
    kept.unlink()
    keeper.look()
    assert keeper.state.number == 0  # not at once
    clock.time += 601 * 10**9
    keeper.look()
    assert keeper.state.number == 1 and alarms[-1] is False


def test_two_at_a_time_are_refused_and_a_short_passphrase_too(still, tmp_path):
    made = NodeBackup(load(still), lambda: 1, None)
    with made._one, pytest.raises(Invalid, match="is being taken"):
        made.take(str(tmp_path / "a"), PHRASE)
    with pytest.raises(Invalid, match="8"):
        made.take(str(tmp_path / "a"), "short")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.peer("pymodbus")
def test_a_running_node_backs_itself_up_and_the_restored_one_starts(tmp_path, phrase, request):
    config = tmp_path / "baotu.toml"
    with served(0x41A4, 0x0000) as device:
        config.write_text(
            CONFIG.format(role="all", console=(port := free_port())) + DEVICE.format(device=device)
        )
        baotu("secret", "set", "recovery", "--config", config, given=PHRASE)
        node = Node(config, tmp_path / "log")
        request.addfinalizer(node.process.kill)
        data = tmp_path / "data"
        until("samples", lambda: get(port, "/api/health", data)["history"]["samples"] > 20)
        until(
            "the first backup by itself, checked and proved",
            lambda: call(config, "backups.state")["proved"],
        )
        state = call(config, "backups.state")
        assert (state["state"], state["number"]) == ("up", 1)
        assert "run 1" in baotu(
            "backup", tmp_path / "second", "--config", config, "--passphrase-file", phrase
        )
        proved = [e for e in get(port, "/api/elements", data)["elements"] if e["id"] == "3.5"]
        assert proved[0]["proved"]
        assert node.end() == 0
    told = baotu(
        "restore", tmp_path / "second", tmp_path / "back", "--verify", "--passphrase-file", phrase
    )
    assert "✓" in told
    again = Node(tmp_path / "back/baotu.toml", tmp_path / "log2")
    health = until("it answers", lambda: get(port, "/api/health", tmp_path / "back/data"))
    assert health["history"]["samples"] > 20
    assert again.end() == 0


def call(config: Path, verb: str) -> dict:
    return ask(config.parent / "data", "call", verb=verb, arguments={})


def get(port: int, path: str, data: Path) -> dict:
    return nodes.get(f"http://[::1]:{port}{path}", data)

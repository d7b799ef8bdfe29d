"""The store of secrets: sealed, by versions, its key changed at work, its files private."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from baotu.sdk import ConfigError, Invalid
from baotu.sdk.secret import Secret
from baotu.trust.primitives import NAMES, suite
from baotu.trust.secrets.keys import CREDENTIAL, PHRASE_CREDENTIAL, KeyFile, found_keys
from baotu.trust.secrets.store import SecretStore

VALUE = "Quelle-7-趵突"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(params=NAMES)
def store(request, tmp_path) -> SecretStore:
    one = suite(request.param)
    return SecretStore(
        tmp_path / "s" / "secrets.json", one, KeyFile(tmp_path / "key", one), now=lambda: NOON
    )


def test_the_newest_version_is_given_and_older_ones_go(store):
    for n in range(1, 6):
        assert store.set("mqtt-line1", Secret(f"{VALUE}{n}"), "guard") == n
    assert store.get("mqtt-line1").value == f"{VALUE}5"
    [kept] = store.names()
    assert (kept.version, kept.versions, kept.set_by, kept.set_at) == (
        5,
        3,
        "guard",
        NOON.isoformat(),
    )


def test_nothing_of_a_value_rests_in_the_files_and_only_the_owner_reads_them(store, tmp_path):
    store.set("a", Secret(VALUE), "guard")
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert VALUE.encode() not in file.read_bytes()
            assert VALUE.encode().hex().encode() not in file.read_bytes()
            assert file.stat().st_mode & 0o077 == 0, file
    store.path.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read"):
        store.get("a")


def test_the_key_changes_without_touching_values(store):
    for name in "abc":
        store.set(name, Secret(VALUE + name), "guard")
    before = json.loads(store.path.read_text())["secrets"]
    old, _ = store.keys.current()
    assert store.rotate() == 3
    after = json.loads(store.path.read_text())["secrets"]
    assert store.keys.current()[0] != old
    with pytest.raises(ConfigError, match=old):
        store.keys.of(old)
    for name in "abc":
        assert store.get(name).value == VALUE + name
        assert before[name][0]["sealed"] == after[name][0]["sealed"]
        assert before[name][0]["wrapped"] != after[name][0]["wrapped"]


def test_readers_never_fail_while_the_key_changes(store):
    store.set("a", Secret(VALUE), "guard")
    ended, wrong = threading.Event(), []

    def read() -> None:
        while not ended.is_set():
            try:
                assert store.get("a").value == VALUE
            except Exception as error:
                wrong.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(15):
        store.rotate()
    ended.set()
    reader.join(30)
    assert wrong == []


def test_a_rotation_that_was_cut_off_leaves_everything_open(store, monkeypatch):
    store.set("a", Secret(VALUE), "guard")
    monkeypatch.setattr(
        "baotu.trust.secrets.store.write_json", lambda *_: (_ for _ in ()).throw(OSError("power"))
    )
    with pytest.raises(OSError):
        store.rotate()
    monkeypatch.undo()
    assert store.get("a").value == VALUE
    assert store.rotate() == 1 and store.get("a").value == VALUE


def test_an_entry_moved_to_another_name_or_changed_is_refused(store):
    store.set("a", Secret("value of a"), "guard")
    store.set("b", Secret("value of b"), "guard")
    told = json.loads(store.path.read_text())
    told["secrets"]["a"] = told["secrets"]["b"]
    store.path.write_text(json.dumps(told))
    with pytest.raises(ConfigError, match="'a'"):
        store.get("a")
    assert store.get("b").value == "value of b"


def test_what_is_not_there_names_the_command_that_keeps_it(store):
    with pytest.raises(ConfigError, match="baotu secret set nobody"):
        store.get("nobody")
    with pytest.raises(Invalid):
        store.remove("nobody")
    for name in ("", "Ä", "a b", "../x", "A", "x" * 64):
        with pytest.raises(Invalid):
            store.set(name, Secret("v"), "guard")
    with pytest.raises(Invalid):
        store.set("a", Secret(""), "guard")


def test_a_removed_secret_is_gone_with_its_data_key(store):
    store.set("a", Secret(VALUE), "guard")
    store.remove("a")
    assert "wrapped" not in store.path.read_text() and store.names() == []


def test_a_value_shows_itself_only_by_name():
    secret = Secret(VALUE)
    assert VALUE not in f"{secret} {secret!r} {secret:}" and secret.value == VALUE
    import pickle

    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_passphrase_seals_the_key_file_and_credentials_go_first(tmp_path, monkeypatch):
    one = suite()
    phrase = tmp_path / "phrase"
    phrase.write_text("百泉争涌 2026\n")
    phrase.chmod(0o600)
    store = SecretStore(tmp_path / "s.json", one, found_keys(one, tmp_path / "key", phrase))
    store.set("a", Secret(VALUE), "guard")
    assert "passphrase" in json.loads((tmp_path / "key").read_text())
    with pytest.raises(ConfigError, match="passphrase"):
        SecretStore(store.path, one, found_keys(one, tmp_path / "key", None)).get("a")
    wrong = tmp_path / "wrong"
    wrong.write_text("another")
    wrong.chmod(0o600)
    with pytest.raises(ConfigError, match="does not open"):
        SecretStore(store.path, one, found_keys(one, tmp_path / "key", wrong)).get("a")
    given = tmp_path / "credentials"
    given.mkdir()
    (tmp_path / "key").rename(given / CREDENTIAL)
    phrase.rename(given / PHRASE_CREDENTIAL)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    keys = found_keys(one, tmp_path / "key", None)
    again = SecretStore(store.path, one, keys)
    assert again.get("a").value == VALUE
    with pytest.raises(ConfigError, match="systemd"):
        again.rotate()
    assert again.get("a").value == VALUE


def test_two_processes_lose_nothing_of_each_other(tmp_path):
    code = (
        "import sys; from pathlib import Path; from baotu.sdk.secret import Secret\n"
        "from baotu.trust.primitives import suite; from baotu.trust.secrets.keys import KeyFile; from baotu.trust.secrets.store import SecretStore\n"
        "one = suite(); f = Path(sys.argv[1])\n"
        "s = SecretStore(f / 's.json', one, KeyFile(f / 'key', one))\n"
        "for n in range(10): s.set(f'{sys.argv[2]}{n}', Secret('value'), 'x')\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), who]) for who in "ab"]
    assert [one.wait(120) for one in both] == [0, 0]
    one = suite()
    store = SecretStore(tmp_path / "s.json", one, KeyFile(tmp_path / "key", one))
    assert len(store.names()) == 20
    assert {store.get(k.name).value for k in store.names()} == {"value"}


def test_a_suite_that_changed_is_told_of(tmp_path):
    one, other = suite("international"), suite("guomi")
    store = SecretStore(tmp_path / "s.json", one, KeyFile(tmp_path / "key", one))
    store.set("a", Secret(VALUE), "guard")
    with pytest.raises(ConfigError, match="international"):
        SecretStore(Path(store.path), other, KeyFile(tmp_path / "key", other)).get("a")

"""The configuration from the console: a dry run changes nothing, a replacement is written and kept."""

import pytest

from baotu.house.desk import ConfigDesk
from baotu.house.file import load
from baotu.house.run import adjusted
from baotu.sdk import Caller, ConfigError

TEXT = """
[node]
name = "n"
[[device]]
name = "plc"
driver = "modbus"
host = "::1"
[[device.tag]]
asset = "a"
property = "p"
address = "holding:0:float32"
"""
WHO = Caller("li", "spring", frozenset())


@pytest.fixture
def desk(tmp_path):
    path = tmp_path / "n.toml"
    path.write_text(TEXT)
    applied, audited = [], []
    config = adjusted(load(path, data=tmp_path / "kept"), "", "[::1]:0")  # as `--data --listen` do
    made = ConfigDesk(config, applied.append, lambda *row: audited.append(row))
    made.applied, made.audited = applied, audited
    return made


def test_nothing_changed_is_nothing_to_tell_whatever_the_command_line_said(desk):
    assert desk.changes(TEXT) == []


def test_a_dry_run_names_what_starts_stops_changes_and_waits_for_a_restart(desk):
    text = TEXT.replace('name = "plc"', 'name = "plc-2"') + "\n[history]\nmemory_mb = 200\n"
    told = desk.changes(text)

    assert [line[:1] for line in told] == ["-", "+", "!"]
    assert "plc-2" in told[1]
    assert "[history]" in told[2]
    assert desk.applied == []
    assert desk.text() == TEXT


def test_a_changed_setting_of_a_device_restarts_that_device_alone(desk):
    [line] = desk.changes(TEXT.replace('host = "::1"', 'host = "::1"\ntimeout_s = 3.0'))

    assert line.startswith("~ ")
    assert "plc" in line


def test_a_mistake_is_told_with_its_line_and_changes_nothing(desk):
    text = TEXT.replace('host = "::1"', 'host = "::1"\nprot = 1')
    with pytest.raises(ConfigError, match="did you mean port"):
        desk.replace(text, WHO, "trial")

    assert [p.where for p in desk.check(text)] == ["n.toml:8: device.1.prot"]
    assert desk.path().read_text() == TEXT
    assert desk.audited == []


def test_a_replacement_is_written_applied_audited_and_the_old_file_kept(desk):
    text = TEXT.replace("float32", "uint16")
    told = desk.replace(text, WHO, "wrong type")

    assert len(told) == 1
    assert desk.path().read_text() == text
    assert desk.path().with_name("n.toml.before").read_text() == TEXT
    assert [config.devices[0].tags[0].address for config in desk.applied] == ["holding:0:uint16"]
    assert desk.audited == [(WHO, "done", "wrong type")]
    assert desk.changes(text) == []

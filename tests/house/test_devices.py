"""Devices on a real node: the authority from the command line, three steps, revocation, restart."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from baotu.trust.devices import client
from tests.house.nodes import Node, until

CONFIG = """[node]
role = "hub"
[console]
listen = "[::1]:0"
[devices]
est_listen = "[::1]:0"
status_listen = "[::1]:0"
"""


def baotu(folder: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "baotu.cli", *arguments], cwd=folder, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def asked(folder: Path, verb: str, *arguments: str) -> Any:
    config = str(folder / "baotu.toml")
    return json.loads(baotu(folder, "call", f"devices.{verb}", *arguments, "--config", config))


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    (tmp_path / "baotu.toml").write_text(CONFIG)
    return tmp_path


def test_a_new_device_is_admitted_in_three_steps(plant: Path) -> None:
    told = baotu(plant, "ca", "init", "--root-out", "root.key")
    assert "root.key" in told and re.search(r"([0-9a-f]{2}:){31}", told)
    (plant / "root.key").rename(plant / "kept-away.key")
    node = Node(plant / "baotu.toml", plant / "log")
    try:
        until("the node answers", lambda: (plant / "data" / "control.sock").exists())
        given = asked(plant, "admit", "name=press-3")
        (plant / "ticket").write_text(given["ticket"])
        told = baotu(plant, "device", "enrol", "ticket", "--folder", "press-3")
        assert "CN=press-3" in told
        assert [row["state"] for row in asked(plant, "devices")] == ["enrolled"]
        assert "更新 renewed" in baotu(plant, "device", "renew", "--folder", "press-3")
        again = baotu(plant, "device", "enrol", "ticket", "--folder", "copy", code=2)
        assert "令牌已经用过" in again and "was used before" in again
        assert asked(plant, "revoke", "name=press-3") == 2
        assert "was revoked" in baotu(plant, "device", "renew", "--folder", "press-3", code=2)
        alarms = json.loads(
            baotu(plant, "call", "alarms.open", "--config", str(plant / "baotu.toml"))
        )
        assert {row["kind"] for row in alarms} == {"replayed:press-3", "revoked:press-3"}
    finally:
        assert node.end() == 0
    assert (
        client.held(plant / "press-3").certificate.subject.rfc4514_string() == "CN=press-3,O=plant"
    )


def test_an_offline_root_takes_four_commands_on_two_machines(plant: Path) -> None:
    away = plant / "away"
    away.mkdir()
    (away / "words").write_text("long words\n")
    phrase = ("--passphrase-file", "away/words")
    baotu(plant, "ca", "root", "plant", "--out", "away/root.key", "--algorithm", "ed25519", *phrase)
    asked_for = baotu(plant, "ca", "request", "--root-certificate", "away/root.crt").strip()
    baotu(
        plant, "ca", "sign", asked_for, "--root", "away/root.key", "--out", "issuing.crt", *phrase
    )
    assert "issuing 1" in baotu(plant, "ca", "take", "issuing.crt")
    assert "already" in baotu(plant, "ca", "init", "--root-out", "other.key", code=2)
    assert "issuing 2" in baotu(plant, "ca", "renew", "--root", "away/root.key", *phrase)
    assert baotu(plant, "ca", "show").count("●") == 2
    wrong = baotu(plant, "ca", "renew", "--root", "away/root.key", code=2)
    assert "口令不对" in wrong


def test_without_an_authority_nothing_listens_and_admission_says_what_to_run(plant: Path) -> None:
    node = Node(plant / "baotu.toml", plant / "log")
    try:
        until("the node answers", lambda: (plant / "data" / "control.sock").exists())
        config = str(plant / "baotu.toml")
        told = baotu(plant, "call", "devices.admit", "name=press-3", "--config", config, code=2)
        assert "baotu ca init" in told
    finally:
        assert node.end() == 0

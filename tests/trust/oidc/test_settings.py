"""A table `[[identity_provider]]`: what it may say, and what is wrong with a line and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from baotu.house.file import examine, load

GOOD = """
[[identity_provider]]
name = "firm"
issuer = "https://login.firm.example"
client = "baotu"
"""


def test_a_small_table_is_enough_and_what_is_open_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(GOOD + 'ca_file = "ca.pem"\n')
    [firm] = load(file).identity_providers
    assert (firm.new_accounts, firm.second_factor, dict(firm.roles)) == ("refuse", False, {})
    assert firm.ca_file == str((tmp_path / "ca.pem").absolute())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('roles = { "bosses" = "system_admin" }', "cannot give the role"),
        ('roles = { "bosses" = "king" }', "cannot give the role"),
        ('scope = "profile"', "lacks openid"),
        ('new_accounts = "anybody"', "not one of"),
        ('sekret = "x"', "unknown key"),
    ],
)
def test_what_would_be_dangerous_is_refused(tmp_path: Path, line: str, why: str) -> None:
    _, problems = examine(tmp_path / "node.toml", GOOD + line + "\n")
    assert why in str(problems[0])


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"https://login.firm.example"', '"http://login.firm.example"', "not https"),
        ('"firm"', '"../x"', "stands in an address"),
    ],
)
def test_addresses_and_names_are_safe(tmp_path: Path, old: str, new: str, why: str) -> None:
    _, problems = examine(tmp_path / "node.toml", GOOD.replace(old, new))
    assert why in str(problems[0])


def test_two_of_one_name_and_a_secret_in_the_clear_are_said(tmp_path: Path) -> None:
    _, problems = examine(tmp_path / "node.toml", GOOD + GOOD)
    assert "there twice" in str(problems[0])
    made, _ = examine(tmp_path / "node.toml", GOOD + 'secret = "plain"\n')
    assert made is not None and "secret:firm-secret" in made.warnings[0].hint


@pytest.mark.parametrize(
    "address",
    [
        "plant.example",
        "https://plant.example/",
        "http://plant.example",
        "https://a@b",
        "https://x/y",
    ],
)
def test_the_address_of_the_console_is_a_plain_one(tmp_path: Path, address: str) -> None:
    _, problems = examine(tmp_path / "node.toml", f'[console]\naddress = "{address}"\n')
    assert "is not the address of a console" in str(problems[0])

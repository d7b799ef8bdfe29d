"""Secrets in a configuration: references are kept as they are, plain ones are warned of."""

from __future__ import annotations

from pathlib import Path

from baotu.house.file import load
from baotu.house.reference import reference, sample_driver
from baotu.kernel.registry import Registry

from ..english import english

TEXT = """
[[device]]
name = "line1"
driver = "mqtt"
password = "{password}"
tls_key = "{key}"
"""


def test_a_plain_password_is_taken_with_a_warning_that_names_the_way(tmp_path: Path):
    config = load(tmp_path / "baotu.toml", TEXT.format(password="in-the-clear", key="k.pem"))
    assert config.devices[0].settings.password == "in-the-clear"
    [warning] = config.warnings
    told = english(warning)
    assert "baotu.toml:5" in told and "in-the-clear" not in told
    assert 'baotu secret set line1-password, then write password = "secret:line1-password"' in told


def test_references_stay_references_and_are_no_paths(tmp_path: Path):
    config = load(tmp_path / "baotu.toml", TEXT.format(password="secret:a", key="secret:k"))
    settings = config.devices[0].settings
    assert (settings.password, settings.tls_key) == ("secret:a", "secret:k")
    assert config.warnings == ()
    plain = load(tmp_path / "baotu.toml", TEXT.format(password="", key="k.pem"))
    assert plain.devices[0].settings.tls_key == str(tmp_path / "k.pem")


def test_sample_and_reference_say_where_a_secret_may_stand():
    registry = Registry()
    assert "密码 Password [secret:NAME]" in sample_driver("mqtt", registry)
    rows = [line for line in reference(registry).splitlines() if line.startswith("| `password`")]
    assert len(rows) >= 4 and all("`secret:NAME`" in row for row in rows)

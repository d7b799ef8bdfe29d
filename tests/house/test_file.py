"""The configuration of a node, whole: what is right is built, what is wrong is told with its line."""

import pytest

from baotu.house.file import examine, load
from baotu.house.reference import reference, sample_app, sample_driver, sample_node
from baotu.kernel.registry import Registry
from baotu.sdk import ConfigError
from tests.english import english

GOOD = """
[node]
name = "press-shop"
data = "kept"

[[asset]]
path = "jinan"
title = "济南 Jinan"
level = "site"

[[asset_type]]
id_short = "Press"
[[asset_type.property]]
id_short = "force"
unit = "kN"

[[device]]
name = "plc"
driver = "modbus"
host = "::1"
port = 1502
period_s = "500 ms"
asset = "jinan/press-1"
asset_type = "Press"
tags = "plc.csv"

[[device.tag]]
property = "force"
address = "holding:0:float32"

[[device.tag]]
asset = "jinan/press-2"
type = "Motor"
property = "speed"
address = "holding:2:float32"
period_s = 2.0

[app.overheat]
limit = 95
"""


def problems(tmp_path, text):
    return [english(p) for p in examine(tmp_path / "node.toml", text)[1]]


def test_a_right_file_gives_devices_with_their_tags(tmp_path):
    (tmp_path / "plc.csv").write_text(
        "asset,property,address\njinan/press-3,force,holding:9:float32\n,x,\n"
    )
    config = load(tmp_path / "node.toml", GOOD)
    [device] = config.devices

    assert config.basics.node.data == tmp_path / "kept"
    assert config.types[0].property("force").unit == "kN"
    assert (device.settings.host, device.settings.port) == ("::1", 1502)
    assert [(t.asset, t.asset_type, t.property, t.period_s) for t in device.tags] == [
        ("jinan/press-3", "", "force", 1.0),
        ("jinan/press-1", "Press", "force", 0.5),
        ("jinan/press-2", "Motor", "speed", 2.0),
    ]
    assert [w.where for w in config.warnings] == ["plc.csv:3: asset"]
    assert config.apps == {"overheat": {"limit": 95}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[nod]\nname = "x"\n', "node.toml:1: nod: unknown key 'nod' (did you mean node?)"),
        ("[console]\nlisten = \"8080\"\n", "'8080' is not an address (write \"[::1]:8080\" or \"name:8080\")"),
        ('[[device]]\nname = "a"\ndriver = "modbs"\n', "node.toml:3: device.1.driver: no driver 'modbs' (did you mean modbus?)"),
        ('[[device]]\nname = "a"\ndriver = "modbus"\nhost = "::1"\nprot = 1\n', "node.toml:5: device.1.prot: unknown key 'prot' (did you mean port?)"),
        ('[[device]]\nname = "a"\ndriver = "modbus"\nhost = "::1"\ntags = "no.csv"\n', "no.csv: no such file"),
        ('[app.overheat]\nlimits = 3\n', "node.toml:2: app.overheat.limits: unknown key 'limits' (did you mean limit?)"),
        ('[app.overheat]\nlimit = "hot"\n', "expected float like 95.0, got 'hot'"),
        ('[app.overheet]\n', "did you mean overheat?"),
        ('[[asset]]\npath = "a"\n[[asset]]\npath = "a"\n', "node.toml:3: asset.2: 'a' is there twice (names are unique)"),
        ('[device]\nname = "a"\n', "expected a list of tables, write [[device]]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line_and_what_to_do(tmp_path, text, said):
    [problem] = problems(tmp_path, text)

    assert said in problem


def test_a_file_that_is_not_there_says_how_to_write_one(tmp_path):
    with pytest.raises(ConfigError, match="baotu config --sample"):
        load(tmp_path / "none.toml")


def test_the_sample_of_a_node_is_a_right_configuration(tmp_path):
    assert problems(tmp_path, sample_node()) == []


@pytest.mark.parametrize("name", Registry().drivers())
def test_the_sample_of_every_driver_is_a_right_configuration(tmp_path, name):
    assert problems(tmp_path, sample_driver(name, Registry())) == []


def test_the_sample_of_every_app_is_a_right_configuration(tmp_path):
    for name in Registry().apps():
        assert problems(tmp_path, sample_app(name, Registry())) == []


def test_the_reference_is_what_the_program_says():
    from tests.docs.guide import ROOT

    written = (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8")
    assert written == reference(Registry()), (
        "run: baotu config --reference > docs/reference/configuration.md"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://li:geheim@[::1]/baotu", "holds a password"),
        ("postgresql://li@/baotu?host=::1&password=geheim", "holds a password"),
        ("postgresql://li:geheim@[::1/baotu", "is no address"),
        ("postgresql://li:geheim@[::1]:x/baotu", "is no address"),
        ("mysql://li:geheim@[::1]/baotu", "names no PostgreSQL database"),
        ("postgresql://li@[::1]", "names no PostgreSQL database"),
    ],
)
def test_a_wrong_address_of_the_records_is_told_without_repeating_it(tmp_path, url, said):
    [problem] = problems(tmp_path, f'[records]\nurl = "{url}"\n')

    assert said in problem and "geheim" not in problem


def test_the_password_file_of_the_records_lies_beside_the_configuration(tmp_path):
    (tmp_path / "word").write_text("geheim\n")
    text = '[records]\nurl = "postgresql://li@[::1]/baotu"\npassword_file = "word"\n'
    records = load(tmp_path / "node.toml", text).basics.records

    assert records.revealed() == "geheim"
    assert "geheim" not in repr(records)

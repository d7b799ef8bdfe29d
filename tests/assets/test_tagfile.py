"""Tags as a file: what people edit comes back as it was, and a broken row hurts nobody else."""

import time

import pytest

from baotu.assets import tagfile
from baotu.sdk import ConfigError, Tag
from baotu.sdk.messages import halves

TAGS = [
    Tag(id=-1, asset="jinan/melting/furnace-1", asset_type="Furnace", property="temperature", address="holding:0:float32",
        unit="Cel", low=20.0, high=1550.0, deadband=0.5, writable=True, title="炉温 Temperature"),
    Tag(id=-1, asset="jinan/melting/furnace-1", property="state", kind="text", address="holding:10:string16"),
]  # fmt: skip


@pytest.mark.parametrize("name", ["tags.csv", "tags.xlsx"])
def test_what_was_written_is_read_again(tmp_path, name):
    assert tagfile.write(tmp_path / name, TAGS) == 2
    assert tagfile.read(tmp_path / name) == (TAGS, [])


def test_a_broken_row_is_named_and_the_rest_is_loaded(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text(
        "asset,property,scale,kind,writable\n"
        "a/b,one,1,number,true\n"
        "a/b,two,fast,,\n"
        ",three,,,\n"
        "a/b,four,,sometimes,\n"
        "a/b,one,,,\n"
        "\n"
        "a/b,five,,,perhaps\n"
        "a/b,six\n"
    )
    tags, problems = tagfile.read(path, device="plc")

    assert [t.property for t in tags] == ["one", "six"]
    assert {t.device for t in tags} == {"plc"}
    assert [(p.where, halves(p.why)[1]) for p in problems] == [
        ("tags.csv:3: scale", "'fast' is not a number"),
        ("tags.csv:4: asset", "is empty"),
        ("tags.csv:5: kind", "'sometimes' is not one of number, boolean, text"),
        ("tags.csv:6: property", "a/b/one is already in line 2"),
        ("tags.csv:8: writable", "'perhaps' is neither true nor false"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"asset,propertey\n", "column 'property' is missing"),
        (b"asset,property,adress\n", "did you mean address"),
        ("asset,property\n泵,流量\n".encode("gbk"), "not UTF-8"),
        (b"", "column 'asset' is missing"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path, content, said):
    (tmp_path / "tags.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        tagfile.read(tmp_path / "tags.csv")


def test_an_excel_file_that_is_none_is_named(tmp_path):
    (tmp_path / "tags.xlsx").write_bytes(b"asset,property\n")
    with pytest.raises(ConfigError, match=r"save it as \.xlsx"):
        tagfile.read(tmp_path / "tags.xlsx")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.csv: no such file"):
        tagfile.read(tmp_path / "none.csv")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tags.csv", "tags.xlsx"])
def test_100_000_tags_are_imported_in_ten_seconds(tmp_path, name):
    many = [Tag(id=-1, asset=f"site/area/line-{n // 100}/motor-{n % 100}", asset_type="Motor", property="temperature",
                address=f"holding:{2 * n}:float32", unit="Cel", scale=0.1) for n in range(100_000)]  # fmt: skip
    tagfile.write(tmp_path / name, many)
    begun = time.process_time()
    tags, problems = tagfile.read(tmp_path / name)

    assert len(tags) == 100_000
    assert problems == []
    assert time.process_time() - begun < 10

"""A configuration says what is wrong, in which line, and what was probably meant."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from baotu.kernel.config import Reader, sample
from baotu.kernel.toml import Document
from baotu.sdk import ConfigError, setting
from tests.english import english


@dataclass(frozen=True, kw_only=True)
class Pump:
    host: str = setting(title="主机 Host", example="::1")
    port: int = setting(502, title="端口 Port", low=1, high=65535)
    timeout_s: float = setting(2.0, title="超时 Time-out", unit="s")
    order: str = setting("ABCD", title="字节序 Byte order", choices=("ABCD", "CDAB"))
    names: tuple[str, ...] = setting((), title="名称 Names")
    folder: Path | None = setting(None, title="文件夹 Folder")


def read(text):
    reader = Reader(Document(text, "plant.toml"))
    devices = reader.document.data.get("device", [])
    return [reader.make(Pump, d, ("device", i)) for i, d in enumerate(devices)], reader


def problems(text):
    return [english(p) for p in read(text)[1].sorted_problems()]


def test_a_right_file_becomes_frozen_settings():
    [pump], reader = read(
        '[[device]]\nhost = "::1"\ntimeout_s = "500 ms"\nnames = ["a", "b"]\nfolder = "x"\n'
    )

    assert reader.problems == []
    assert pump == Pump(host="::1", timeout_s=0.5, names=("a", "b"), folder=Path("x"))


def test_an_unknown_key_names_its_line_and_the_nearest_key():
    text = '[node]\n\n[[device]]\nhost = "a"\n\n[[device]]\nhost = "b"\nprot = 502\n'

    assert problems(text) == [
        "plant.toml:8: device.2.prot: unknown key 'prot' (did you mean port?)"
    ]


def test_every_mistake_is_told_at_once_in_the_order_of_the_lines():
    text = '[[device]]\nport = 70000\ntimeout_s = "soon"\norder = "ABDC"\nnames = 3\n'

    assert problems(text) == [
        'plant.toml:1: device.1: host is missing (write host = "::1")',
        "plant.toml:2: device.1.port: 70000 is outside 1 … 65535",
        "plant.toml:3: device.1.timeout_s: 'soon' is not a period; write a number and ms, s, min, h, d",
        "plant.toml:4: device.1.order: 'ABDC' is not one of ABCD, CDAB (did you mean ABCD?)",
        "plant.toml:5: device.1.names: expected a list, got 3",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[node]\nname = baotu\n", "plant.toml:2: not TOML"),
        ("[node\n", "plant.toml:1: not TOML"),
        ('a = "x"\na = "y"\n', "plant.toml:2: not TOML"),
    ],
)
def test_what_is_not_toml_names_its_line(text, said):
    with pytest.raises(ConfigError) as told:
        Document(text, "plant.toml")

    assert english(told.value).startswith(said)


def test_true_is_not_a_number_and_one_is_not_true():
    assert problems('[[device]]\nhost = "a"\nport = true\n') == [
        "plant.toml:3: device.1.port: expected a whole number, got True"
    ]


def test_lines_are_found_past_texts_of_several_lines_and_nested_lists():
    text = 'doc = """\n[x]\ny = 1\n"""\n[[device]]\nhost="a"\n[[device.tag]]\nb = 1\n[[device.tag]]\nb = 2\n'
    document = Document(text, "f")

    assert document.line(("device", 0, "tag", 1, "b")) == 10
    assert document.where(("device", 0, "tag", 1, "b")) == "f:10: device.1.tag.2.b"


def test_the_sample_is_itself_a_right_configuration():
    text = "\n".join(sample(Pump, "[[device]]")) + "\n"
    uncommented = "\n".join(
        line[2:] if line.startswith("# ") and " = " in line else line for line in text.splitlines()
    )

    assert read(text)[0] == [Pump(host="::1")]
    assert problems(uncommented.replace('folder = ""\n', "")) == []
    assert "# 端口 Port [1 … 65535]" in text

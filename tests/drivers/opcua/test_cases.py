"""Every folder of cases/: the answers in `in.hex`, decoded, are the samples of `expected.csv`.

`config.toml` names the answer (publish or history) and the tags in the order of their handles;
`expected.csv` may be `malformed` instead. A capture from the field is a new folder, no code.
"""

import csv
import tomllib
from pathlib import Path

import pytest

from baotu.drivers.opcua import DRIVER
from baotu.drivers.opcua.address import parse
from baotu.drivers.opcua.answers import decode_history, decode_publish
from baotu.drivers.opcua.columns import Handles
from baotu.drivers.opcua.values import fallback
from baotu.sdk import Malformed

CASES = sorted(Path(parse.__code__.co_filename).parent.glob("cases/*/config.toml"))


def decoded(config, frame):
    handles = Handles()
    handles.add([tag["id"] for tag in config["tag"]], [tag["kind"] for tag in config["tag"]])
    handles.names = {
        tag["id"]: {int(number): name for number, name in tag["names"].items()}
        for tag in config["tag"]
        if "names" in tag
    }
    if config["answer"] == "history":
        parts = [(part.numbers, part.texts) for part in decode_history(frame, fallback)]
        for place, columns in enumerate(parts):
            for one in columns:
                one.handle[:] = place
    else:
        told = decode_publish(frame, fallback)
        parts = [(told.numbers, told.texts)]
    return [samples for numbers, texts in parts for samples in handles.samples(numbers, texts, 0)]


@pytest.mark.parametrize("config", CASES, ids=lambda path: path.parent.name)
def test_case(config):
    facts = tomllib.loads(config.read_text())
    for tag in facts["tag"]:
        parse(tag["address"])
    frames = [bytes.fromhex(line) for line in (config.parent / "in.hex").read_text().split()]
    expected = (config.parent / "expected.csv").read_text()
    if expected.strip() == "malformed":
        for frame in frames:
            with pytest.raises(Malformed):
                decoded(facts, frame)
        return
    found = [
        (str(tag), str(time), value if isinstance(value, str) else repr(float(value)), str(quality))
        for frame in frames
        for part in decoded(facts, frame)
        for tag, time, value, quality in zip(
            part.tag, part.time, part.value, part.quality, strict=True
        )
    ]
    assert found == [tuple(row) for row in csv.reader(expected.splitlines()[1:])]


def test_there_are_cases():
    assert len(CASES) >= 3
    assert DRIVER.client is not None

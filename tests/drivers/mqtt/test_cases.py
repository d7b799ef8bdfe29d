"""The driver's cases: messages as text or bytes and what the reader makes of them.

`case.toml`: [settings]; [[tag]] address, kind; [[message]] topic and `text`, or `payload` in
hexadecimal, and retained; [[expect]] address, values, quality, times in seconds; found = the
addresses that discovery declares; malformed = how many messages are dropped.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from baotu.drivers.mqtt.driver import Client, MqttSettings
from baotu.drivers.mqtt.reader import Reader
from baotu.sdk import Quality, Tag
from baotu.sdk.testing.sessions import RecordingLine

FOLDER = Path(__file__).parents[3] / "src/baotu/drivers/mqtt"
CASES = sorted(path.name for path in (FOLDER / "cases").iterdir())


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = tomllib.loads((FOLDER / "cases" / name / "case.toml").read_text("utf-8"))
    tags = [
        Tag(id=i, asset="case", property=f"p{i}", address=row["address"],
            kind=row.get("kind", "number"))
        for i, row in enumerate(case.get("tag", ()))
    ]  # fmt: skip
    line = RecordingLine(tags, discovers="found" in case)
    reader = Reader(line, tags, Client(MqttSettings(**case.get("settings", {}))).rules())
    reader.receive(
        [
            (
                row["topic"],
                row["text"].encode() if "text" in row else bytes.fromhex(row["payload"]),
                row.get("retained", False),
            )
            for row in case["message"]
        ]
    )
    assert sorted(found.address for found in line.found) == sorted(case.get("found", []))
    for row in case["expect"]:
        told = line.of(line.declared[row["address"]].id)
        values = [value if isinstance(value, str) else float(value) for _, value, _ in told]
        assert str(values) == str(row["values"]), row["address"]  # by text: NaN equals NaN
        quality = row.get("quality", ["GOOD"] * len(row["values"]))
        assert [Quality(q).name for _, _, q in told] == quality, row["address"]
        if "times" in row:
            assert [time / 1e9 for time, _, _ in told] == row["times"], row["address"]
    assert reader.counts["malformed"] == case.get("malformed", 0)

"""The driver's cases: captured messages and what the host makes of them; and the folder itself.

`case.toml`: [settings] of the host; [[tag]] address, kind; [[message]] topic and payload in
hexadecimal; [[expect]] address, values and, where not all are good, quality; [[mark]] address and
qualities; [[command]] topics that are published; malformed = how many messages are dropped.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from baotu.drivers.sparkplug import DRIVER
from baotu.drivers.sparkplug.driver import HostSettings
from baotu.drivers.sparkplug.host import Host, Rules
from baotu.drivers.sparkplug.publisher import NodeSettings
from baotu.sdk import Quality, Tag
from baotu.sdk.testing.cases import check_parts
from baotu.sdk.testing.drivers import check_settings
from baotu.sdk.testing.sessions import RecordingLine

FOLDER = Path(__file__).parents[3] / "src/baotu/drivers/sparkplug"
CASES = sorted(path.name for path in (FOLDER / "cases").iterdir())


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = tomllib.loads((FOLDER / "cases" / name / "case.toml").read_text("utf-8"))
    tags = {
        row["address"]: Tag(
            id=i, asset="case", property=f"p{i}", address=row["address"],
            kind=row.get("kind", "number"),
        )
        for i, row in enumerate(case["tag"])
    }  # fmt: skip
    settings = HostSettings(**case.get("settings", {}))
    line = RecordingLine(list(tags.values()))
    host = Host(line, list(tags.values()), Rules(reorder_s=settings.reorder_s))
    for row in case["message"]:
        host.receive([(row["topic"], bytes.fromhex(row["payload"]))], 1.0)
    host.tick(1.0)
    for row in case.get("expect", ()):
        told = line.of(tags[row["address"]].id)
        assert [value for _, value, _ in told] == row["values"], row["address"]
        quality = row.get("quality", ["GOOD"] * len(row["values"]))
        assert [Quality(q).name for _, _, q in told] == quality, row["address"]
    for row in case.get("mark", ()):
        marks = [m.quality.name for m in line.marks if tags[row["address"]].id in m.tags]
        assert marks == row["quality"], row["address"]
    assert [topic for topic, _ in host.commands()] == [r["topic"] for r in case.get("command", ())]
    assert host.counts["malformed"] == case.get("malformed", 0)


def test_the_folder_is_whole() -> None:
    check_parts(FOLDER, DRIVER)
    check_settings(HostSettings)
    check_settings(NodeSettings)

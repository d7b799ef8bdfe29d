"""What a node gives back once it runs."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from baotu.house.memory import (
    few_arenas,
    forget_code,
    large_ones_apart,
    no_search_through_all_objects,
    settle,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about Linux mappings")


def resident_code_kb() -> int:
    """Of all executable mappings of files."""
    total, code = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-", line):
            code = " r-xp " in line and "/" in line
        elif code and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


@linux
def test_code_that_is_forgotten_leaves_memory_and_comes_back_when_it_runs() -> None:
    import duckdb

    duckdb.sql("select 1").fetchall()
    before = resident_code_kb()
    assert forget_code() > 10
    assert resident_code_kb() < before
    assert duckdb.sql("select sum(range) from range(1000)").fetchall() == [(499_500,)]


@linux
def test_a_settled_process_leaves_its_first_objects_out_of_collections() -> None:
    frozen = gc.get_freeze_count()
    try:
        assert settle() > 0
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()


def test_arenas_are_limited_or_it_says_no() -> None:
    assert few_arenas() in (True, False)
    assert large_ones_apart() in (True, False)


def test_the_console_does_not_walk_through_the_objects_of_other_threads() -> None:
    from importlib import import_module

    no_search_through_all_objects()
    assert list(import_module("nicegui.ui_run_with").gc.get_objects()) == []


UNUSED = (
    "aiohttp.client", "amqtt", "asyncua", "pandas", "polars", "psycopg", "pyarrow", "pypinyin",
    "pytest", "python_calamine", "argon2", "fido2", "segno", "zxcvbn", "sqlalchemy.dialects.postgresql", "xlsxwriter",
)  # fmt: skip
STARTED = """
import json, sys, urllib.request
from pathlib import Path
from baotu.house.file import load
from baotu.house.node import Node
from baotu.house.run import adjusted

folder = Path(sys.argv[1])
(folder / "node.toml").write_text('[edge]\\nstatus = ""\\n')
node = Node(adjusted(load(folder / "node.toml", data=folder / "data"), listen="[::1]:0"))
try:
    node.start()
    node.hub.people.machine_account("tester", "", ["engineer"])
    token = node.hub.people.machine_token("tester", ["*"], 1, "")
    for path in ("api/health", "en/"):
        asked = urllib.request.Request(node.address + path, None, {"Authorization": "Bearer " + token})
        urllib.request.urlopen(asked, timeout=60).read()
    print(json.dumps(sorted(sys.modules)))
finally:
    node.stop()
"""


def test_a_node_without_devices_holds_no_library_that_it_does_not_use(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED, str(tmp_path)], capture_output=True, text=True, timeout=240
    )
    loaded = next((json.loads(row) for row in done.stdout.splitlines() if row[:1] == "["), None)
    assert loaded is not None, done.stderr[-2000:]
    assert "baotu.edge.edge" in loaded and "nicegui" in loaded
    assert [name for name in UNUSED if name in loaded] == []

"""kill -9 of edge and hub under load: the short form of benchmarks/crash.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "crash.py"


@pytest.mark.slow
def test_ten_kills_lose_repeat_and_reorder_nothing() -> None:
    command = [sys.executable, str(BENCH), "--kills", "10", "--tags", "300", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["figures"]
    assert figures["drained"], figures
    assert figures["frames"] > 50 and figures["samples"] == figures["frames"] * 300
    faults = {name: figures[name] for name in ("lost", "twice", "out_of_order", "wrong_times")}
    assert faults == dict.fromkeys(faults, 0), figures
    assert (figures["audit_lines"], figures["errors"]) == (0, "")

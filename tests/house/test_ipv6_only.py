"""The whole demo on a host that has no IPv4 address at all, not even 127.0.0.1."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALONE = "ip link set lo up && ip -4 addr flush dev lo && "


def in_a_namespace(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run by a shell whose only network is ::1; it ends with its processes."""
    return subprocess.run(
        ["unshare", "--net", "sh", "-c", ALONE + command, "sh", *arguments],
        capture_output=True, text=True, timeout=280, cwd=ROOT, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_demo_needs_nothing_but_ipv6_loopback(tmp_path: Path) -> None:
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("unshare (util-linux) and ip (iproute2) make the host without IPv4")
    tried = in_a_namespace("ip addr show dev lo")
    if tried.returncode:
        pytest.skip(f"no right to make a network namespace: {tried.stderr.strip()}")
    assert "::1" in tried.stdout and "127.0.0.1" not in tried.stdout

    done = in_a_namespace(
        'exec "$1" -m tests.house.ipv6_only "$2"', sys.executable, str(tmp_path / "data")
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["address"].startswith("http://[::1]:")
    assert {"water-1", "machining-cell", "gateways", "opcua-out", "sparkplug-out"} <= {*told["up"]}
    assert told["samples"] > 0
    assert told["status"] == 0

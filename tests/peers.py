"""Independent programs and libraries that tests use as peers.

Absent: the test is skipped and says why. With CI=true an absent peer is a failure: there the
test target has installed them (see `make peers`).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/lib/postgresql/15/bin")
NPM = Path(os.environ.get("BAOTU_PEERS", ROOT / ".peers")) / "npm"
SHARED = Path(os.environ.get("BAOTU_SHARED", ROOT.parent / "shared"))


def need(program: str) -> str:
    """The path of a program, or a skip that says what to install."""
    search = os.pathsep.join((os.environ.get("PATH", ""), *PLACES))
    return shutil.which(program, path=search) or absent(
        program, f"install it or run `make peers`: {program}"
    )


def need_npm(*packages: str) -> Path:
    """The folder whose node_modules holds these packages (node itself included)."""
    need("node")
    for package in packages:
        if not (NPM / "node_modules" / package).is_dir():
            absent(package, f"run `make peers`: the npm package {package} is not in {NPM.name}")
    return NPM


def need_shared(path: str) -> Path:
    """Recorded data beside the project; it is never part of it, so its absence is no failure."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"recorded data {path} are not beside the project")
    return found


def absent(name: str, why: str) -> str:
    if os.environ.get("CI") == "true":
        pytest.fail(f"peer {name} is missing in CI: {why}")
    pytest.skip(f"peer {name} is missing: {why}")

"""schemathesis asks what OpenAPI describes, rightly and wrongly: no answer is a bug, each is of a
status and a form that are described."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from baotu.house.file import load
from baotu.house.node import Node
from tests.console.conftest import served
from tests.house.nodes import token
from tests.peers import ROOT, absent

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance",
)  # fmt: skip


def ask(folder: Path, address: str, *more: str) -> str:
    """What schemathesis says; fails with it."""
    peers = Path(os.environ.get("BAOTU_PEERS", ROOT / ".peers"))
    program = peers / "schemathesis" / "bin" / "schemathesis"
    if not program.exists():
        absent("schemathesis", "run `make peers`: schemathesis is not in .peers")
    done = subprocess.run(
        [str(program), "run", f"{address}/openapi.json", "--checks", ",".join(CHECKS), "--no-color",
         "--seed", "1", "--max-examples", "10", "--phases", "examples,coverage,fuzzing",
         "--suppress-health-check", "all", "--request-timeout", "60", *more],
        capture_output=True, text=True, timeout=1500, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def node(tmp_path: Path) -> Iterator[str]:
    file = tmp_path / "node.toml"
    text = '[node]\nname = "n"\n[console]\nlisten = "[::1]:0"\nrequests_per_s = 0\n[edge]\nstatus = ""\n'
    file.write_text(text, encoding="utf-8")
    running = Node(load(file))
    running.start()
    yield running.address.rstrip("/")
    running.stop()


@pytest.fixture
def bearer(node: str, tmp_path: Path) -> str:
    """Of somebody who may much: an engineer who reviews the audit as well."""
    return f"Authorization: Bearer {token(tmp_path / 'data')}"


@pytest.mark.slow
@pytest.mark.timeout(1600)
@pytest.mark.peer("schemathesis")
def test_no_request_breaks_the_console_over_a_lively_plant(tmp_path: Path):
    running = served("--tags", "300", "--mode", "fire")
    try:
        assert "passed" in ask(tmp_path, next(running))
    finally:
        running.close()


@pytest.mark.slow
@pytest.mark.timeout(1600)
@pytest.mark.peer("schemathesis")
def test_no_request_breaks_a_real_node(node: str, bearer: str, tmp_path: Path):
    """The configuration is not replaced by what schemathesis makes up: that would end the node."""
    assert "passed" in ask(
        tmp_path, node, "--header", bearer, "--exclude-operation-id", "replace_config"
    )

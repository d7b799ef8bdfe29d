"""The page about edges: its commands, one after the other, bring an edge to its hub."""

import json
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from baotu.house.demo import free_port as free6
from baotu.house.file import load
from tests.fabric.test_secure import HOST, free_port
from tests.house import nodes
from tests.house.nodes import Node, until

from .guide import ROOT, blocks

PAGE = "docs/operate/edges.md"
REPLAY = """
[edge]
status = "[::1]:{status}"
[[device]]
name = "recorder"
driver = "replay"
file = "pump.csv"
loop = true
asset = "plant/pump-1"
[[device.tag]]
property = "flow"
address = "flow"
"""


def commands(text):
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("baotu ")]


def baotu(folder, words):
    done = subprocess.run(
        [sys.executable, "-m", "baotu.cli", *words], cwd=folder, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_three_steps_of_the_page(tmp_path):
    hub_toml, edge_toml = [b.text for b in blocks(PAGE) if b.language == "toml"]
    link, est, console, status = free_port(), free6(), free6(), free6()
    for old, new in (
        ("hub.example.com:7447", f"{HOST}:{link}"), ("[::]:8443", f"[::1]:{est}"),
        ('names = ["hub.example.com"]', f'names = ["::1"]\n[console]\nlisten = "[::1]:{console}"'),
    ):  # fmt: skip
        assert old in hub_toml
        hub_toml, edge_toml = hub_toml.replace(old, new), edge_toml.replace(old, new)
    hub_toml = hub_toml.replace("[devices]", '[devices]\nstatus_listen = ""')
    hub, edge = tmp_path / "hub", tmp_path / "edge"
    hub.mkdir()
    edge.mkdir()
    (hub / "baotu.toml").write_text(hub_toml)
    (edge / "edge.toml").write_text(edge_toml + REPLAY.format(status=status))
    (edge / "pump.csv").write_text("time,flow\n" + "".join(f"{n},{20 + n}\n" for n in range(5)))
    words = [c for b in blocks(PAGE) if b.language == "sh" for c in commands(b.text)]
    init, run_hub, admit, join, run_edge, token, revoke = words
    with ExitStack() as ends:
        baotu(hub, init)
        assert run_hub[0] == run_edge[0] == "run"
        first = Node(hub / run_hub[2], tmp_path / "hub.log")
        ends.callback(first.end)
        ticket = json.loads(baotu(hub, admit))["ticket"]
        assert "TICKET" in join
        baotu(edge, [ticket if word == "TICKET" else word for word in join])
        second = Node(edge / run_edge[2], tmp_path / "edge.log")
        ends.callback(second.end)
        until(
            "samples at the hub",
            lambda: nodes.get(
                f"http://[::1]:{console}/api/history?tag=plant/pump-1/flow", hub / "data"
            )["time"],
        )
        told = baotu_doctor(edge)
        assert "TLS 1.3, both sides proved by certificates; «edge-1» until" in told
        assert "TLS with the hub stands" in told
        assert json.loads(baotu(hub, revoke)) == 1
        said = f"http://[::1]:{status}/status.json"
        until("the edge says so", lambda: "does not admit this node" in str(nodes.get(said)))
        assert json.loads(baotu(hub, token))["ticket"]


def baotu_doctor(folder):
    done = subprocess.run(
        [sys.executable, "-m", "baotu.cli", "doctor", "--config", "edge.toml"], cwd=folder,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.stdout


def test_what_the_page_shows_are_configurations(tmp_path):
    for name, block in enumerate(b for b in blocks(PAGE) if b.language == "toml"):
        path = tmp_path / f"{name}.toml"
        path.write_text(block.text)
        assert load(path).basics.fabric.hub == "hub"


def test_the_page_names_the_reasons_as_the_edge_says_them():
    said = (ROOT / "src/baotu/fabric/lookout.py").read_text(encoding="utf-8")
    table = re.findall(r"^\| (The [^|]+) \|", Path(ROOT / PAGE).read_text("utf-8"), re.M)
    own = "The log belongs to another node"
    assert len(table) == 6
    assert [t for t in table if t not in said.replace('"\n        f"', "") and t != own] == []

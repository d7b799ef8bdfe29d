"""The example of two nodes: one script, and an edge's samples are at its hub over TLS."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from baotu.house.demo import free_port as free6
from tests.docs.guide import ROOT
from tests.fabric.test_secure import free_port
from tests.house import nodes
from tests.house.nodes import until


@pytest.mark.slow
def test_the_script_of_two_nodes(tmp_path):
    console, status = free6(), free6()
    environment = os.environ | {
        "BAOTU": str(Path(sys.executable).parent / "baotu"), "CONSOLE": str(console),
        "LINK": str(free_port()), "EST": str(free6()), "STATUS": str(status),
    }  # fmt: skip
    data = tmp_path / "made/hub/data"
    log = (tmp_path / "log").open("w")
    script = subprocess.Popen(
        ["sh", str(ROOT / "examples/links/two-nodes.sh"), str(tmp_path / "made")],
        stdout=log, stderr=log, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        found = f"http://[::1]:{console}/api/history?tag=plant/pump-1/flow"
        until("samples at the hub", lambda: nodes.get(found, data)["time"])
        peers = nodes.get(f"http://[::1]:{console}/api/devices?kind=peer", data)["healths"]
        assert [(p["name"], "TLS 1.3" in p["figures"]["secured"]) for p in peers] == [
            ("edge-1", True)
        ]
    finally:
        script.send_signal(signal.SIGTERM)
        ended = script.wait(60)
        log.close()
    assert ended == 0, (tmp_path / "log").read_text()

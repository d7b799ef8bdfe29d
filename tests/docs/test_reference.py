"""Every option, command, route, page and quality is documented as the program has it."""

import re

import pytest

from baotu.console.app import build_api
from tests.console.fake import rooms

from .guide import ROOT
from .reference import FOLDER, MADE_BY


@pytest.mark.parametrize("name", MADE_BY)
def test_the_reference_is_what_the_program_says(name):
    written = (FOLDER / name).read_text(encoding="utf-8")

    assert written == MADE_BY[name](), "run: python -m tests.docs.reference"


def test_every_metric_is_described():
    from starlette.testclient import TestClient

    with TestClient(build_api(rooms(size=10))) as client:
        client.get("/api/health")
        exported = set(re.findall(r"^# TYPE (\S+)", client.get("/metrics").text, re.M))
    described = set(re.findall(r"^\| `(baotu_\w+)`", (FOLDER / "metrics.md").read_text(), re.M))
    families = {name for name in exported if not name.startswith("baotu_device_")}

    assert {"baotu_state", "baotu_http_seconds", "baotu_live_clients"} <= exported
    assert {
        n
        for n in families
        if n.removesuffix("_created") in ("baotu_state", "baotu_http_seconds", "baotu_live_clients")
    } <= described | {"baotu_http_seconds_created"}
    assert described <= exported | described


def test_the_fixed_interface_is_there():
    paths = build_api(rooms(size=10)).openapi()["paths"]

    assert {
        "/api/health",
        "/api/elements",
        "/api/tags",
        "/api/history",
        "/api/latest",
    } <= paths.keys()
    asked = {p["name"] for p in paths["/api/history"]["get"]["parameters"]}
    assert {"tag", "start", "end", "points"} <= asked
    assert {"search", "limit", "cursor"} <= {
        p["name"] for p in paths["/api/tags"]["get"]["parameters"]
    }


def test_the_changelog_names_this_version():
    from baotu import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()

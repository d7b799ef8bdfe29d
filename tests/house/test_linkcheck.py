"""What `baotu doctor` says of links: how secured, until when, what is insecure, what is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from baotu.fabric.settings import FabricSettings
from baotu.house.file import load
from baotu.house.finding import Finding
from baotu.house.linkcheck import links
from baotu.house.linking import FOLDER
from baotu.house.settings import Basics
from tests.fabric.certs import HUB, Authority
from tests.fabric.test_secure import HOST


def looked(folder: Path, role: str, fabric: FabricSettings, name: str = "edge-1") -> list[Finding]:
    path = folder / "n.toml"
    path.write_text(f'[node]\nname = "{name}"\nrole = "{role}"\ndata = "{folder}/data"\n')
    basics: Basics = load(path).basics
    return list(links(replace(basics, fabric=fabric)))


def own(folder: Path, files: dict[str, str], name: str) -> None:
    """As the node itself keeps them."""
    place = folder / "data" / FOLDER
    place.mkdir(parents=True)
    (place / name).write_bytes(
        Path(files["key_file"]).read_bytes() + Path(files["certificate_file"]).read_bytes()
    )
    (place / name).chmod(0o600)
    (place / "ca.pem").write_bytes(Path(files["ca_file"]).read_bytes())


def said(found: list[Finding]) -> str:
    return "\n".join(f"{one.state}: {one.found}: {one.advice}" for one in found)


def test_plain_links_within_the_machine_are_well_and_beyond_it_insecure(tmp_path: Path) -> None:
    alone = looked(tmp_path, "all", FabricSettings())
    assert said(alone) == "good: no other node: all within this process: "
    assert said(looked(tmp_path, "hub", FabricSettings())).startswith("good: tcp/[::1]:7447: plain")
    careless = FabricSettings(listen=["tcp/[::]:7447"], let_anyone_link_without_encryption=True)
    [finding] = looked(tmp_path, "hub", careless)
    assert finding.state == "warning" and "INSECURE" in finding.found


@pytest.mark.parametrize(
    ("role", "advice"), [("hub", "baotu ca init"), ("edge", "baotu join TICKET")]
)
def test_what_is_missing_is_named_with_the_command(tmp_path: Path, role: str, advice: str) -> None:
    way = [f"tls/{HOST}:7447"]
    fabric = FabricSettings(listen=way) if role == "hub" else FabricSettings(connect=way)
    [finding] = looked(tmp_path, role, fabric)
    assert (finding.state, finding.advice) == ("bad", advice)


def test_a_certificate_is_told_with_its_end_and_its_name(tmp_path: Path) -> None:
    ca = Authority(tmp_path / "ca")
    own(tmp_path, ca.leaf("edge-1", valid=timedelta(days=9)), "device.pem")
    fabric = FabricSettings(connect=[f"tls/{HOST}:1"])
    well = looked(tmp_path, "edge", fabric)
    assert well[0].state == "good"
    assert "TLS 1.3, both sides proved by certificates; «edge-1» until 20" in well[0].found
    assert "cannot be reached" in well[-1].found and well[-1].state == "warning"
    assert "its certificate says edge-1" in said(looked(tmp_path, "edge", fabric, "edge-2"))
    (tmp_path / "data" / FOLDER / "device.pem").chmod(0o644)
    assert "may be read by others" in said(looked(tmp_path, "edge", fabric))


def test_an_end_that_has_come_is_bad_and_one_that_is_near_a_warning(tmp_path: Path) -> None:
    ca = Authority(tmp_path / "ca")
    fabric = FabricSettings(
        listen=[f"tls/{HOST}:7447"], **ca.leaf("hub", HUB, valid=timedelta(seconds=-5), host=HOST)
    )
    assert "bad: the certificate ended" in said(looked(tmp_path, "hub", fabric))
    near = ca.leaf("hub", HUB, valid=timedelta(hours=1), host=HOST)  # of 25 hours
    fabric = FabricSettings(listen=[f"tls/{HOST}:7447"], **near)
    assert "not renewed: give a new one in time" in said(looked(tmp_path, "hub", fabric))


def test_a_hub_whose_authority_is_gone_is_told(tmp_path: Path) -> None:
    ca = Authority(tmp_path / "ca")
    own(tmp_path, ca.leaf("hub", HUB, valid=timedelta(days=9), host=HOST), "hub.pem")
    found = looked(tmp_path, "hub", FabricSettings(listen=[f"tls/{HOST}:7447"]))
    assert "the authority that signs this hub's certificate is gone" in said(found)


def test_a_name_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    ca = Authority(tmp_path / "ca")
    files = ca.leaf("hub", HUB, valid=timedelta(days=9), host="hub.invalid")
    found = looked(tmp_path, "hub", FabricSettings(listen=["tls/hub.invalid:7447"], **files))
    assert "bad: hub.invalid leads nowhere" in said(found)

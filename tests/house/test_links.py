"""Edges that join a hub over TLS, as processes of their own: admitted, cut, renewed, killed, copied."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from .linked import Edge, Hub, joined
from .nodes import served, until

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.peer("pymodbus")]


@pytest.fixture
def device():
    with served(0x41A4, 0x0000) as port:
        yield port


class Site:
    """Ends every process of it."""

    def __init__(self, folder):
        self.folder, self.hubs, self.edges = folder, [], []

    def hub(self, name="hub", **more):
        self.hubs.append(Hub(self.folder / name, **more))
        return self.hubs[-1]

    def edge(self, hub, name, device):
        self.edges.append(joined(hub, self.folder / name, name, device))
        return self.edges[-1]

    def close(self):
        for edge in self.edges:
            if edge.node is not None:
                edge.end()
        for hub in self.hubs:
            with suppress(ProcessLookupError):
                hub.node.end()


@pytest.fixture
def site(tmp_path):
    found = Site(tmp_path)
    yield found
    found.close()


def cuts(hub):
    """How long each cut took, in ms, as the hub itself proved it."""
    proofs = next(e["proofs"] for e in hub.get("/api/elements")["elements"] if e["id"] == "3.1")
    return [float(p["figures"]["ms"]) for p in proofs if "sessions" in p["figures"]]


def missing(edge):
    """Frames that never came, by the edge's own word."""
    told = until(
        "its figures", lambda: [f for f in [edge.part("link")["figures"]] if "missing" in f]
    )
    return told[0]["missing"]


def twice(seen):
    """Where it is out of order or told twice, with what stands around it."""
    wrong = [n for n in range(1, len(seen)) if seen[n] <= seen[n - 1]]
    return [(n, len(seen), seen[max(0, n - 3) : n + 4]) for n in wrong]


def whole(edge):
    """Everything it has read so far is in history, in order, none twice."""
    read = until("what the edge has read", lambda: edge.read)
    until("all of it", lambda: len(edge.here()) >= read)
    seen = edge.here()
    assert seen == sorted(set(seen)), twice(seen)


def test_a_revoked_edge_is_cut_within_a_second_and_delivers_when_it_is_admitted_anew(site, device):
    hub = site.hub()
    gone, stays = site.edge(hub, "edge-1", device), site.edge(hub, "edge-2", device)
    until("both linked", lambda: all(hub.peer(n)["state"] == "up" for n in ("edge-1", "edge-2")))
    assert "TLS 1.3" in hub.peer("edge-1")["figures"]["secured"]
    assert hub.peer("edge-1")["figures"]["certificate_until"].endswith("UTC")

    hub.call("devices.revoke", name="edge-1")
    took = until("evidence of the cut", lambda: cuts(hub))[0]
    assert took <= 1000 or os.getloadavg()[0] > 4, f"took {took} ms"
    until("why, on its status page", lambda: "revoked" in gone.part("link")["why"])
    assert gone.part("link")["state"] == "down"
    before, began = len(gone.here()), gone.read
    until("thirty samples nobody takes", lambda: gone.read > began + 30)
    assert len(gone.here()) == before
    assert hub.peer("edge-1")["state"] == "off"
    assert "evoked" in hub.peer("edge-1")["figures"]["last_refusal"]
    whole(stays)

    ticket = hub.call("devices.token", name="edge-1", replace=True)["ticket"]
    gone.join(ticket)  # while it runs: it takes the new certificate by itself
    until("linked again", lambda: gone.part("link")["state"] == "up")
    whole(gone)
    whole(stays)
    assert missing(stays) == 0
    assert missing(gone) == 0
    assert "the hub does not hear this node" in gone.log.read_text()


def test_who_is_not_admitted_hears_why(site, device):
    hub, other = site.hub(), site.hub("other", organisation="another")
    stranger = Edge(hub, site.folder / "edge-9", "edge-9", device)
    done = subprocess.run(
        [sys.executable, "-m", "baotu.cli", "run", "--config", str(stranger.config)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "baotu join" in done.stdout + done.stderr

    stranger.join(other.admit("edge-9"))
    site.edges.append(stranger)
    stranger.run()
    why = until("the reason", lambda: stranger.part("link").get("why"))
    until("a clear one", lambda: "not to be trusted" in stranger.part("link")["why"])
    assert why
    stranger.end()

    trusted = stranger.folder / "data/link/ca.pem"  # it trusts this hub, and is not trusted by it
    own = (hub.data / "link/ca.pem").read_text()
    trusted.write_text(own)
    stranger.run()
    until("refused", lambda: "does not take the certificate" in stranger.part("link")["why"])
    assert "does not take the certificate" in stranger.log.read_text()
    assert hub.peer("edge-9") == {}


def test_a_node_has_the_name_of_its_certificate(site, device):
    hub = site.hub()
    edge = Edge(hub, site.folder / "edge-1", "edge-1", device)
    edge.join(hub.admit("edge-1"))
    edge.write("edge-7")
    done = subprocess.run(
        [sys.executable, "-m", "baotu.cli", "run", "--config", str(edge.config)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "edge-7" in done.stderr + done.stdout
    assert "its certificate says edge-1" in done.stderr + done.stdout


def test_short_certificates_are_renewed_at_both_ends_and_nothing_is_lost(site, device):
    hub = site.hub(more="lifetime_h = 0.01")  # 36 s
    edge = site.edge(hub, "edge-1", device)
    pair = edge.folder / "data/link/device.pem"
    first = x509.load_pem_x509_certificate(pair.read_bytes())

    def renewed(log):
        return log.read_text().count("certificate of the link renewed")

    until("two renewals of each", lambda: min(renewed(edge.log), renewed(hub.log)) >= 2, 240)
    until("the end of the first", lambda: datetime.now(UTC) > first.not_valid_after_utc)
    assert x509.load_pem_x509_certificate(pair.read_bytes()) != first
    until("up", lambda: edge.part("link")["state"] == "up")
    whole(edge)
    assert missing(edge) == 0
    assert hub.peer("edge-1")["state"] == "up"


def test_both_may_be_killed_and_the_hub_started_anew(site, device):
    hub = site.hub()
    edge = site.edge(hub, "edge-1", device)
    hub.again()
    until("linked after a restart", lambda: hub.peer("edge-1").get("state") == "up")
    before = len(edge.here())
    hub.node.end(signal.SIGKILL)
    until("read alone", lambda: edge.read > before + 20)
    apart = edge.read
    edge.end(signal.SIGKILL)
    hub.node = type(hub.node)(hub.config, hub.log)
    edge.run()
    until("what was read before both fell", lambda: len(edge.here()) >= apart - 2)
    until("and after", lambda: len(edge.here()) > apart + 20)
    seen = edge.here()
    assert seen == sorted(set(seen)), twice(seen)
    assert missing(edge) == 0


def test_a_copied_data_folder_raises_an_alarm_and_neither_is_heard(site, device):
    hub = site.hub()
    edge = site.edge(hub, "edge-1", device)
    twin = Edge(hub, site.folder / "twin", "edge-1", device)
    edge.end()
    shutil.copytree(edge.folder / "data", twin.folder / "data", dirs_exist_ok=True)
    site.edges.append(twin)
    edge.run()
    twin.run()

    def alarm():
        rows = hub.get("/api/alarms")["alarms"]
        return [
            row for row in rows if "两处连接" in row["message"] or "two places" in row["message"]
        ]

    until("the alarm", alarm)
    until("neither is heard", lambda: hub.peer("edge-1")["state"] == "down")
    kept = len(edge.here())
    assert "two places" in hub.peer("edge-1")["figures"]["last_refusal"]
    twin.end()
    until("heard again", lambda: hub.peer("edge-1")["state"] == "up")
    until("its samples", lambda: len(edge.here()) > kept + 20)


def test_an_edge_brings_tags_of_its_own_organisation_only(site, device):
    hub = site.hub(more='[[asset]]\npath = "north"\norganisation = "north"\n')
    edge = Edge(hub, site.folder / "edge-1", "edge-1", device)
    text = edge.config.read_text()
    edge.config.write_text(
        f'{text}[[device.tag]]\nasset = "north/furnace"\nproperty = "heat"\n'
        'address = "holding:0:float32"\n'
    )
    site.edges.append(edge)
    edge.join(hub.admit("edge-1"))
    edge.run()
    until("its own samples go on", lambda: len(edge.here()) > 20)
    until("named at the hub", lambda: hub.peer("edge-1")["figures"]["tags_refused"] == 1)
    assert hub.peer("edge-1")["state"] == "degraded"
    told = hub.get("/api/audit?search=tags.bring")
    assert "north/furnace/heat" in str(told)
    assert all(row["name"] != "north/furnace/heat" for row in hub.get("/api/tags")["tags"])
    assert edge.part("link")["state"] == "up"


@pytest.mark.skipif("BAOTU_TEST_HOST" in os.environ, reason="this is the run inside")
def test_all_of_this_holds_where_there_is_only_ipv6(tmp_path):
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("unshare (util-linux) and ip (iproute2) make the host without IPv4")
    hosts = tmp_path / "hosts"
    hosts.write_text("::1 localhost hub.baotu.test\n")
    script = (
        "ip link set lo up && ip -4 addr flush dev lo && mount --bind $1 /etc/hosts && "
        'exec "$2" -m pytest -p no:xdist tests/house/test_links.py -k "revoked"'
    )
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", script, "sh", str(hosts), sys.executable],
        capture_output=True, text=True, timeout=290, cwd=ROOT, check=False,
        env=os.environ | {"BAOTU_TEST_HOST": "hub.baotu.test"},
    )  # fmt: skip
    if "unshare" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip(f"no right to make a namespace: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "1 passed" in done.stdout

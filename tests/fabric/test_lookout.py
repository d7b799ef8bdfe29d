"""An edge that is not heard says why: nobody there, a wrong certificate, or not admitted."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from baotu.fabric.lookout import NOT_ADMITTED, Lookout, stands, why_not
from tests.fabric.certs import Authority, settings
from tests.fabric.plant import until
from tests.fabric.test_secure import HOST, Site, free_port


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path, "e1")
    yield found
    found.close()


def test_each_reason_has_its_word(site: Site, tmp_path: Path) -> None:
    good = site.ca.leaf("e3")
    foreign = Authority(tmp_path / "other").leaf("e1")
    cases = {
        "does not admit this node": good,
        "is not to be trusted": foreign,
        "does not take the certificate": foreign | {"ca_file": str(site.ca.ca_file)},
        "of this node ended": site.ca.leaf("e1", valid=timedelta(seconds=-5)),
        "cannot be read": good | {"certificate_file": str(tmp_path / "none.pem")},
    }
    for word, files in cases.items():
        assert word in why_not(settings(files, connect=[site.endpoint])), word
    assert stands(site.endpoint, settings(good, connect=[site.endpoint])) == ""
    free = f"tls/{HOST}:{free_port()}"
    assert "cannot be reached" in why_not(settings(good, connect=[free]))
    assert why_not(settings(good, connect=[free, site.endpoint])) == NOT_ADMITTED


def test_a_name_that_the_certificate_does_not_bear_is_told(site: Site) -> None:
    address = "::1" if socket.getaddrinfo(HOST, 0)[0][0] == socket.AF_INET6 else "127.0.0." + "1"
    way = site.endpoint.replace(HOST, address)
    assert "is not to be trusted" in stands(way, settings(site.ca.leaf("e1"), connect=[way]))


def test_somebody_who_never_answers_does_not_keep_it_waiting(tmp_path: Path) -> None:
    files = Authority(tmp_path / "ca").leaf("e1")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as mute:
        way = f"tls/::1:{mute.getsockname()[1]}"
        assert "timed out" in why_not(settings(files, connect=[way]))


def test_it_is_heard_as_soon_as_it_is_admitted(site: Site) -> None:
    files = site.ca.leaf("e3")
    wire = site.connect(files)
    given = settings(files, connect=[site.endpoint])
    lookout = Lookout(wire, lambda: given, "e3", lambda: False, look_s=0.05)
    assert until(lambda: lookout.why == NOT_ADMITTED, 60)
    site.admission.become("e1", "e3")
    assert until(lambda: lookout.heard and lookout.why == "", 60)
    lookout.close()

"""Devices that come with a certificate of their maker: they wait, are admitted, and enrol."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509

from baotu.sdk import Conflict, Invalid
from baotu.trust.devices.authority import pem
from baotu.trust.devices.keys import make_key
from baotu.trust.devices.names import identity_of
from tests.trust.devices.site import Site, certificate, csr, idevid, maker

ENROL = "simpleenroll"


@pytest.fixture
def acme(site: Site) -> tuple:
    made = maker("Acme", site.time())
    site.do("trust_manufacturer", name="acme", certificates=pem(made[1]))
    return made


def test_an_unknown_device_waits_is_admitted_and_enrols_with_a_new_key(
    site: Site, acme: tuple
) -> None:
    shown = idevid(acme, make_key(), "SN-7", site.time())
    body = csr(make_key(), "SN-7", subject=x509.Name([]))
    told = site.post(ENROL, body, peer=shown)
    assert (told.status, dict(told.headers)["retry-after"]) == (202, "300")
    site.post(ENROL, body, peer=shown)
    [row] = site.do("waiting")
    assert (row["manufacturer"], row["serial"], row["times"]) == ("acme", "SN-7", 2)
    assert site.alarms() == ["waiting"]
    site.do("admit", name="press-7", manufacturer="acme", serial="SN-7")
    assert (site.do("waiting"), site.alarms()) == ([], [])
    made = certificate(site.post(ENROL, body, peer=shown))
    who = identity_of(made)
    assert (who.name, who.serial) == ("press-7", "SN-7")
    again = site.post(ENROL, csr(make_key(), "press-7"), peer=shown)
    assert again.status == 403, "its makers certificate does not bring a second key"
    assert site.alarms() == ["cloned:press-7"]


def test_a_device_of_another_owner_is_refused(site: Site, acme: tuple) -> None:
    site.do("trust_manufacturer", "other", name="acme-works", certificates=pem(acme[1]))
    site.do("admit", "other", name="press-7", manufacturer="acme-works", serial="SN-7")
    shown = idevid(acme, make_key(), "SN-7", site.time())
    told = site.post(ENROL, csr(make_key(), "press-7"), peer=shown, label="plant")
    assert told.status == 403 and b"another organisation" in told.body
    made = certificate(site.post(ENROL, csr(make_key(), "press-7"), peer=shown, label="other"))
    assert identity_of(made).organisation == "other"


def test_a_maker_that_nobody_trusts_or_no_longer_proves_nothing(site: Site, acme: tuple) -> None:
    site.do("admit", name="press-7", manufacturer="acme", serial="SN-7")
    stranger = maker("Acme", site.time())
    shown = idevid(stranger, make_key(), "SN-7", site.time())
    assert site.post(ENROL, csr(make_key(), "press-7"), peer=shown).status == 401
    site.do("distrust_manufacturer", name="acme")
    own = idevid(acme, make_key(), "SN-7", site.time())
    assert site.post(ENROL, csr(make_key(), "press-7"), peer=own).status == 401
    assert site.alarms() == ["unknown"]


def test_a_makers_certificate_is_good_in_its_time_only(site: Site, acme: tuple) -> None:
    site.do("admit", name="press-7", manufacturer="acme", serial="SN-7")
    shown = idevid(acme, make_key(), "SN-7", site.time(), end=-dt.timedelta(hours=1))
    assert site.post(ENROL, csr(make_key(), "press-7"), peer=shown).status == 403
    assert site.alarms() == ["expired:press-7"]


def test_a_serial_is_one_device_and_a_maker_is_registered_once(site: Site, acme: tuple) -> None:
    site.do("admit", name="press-7", manufacturer="acme", serial="SN-7")
    with pytest.raises(Conflict, match="press-7"):
        site.do("admit", name="press-8", manufacturer="acme", serial="SN-7")
    with pytest.raises(Conflict):
        site.do("trust_manufacturer", name="acme", certificates=pem(acme[1]))
    _, leaf = site.enrolled("press-1")
    for wrong in ("", "nonsense", pem(leaf)):
        with pytest.raises(Invalid) as refused:
            site.do("trust_manufacturer", name="other", certificates=wrong)
        assert refused.value.field == "certificates"


def test_a_device_of_ours_does_not_enrol_again_as_if_it_were_made_by_us(site: Site) -> None:
    authority = pem(site.trust.authority.current.certificate)
    site.do("trust_manufacturer", "other", name="us", certificates=authority)
    _, made = site.enrolled("press-3")
    told = site.post(ENROL, csr(make_key(), "press-3"), peer=made, label="other")
    assert told.status == 403 and b"simplereenroll" in told.body

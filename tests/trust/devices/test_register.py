"""Enrolment past TLS: what is accepted, what is refused with which words, alarm and record."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from baotu.sdk import Conflict, Denied, Invalid
from baotu.trust.devices.keys import digest_of, make_key
from baotu.trust.devices.names import identity_of
from tests.trust.devices.site import Site, certificate, csr, renewal

ENROL, RENEW = "simpleenroll", "simplereenroll"


def test_a_device_gets_a_certificate_for_its_own_key_and_the_register_knows(site: Site) -> None:
    key, made = site.enrolled("press-3", title="三号压机", names="press-3.example, 2001:db8::3")
    assert digest_of(made.public_key()) == digest_of(key.public_key())
    who = identity_of(made)
    assert (who.organisation, who.kind, who.name) == ("plant", "device", "press-3")
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["press-3.example"]
    [row] = site.do("certificates", name="press-3")
    assert (row["serial"], row["state"], row["by"]) == (f"{made.serial_number:x}", "valid", "token")
    told = [row["what"] for row in site.do("history", name="press-3")]
    assert told == ["admitted", "token", "enrolled"]
    assert site.audit()[-1][:3] == ("press-3", "devices.enrol", "done")


@pytest.mark.parametrize("key", [
    ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate(),
    rsa.generate_private_key(65537, 2048),
], ids=["p384", "ed25519", "rsa2048"])  # fmt: skip
def test_strong_keys_of_other_kinds_are_taken(site: Site, key: object) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    body = (
        x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        .sign(key, digest).public_bytes(Encoding.DER)  # type: ignore[arg-type]
    )  # fmt: skip
    certificate(site.post(ENROL, body, ticket=site.admit("press-3")))


def test_of_many_that_race_with_one_token_one_gets_a_certificate(site: Site) -> None:
    ticket = site.admit("press-3")
    bodies = [csr(make_key(), "press-3") for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(lambda body: site.post(ENROL, body, ticket=ticket).status, bodies))
    assert sorted(told) == [200] + [401] * 11
    assert len(site.do("certificates", name="press-3")) == 1
    assert site.alarms() == ["replayed:press-3"]


def refused(site: Site, response: object, status: int, *words: str) -> None:
    text = response.body.decode()  # type: ignore[attr-defined]
    assert response.status == status, text  # type: ignore[attr-defined]
    assert all(word in text for word in words), text
    chinese, english, _ = text.split("\n")
    assert any(c > "\u3400" for c in chinese) and english.isascii()


def test_a_token_is_good_once_for_its_device_in_time_until_it_is_withdrawn(site: Site) -> None:
    ticket, other = site.admit("press-3"), site.admit("press-4")
    body = csr(make_key(), "press-4")
    refused(site, site.post(ENROL, body, ticket=ticket, user="press-4"), 401, "another device")
    site.do("withdraw", name="press-3")
    refused(site, site.post(ENROL, csr(make_key(), "press-3"), ticket=ticket), 401, "withdrawn")
    site.clock.ahead = dt.timedelta(minutes=61)
    refused(site, site.post(ENROL, body, ticket=other), 401, "expired")
    assert site.alarms() == ["token:press-3", "token:press-4"]
    assert {row[2] for row in site.audit() if row[1] == "devices.enrol"} == {"denied"}


def test_a_guess_is_one_alarm_however_often_and_nobody_learns_which_devices_exist(
    site: Site,
) -> None:
    ticket = site.admit("press-3")
    wrong = type(ticket)(url="", organisation="plant", device="", token="guess", root="")
    known = site.post(ENROL, csr(make_key(), "x"), ticket=wrong, user="press-3")
    unknown = site.post(ENROL, csr(make_key(), "x"), ticket=wrong, user="nobody")
    assert (known.status, known.body) == (unknown.status, unknown.body)
    refused(site, known, 401, "not known")
    assert site.alarms() == ["unknown"]
    assert site.do("settle") == 1
    assert site.alarms() == []


def test_nothing_shown_is_asked_for_and_no_alarm(site: Site) -> None:
    response = site.post(ENROL, csr(make_key(), "press-3"))
    refused(site, response, 401)
    assert dict(response.headers)["www-authenticate"].startswith("Basic")
    assert (site.alarms(), site.audit()) == ([], [])


def test_a_refused_request_leaves_the_token_good(site: Site) -> None:
    ticket, key = site.admit("press-3"), make_key()
    good = csr(key, "press-3")
    weak = csr(ec.generate_private_key(ec.SECP224R1()), "press-3")
    refused(site, site.post(ENROL, weak, ticket=ticket), 400, "weak")
    refused(site, site.post(ENROL, good[:-3] + b"\0\0\0", ticket=ticket), 400, "possession")
    refused(site, site.post(ENROL, b"nonsense!", ticket=ticket), 400)
    refused(site, site.post(ENROL, csr(key, "press-4"), ticket=ticket), 400, "press-4", "press-3")
    server = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
    refused(site, site.post(ENROL, csr(key, "press-3", use=server), ticket=ticket), 403, "usage")
    authority = x509.BasicConstraints(ca=True, path_length=None)
    refused(site, site.post(ENROL, csr(key, "press-3", ca=authority), ticket=ticket), 403)
    name = x509.SubjectAlternativeName([x509.DNSName("hub.example")])
    refused(
        site, site.post(ENROL, csr(key, "press-3", san=name), ticket=ticket), 400, "hub.example"
    )
    certificate(site.post(ENROL, good, ticket=ticket))
    assert len(site.do("certificates", name="press-3")) == 1


def test_a_second_device_of_the_same_name_is_a_clone_while_the_first_lives(site: Site) -> None:
    site.enrolled("press-3")
    with pytest.raises(Conflict, match="valid certificate"):
        site.do("token", name="press-3")
    refused_by = site.do("token", name="press-3", replace=True)  # the guard wants a new key
    assert refused_by["token"]
    site.admit("press-9")


def test_a_key_of_another_device_is_a_clone(site: Site) -> None:
    key, _ = site.enrolled("press-3")
    ticket = site.admit("press-4")
    refused(site, site.post(ENROL, csr(key, "press-4"), ticket=ticket), 403, "Another device")
    assert site.alarms() == ["cloned:press-4"]


def test_a_new_key_with_a_token_that_allows_it_ends_the_old_certificate(site: Site) -> None:
    key, old = site.enrolled("press-3")
    told = site.do("token", name="press-3", replace=True)
    fresh = make_key()
    from baotu.trust.devices.ticket import read

    certificate(site.post(ENROL, csr(fresh, "press-3"), ticket=read(told["ticket"])))
    assert site.trust.revocations.revoked(f"{old.serial_number:x}").reason == "superseded"  # type: ignore[union-attr]
    refused(site, site.post(RENEW, renewal(key, old), peer=old), 403, "revoked")


# -- renewal -------------------------------------------------------------------------------------
def test_a_device_renews_with_a_new_key_and_an_answer_that_was_lost_is_given_again(
    site: Site,
) -> None:
    _, old = site.enrolled("press-3")
    fresh = make_key()
    body = renewal(fresh, old)
    first, again = (certificate(site.post(RENEW, body, peer=old)) for _ in range(2))
    assert first == again
    assert [r["state"] for r in site.do("certificates", name="press-3")] == ["valid", "renewed"]
    assert site.alarms() == []


def test_a_copy_that_renews_after_the_device_is_told_apart(site: Site) -> None:
    _, old = site.enrolled("press-3")
    certificate(site.post(RENEW, renewal(make_key(), old), peer=old))
    refused(site, site.post(RENEW, renewal(make_key(), old), peer=old), 403, "another key")
    assert site.alarms() == ["cloned:press-3"]


def test_renewal_keeps_subject_and_names(site: Site) -> None:
    _, old = site.enrolled("press-3")
    refused(site, site.post(RENEW, csr(make_key(), "press-3"), peer=old), 400, "subject differs")
    name = x509.SubjectAlternativeName([x509.DNSName("hub.example")])
    body = csr(make_key(), "", subject=old.subject, san=name)
    refused(site, site.post(RENEW, body, peer=old), 400, "names differ")
    same = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    certificate(site.post(RENEW, csr(make_key(), "", subject=old.subject, san=same), peer=old))


def test_expired_early_revoked_and_foreign_certificates_are_each_told_apart(site: Site) -> None:
    key, old = site.enrolled("press-3")
    body = renewal(key, old)
    site.clock.ahead = dt.timedelta(days=8)
    refused(site, site.post(RENEW, body, peer=old), 403, "has expired")
    site.clock.ahead = -dt.timedelta(days=1)
    refused(site, site.post(RENEW, body, peer=old), 403, "not valid yet")
    site.clock.ahead = dt.timedelta()
    refused(site, site.post(RENEW, body, peer=old, label="other"), 403, "belongs to plant")
    site.do("revoke", name="press-3", reason="keyCompromise")
    refused(site, site.post(RENEW, body, peer=old), 403, "was revoked")
    elsewhere = Site(site.folder / "elsewhere")
    _, foreign = elsewhere.enrolled("press-3")
    elsewhere.close()
    refused(site, site.post(RENEW, body, peer=foreign), 401, "not issued here")
    kinds = ["early:press-3", "expired:press-3", "owner:press-3", "revoked:press-3", "unknown"]
    assert site.alarms() == kinds
    denied = [row for row in site.audit() if row[1] == "devices.renew"]
    assert len(denied) == 5 and {row[2] for row in denied} == {"denied"}


def test_alarms_about_time_end_when_the_device_is_in_order_again(site: Site) -> None:
    key, old = site.enrolled("press-3")
    site.clock.ahead = -dt.timedelta(days=1)
    site.post(RENEW, renewal(key, old), peer=old)
    assert site.alarms() == ["early:press-3"]
    site.clock.ahead = dt.timedelta()
    certificate(site.post(RENEW, renewal(key, old), peer=old))
    assert site.alarms() == []


def test_a_server_or_responder_certificate_is_no_device(site: Site) -> None:
    site.trust.context()
    from baotu.trust.devices.names import Identity

    who = Identity(organisation="plant", kind="server", name="web")
    key = make_key()
    shown = site.trust.authority.issue(key.public_key(), who, dt.timedelta(days=1), profile="ocsp")
    refused(site, site.post(RENEW, renewal(key, shown), peer=shown), 403, "not meant")


# -- people --------------------------------------------------------------------------------------
def test_a_retired_device_never_comes_back_and_a_revoked_one_with_a_new_key_only(
    site: Site,
) -> None:
    site.enrolled("press-3")
    assert site.do("revoke", name="press-3") == 1
    with pytest.raises(Conflict, match="new key"):
        site.do("token", name="press-3")
    site.do("token", name="press-3", replace=True)
    site.do("retire", name="press-3", reason="melted")
    with pytest.raises(Conflict, match="retired"):
        site.do("token", name="press-3", replace=True)


def test_organisations_do_not_see_each_others_devices_and_may_use_the_same_names(
    site: Site,
) -> None:
    site.enrolled("press-3")
    ticket = site.admit("press-3", "other")
    assert [row["state"] for row in site.do("devices", "other")] == ["admitted"]
    with pytest.raises(Conflict):
        site.do("revoke", "other", name="press-9")
    refused(site, site.post(ENROL, csr(make_key(), "press-3"), ticket=ticket, label="plant"), 403)
    made = certificate(site.post(ENROL, csr(make_key(), "press-3"), ticket=ticket, label="other"))
    assert identity_of(made).organisation == "other"


def test_only_who_may_admit_devices_does(site: Site) -> None:
    from baotu.sdk import Caller

    li = Caller("li", "plant", frozenset({"devices.read"}))
    for verb in ("admit", "devices"):
        with pytest.raises(Denied):
            site.chain.call("devices", verb, {"name": "x"} if verb == "admit" else {}, li)
    assert {v.duty for v in site.chain.verbs() if v.app == "devices"} == {"guard"}


@pytest.mark.parametrize(("field", "arguments"), [
    ("name", {"name": "a b"}), ("name", {"name": "压机"}), ("names", {"name": "a", "names": "a_b"}),
    ("serial", {"name": "a", "manufacturer": "acme"}), ("kind", {"name": "a", "kind": "toaster"}),
])  # fmt: skip
def test_a_wrong_admission_names_the_field(site: Site, field: str, arguments: dict) -> None:
    with pytest.raises(Invalid) as wrong:
        site.do("admit", **arguments)
    assert wrong.value.field == field


def test_the_token_is_kept_as_a_digest_only(tmp_path: Path) -> None:
    site = Site(tmp_path, disk=True)
    ticket = site.admit("press-3")
    site.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("records.db*"))
    assert b"press-3" in kept and ticket.token.encode() not in kept


def test_revocations_are_known_after_a_restart(tmp_path: Path) -> None:
    site = Site(tmp_path, disk=True)
    key, made = site.enrolled("press-3")
    site.do("revoke", name="press-3")
    site.close()
    again = Site(tmp_path, disk=True)
    refused(again, again.post(RENEW, renewal(key, made), peer=made), 403, "was revoked")
    again.close()

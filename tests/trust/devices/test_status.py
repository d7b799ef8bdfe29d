"""Revocation as others see it: lists and OCSP, at once, by number, signed by who may."""

from __future__ import annotations

import base64
import datetime as dt
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from baotu.trust.devices import root
from baotu.trust.devices.authority import issued_by
from baotu.trust.devices.crl import Lists
from baotu.trust.devices.http import Request, Response
from tests.trust.devices.site import Site

GOOD, REVOKED, UNKNOWN = (
    ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN,
)  # fmt: skip


def get(site: Site, path: str, method: str = "GET", body: bytes = b"") -> Response:
    return site.trust.status.handle(Request(method=method, path=path, body=body))


def crl(site: Site, number: int = 1) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(get(site, f"/issuing-{number}.crl").body)


def number_of(found: x509.CertificateRevocationList) -> int:
    return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def asked(site: Site, own: x509.Certificate, nonce: bytes = b"", digest: object = None) -> bytes:
    issuer = site.trust.authority.issuer_of(own)
    assert issuer is not None
    made = ocsp.OCSPRequestBuilder().add_certificate(
        own,
        issuer.certificate,
        digest or hashes.SHA256(),  # type: ignore[arg-type]
    )
    if nonce:
        made = made.add_extension(x509.OCSPNonce(nonce), critical=False)
    return made.build().public_bytes(Encoding.DER)


def answer(site: Site, request: bytes) -> ocsp.OCSPResponse:
    response = get(site, "/ocsp", "POST", request)
    assert response.type == "application/ocsp-response"
    return ocsp.load_der_ocsp_response(response.body)


def test_a_list_is_signed_numbered_and_has_a_revocation_at_once(site: Site) -> None:
    _, made = site.enrolled("press-3")
    before = crl(site)
    assert len(before) == 0
    assert before.is_signature_valid(site.trust.authority.current.certificate.public_key())  # type: ignore[arg-type]
    site.do("revoke", name="press-3", reason="keyCompromise")
    after = crl(site)
    entry = after.get_revoked_certificate_by_serial_number(made.serial_number)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value == "keyCompromise"  # fmt: skip
    assert number_of(after) > number_of(before)
    assert crl(site) == after, "nothing happened in between"


def test_the_number_of_a_list_grows_through_restarts_and_clocks_set_back(site: Site) -> None:
    first = number_of(crl(site))
    site.clock.ahead = -dt.timedelta(hours=3)
    again = Lists(site.trust.authority, site.trust.revocations).get(site.trust.authority.current)
    assert number_of(x509.load_der_x509_crl(again)) == first + 1


def test_what_has_expired_leaves_the_list_and_a_list_is_made_again_in_time(site: Site) -> None:
    site.enrolled("press-3")
    site.do("revoke", name="press-3")
    first = crl(site)
    site.clock.ahead = dt.timedelta(hours=7)
    assert number_of(crl(site)) > number_of(first)
    site.clock.ahead = dt.timedelta(days=8)
    assert len(crl(site)) == 0


def test_each_issuer_lists_its_own(site: Site) -> None:
    site.enrolled("press-3")
    root.renew(site.ca, site.root_key, now=site.time())
    site.trust.authority.reload()
    site.enrolled("press-4")
    site.do("revoke", name="press-3")
    site.do("revoke", name="press-4")
    assert (len(crl(site, 1)), len(crl(site, 2))) == (1, 1)
    assert get(site, "/issuing-3.crl").status == 404


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256()], ids=["sha1", "sha256"])
def test_ocsp_says_good_revoked_unknown_and_the_change_at_once(site: Site, digest: object) -> None:
    _, made = site.enrolled("press-3")
    request = asked(site, made, digest=digest)
    assert answer(site, request).certificate_status is GOOD
    site.do("revoke", name="press-3", reason="affiliationChanged")
    told = answer(site, request)
    assert told.certificate_status is REVOKED
    assert told.revocation_reason is x509.ReasonFlags.affiliation_changed
    from baotu.trust.devices.names import Identity

    who = Identity(organisation="plant", kind="device", name="ghost")
    never = site.trust.authority.issue(made.public_key(), who, dt.timedelta(days=1))  # type: ignore[arg-type]
    assert answer(site, asked(site, never, digest=digest)).certificate_status is UNKNOWN


def test_answers_are_signed_by_a_responder_that_the_issuer_delegated_to(site: Site) -> None:
    _, made = site.enrolled("press-3")
    told = answer(site, asked(site, made))
    [responder] = told.certificates
    assert issued_by(responder, site.trust.authority.current.certificate)
    of = responder.extensions.get_extension_for_class
    assert x509.ExtendedKeyUsageOID.OCSP_SIGNING in of(x509.ExtendedKeyUsage).value
    assert of(x509.OCSPNoCheck)
    from cryptography.hazmat.primitives.asymmetric import ec

    responder.public_key().verify(  # type: ignore[union-attr,call-arg]
        told.signature,
        told.tbs_response_bytes,
        ec.ECDSA(hashes.SHA256()),  # type: ignore[arg-type]
    )
    site.clock.ahead = dt.timedelta(days=4)
    later = answer(site, asked(site, made)).certificates[0]
    assert later.serial_number != responder.serial_number, "it renews itself"


def test_a_nonce_comes_back_and_one_of_a_wrong_length_is_malformed(site: Site) -> None:
    _, made = site.enrolled("press-3")
    for length in (1, 32, 128):
        told = answer(site, asked(site, made, b"n" * length))
        assert told.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * length
    told = answer(site, asked(site, made, b"n" * 129))
    assert told.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_without_a_nonce_the_answer_is_kept_until_something_is_revoked(site: Site) -> None:
    _, made = site.enrolled("press-3")
    site.enrolled("press-4")
    request = asked(site, made)
    first, second = (get(site, "/ocsp", "POST", request).body for _ in range(2))
    assert first == second
    site.do("revoke", name="press-4")
    assert get(site, "/ocsp", "POST", request).body != first


def test_ocsp_by_get_and_nonsense(site: Site) -> None:
    _, made = site.enrolled("press-3")
    path = quote(base64.b64encode(asked(site, made)).decode(), safe="")
    told = ocsp.load_der_ocsp_response(get(site, f"/ocsp/{path}").body)
    assert told.certificate_status is GOOD
    for body in (b"", b"x", b"0" * 5000):
        assert answer(site, body).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    elsewhere = Site(site.folder / "elsewhere")
    _, foreign = elsewhere.enrolled("press-3")
    request = asked(elsewhere, foreign)
    elsewhere.close()
    assert answer(site, request).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    assert get(site, "/ocsp", "PUT").status == 405


def test_certificates_of_the_authority_are_there_for_all(site: Site) -> None:
    assert x509.load_der_x509_certificate(get(site, "/root.crt").body) == site.trust.authority.root
    own = x509.load_der_x509_certificate(get(site, "/issuing-1.crt").body)
    assert own == site.trust.authority.current.certificate
    assert (get(site, "/").status, get(site, "/root.crt", "POST").status) == (404, 405)

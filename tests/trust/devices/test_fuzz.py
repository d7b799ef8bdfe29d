"""Whatever comes, the answer is a refusal in words: no exception, no 5xx."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baotu.sdk import BaotuError, Invalid
from baotu.trust.devices import csr as requests
from baotu.trust.devices import http, ticket
from baotu.trust.devices.http import Connection, Request, Response
from baotu.trust.devices.keys import make_key
from baotu.trust.devices.refusal import Refusal
from tests.trust.devices.site import Site, csr, renewal

MANY = settings(
    max_examples=200, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
GOOD = csr(make_key(), "press-3")
WHAT = st.sampled_from(["cacerts", "csrattrs", "simpleenroll", "simplereenroll", "serverkeygen", "fullcmc"])  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.close()


def mutated(data: st.DataObject, whole: bytes) -> bytes:
    """Some bytes changed, cut out or put in."""
    out = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(out) - 1)))
        match data.draw(st.integers(0, 3)):
            case 0:
                out[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case 1:
                del out[at : at + data.draw(st.integers(1, 40))]
            case 2:
                out[at:at] = data.draw(st.binary(max_size=20))
            case _:
                out[at : at + 1] = (
                    bytes([out[at] ^ 1 << data.draw(st.integers(0, 7))]) if out else b""
                )
    return bytes(out)


@MANY
@given(data=st.data())
def test_a_changed_request_is_read_or_refused(data: st.DataObject) -> None:
    body = mutated(data, GOOD)
    if data.draw(st.booleans()):
        body = mutated(data, base64.encodebytes(body))
    try:
        assert requests.read(body).key
    except Refusal as refusal:
        assert refusal.kind in ("request", "signature", "key", "subject", "usage", "large")
    assert isinstance(requests.challenge(body), bytes)


@MANY
@given(data=st.data(), what=WHAT, method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "X"]))
def test_enrolment_never_fails_whatever_is_asked(
    site: Site, data: st.DataObject, what: str, method: str
) -> None:
    label = data.draw(st.sampled_from(["", "plant/", "other/", "%00/", "a/b/", "%E6%B3%89/"]))
    word = data.draw(
        st.one_of(st.just("Basic " + base64.b64encode(b"a:b").decode()), st.text(max_size=40))
    )
    request = Request(
        method=method, path=f"/.well-known/est/{label}{what}", place=data.draw(st.text(max_size=30)),
        headers={"authorization": word} if data.draw(st.booleans()) else {},
        body=data.draw(st.one_of(st.just(GOOD), st.binary(max_size=300))),
        peer=data.draw(st.one_of(st.just(b""), st.binary(max_size=100))), binding=data.draw(st.binary(max_size=4)),
    )  # fmt: skip
    response = site.trust.est.handle(request)
    assert response.status in (200, 400, 401, 403, 404, 405, 413)
    assert response.status != 200 or what in ("cacerts", "csrattrs")


@MANY
@given(data=st.data())
def test_a_changed_certificate_never_renews(site: Site, data: st.DataObject) -> None:
    if not site.do("devices"):
        site.enrolled("press-3")
    [row] = site.do("certificates", name="press-3")
    own = x509.load_pem_x509_certificate(row["pem"].encode())
    peer = mutated(data, own.public_bytes(Encoding.DER))
    if peer == own.public_bytes(Encoding.DER):
        return
    place = "/.well-known/est/simplereenroll"
    body = renewal(make_key(), own)
    response = site.trust.est.handle(Request(method="POST", path=place, body=body, peer=peer))
    assert 400 <= response.status < 500


@MANY
@given(data=st.data())
def test_a_responder_answers_anything(site: Site, data: st.DataObject) -> None:
    issuer = site.trust.authority.current.certificate
    built = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, hashes.SHA256()).build()
    whole = built.public_bytes(Encoding.DER)
    body = data.draw(st.one_of(st.binary(max_size=200), st.just(b""))) or mutated(data, whole)
    answer = ocsp.load_der_ocsp_response(site.trust.responder.answer(body))
    assert answer.response_status in tuple(ocsp.OCSPResponseStatus)
    path = f"/ocsp/{data.draw(st.text(max_size=60))}"
    response = site.trust.status.handle(Request(method="GET", path=path))
    assert response.status == 200


@MANY
@given(pieces=st.lists(st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n", b"Content-Length: 5\r\n", b"hello",
                     b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n",
                     b"HEAD / HTTP/1.0\r\n\r\n", b"Expect: 100-continue\r\n", b""]),
), max_size=12))  # fmt: skip
def test_a_connection_takes_any_bytes(pieces: list[bytes]) -> None:
    connection = Connection()
    for piece in pieces:
        for found in connection.receive(piece):
            if isinstance(found, Request):
                assert len(found.body) <= http.BODY
                out = connection.answer(Response(body=b"good"))
                assert out.startswith(b"HTTP/1.1 200 OK\r\n") or connection.closing
            else:
                assert found == b"" or found.startswith(b"HTTP/1.1 ")


@MANY
@given(data=st.data())
def test_a_ticket_is_read_or_refused(site: Site, data: st.DataObject) -> None:
    whole = ticket.Ticket(
        url="https://[::1]:1", organisation="泉", device="a", token="t", root="r"
    ).text()
    assert ticket.read(whole).organisation == "泉"
    text = mutated(data, whole.encode()).decode("utf-8", "replace")
    try:
        ticket.read(text)
    except Invalid as refused:
        assert refused.field == "ticket"
    except BaotuError as other:  # pragma: no cover - a kind that is not promised
        pytest.fail(str(other))

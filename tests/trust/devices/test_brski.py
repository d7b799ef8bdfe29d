"""BRSKI: a device from its maker's box learns whose it is, against our registrar and a maker of our own."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baotu.trust.devices import client, voucher
from baotu.trust.devices.authority import der, issued_by, pem
from baotu.trust.devices.brski import Masa
from baotu.trust.devices.cms import opened, sign
from baotu.trust.devices.http import Request, Response
from baotu.trust.devices.keys import make_key
from baotu.trust.devices.listener import Listener
from baotu.trust.devices.refusal import Refusal
from baotu.trust.devices.voucher import REQUEST, TYPE, Voucher
from tests.peers import need
from tests.trust.devices.site import Site, certificate, csr, idevid, listening, maker

NONCE = b"0123456789abcdef"


class Maker:
    """Makes devices, knows who bought them, answers registrars over TLS."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.site, self.sold = site, {}
        self.own = maker("Acme", site.time())
        self.voucher_key, shown = maker("Acme vouchers", site.time())
        self.masa = Masa(
            key=self.voucher_key, certificate=shown, authorities=[self.own[1]],
            made=lambda serial, owner: self.sold.get(serial) == owner, clock=site.clock,
        )  # fmt: skip
        other = Site(folder / "maker")  # its web server has a certificate of another authority
        self._other = other
        self.listener = Listener(
            listening("[::1]:0"), self.handle, name="masa", context=other.trust.context
        )
        self.listener.start()

    def handle(self, request: Request) -> Response:
        try:
            return Response(body=self.masa.voucher(request.body), type=TYPE)
        except Refusal as refusal:
            return Response(status=refusal.reason.status, body=str(refusal).encode())

    def trusted_by(self, site: Site) -> None:
        site.do(
            "trust_manufacturer", name="acme", certificates=pem(self.own[1]),
            masa=f"https://[::1]:{self.listener.port}",
            masa_certificates=self._other.trust.here().root,
        )  # fmt: skip

    def close(self) -> None:
        self.listener.stop()
        self._other.close()


@pytest.fixture
def acme(served: Site, tmp_path: Path) -> Iterator[Maker]:
    made = Maker(tmp_path, served)
    made.trusted_by(served)
    yield made
    made.close()


class Pledge:
    """A device as it leaves the works: its maker's certificate and the maker's voucher key."""

    def __init__(self, acme: Maker, serial: str) -> None:
        self.key = make_key()
        self.serial, self.acme = serial, acme
        self.shown = idevid(acme.own, self.key, serial, acme.site.time())

    def request(self, registrar: x509.Certificate, **more: Any) -> bytes:
        told = {"serial": self.serial, "nonce": NONCE, "proximity": der(registrar), **more}
        asked = Voucher(created=self.acme.site.time(), assertion="proximity", **told)
        return sign(asked.json(REQUEST), self.key, self.shown)  # type: ignore[arg-type]

    def ask(self, site: Site, what: str, body: bytes) -> client.Answer:
        url = f"https://[::1]:{site.trust.est_port}/.well-known/brski/{what}"
        secure = site.tls(self.key, [self.shown])
        return client.ask("POST", url, secure, body, {"content-type": TYPE})


def test_a_device_learns_its_owner_and_then_enrols(served: Site, acme: Maker) -> None:
    pledge = Pledge(acme, "SN-7")
    registrar = served.trust.own()[1]
    body = pledge.request(registrar)
    assert pledge.ask(served, "requestvoucher", body).status == 202
    assert served.do("waiting")[0]["serial"] == "SN-7"
    served.do("admit", name="press-7", manufacturer="acme", serial="SN-7")
    acme.sold["SN-7"] = der(served.trust.authority.root)
    answer = pledge.ask(served, "requestvoucher", body)
    assert (answer.status, answer.headers["content-type"]) == (200, TYPE), answer.body
    given, message = voucher.read(answer.body, voucher.VOUCHER)
    assert message.signer == acme.masa.certificate
    assert (given.serial, given.nonce, given.assertion) == ("SN-7", NONCE, "proximity")
    pinned = x509.load_der_x509_certificate(given.pinned)
    assert pinned == served.trust.authority.root, "whom the device trusts from now on"
    assert issued_by(served.trust.authority.current.certificate, pinned)
    told = pledge.ask(served, "voucher_status", b'{"version": 1, "status": true}')
    assert told.status == 200
    made = certificate(served.post("simpleenroll", csr(make_key(), "press-7"), peer=pledge.shown))
    assert made.subject.rfc4514_string().endswith("CN=press-7,O=plant")
    body = json.dumps({"version": 1, "status": False, "reason": "clock is wrong"}).encode()
    assert pledge.ask(served, "enrollstatus", body).status == 200
    verbs = [(row[0], row[1], row[2], row[3]) for row in served.audit()]
    assert ("SN-7", "devices.enrollstatus", "failed", "clock is wrong") in verbs


def test_a_maker_gives_no_voucher_to_who_has_not_bought_it(served: Site, acme: Maker) -> None:
    served.do("admit", name="press-7", manufacturer="acme", serial="SN-7")
    pledge = Pledge(acme, "SN-7")
    acme.sold["SN-7"] = b"somebody else"
    answer = pledge.ask(served, "requestvoucher", pledge.request(served.trust.own()[1]))
    assert answer.status == 503 and b"not of this owner" in answer.body


def test_a_request_for_another_registrar_device_or_key_is_refused(
    served: Site, acme: Maker
) -> None:
    served.do("admit", name="press-7", manufacturer="acme", serial="SN-7")
    pledge, other = Pledge(acme, "SN-7"), Pledge(acme, "SN-8")
    own = served.trust.own()[1]
    for body, status in (
        (pledge.request(acme.masa.certificate), 403), (other.request(own), 400),
        (pledge.request(own, serial="SN-8"), 400), (b"nonsense", 400), (b"", 400),
    ):  # fmt: skip
        assert pledge.ask(served, "requestvoucher", body).status == status
    assert pledge.ask(served, "enrollstatus", b"[]").status == 400
    assert pledge.ask(served, "nothing", b"").status == 404


def test_the_maker_checks_both_requests(served: Site, acme: Maker) -> None:
    key, own = served.trust.own()
    pledge, chain = Pledge(acme, "SN-7"), served.trust.authority.chain()
    acme.sold["SN-7"] = der(served.trust.authority.root)

    def asked(prior: bytes, **more: Any) -> bytes:
        told = {"serial": "SN-7", "nonce": NONCE, "prior": prior, **more}
        request = Voucher(created=served.time(), **told)
        return sign(request.json(REQUEST), key, own, chain)

    good = pledge.request(own)
    assert acme.masa.voucher(asked(good))
    stranger = Maker.__new__(Maker)
    stranger.site, stranger.own = served, maker("Acme", served.time())
    for request, kind in (
        (asked(good, serial="SN-8"), "signature"), (asked(good, nonce=b"x"), "signature"),
        (asked(Pledge(stranger, "SN-7").request(own)), "unknown"),
        (asked(pledge.request(pledge.shown)), "owner"), (asked(b""), "request"),
    ):  # fmt: skip
        with pytest.raises(Refusal) as refused:
            acme.masa.voucher(request)
        assert refused.value.kind == kind
    bare = sign(
        Voucher(created=served.time(), serial="SN-7", nonce=NONCE, prior=good).json(REQUEST),
        key,
        own,
    )
    with pytest.raises(Refusal, match="not whole"):
        acme.masa.voucher(bare)
    device_key, device = served.enrolled("press-3")
    prior = pledge.request(device)
    request = Voucher(created=served.time(), serial="SN-7", nonce=NONCE, prior=prior).json(REQUEST)
    with pytest.raises(Refusal, match="no registrar"):
        acme.masa.voucher(sign(request, device_key, device, chain))  # type: ignore[arg-type]


def test_a_maker_that_is_away_is_told_and_asked_again(served: Site, acme: Maker) -> None:
    served.do("admit", name="press-7", manufacturer="acme", serial="SN-7")
    acme.listener.stop()
    pledge = Pledge(acme, "SN-7")
    answer = pledge.ask(served, "requestvoucher", pledge.request(served.trust.own()[1]))
    assert answer.status == 503 and answer.headers["retry-after"] == "60"
    acme.listener = Listener(listening("[::1]:0"), acme.handle, name="masa")


def test_openssl_reads_what_we_sign_and_we_read_what_it_signs(site: Site, tmp_path: Path) -> None:
    openssl = need("openssl")
    key, own = maker("Acme", site.time())
    (tmp_path / "message").write_bytes(sign(b"whose it is", key, own))
    (tmp_path / "ca.pem").write_text(pem(own))

    def run(*arguments: str) -> bytes:
        done = subprocess.run([openssl, *arguments], cwd=tmp_path, capture_output=True, timeout=60, check=True)  # fmt: skip
        return done.stdout

    read = run(
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "der",
        "-in",
        "message",
        "-CAfile",
        "ca.pem",
        "-purpose",
        "any",
    )
    assert read == b"whose it is"
    from baotu.trust.devices.keys import write_key

    write_key(tmp_path / "key.pem", key)
    (tmp_path / "text").write_bytes(b"theirs")
    for more in ((), ("-md", "sha384"), ("-keyid",)):
        run("cms", "-sign", "-binary", "-nodetach", "-econtent_type", "1.2.840.113549.1.9.16.1.40",
            "-in", "text", "-signer", "ca.pem", "-inkey", "key.pem", "-outform", "der", "-out", "signed", *more)  # fmt: skip
        found = opened((tmp_path / "signed").read_bytes())
        assert (found.content, found.signer) == (b"theirs", own)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_changed_message_is_refused_or_says_the_same(data: st.DataObject) -> None:
    whole = bytearray(SIGNED)
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    try:
        assert opened(bytes(whole)).content == b"content"
    except Refusal as refusal:
        assert refusal.kind in ("request", "signature", "key")
    with pytest.raises(Refusal):
        opened(data.draw(st.binary(max_size=100)))


SIGNER = maker("Acme", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
SIGNED = sign(b"content", *SIGNER)

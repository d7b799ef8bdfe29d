"""curl and openssl as devices and as those who check certificates: they know nothing of us."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from baotu.trust.devices import root
from baotu.trust.devices.keys import read_key
from tests.peers import need
from tests.trust.devices.site import Site

pytestmark = [pytest.mark.peer("curl"), pytest.mark.peer("openssl")]
PLACE = "https://[::1]:{}/.well-known/est/{}"


class Tools:
    """Runs both in a folder that holds the root's certificate."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.curl_path, self.openssl_path = need("curl"), need("openssl")
        self.folder, self.site = folder, site
        folder.mkdir()
        (folder / "root.pem").write_text(site.trust.here().root)

    def openssl(self, *arguments: str, check: bool = True) -> str:
        return self._run(self.openssl_path, *arguments, check=check)

    def curl(self, what: str, *arguments: str) -> tuple[int, bytes]:
        url = PLACE.format(self.site.trust.est_port, what)
        status = self._run(
            self.curl_path, "-sS", "-g", "--cacert", "root.pem", "-o", "body", "-w", "%{http_code}",
            *arguments, url,
        )  # fmt: skip
        return int(status), (self.folder / "body").read_bytes()

    def _run(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def certificate(self, body: bytes, name: str) -> None:
        (self.folder / "answer.der").write_bytes(base64.b64decode(body))
        found = self.openssl("pkcs7", "-inform", "der", "-in", "answer.der", "-print_certs")
        (self.folder / name).write_text(found)

    def request(self, name: str, key: str, subject: str, *new: str) -> str:
        more = new or ("-key", key)
        self.openssl("req", "-new", *more, "-subj", subject, "-outform", "der", "-out", "csr.der")
        (self.folder / name).write_bytes(base64.encodebytes((self.folder / "csr.der").read_bytes()))
        return f"@{name}"


@pytest.fixture
def tools(served: Site, tmp_path: Path) -> Tools:
    return Tools(tmp_path / "tools", served)


FRESH = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout")


def enrolled(tools: Tools, name: str) -> None:
    """`<name>.pem` and `<name>.key`, by a token."""
    ticket = tools.site.admit(name)
    body = tools.request("first.b64", f"{name}.key", f"/CN={name}", *FRESH, f"{name}.key")
    status, answer = tools.curl(
        "simpleenroll", "-u", f"{name}:{ticket.token}", "--data-binary", body
    )
    assert status == 200, answer
    tools.certificate(answer, f"{name}.pem")


def test_curl_gets_the_authority_that_openssl_verifies(tools: Tools) -> None:
    status, body = tools.curl("cacerts")
    assert status == 200
    tools.certificate(body, "all.pem")
    issuing = tools.site.ca / "issuing-1.crt"
    assert "OK" in tools.openssl("verify", "-x509_strict", "-CAfile", "root.pem", str(issuing))
    text = tools.openssl("x509", "-in", str(issuing), "-noout", "-text")
    assert "CA:TRUE, pathlen:0" in text and "Certificate Sign, CRL Sign" in text


def test_curl_learns_which_requests_are_wanted(tools: Tools) -> None:
    status, body = tools.curl("csrattrs")
    (tools.folder / "attributes").write_bytes(base64.b64decode(body))
    told = tools.openssl("asn1parse", "-inform", "der", "-in", "attributes")
    assert status == 200 and "prime256v1" in told and "ecdsa-with-SHA256" in told


def test_openssl_makes_the_key_curl_enrols_and_renews(tools: Tools) -> None:
    enrolled(tools, "press-3")
    issuing = str(tools.site.ca / "issuing-1.crt")
    verify = ("verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", issuing)
    assert "OK" in tools.openssl(*verify, "-purpose", "sslclient", "press-3.pem")
    assert "OK" not in tools.openssl(*verify, "-purpose", "sslserver", "press-3.pem", check=False)
    shown = ("--cert", "press-3.pem", "--key", "press-3.key")
    body = tools.request("second.b64", "new.key", "/O=plant/CN=press-3", *FRESH, "new.key")
    for tls in ("--tls-max", "1.2"), ("--tlsv1.3",):
        status, answer = tools.curl("simplereenroll", *tls, *shown, "--data-binary", body)
        assert status == 200, answer
    tools.certificate(answer, "new.pem")
    assert "OK" in tools.openssl(*verify, "new.pem")
    public = [tools.openssl("pkey", "-in", "new.key", "-pubout"), tools.openssl("x509", "-in", "new.pem", "-noout", "-pubkey")]  # fmt: skip
    assert public[0] == public[1]


def test_curl_is_told_why_it_is_refused(tools: Tools) -> None:
    enrolled(tools, "press-3")
    status, answer = tools.curl(
        "simpleenroll", "-u", "press-3:guess", "--data-binary", "@first.b64"
    )
    assert status == 401 and "不认识这个令牌" in answer.decode()
    tools.site.do("revoke", name="press-3")
    shown = ("--cert", "press-3.pem", "--key", "press-3.key")
    status, answer = tools.curl("simplereenroll", *shown, "--data-binary", "@first.b64")
    assert status == 403 and b"was revoked" in answer


def test_openssl_checks_by_lists(tools: Tools) -> None:
    enrolled(tools, "press-3")
    own, issuing = tools.site.ca, str(tools.site.ca / "issuing-1.crt")
    now = tools.site.time()
    key, top = read_key(tools.site.root_key), tools.site.trust.authority.root
    from cryptography.hazmat.primitives.serialization import Encoding

    (tools.folder / "root.crl").write_bytes(root.root_list(key, top, [], now=now).public_bytes(Encoding.PEM))  # fmt: skip

    def verdict() -> str:
        address = tools.site.status_url("issuing-1.crl")
        tools._run(tools.curl_path, "-sS", "-g", "-o", "list.der", address)
        tools.openssl("crl", "-inform", "der", "-in", "list.der", "-out", "list.pem")
        both = (tools.folder / "list.pem").read_text() + (tools.folder / "root.crl").read_text()
        (tools.folder / "lists.pem").write_text(both)
        return tools.openssl(
            "verify", "-crl_check_all", "-CAfile", "root.pem", "-untrusted", issuing,
            "-CRLfile", "lists.pem", "press-3.pem", check=False,
        )  # fmt: skip

    assert "press-3.pem: OK" in verdict()
    tools.site.do("revoke", name="press-3")
    assert "certificate revoked" in verdict()
    assert own.exists()


@pytest.mark.parametrize("digest", ["-sha1", "-sha256"])
def test_openssl_checks_by_ocsp(tools: Tools, digest: str) -> None:
    enrolled(tools, "press-3")
    issuing = str(tools.site.ca / "issuing-1.crt")

    def verdict(*more: str) -> str:
        return tools.openssl(
            "ocsp", digest, "-issuer", issuing, "-cert", "press-3.pem", *more,
            "-url", tools.site.status_url("ocsp"), "-CAfile", "root.pem",
        )  # fmt: skip

    for more in ((), ("-no_nonce",)):
        told = verdict(*more)
        assert "Response verify OK" in told and "press-3.pem: good" in told
        assert "WARNING: no nonce" not in told or more
    tools.site.do("revoke", name="press-3", reason="keyCompromise")
    for more in ((), ("-no_nonce",)):
        told = verdict(*more)
        assert "press-3.pem: revoked" in told and "Reason: keyCompromise" in told

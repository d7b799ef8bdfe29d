"""EST over TLS on ::1: the client library, sessions that end, peers that are slow or strange."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import AttributeOID

from baotu.sdk import ConfigError, Invalid, Refused, Unreachable
from baotu.trust.devices import client
from baotu.trust.devices.authority import der, pem
from baotu.trust.devices.keys import digest_of, make_key, read_key
from baotu.trust.devices.listener import Listener
from baotu.trust.devices.ticket import Ticket, read
from tests.trust.devices.site import Site, csr, idevid, maker, renewal, several

JSON = {"content-type": "application/pkcs10"}


def until(what: str, look: Callable[[], object], deadline_s: float = 60) -> None:
    end = time.monotonic() + deadline_s
    wait = threading.Event()
    while not look():
        assert time.monotonic() < end, what
        wait.wait(0.02)


def test_a_device_enrols_by_its_ticket_and_renews_itself(served: Site, tmp_path: Path) -> None:
    ticket = read(served.admit("press-3", names="::1").text())
    have = client.enrol(ticket, tmp_path / "device", algorithm="ed25519")
    assert digest_of(read_key(have.pair).public_key()) == digest_of(have.certificate.public_key())
    assert have.pair.stat().st_mode & 0o077 == 0
    stop, said = threading.Event(), []

    def told(line: str) -> None:
        said.append(line)
        stop.set()

    later = have.due + dt.timedelta(seconds=1)
    client.keep(tmp_path / "device", stop, told, lambda: later)
    assert said[0].startswith("已更新 renewed")
    after = client.held(tmp_path / "device").certificate
    assert after.serial_number != have.certificate.serial_number
    assert digest_of(after.public_key()) != digest_of(have.certificate.public_key())
    assert after.subject == have.certificate.subject


def test_a_renewal_whose_answer_was_lost_is_taken_up_again(
    served: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "device"
    client.enrol(served.admit("press-3"), folder)

    def lost(answer: object) -> x509.Certificate:
        raise Unreachable("断线 The line went down")

    with monkeypatch.context() as broken:
        broken.setattr(client, "_only", lost)
        with pytest.raises(Unreachable):
            client.renew(folder)
    have = client.renew(folder)
    newest, first = served.do("certificates", name="press-3")
    assert newest["serial"] == f"{have.certificate.serial_number:x}"
    assert (newest["state"], first["state"]) == ("valid", "renewed")
    assert served.alarms() == [] and not (folder / client.PENDING).exists()


def test_what_the_server_says_reaches_the_person_in_both_languages(
    served: Site, tmp_path: Path
) -> None:
    ticket = served.admit("press-3")
    client.enrol(ticket, tmp_path / "a")
    with pytest.raises(Refused, match="used before") as refused:
        client.enrol(ticket, tmp_path / "b")
    assert "用过" in str(refused.value) and refused.value.code == 401
    with pytest.raises(ConfigError, match="enrolled here"):
        client.held(tmp_path / "b")


def test_a_hub_that_is_not_the_one_of_the_ticket_gets_no_token(
    served: Site, tmp_path: Path
) -> None:
    other = Site(tmp_path / "other")
    other.serve()
    ticket = other.admit("press-3")
    stranger = Ticket(**{**json.loads(json.dumps({n: getattr(ticket, n) for n in Ticket.__slots__})), "root": served.trust.here().root})  # fmt: skip
    with pytest.raises(Refused, match="TLS"):
        client.enrol(stranger, tmp_path / "device")
    assert [row[1] for row in other.audit() if "enrol" in row[1]] == []
    other.close()


@pytest.mark.parametrize(
    "text", ["", "baotu1.", "baotu1.AAAA", "x" * 20_000, "baotu1.eJyrVgIAAGoAPw"]
)
def test_what_is_no_ticket_is_told_so(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text)
    assert refused.value.field == "ticket"


def line(site: Site, secure: ssl.SSLContext | None = None) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection(
        "::1", site.trust.est_port, context=secure or site.tls(), timeout=60
    )


def said(
    connection: http.client.HTTPSConnection, what: str, body: bytes | None = None
) -> tuple[int, bytes]:
    connection.request(
        "POST" if body is not None else "GET", f"/.well-known/est/{what}", body, JSON
    )
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_authority_attributes_and_what_is_not_done_here(served: Site) -> None:
    connection = line(served)
    from baotu.trust.devices.http import Response

    status, body = said(connection, "cacerts")
    found = several(Response(status=status, body=body))  # a SET: DER sorts it
    assert {*map(der, found)} == {*map(der, served.trust.authority.chain())}
    assert said(connection, "plant/csrattrs")[0] == 200
    status, body = said(connection, "serverkeygen", b"")
    assert status == 403 and "密钥不离开设备" in body.decode() and b"never leave" in body
    assert [said(connection, w)[0] for w in ("nothing", "simpleenroll", "a/b/cacerts")] == [
        404,
        405,
        404,
    ]
    assert said(connection, "fullcmc", b"")[0] == 404
    connection.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_renew_and_older_ones_do_not(
    served: Site, version: ssl.TLSVersion
) -> None:
    key, own = served.enrolled("press-3")
    secure = served.tls(key, [own])
    secure.minimum_version = secure.maximum_version = version
    connection = line(served, secure)
    assert said(connection, "simplereenroll", renewal(make_key(), own))[0] == 200
    assert connection.sock.version() == version.name.replace("_", ".").replace("TLSv1.", "TLSv1.")
    connection.close()


def test_with_tls_1_2_a_challenge_must_be_of_this_connection(served: Site) -> None:
    import base64

    from cryptography.hazmat.primitives.serialization import Encoding

    from baotu.trust.devices.keys import hash_of

    secure, ticket, key = served.tls(), served.admit("press-3"), make_key()
    secure.maximum_version = ssl.TLSVersion.TLSv1_2

    def asked(challenge: bytes) -> bytes:
        made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        made = made.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge)
        return made.sign(key, hash_of(key)).public_bytes(Encoding.DER)  # type: ignore[arg-type]

    word = base64.b64encode(f"press-3:{ticket.token}".encode()).decode()
    headers = {**JSON, "authorization": f"Basic {word}"}
    connection = line(served, secure)
    connection.connect()
    place = "/.well-known/est/simpleenroll"
    connection.request("POST", place, asked(b"of another connection"), headers)
    answer = connection.getresponse()
    assert answer.status == 400 and b"another connection" in answer.read()
    binding = base64.b64encode(connection.sock.get_channel_binding("tls-unique"))
    connection.request("POST", place, asked(binding), headers)
    assert connection.getresponse().status == 200
    connection.close()


def test_an_expired_certificate_is_told_so_instead_of_a_broken_handshake(served: Site) -> None:
    key, own = served.enrolled("press-3")
    served.clock.ahead = dt.timedelta(days=8)
    secure = served.tls(key, [own])
    secure.verify_flags |= 0x200000  # the server's own is of tomorrow's week for this client
    connection = line(served, secure)
    status, body = said(connection, "simplereenroll", renewal(key, own))
    assert status == 403 and b"has expired" in body
    assert served.alarms() == ["expired:press-3"]
    connection.close()


def test_who_nobody_knows_is_refused_by_tls_with_record_and_alarm(served: Site) -> None:
    foreign = maker("plant", served.time())
    key = make_key()
    shown = idevid(foreign, key, "SN-1", served.time())
    for chain in ([shown], [shown, foreign[1]]):
        connection = line(served, served.tls(key, chain))
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            said(connection, "simplereenroll", csr(key, "x"))
        connection.close()
    until("the refusal is told", lambda: served.alarms() == ["unknown"])
    until("both are in the audit", lambda: len(served.audit()) == 2)
    assert all(row[1:3] == ("devices.connect", "denied") for row in served.audit())


def test_a_maker_that_becomes_trusted_is_let_in_by_the_next_connection(served: Site) -> None:
    acme = maker("Acme", served.time())
    key = make_key()
    secure = served.tls(key, [idevid(acme, key, "SN-7", served.time())])
    served.do("trust_manufacturer", name="acme", certificates=pem(acme[1]))
    connection = line(served, secure)
    assert said(connection, "simpleenroll", csr(make_key(), "press-7"))[0] == 202
    served.do("admit", name="press-7", manufacturer="acme", serial="SN-7")
    assert said(connection, "simpleenroll", csr(make_key(), "press-7"))[0] == 200
    connection.close()


def test_a_revocation_ends_the_live_session_within_a_second_and_is_evidence(served: Site) -> None:
    key, own = served.enrolled("press-3")
    other_key, other = served.enrolled("press-4")
    connection, beside = (
        line(served, served.tls(k, [c])) for k, c in ((key, own), (other_key, other))
    )
    assert said(connection, "cacerts")[0] == said(beside, "cacerts")[0] == 200
    begin = time.monotonic()
    served.do("revoke", name="press-3")
    connection.sock.settimeout(60)
    try:
        assert connection.sock.recv(1) == b""
    except OSError:
        pass
    took = time.monotonic() - begin
    assert said(beside, "cacerts")[0] == 200, "others go on"
    look = lambda: served.store.ask("SELECT figures FROM ledger_evidence_row")  # noqa: E731
    until("the evidence is there", look)
    figures = json.loads(look()[0][0])
    assert figures["device"] == "press-3" and figures["sessions"] == 1
    assert figures["ms"] <= took * 1e3 + 1
    assert took < 30, "a deadline; the bar of a second is measured by benchmarks/est.py"
    connection.close()
    beside.close()


def test_slow_clients_block_nobody(served: Site) -> None:
    slow = [socket.create_connection(("::1", served.trust.est_port)) for _ in range(60)]
    half = line(served)
    half.connect()
    half.sock.sendall(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nContent-Le")
    begin = time.monotonic()
    connection = line(served)
    assert said(connection, "cacerts")[0] == 200
    assert time.monotonic() - begin < 9, "less than the deadline of those who are slow"
    for one in (*slow, half, connection):
        one.close()


def test_a_slow_client_is_let_go_at_its_deadline(
    served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baotu.trust.devices.listener.REQUEST_S", 0.3)
    half = line(served)
    half.connect()
    half.sock.sendall(b"GET /.well-known/est/cac")
    half.sock.settimeout(60)
    try:
        assert half.sock.recv(100) == b""
    except OSError:
        pass
    half.close()


def test_what_is_too_long_is_refused_and_the_line_closed(served: Site) -> None:
    connection = line(served)
    status, body = said(connection, "simpleenroll", b"x" * 70_000)
    assert status == 413 and b"Too long" in body
    connection.close()
    for head in (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, b"\x16\x03\x01 nonsense\r\n\r\n"):
        connection = line(served)
        connection.connect()
        connection.sock.sendall(head)
        got = connection.sock.recv(1000)
        assert got.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431")), got
        connection.close()


def test_many_refusals_from_one_source_have_to_wait(tmp_path: Path) -> None:
    site = Site(tmp_path, refusals_min=3)
    wrong = Ticket(url="", organisation="plant", device="x", token="guess", root="")
    told = [site.post("simpleenroll", b"", ticket=wrong) for _ in range(5)]
    assert [r.status for r in told] == [401, 401, 401, 429, 429]
    assert len(site.audit()) == 3, "what only has to wait fills no audit"
    site.close()


def test_one_source_does_not_take_all_connections(
    served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baotu.trust.devices.listener.MOST_OF_ONE", 5)
    lines = [socket.create_connection(("::1", served.trust.est_port), timeout=60) for _ in range(5)]
    one_more = socket.create_connection(("::1", served.trust.est_port), timeout=60)
    try:
        assert one_more.recv(1) == b""
    except ConnectionError:
        pass
    for one in (*lines, one_more):
        one.close()


def test_a_bug_of_ours_is_a_500_and_the_next_request_is_answered() -> None:
    def handle(request: object) -> object:
        raise ZeroDivisionError

    from tests.trust.devices.site import listening

    listener = Listener(listening("[::1]:0"), handle, name="bug")  # type: ignore[arg-type]
    listener.start()
    for _ in range(2):
        connection = http.client.HTTPConnection("::1", listener.port, timeout=60)
        connection.request("GET", "/")
        assert connection.getresponse().status == 500
        connection.close()
    listener.stop()


def test_a_hub_that_is_away_is_unreachable(site: Site, tmp_path: Path) -> None:
    ticket = Ticket(url="https://[::1]:1", organisation="p", device="a", token="t", root=site.trust.here().root)  # fmt: skip
    with pytest.raises(Unreachable):
        client.enrol(ticket, tmp_path / "device")


def test_a_listener_of_the_hub_gets_a_certificate_of_its_own(site: Site) -> None:
    own = site.trust.own_pair("fabric")
    assert own.path.stat().st_mode & 0o077 == 0
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(own.path)
    shown = site.trust.verifier.check(der(own.certificate), kinds=("node",))
    assert (shown.identity.name, shown.identity.organisation) == ("fabric", "plant")
    assert site.trust.known(shown.serial) and own.due < own.certificate.not_valid_after_utc


def test_two_places_with_one_certificate_are_a_clone(site: Site) -> None:
    from baotu.trust.devices.refusal import Refusal

    _, own = site.enrolled("press-3")
    shown = site.trust.verifier.check(der(own), organisation="plant", kinds=("device",))
    leave = site.trust.presence.enter(shown, "[2001:db8::1] log a")
    again = site.trust.presence.enter(shown, "[2001:db8::1] log a")
    with pytest.raises(Refusal, match="two places"):
        site.trust.presence.enter(shown, "[2001:db8::2] log b")
    assert site.alarms() == ["cloned:press-3"]
    leave(), leave(), again()
    site.trust.presence.enter(shown, "[2001:db8::2] log b")()

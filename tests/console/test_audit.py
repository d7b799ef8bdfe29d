"""The log over the audit as the API hands it out, and as the page proves a row of it."""

from __future__ import annotations

import base64
import io
import tarfile
from dataclasses import replace

import pytest

from baotu.console.app import build_api
from baotu.sdk import Caller
from baotu.trust.audit.formats import ENTRIES, SHA256, Damaged, place, read_checkpoint, split
from baotu.trust.audit.tiles import consistent
from baotu.trust.audit.verify_log import verify, verify_proof
from tests.browser import Browser

from .conftest import Web
from .fake_audit import SIGNER


def test_the_state_says_what_is_sealed_and_verified(web: Web):
    told = web.get("/api/audit/state").json()
    assert (told["state"], told["size"], told["findings"]) == ("up", 399, [])
    assert told["key"] == str(SIGNER.key)


def test_damage_is_told_with_its_place(burning: Web):
    told = burning.get("/api/audit/state").json()
    assert told["state"] == "down"
    assert "tile/entries/000" in told["findings"][0]


def test_a_row_is_proved(web: Web):
    [row] = web.get("/api/audit?limit=1").json()["records"]
    told = web.get(f"/api/audit/proof?record={row['id']}").json()
    entry, report = verify_proof(told["proof"].encode(), SIGNER.key)
    assert row["caller"].encode() in entry
    assert (told["index"], report.size, report.root) == (398, 399, told["root"])
    assert web.get("/api/audit/proof?record=77777").status_code == 404


def test_a_client_of_such_logs_reads_it_below_the_prefix(web: Web):
    answer = web.get("/api/audit/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    now = read_checkpoint(answer.content)
    assert SIGNER.key in [key for key, _ in now.signers([SIGNER.key])]
    leaves = []
    for number, width in ((0, 256), (1, 143)):
        data = web.get(f"/api/audit/{place(ENTRIES, number, width)}")
        assert data.headers["content-type"] == "application/octet-stream"
        hashes = SHA256.leaves(list(split(data.content)))
        assert web.get(f"/api/audit/{place(0, number, width)}").content == b"".join(hashes)
        leaves += hashes
    assert SHA256.root(leaves) == now.root
    assert len(web.get("/api/audit/tile/0/001.p/7").content) == 7 * 32, "an earlier partial tile"


@pytest.mark.parametrize(
    "path", ["tile/0/002", "tile/0/001", "tile/0/001.p/144", "tile/9/000", "tile/00/000", "tile/x/000",
             "tile/0/../../key", "tile/entries/1", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/x000/000"],
)  # fmt: skip
def test_tiles_that_are_none_are_not_found(web: Web, path: str):
    assert web.get(f"/api/audit/{path}").status_code == 404


def test_the_log_begins_with_what_it_was_before(web: Web):
    told = web.get("/api/audit/consistency?old=300").json()
    now = read_checkpoint(told["checkpoint"].encode())
    path = [base64.b64decode(one) for one in told["hashes"]]
    before = web.rooms.audit_log.reader.root(300)
    consistent(300, 399, before, now.root, path)
    with pytest.raises(Damaged):
        consistent(300, 399, before[::-1], now.root, path)


def test_records_are_read_from_a_position_on(web: Web):
    first = web.get("/api/audit/entries?since=390&limit=5").json()
    assert [row["position"] for row in first["entries"]] == [390, 391, 392, 393, 394]
    rest = web.get(f"/api/audit/entries?since={first['next']}&limit=5").json()
    assert (len(rest["entries"]), rest["next"]) == (4, None)


def test_the_export_is_proved_by_who_has_nothing_else(web: Web, tmp_path):
    answer = web.get("/api/audit/export")
    assert answer.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path, filter="data")
    assert verify(tmp_path / "audit/log", SIGNER.key).good


@pytest.mark.parametrize("path", ["state", "proof?record=1", "checkpoint", "consistency?old=1", "entries", "export", "tile/0/000"])  # fmt: skip
def test_who_may_not_read_the_audit_reads_none_of_it(path: str):
    with Web(size=10) as web:
        nobody = Caller("guest", "plant", frozenset({"history.read"}))
        rooms = replace(web.rooms, identify=lambda request: nobody)
        from starlette.testclient import TestClient

        with TestClient(build_api(rooms)) as other:
            assert other.get(f"/api/audit/{path}").status_code == 403


def test_the_browser_hashes_a_record_again(browser: Browser, site: str):
    tab = browser.open(f"{site}/en/audit")
    tab.wait("document.querySelector('bt-audit tbody button')")
    tab.js("document.querySelector('bt-audit tbody button').click()")
    tab.wait("document.querySelector('.proven .bar')")
    said = tab.js("document.querySelector('.proven').innerText")
    assert "Proved" in said and "position 399 of 399" in said
    assert "Hashed again by this browser" in said
    assert tab.errors == []
    tab.close()


def test_the_browser_believes_no_false_proof(browser: Browser, site: str):
    tab = browser.open(f"{site}/en/audit")
    tab.wait("document.querySelector('bt-audit tbody button')")
    tab.js(
        "window.plain = window.fetch; window.fetch = async (where, how) => {"
        " const answer = await plain(where, how); if (!String(where).includes('audit/proof')) return answer;"
        " const told = await answer.json(); told.proof = told.proof.replace(/\\nindex \\d+/, '\\nindex 3');"
        " return new Response(JSON.stringify(told)); }"
    )
    tab.js("document.querySelector('bt-audit tbody button').click()")
    tab.wait("document.querySelector('.proven .problem')")
    assert "does not hold" in tab.js("document.querySelector('.proven').innerText")
    tab.close()

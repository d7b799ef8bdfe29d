"""The app Secrets behind the chain: duties, forms, receipts and audit without a value."""

from __future__ import annotations

import json
import sqlite3

import pytest

from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain, digest
from baotu.records.sqlite import SqliteStore
from baotu.sdk import Caller, Denied, Invalid
from baotu.trust.primitives import suite
from baotu.trust.secrets.app import PERMISSION, Secrets
from baotu.trust.secrets.keys import KeyFile
from baotu.trust.secrets.store import SecretStore

VALUE = "Quelle-7-distinct"
OFFICER = Caller("guard", "plant", frozenset({PERMISSION}))


@pytest.fixture
def chain(tmp_path):
    one = suite()
    store = SecretStore(tmp_path / "s.json", one, KeyFile(tmp_path / "key", one))
    records = SqliteStore(tmp_path / "records.db", 2)
    yield Chain(records, SystemClock(), [Secrets.over(store)])
    records.close()


def test_the_officer_keeps_and_forgets_and_nobody_else_does(chain):
    assert chain.call("secrets", "set", {"name": "a", "value": VALUE}, OFFICER) == 1
    assert [row["name"] for row in chain.call("secrets", "names", {}, OFFICER)] == ["a"]
    assert chain.call("secrets", "rotate", {}, OFFICER) == 1
    chain.look("secrets", "overview", {}, OFFICER)
    for verb, arguments in (
        ("set", {"name": "b", "value": VALUE}),
        ("remove", {"name": "a"}),
        ("rotate", {}),
        ("names", {}),
    ):
        with pytest.raises(Denied):
            chain.call("secrets", verb, arguments, Caller("engineer", "plant", frozenset()))
    assert chain.call("secrets", "remove", {"name": "a"}, OFFICER) == "a"
    assert {v.duty for v in chain.verbs()} == {"guard"}


def test_forms_hide_the_field_and_refusals_do_not_repeat_it(chain):
    [verb] = [v for v in chain.verbs() if v.name == "set"]
    assert verb.takes["properties"]["value"] | {"title": ""} == {
        "type": "string", "format": "password", "writeOnly": True, "title": "",
    }  # fmt: skip
    for value in (VALUE * 5000, [VALUE], {"x": VALUE}):
        with pytest.raises(Invalid) as refused:
            chain.call("secrets", "set", {"name": "a", "value": value}, OFFICER)
        assert VALUE not in str(refused.value)


def test_receipt_audit_and_outbox_hold_no_value_and_no_hash_of_it(chain, tmp_path):
    asked = {"name": "a", "value": VALUE}
    assert chain.call("secrets", "set", asked, OFFICER, key="once") == 1
    assert chain.call("secrets", "set", asked, OFFICER, key="once") == 1  # its receipt
    everything = b"".join(p.read_bytes() for p in tmp_path.glob("records.db*"))
    with sqlite3.connect(tmp_path / "records.db") as db:
        assert db.execute("select count(*) from ledger_receipt").fetchone() == (1,)
    assert VALUE.encode() not in everything and digest(asked).encode() not in everything
    assert digest({"name": "a"}).encode() in everything
    assert VALUE not in json.dumps(
        [vars(r) if hasattr(r, "__dict__") else str(r) for r in chain.events(0)]
    )

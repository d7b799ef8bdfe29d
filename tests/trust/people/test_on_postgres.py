"""Accounts of two nodes on one PostgreSQL: what one ends, the other refuses within a second."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from baotu.sdk import Anonymous
from tests.records.test_postgres import Server

from .bench import HERE, OTHER, PASSWORD, Bench
from .test_signing_in import authenticator, code

pytestmark = pytest.mark.peer("postgres")
pytest.importorskip("psycopg", reason="the extra baotu[postgres] is not installed")


@pytest.fixture
def nodes(tmp_path) -> Iterator[tuple[Bench, Bench]]:
    with tempfile.TemporaryDirectory(prefix="baotu-pg-") as folder, Server(Path(folder)):
        url = f"postgresql://baotu@/postgres?host={folder}"
        key = tmp_path / "people.key"
        with Bench(tmp_path, url, key=key) as one, Bench(tmp_path, url, key=key) as other:
            yield one, other


def test_two_nodes_know_the_same_people(nodes):
    one, other = nodes
    step = one.person("wang", "engineer")
    assert other.caller(step).roles == {"engineer"}
    assert other.people.sign_in("wang", PASSWORD, HERE).next == "done"

    guard = other.caller(other.person("qian", "security_admin"))
    other.call(guard, "grant", account="wang", role="viewer")
    one.later(1)
    with pytest.raises(Anonymous):
        one.caller(step)


def test_an_open_channel_is_cut_by_the_other_node(nodes):
    one, other = nodes
    step = one.person("wang")
    via, heard = one.caller(step).via, []
    one.people.ended(heard.append)
    other.people.sign_out(other.caller(step))
    one.later(1)
    one.people.turn()
    assert heard == [via]


def test_codes_links_and_tokens_are_good_once_on_both(nodes):
    one, other = nodes
    key, codes = authenticator(one, one.person("wang", "viewer"))
    other.later(60)
    first = one.people.sign_in("wang", PASSWORD, HERE)
    second = other.people.sign_in("wang", PASSWORD, HERE)
    assert one.people.second(first.ticket, codes[0], HERE).next == "done"
    with pytest.raises(Exception, match="code"):
        other.people.second(second.ticket, codes[0], replace(HERE, address="2001:db8:2::1"))
    shown = code(other, key)
    assert other.people.second(second.ticket, shown, HERE).next == "done"

    one.people.machine_account("li", "Li", ())
    link = one.people.machine_link("li")
    other.people.accept(link.secret, "", "", OTHER, HERE)
    with pytest.raises(Anonymous):
        one.people.accept(link.secret, "", "", PASSWORD, HERE)

    secret = one.people.machine_token("wang", ["*"], 1, "t")
    assert other.people.token(secret).name == "wang"
    for bench in nodes:
        bench.later(31)
        bench.people.turn()

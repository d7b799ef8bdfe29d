"""The second line of defence, and how references become values."""

from __future__ import annotations

import base64
import io
import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from baotu.sdk import ConfigError, setting
from baotu.sdk.secret import Secret
from baotu.trust.primitives import suite
from baotu.trust.secrets import Resolver, Scrubber
from baotu.trust.secrets.keys import KeyFile
from baotu.trust.secrets.store import SecretStore

VALUE = 'Sp+ring/7 &"泉\\'


LETTERS = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))


@given(
    st.text(LETTERS, min_size=8, max_size=40).filter(lambda t: len(set(t)) > 4),
    st.binary(max_size=9),
    st.binary(max_size=9),
)
def test_every_spelling_is_taken_out_wherever_it_stands(value, before, after):
    scrubber = Scrubber()
    scrubber.know(value)
    data = value.encode()
    inside = base64.b64encode(before + data + after).decode()
    for text in (
        value,
        json.dumps(value),
        repr(value),
        repr(data),
        quote(value),
        quote_plus(value),
        data.hex(),
        data.hex().upper(),
        inside,
    ):
        cleaned = scrubber.clean(f"x {text} y")
        assert value not in cleaned and data.hex() not in cleaned and inside not in cleaned


def test_logs_of_both_kinds_and_exceptions_pass_through_it():
    scrubber, out = Scrubber(), io.StringIO()
    scrubber.know(VALUE)
    log = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[
            structlog.processors.format_exc_info,
            scrubber,
            structlog.processors.KeyValueRenderer(),
        ],
    )
    log.warning("lost", why=f"bad {VALUE}", more={"a": [VALUE]}, error=ValueError(VALUE))
    try:
        raise ValueError(VALUE)
    except ValueError:
        log.exception("failed")
    handler = logging.StreamHandler(out)
    handler.setFormatter(scrubber.formatter("%(message)s"))
    record = logging.LogRecord("x", 30, "f", 1, "got %s", (VALUE,), None)
    handler.emit(record)
    text = out.getvalue()
    assert text.count("•••") >= 5
    assert VALUE not in text and json.dumps(VALUE)[1:-1] not in text


def test_what_nobody_caught_is_printed_without_it():
    code = (
        "import threading; from baotu.trust.secrets import Scrubber\n"
        f"v = {VALUE!r}; s = Scrubber(); s.know(v); s.watch_programs_end()\n"
        "def fail(): raise RuntimeError('thread ' + v)\n"
        "t = threading.Thread(target=fail); t.start(); t.join(); raise RuntimeError('main ' + v)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "thread •••" in done.stderr and "main •••" in done.stderr


def test_lines_of_a_key_are_known_one_by_one():
    scrubber, pem = Scrubber(), suite().new_signer().pem().decode()
    scrubber.know(pem)
    line = pem.splitlines()[1]
    assert line not in scrubber.clean(f"could not parse {line}") and "-----" in scrubber.clean(
        "-----"
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    host: str = setting("::1", title="h")
    password: str = setting("", title="p", secret=True)
    tls_key: str = setting("", title="k", secret=True, path="config")


@pytest.fixture
def resolver(tmp_path) -> Resolver:
    one = suite()
    return Resolver(
        SecretStore(tmp_path / "s.json", one, KeyFile(tmp_path / "key", one)), Scrubber()
    )


def test_references_become_values_and_the_scrubber_knows_them(resolver):
    resolver.store.set("broker", Secret(VALUE), "guard")
    made = resolver.settings(Settings(password="secret:broker"), "device m")
    assert made.password == VALUE and resolver.scrubber.clean(VALUE) == "•••"
    plain = Settings(password="in the clear")
    assert resolver.settings(plain, "device m") is plain
    assert "in the clear" not in resolver.scrubber.clean("it is in the clear")


def test_a_key_from_the_store_is_a_file_on_no_disk(resolver, tmp_path):
    resolver.store.set("line1", Secret("PEM of a key"), "guard")
    path = resolver.settings(Settings(tls_key="secret:line1"), "device m").tls_key
    assert Path(path).read_text() == "PEM of a key"
    assert resolver.settings(Settings(tls_key="secret:line1"), "device m").tls_key == path
    assert b"PEM of a key" not in b"".join(
        p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()
    )
    assert resolver.settings(Settings(tls_key="/etc/k.pem"), "d").tls_key == "/etc/k.pem"


def test_a_reference_to_nothing_names_the_device(resolver):
    with pytest.raises(ConfigError, match=r"device m: .*nobody"):
        resolver.settings(Settings(password="secret:nobody"), "device m")

"""What both suites promise: round trips, refusals, no silent fall-back, and no way to misuse them."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.sdk import ConfigError
from baotu.trust.primitives import NAMES, Forged, Stretch, signer_of, stretch, suite, verifier_of
from baotu.trust.primitives.suites import of_mark

SUITES = [suite(name) for name in NAMES]
each = pytest.mark.parametrize("one", SUITES, ids=NAMES)
KEYS = [(one, algorithm) for one in SUITES for algorithm in one.algorithms]
each_key = pytest.mark.parametrize(("one", "algorithm"), KEYS, ids=[a for _, a in KEYS])


@each
@settings(max_examples=40, deadline=None)
@given(
    data=st.binary(max_size=500),
    bound=st.binary(max_size=40),
    at=st.integers(0),
    bit=st.integers(0, 7),
)
def test_a_flipped_bit_of_a_seal_is_found(one, data, bound, at, bit):
    key = one.new_key()
    sealed = one.seal(key, data, bound)
    assert one.open(key, sealed, bound) == data
    at %= len(sealed)
    broken = sealed[:at] + bytes([sealed[at] ^ 1 << bit]) + sealed[at + 1 :]
    with pytest.raises(Forged):
        one.open(key, broken, bound)
    with pytest.raises(Forged):
        one.open(key, sealed, bound + b"x")
    with pytest.raises(Forged):
        one.open(one.new_key(), sealed, bound)
    for end in (0, 1, 12, len(sealed) - 1):
        with pytest.raises(Forged):
            one.open(key, sealed[:end], bound)


@each
def test_no_nonce_is_drawn_twice(one):
    key = one.new_key()
    assert len({one.seal(key, b"same") for _ in range(500)}) == 500


@each
def test_a_box_opens_for_its_owner_only(one):
    (private, public), (other, _) = one.new_box(), one.new_box()
    sealed = one.seal_to(public, b"run key", b"bound")
    assert one.open_from(private, sealed, b"bound") == b"run key"
    with pytest.raises(Forged):
        one.open_from(other, sealed, b"bound")
    with pytest.raises(Forged):
        one.open_from(private, sealed, b"else")
    for at in range(len(sealed)):
        broken = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(Forged):
            one.open_from(private, broken, b"bound")
    one.box_public(private, public)
    with pytest.raises(Forged):
        one.box_public(other, public)


@each_key
def test_keys_go_through_pem_and_sign_as_before(one, algorithm):
    key = one.new_signer(algorithm)
    again, public = signer_of(key.pem()), verifier_of(key.public().pem())
    assert again.algorithm == public.algorithm == algorithm
    signature = again.sign(b"checkpoint")
    public.verify(b"checkpoint", signature)
    for wrong in (b"checkpoinT", b""):
        with pytest.raises(Forged):
            public.verify(wrong, signature)
    for at in range(len(signature)):
        with pytest.raises(Forged):
            public.verify(
                b"checkpoint", signature[:at] + bytes([signature[at] ^ 4]) + signature[at + 1 :]
            )
    with pytest.raises(Forged):
        verifier_of(one.new_signer(algorithm).public().pem()).verify(b"checkpoint", signature)


@each_key
def test_a_private_key_does_not_show_itself(one, algorithm):
    key = one.new_signer(algorithm)
    body = b"".join(key.pem().splitlines()[1:-1])
    assert body[20:40].decode() not in repr(key)
    if algorithm == "sm2":
        assert key.number.hex() not in repr(key) and repr(key.number) not in repr(key)


@each
def test_keys_of_a_wrong_length_and_a_kdf_without_a_use_are_refused(one):
    for key in (b"", b"short", b"k" * 24):
        with pytest.raises(ValueError, match="bytes"):
            one.seal(key, b"x")
    with pytest.raises(ValueError, match="for"):
        one.kdf(one.new_key(), b"")
    with pytest.raises(ConfigError):
        one.new_signer("rsa")


@each
def test_derived_keys_differ_by_use_and_macs_are_checked(one):
    key = one.new_key()
    assert one.kdf(key, b"one") != one.kdf(key, b"two")
    mac = one.mac(key, b"data")
    one.check_mac(key, b"data", mac)
    with pytest.raises(Forged):
        one.check_mac(key, b"datA", mac)


@each
def test_a_wrapped_key_serves_one_use(one):
    over, key = one.new_key(), one.new_key()
    wrapped = one.wrap(over, key, b"secret:a")
    assert one.unwrap(over, wrapped, b"secret:a") == key
    with pytest.raises(Forged):
        one.unwrap(over, wrapped, b"secret:b")


@each
def test_a_passphrase_is_stretched_as_noted_beside_the_seal(one):
    how = Stretch.fresh(one)
    quick = Stretch(salt=how.salt, passes=1, memory_kb=how.memory_kb and 64, lanes=1)
    assert Stretch.of(quick.told()) == quick
    assert stretch(one, "泉城 7", quick) == stretch(one, "泉城 7", quick)
    assert stretch(one, "泉城 7", quick) != stretch(one, "泉城 8", quick)
    assert stretch(one, "泉城", quick) != stretch(one, "泉城", Stretch.fresh(one))
    for wrong in (
        {"passes": 0},
        {"passes": 10**9},
        {"memory_kb": 10**9},
        {"lanes": 99},
        {"salt": ""},
    ):
        with pytest.raises(Forged):
            Stretch.of(quick.told() | wrong)


def test_what_one_suite_sealed_the_other_refuses_by_name():
    international, guomi = SUITES
    with pytest.raises(Forged, match="guomi"):
        guomi.open(guomi.new_key(), international.seal(international.new_key(), b"x"))
    assert of_mark(guomi.mark).name == "guomi"


def test_without_its_library_the_suite_refuses_and_no_other_takes_its_place(monkeypatch):
    monkeypatch.setitem(sys.modules, "gmssl_pyx", None)
    with pytest.raises(ConfigError, match=r"baotu\[guomi\]"):
        suite("guomi")
    with pytest.raises(ConfigError, match="international, guomi"):
        suite("des")


@pytest.mark.parametrize(
    "text", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"x" * 300]
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(Forged):
        verifier_of(text)
    with pytest.raises(Forged):
        signer_of(text)


def test_a_point_off_the_curve_is_refused():
    pem = SUITES[1].new_signer().public().pem()
    from baotu.trust.primitives.sm2 import SPKI, armoured

    with pytest.raises(Forged):
        verifier_of(armoured("PUBLIC KEY", SPKI + b"\x01" * 64))
    assert verifier_of(pem).algorithm == "sm2"

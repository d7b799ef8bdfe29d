"""Codes of authenticator apps: RFC 6238's own vectors, and oathtool as an independent peer."""

from __future__ import annotations

import subprocess
from base64 import b32decode, b32encode

import pytest

from baotu.trust.people import totp
from tests.peers import need

KEYS = {"sha1": 20, "sha256": 32, "sha512": 64}
VECTORS = [  # RFC 6238, Appendix B: time, algorithm, code
    (59, "sha1", "94287082"), (59, "sha256", "46119246"), (59, "sha512", "90693936"),
    (1111111109, "sha1", "07081804"), (1111111109, "sha256", "68084774"), (1111111109, "sha512", "25091201"),
    (1111111111, "sha1", "14050471"), (1111111111, "sha256", "67062674"), (1111111111, "sha512", "99943326"),
    (1234567890, "sha1", "89005924"), (1234567890, "sha256", "91819424"), (1234567890, "sha512", "93441116"),
    (2000000000, "sha1", "69279037"), (2000000000, "sha256", "90698825"), (2000000000, "sha512", "38618901"),
    (20000000000, "sha1", "65353130"), (20000000000, "sha256", "77737706"), (20000000000, "sha512", "47863826"),
]  # fmt: skip


@pytest.mark.parametrize(("time", "digest", "code"), VECTORS)
def test_the_vectors_of_the_rfc(time, digest, code):
    secret = (b"1234567890" * 7)[: KEYS[digest]]
    assert totp.code(secret, time // 30, 8, digest) == code


@pytest.mark.peer("oathtool")
def test_oathtool_agrees_at_any_time():
    program = need("oathtool")
    for time in (0, 59, 1_780_000_000, 4_102_444_800):
        secret = totp.new_secret()
        told = subprocess.run(
            [program, "--totp", "-b", secret, "-N", f"@{time}"], capture_output=True, text=True, check=True
        )  # fmt: skip
        step = time // 30

        assert totp.code(b32decode(secret), step) == told.stdout.strip()


def test_one_step_of_drift_is_taken_and_two_are_not():
    secret, now = b32encode(b"12345678901234567890").decode(), 1_780_000_000
    for drift, taken in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        code = totp.code(b"12345678901234567890", now // 30 + drift)
        assert bool(totp.matched(secret, code, now * 10**9, 0)) == taken


def test_a_step_that_was_taken_is_not_taken_again():
    secret, now = b32encode(b"12345678901234567890").decode(), 1_780_000_000
    code = totp.code(b"12345678901234567890", now // 30)
    step = totp.matched(secret, code, now * 10**9, 0)

    assert step == now // 30
    assert not totp.matched(secret, code, now * 10**9, step)
    assert not totp.matched(secret, "", now * 10**9, 0)
    assert not totp.matched(secret, "汉字汉字汉字", now * 10**9, 0)


def test_the_address_names_issuer_and_account():
    told = totp.address("ABC", "wang", "Jinan plant")
    assert told == "otpauth://totp/Jinan%20plant%3Awang?secret=ABC&issuer=Jinan%20plant"

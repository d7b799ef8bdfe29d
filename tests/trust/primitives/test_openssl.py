"""The same algorithms by the `openssl` command, in both directions."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from baotu.trust.primitives import Forged, signer_of, suite, verifier_of
from baotu.trust.primitives.suite import NONCE, TAG

from ...peers import need

pytestmark = pytest.mark.peer
INTERNATIONAL, GUOMI = suite("international"), suite("guomi")
DATA = "趵突腾空 springs from the ground".encode() * 9


def openssl(*words: object, given: bytes = b"") -> bytes:
    done = subprocess.run(
        [need("openssl"), *map(str, words)], input=given, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize(("one", "name"), [(INTERNATIONAL, "sha256"), (GUOMI, "sm3")])
def test_hash_hmac_and_hkdf(one, name):
    assert openssl("dgst", f"-{name}", "-binary", given=DATA) == one.hash(DATA)
    key = one.new_key()
    mac = openssl(
        "dgst", f"-{name}", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary", given=DATA
    )
    one.check_mac(key, DATA, mac)
    made = openssl("kdf", "-keylen", 40, "-kdfopt", f"digest:{name}", "-kdfopt", f"hexkey:{key.hex()}",
                   "-kdfopt", "hexsalt:0102", "-kdfopt", "info:chunk", "-binary", "HKDF")  # fmt: skip
    assert made == one.kdf(key, b"chunk", 40, salt=b"\x01\x02")


@pytest.mark.parametrize(("one", "cipher"), [(INTERNATIONAL, "aes-256-ctr"), (GUOMI, "sm4-ctr")])
def test_sealed_text_is_counter_mode_from_two(one, cipher):
    """SP 800-38D 7.1: the text of GCM is CTR from the counter nonce ‖ 2; `openssl enc` has no GCM."""
    key = one.new_key()
    sealed = one.seal(key, DATA, b"bound")
    nonce, text = sealed[1 : 1 + NONCE], sealed[1 + NONCE : -TAG]
    how = ("enc", f"-{cipher}", "-K", key.hex(), "-iv", (nonce + b"\0\0\0\2").hex())
    assert openssl(*how, "-d", given=text) == DATA
    assert openssl(*how, given=DATA) == text


def sign(key: Path, folder: Path, extra: tuple[str, ...]) -> bytes:
    (folder / "data").write_bytes(DATA)
    return openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", folder / "data", *extra)


SM2 = ("-pkeyopt", "distid:1234567812345678", "-digest", "sm3")
KINDS = [
    ("ed25519", ("-algorithm", "ED25519"), (), INTERNATIONAL),
    ("ecdsa-p256", ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), ("-digest", "sha256"), INTERNATIONAL),
    ("sm2", ("-algorithm", "SM2"), SM2, GUOMI),
]  # fmt: skip


@pytest.mark.parametrize(("algorithm", "making", "extra", "one"), KINDS, ids=[k[0] for k in KINDS])
def test_signatures_both_ways_with_keys_of_either_side(algorithm, making, extra, one, tmp_path):
    theirs = tmp_path / "theirs.pem"
    theirs.write_bytes(openssl("genpkey", *making))
    ours = tmp_path / "ours.pem"
    ours.write_bytes(one.new_signer(algorithm).pem())
    for file in (theirs, ours):
        key = signer_of(file.read_bytes())
        assert key.algorithm == algorithm
        public = openssl("pkey", "-in", file, "-pubout")
        assert verifier_of(public).pem() == public == key.public().pem()
        verifier_of(public).verify(DATA, sign(file, tmp_path, extra))
        (tmp_path / "signature").write_bytes(key.sign(DATA))
        (tmp_path / "public").write_bytes(key.public().pem())
        check = ("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", tmp_path / "public", "-in",
                 tmp_path / "data", "-sigfile", tmp_path / "signature", *extra)  # fmt: skip
        assert b"Verified Successfully" in openssl(*check)


def test_an_sm2_signature_for_another_identity_is_refused(tmp_path):
    key = tmp_path / "key"
    key.write_bytes(GUOMI.new_signer().pem())
    made = sign(key, tmp_path, ("-pkeyopt", "distid:somebody", "-digest", "sm3"))
    with pytest.raises(Forged):
        signer_of(key.read_bytes()).public().verify(DATA, made)

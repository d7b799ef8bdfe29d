"""Published vectors: every primitive says what its standard says."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag

from baotu.trust.primitives import suite
from baotu.trust.primitives.guomi import Guomi
from baotu.trust.primitives.international import International
from baotu.trust.primitives.sm2 import IDENTITY, Sm2Key, Sm2Public, on_curve

INTERNATIONAL, GUOMI = International(), Guomi()
h = bytes.fromhex

HASHES = [
    (INTERNATIONAL, b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        INTERNATIONAL,
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (GUOMI, b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
    (GUOMI, b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
]


@pytest.mark.parametrize(("one", "data", "digest"), HASHES)
def test_hashes_of_fips_180_4_and_gbt_32905(one, data, digest):
    assert one.hash(data).hex() == digest
    assert one.hash(data[:1], data[1:]).hex() == digest
    made = one.hasher()
    made.update(data)
    assert made.finalize().hex() == digest


def test_hmac_sha256_of_rfc_4231_case_1():
    key, data = b"\x0b" * 20, b"Hi There"
    mac = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    assert INTERNATIONAL.mac(key, data).hex() == mac


def test_hkdf_sha256_of_rfc_5869_case_1():
    made = INTERNATIONAL.kdf(
        b"\x0b" * 22, h("f0f1f2f3f4f5f6f7f8f9"), 42, salt=h("000102030405060708090a0b0c")
    )
    assert made.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )  # fmt: skip


def test_aes_256_gcm_of_the_gcm_specification_case_16():
    key = h("feffe9928665731c6d6a8f9467308308" * 2)
    nonce, bound = h("cafebabefacedbaddecaf888"), h("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    text = h(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    locked = h(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    assert INTERNATIONAL._lock(key, nonce, text, bound) == locked
    assert INTERNATIONAL._unlock(key, nonce, locked, bound) == text


def test_sm4_gcm_of_rfc_8998_a1():
    key, nonce = h("0123456789abcdeffedcba9876543210"), h("00001234567800000000abcd")
    bound = h("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    text = h("aa" * 8 + "bb" * 8 + "cc" * 8 + "dd" * 8 + "ee" * 8 + "ff" * 8 + "ee" * 8 + "aa" * 8)
    locked = h(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    assert GUOMI._lock(key, nonce, text, bound) == locked
    assert GUOMI._unlock(key, nonce, locked, bound) == text
    with pytest.raises(InvalidTag):
        GUOMI._unlock(key, nonce, locked[:-1] + b"\0", bound)


def test_sm4_of_gbt_32907_example_1():
    """The block itself: GCM's first counter block is what the cipher makes of nonce and 2."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = h("0123456789abcdeffedcba9876543210")
    block = Cipher(algorithms.SM4(key), modes.CTR(key)).encryptor().update(bytes(16))
    assert block.hex() == "681edf34d206965e86b3e94f536e4246"


NUMBER = h("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
POINT = h(
    "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)


def test_sm2_verifies_the_signature_of_gbt_32918_5_a2():
    r = h("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3")
    s = h("b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa")
    signature = h("3046") + h("022100") + r + h("022100") + s
    Sm2Public(POINT).verify(b"message digest", signature)
    Sm2Public(POINT).verify(b"message digest", Sm2Key(NUMBER, POINT).sign(b"message digest"))


def test_z_of_gbt_32918_5_a2_is_made_of_the_default_identity():
    """Z = SM3(ENTL ‖ ID ‖ a ‖ b ‖ xG ‖ yG ‖ xA ‖ yA), with SM3 of this suite."""
    a = "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc"
    b = "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93"
    g = "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"
    g += "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
    z = GUOMI.hash((len(IDENTITY) * 8).to_bytes(2), IDENTITY, h(a + b + g), POINT)
    assert z.hex() == "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"
    assert on_curve(POINT) == POINT


def test_ed25519_of_rfc_8032_7_1_test_2():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from baotu.trust.primitives.asymmetric import Ed25519

    secret = h("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = Ed25519(Ed25519PrivateKey.from_private_bytes(secret))
    assert key.sign(h("72")).hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_argon2id_of_rfc_9106_is_that_of_the_reference_implementation():
    """From the test suite of the reference implementation: t=2, m=64 MiB, p=1."""
    from baotu.trust.primitives import Stretch, stretch

    how = Stretch(salt=b"somesalt" * 2, passes=2, memory_kb=65536, lanes=1)
    from argon2.low_level import Type, hash_secret_raw

    want = hash_secret_raw(b"password", how.salt, 2, 65536, 1, 32, Type.ID)
    assert stretch(suite(), "password", how) == want

"""Hashes and proofs: the published values, and a naive reading of RFC 6962 beside ours."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from baotu.trust.audit.formats import SHA256, WIDTH, Damaged, Hashing, climb, place, split, widths
from baotu.trust.audit.tiles import Reader, consistent
from tests.trust.audit.logs import entries, written

# Inputs and roots of the reference test of Certificate Transparency (merkle_tree_test.cc)
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
SIZE = 1_300


def naive(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\1" + naive(hashes[:k]) + naive(hashes[k:])).digest()


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Reader:
    folder = tmp_path_factory.mktemp("log")
    written(folder, SIZE, (1, 300, 7, 512))
    return Reader(folder)


@pytest.fixture(scope="module")
def leaves() -> list[bytes]:
    return SHA256.leaves(entries(1, SIZE))


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_the_published_ones(size):
    assert SHA256.root(SHA256.leaves(LEAVES[:size])).hex() == ROOTS[size]


def test_lifting_what_is_left_over_is_the_recursion_of_the_standard():
    hashes = [SHA256.leaf(bytes([n % 256])) for n in range(600)]
    assert all(SHA256.root(hashes[:n]) == naive(hashes[:n]) for n in range(600))


def test_the_right_edge_gives_the_root(reader, leaves):
    assert reader.checkpoint().root == naive(leaves)
    assert all(reader.root(n) == naive(leaves[:n]) for n in range(0, SIZE, 37))


def test_another_hash_function_makes_another_tree():
    other = Hashing("sha512_256") if "sha512_256" in hashlib.algorithms_available else None
    if other is None:
        pytest.skip("this OpenSSL has no SHA-512/256")
    assert len(other.root(other.leaves(LEAVES))) == 32
    assert other.root(other.leaves(LEAVES)).hex() != ROOTS[8]


def test_every_inclusion_proof_leads_to_the_root(reader, leaves):
    for size in (1, 2, 3, 255, 256, 257, 511, 1024, SIZE):
        root = reader.root(size)
        for index in {0, 1, size // 2, size - 1} & set(range(size)):
            path = reader.inclusion(index, size)
            assert climb(index, size, leaves[index], path) == root
            assert len(path) <= size.bit_length()


def test_a_wrong_inclusion_proof_is_refused(reader, leaves):
    dice = random.Random(3)
    for _ in range(200):
        index = dice.randrange(SIZE)
        path = reader.inclusion(index, SIZE)
        at = dice.randrange(len(path))
        wrong = [
            (index, leaves[(index + 1) % SIZE], path),
            ((index + 1) % SIZE, leaves[index], path),
            (index, leaves[index], [*path[:at], bytes(32), *path[at + 1 :]]),
            (index, leaves[index], path[:at] + path[at + 1 :]),
            (index, leaves[index], [*path, bytes(32)]),
        ]
        for place_, leaf, hashes in wrong:
            try:
                assert climb(place_, SIZE, leaf, hashes) != reader.root(SIZE)
            except Damaged:
                continue


def test_consistency_holds_between_any_two_sizes(reader):
    sizes = [0, 1, 2, 3, 4, 255, 256, 257, 512, 700, 1024, SIZE]
    for old in sizes:
        for size in sizes:
            if old <= size:
                proof = reader.consistency(old, size)
                consistent(old, size, reader.root(old), reader.root(size), proof)


def test_a_wrong_consistency_proof_is_refused(reader):
    dice = random.Random(4)
    for _ in range(200):
        old, size = sorted(dice.sample(range(1, SIZE + 1), 2))
        proof, before, root = reader.consistency(old, size), reader.root(old), reader.root(size)
        at = dice.randrange(len(proof))
        for hashes, one, other in (
            ([*proof[:at], bytes(32), *proof[at + 1 :]], before, root),
            (proof[:at] + proof[at + 1 :], before, root),
            ([*proof, bytes(32)], before, root),
            (proof, reader.root(old - 1), root),
            (proof, before, bytes(32)),
        ):
            with pytest.raises(Damaged):
                consistent(old, size, one, other, hashes)


def test_tiles_are_named_as_the_specification_says():
    assert place(0, 1_234_067) == "tile/0/x001/x234/067"
    assert place("entries", 0, 5) == "tile/entries/000.p/5"
    assert widths(70_000) == [(273, 112), (1, 17), (0, 1)]
    assert widths(256) == [(1, 0), (0, 1)]


def test_a_bundle_that_is_cut_is_refused():
    with pytest.raises(Damaged):
        list(split(b"\0\5abc"))
    assert list(split(b"\0\1a\0\0")) == [b"a", b""]


def test_records_are_found_by_their_ids_also_with_gaps(tmp_path: Path):
    from baotu.trust.audit.log import Log
    from baotu.trust.audit.record import Canonical
    from tests.trust.audit.logs import SIGNER, row

    ids = [n + n // 10 * 7 for n in range(1, 1001)]
    log, made = Log(tmp_path, SIGNER), Canonical()
    log.append([made(row(id)) for id in ids])
    reader = Reader(tmp_path)
    assert [reader.find(id, 1000) for id in ids[::13]] == list(range(0, 1000, 13))
    assert reader.find(ids[20] + 1, 1000) in (None, 21)
    assert reader.find(10**9, 1000) is None
    assert reader.find(0, 1000) is None
    assert WIDTH * 3 < 1000

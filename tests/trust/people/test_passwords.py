"""Which passwords are taken, how they are kept, and that a flood of them eats nothing."""

from __future__ import annotations

import threading

import pytest

from baotu.sdk import Invalid, Unreachable
from baotu.trust.people.passwords import AT_ONCE, MAY_WAIT, Hasher, check, kinds_of


@pytest.fixture(scope="module")
def hasher() -> Hasher:
    return Hasher(19, 2)


@pytest.mark.parametrize(
    "password",
    [
        "Drei blaue Pumpen 7",
        "korrekt pferd batterie heftklammer",
        "泉城里有七十二名泉三股水",
        "xK9#mQ2vLp",
    ],
)
def test_long_ones_of_any_kind_and_shorter_ones_of_three_kinds_are_taken(password):
    if password.startswith("泉"):  # twelve characters, one kind: too short without others
        with pytest.raises(Invalid):
            check(password, ())
        check(password + "Aa1", ())
    else:
        check(password, ())


@pytest.mark.parametrize(
    "password",
    [
        "short1A!",
        "aaaaaaaaaaaaaaaaaaaa",
        "password1234567",
        "Password123!",
        "qwertyuiopasdfgh",
        "1234567890123456",
    ],
)
def test_short_and_common_ones_are_refused_with_what_to_do(password):
    with pytest.raises(Invalid) as refused:
        check(password, ())
    assert refused.value.field == "password"


def test_the_name_of_the_person_is_no_password():
    with pytest.raises(Invalid):
        check("wanggong-wanggong", ("wanggong",))


def test_kinds_count_other_writings_as_others():
    assert kinds_of("aA1汉") == 4
    assert kinds_of("汉字") == 1


def test_it_is_argon2id_with_its_parameters_and_the_same_in_another_form(hasher):
    kept = hasher.hash("Ｄrei blaue Pumpen")  # a full-width letter: NFKC makes it the same

    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hasher.verify(kept, "Drei blaue Pumpen")
    assert not hasher.verify(kept, "drei blaue Pumpen")


def test_new_parameters_make_old_hashes_stale(hasher):
    kept = hasher.hash("Drei blaue Pumpen")

    assert not hasher.stale(kept)
    assert Hasher(19, 3).stale(kept)


def test_nobody_is_verified_by_an_empty_hash_not_even_by_the_dummy(hasher):
    assert not hasher.verify("", "nobody has this")


def test_at_most_two_are_hashed_at_once_and_few_wait(hasher, monkeypatch):
    inside, most, refused, go = [], [], [], threading.Event()
    lock = threading.Lock()

    class Slow:
        def hash(self, password):
            with lock:
                inside.append(1)
                most.append(len(inside))
            go.wait(30)
            with lock:
                inside.pop()
            return "x"

    slow = Hasher(19, 2)
    monkeypatch.setattr(slow, "_argon", Slow)

    def ask():
        try:
            slow.hash("x")
        except Unreachable:
            refused.append(1)

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE + MAY_WAIT + 5)]
    for thread in threads:
        thread.start()
    while len(refused) < 5:  # those beyond are refused at once, while the first are still inside
        threading.Event().wait(0.01)
    go.set()
    for thread in threads:
        thread.join(30)

    assert max(most) <= AT_ONCE
    assert len(refused) == 5

"""Signing in: the same words and time for all who fail, growing delays, second factors, replay."""

from __future__ import annotations

import statistics
import time
from base64 import b32decode
from dataclasses import replace

import pytest

from baotu.sdk import Anonymous, Conflict, Denied, Invalid
from baotu.sdk.people import TooMany
from baotu.trust.people import totp
from baotu.trust.people.keys import digest
from baotu.trust.people.signin import WRONG

from .bench import HERE, OTHER, PASSWORD, Bench

ELSEWHERE = replace(HERE, address="2001:db8:bad::1")


@pytest.fixture
def bench(tmp_path):
    with Bench(tmp_path) as bench:
        yield bench


def wrong(bench: Bench, name: str = "wang", visit=ELSEWHERE, password: str = "wrong") -> Exception:
    with pytest.raises(Denied) as refused:
        bench.people.sign_in(name, password, visit)
    return refused.value


def authenticator(bench: Bench, step) -> tuple[bytes, list[str]]:
    """Set up for whoever this session is of: the seed and the recovery codes."""
    caller = bench.caller(step)
    secret, _ = bench.people.totp_begin(caller)
    key = b32decode(secret)
    return key, list(bench.people.totp_done(caller, code(bench, key)))


def code(bench: Bench, key: bytes) -> str:
    return totp.code(key, bench.clock.now() // 10**9 // 30)


def test_the_right_password_gives_a_session_of_whoever_has_it(bench):
    bench.person("wang", "engineer")
    step = bench.people.sign_in(" WANG ", PASSWORD, HERE)
    caller = bench.caller(step)

    assert step.next == "done"
    assert (caller.name, caller.organisation, caller.kind) == ("wang", "plant", "person")
    assert caller.roles == {"engineer"}
    assert "config.change" in caller.permissions
    assert "roles.grant" not in caller.permissions


def test_unknown_wrong_and_disabled_have_the_same_words(bench):
    bench.person("wang")
    bench.person("li")
    admin = bench.caller(bench.person("zhao", "system_admin"))
    bench.call(admin, "disable", account="li", reason="left")

    told = {
        str(wrong(bench)),
        str(wrong(bench, "nobody")),
        str(wrong(bench, "li", password=PASSWORD)),
    }
    assert len(told) == 1
    assert WRONG.split()[0] in told.pop()


def test_unknown_and_wrong_take_the_same_time(bench):
    """As a ratio of medians, in turns: the hash is most of both."""
    bench.person("wang")
    bench.people.hasher.warm()
    took: dict[str, list[float]] = {"wang": [], "nobody": []}
    for number in range(30):
        for name, times in took.items():
            visit = replace(HERE, address=f"2001:db8:{number:x}::1")
            bench.later(1000)
            began = time.perf_counter()
            wrong(bench, name, visit)
            times.append(time.perf_counter() - began)

    ratio = statistics.median(took["wang"]) / statistics.median(took["nobody"])
    assert 0.8 < ratio < 1.25


def test_who_fails_waits_longer_each_time_and_at_most_a_quarter_of_an_hour(bench):
    bench.person("wang")
    waits: list[float] = []
    for number in range(40):
        try:
            bench.people.sign_in("wang", "wrong", replace(HERE, address=f"2001:db8:{number}::1"))
        except TooMany as many:
            waits.append(many.wait_s)
            bench.later(many.wait_s + 0.1)
        except Denied:
            pass

    assert waits == sorted(waits)
    assert waits[0] <= 2
    assert waits[-1] == pytest.approx(900, abs=1)


def test_the_wait_is_the_same_for_a_name_that_does_not_exist(bench):
    bench.person("wang")

    def tries(name: str) -> int:
        for number in range(50):
            try:
                bench.people.sign_in(name, "wrong", replace(HERE, address=f"2001:db8:{number}::1"))
            except TooMany:
                return number
            except Denied:
                continue
        return 0

    assert tries("wang") == tries("nobody") == 5


def test_an_attacker_cannot_keep_the_person_out(bench):
    first = bench.people.sign_in("wang", PASSWORD, HERE) if bench.person("wang") else None
    for number in range(30):
        try:
            bench.people.sign_in(
                "wang", "wrong", replace(ELSEWHERE, address=f"2001:db8:{number}::1")
            )
        except Denied:
            continue
    with pytest.raises(TooMany):
        bench.people.sign_in("wang", PASSWORD, ELSEWHERE)  # a stranger's browser has to wait

    assert first is not None
    known = replace(HERE, known=first.known)
    assert bench.people.sign_in("wang", PASSWORD, known).next == "done"


def test_what_a_browser_keeps_is_good_for_its_own_account_only(bench):
    li = bench.person("li")
    bench.person("wang")
    for number in range(6):
        try:
            bench.people.sign_in(
                "wang", "wrong", replace(ELSEWHERE, address=f"2001:db8:{number}::1")
            )
        except Denied:
            continue
    with pytest.raises(TooMany):
        bench.people.sign_in("wang", PASSWORD, replace(HERE, known=li.known))


def test_one_address_cannot_try_many_names(bench):
    tried = 0
    with pytest.raises(TooMany):
        for number in range(200):
            try:
                bench.people.sign_in(
                    f"name{number}", "wrong", replace(HERE, address=f"2001:db8::{number:x}")
                )
            except TooMany:
                raise
            except Denied:
                tried += 1
    assert tried == 30, "a whole /64 counts as one"


def test_a_good_account_of_ones_own_buys_no_tries_at_others(bench):
    bench.person("eve")
    tried = 0
    with pytest.raises(TooMany):
        for number in range(200):
            try:
                bench.people.sign_in(f"name{number}", "wrong", ELSEWHERE)
            except TooMany:
                raise
            except Denied:
                tried += 1
            bench.people.sign_in("eve", PASSWORD, ELSEWHERE)
    assert tried <= 31


def test_an_office_behind_one_address_signs_in_all_day(bench):
    key, _ = authenticator(bench, bench.person("wang"))
    for _ in range(50):
        bench.later(31)
        step = bench.people.sign_in("wang", PASSWORD, ELSEWHERE)
        assert bench.people.second(step.ticket, code(bench, key), ELSEWHERE).next == "done"


def test_failures_are_a_few_lines_in_the_audit_and_no_unknown_name_is_written(bench):
    bench.person("wang")
    for number in range(300):
        try:
            bench.people.sign_in(
                "wang" if number % 2 else f"hunter{number}",
                "wrong",
                replace(HERE, address=f"2001:db8:{number:x}::1"),
            )
        except Denied:
            continue
    bench.people.turn()
    told = [row for row in bench.audit() if row[2] == "denied"]

    assert 1 <= len(told) <= 20
    assert any(row[0] == "wang" for row in told)
    assert not any("hunter" in " ".join(row) for row in told)


def test_failures_before_are_shown_after_signing_in(bench):
    bench.person("wang")
    for _ in range(3):
        wrong(bench)
    bench.people.turn()
    step = bench.people.sign_in("wang", PASSWORD, replace(HERE, address="2001:db8:2::1"))
    again = bench.people.me(bench.caller(step))

    assert again.failed == 3
    assert again.last_from == HERE.address


def test_many_at_once_are_many(bench):
    """Counted when they begin: a hundred in parallel do not all count as the first."""
    from concurrent.futures import ThreadPoolExecutor

    bench.person("wang")

    def attempt(number: int) -> str:
        try:
            bench.people.sign_in("wang", "wrong", replace(HERE, address=f"2001:db8:{number:x}::1"))
        except Exception as refused:
            return type(refused).__name__
        return "in"

    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(attempt, range(40)))
    assert told.count("Denied") <= 5
    assert "in" not in told


# second factors ------------------------------------------------------------------------------------
def test_with_an_authenticator_a_password_is_not_enough(bench):
    key, codes = authenticator(bench, bench.person("wang", "engineer"))
    bench.later(60)
    step = bench.people.sign_in("wang", PASSWORD, HERE)

    assert (step.next, step.session) == ("second", "")
    assert step.factors == ("totp", "code")
    assert len(set(codes)) == 10
    done = bench.people.second(step.ticket, code(bench, key), HERE)
    assert bench.caller(done).name == "wang"


def test_a_code_is_good_once_also_for_two_who_are_equally_fast(bench):
    key, _ = authenticator(bench, bench.person("wang"))
    bench.later(60)
    first = bench.people.sign_in("wang", PASSWORD, HERE)
    second = bench.people.sign_in("wang", PASSWORD, HERE)
    shown = code(bench, key)

    assert bench.people.second(first.ticket, shown, HERE).next == "done"
    with pytest.raises(Denied):
        bench.people.second(second.ticket, shown, HERE)


def test_a_recovery_code_is_good_once(bench):
    _, codes = authenticator(bench, bench.person("wang"))
    step = bench.people.sign_in("wang", PASSWORD, HERE)
    assert bench.people.second(step.ticket, codes[3].upper().replace("-", " "), HERE).next == "done"

    step = bench.people.sign_in("wang", PASSWORD, HERE)
    with pytest.raises(Denied):
        bench.people.second(step.ticket, codes[3], HERE)
    caller = bench.caller(bench.people.second(step.ticket, codes[4], HERE))
    assert bench.people.me(caller).codes == 8


def test_a_ticket_is_good_for_few_tries_and_five_minutes(bench):
    key, _ = authenticator(bench, bench.person("wang"))
    step = bench.people.sign_in("wang", PASSWORD, HERE)
    for number in range(4):
        with pytest.raises(Denied):
            bench.people.second(
                step.ticket, "000000", replace(HERE, address=f"2001:db8:{number}::1")
            )
    bench.later(2000)
    with pytest.raises(Anonymous):
        bench.people.second(step.ticket, code(bench, key), HERE)


def test_a_role_that_asks_for_a_second_factor_waits_for_it(tmp_path):
    with Bench(tmp_path, second_factor=("engineer",)) as bench:
        step = bench.person("wang", "engineer", "viewer")
        before = bench.caller(step)
        assert before.roles == {"viewer"}
        assert "config.change" not in before.permissions
        assert bench.people.me(before).waits == ("engineer",)

        authenticator(bench, step)
        after = bench.caller(step)
        assert after.roles == {"viewer", "engineer"}
        assert "config.change" in after.permissions


def test_the_seed_lies_sealed_and_codes_lie_as_digests(bench):
    step = bench.person("wang")
    caller = bench.caller(step)
    secret, _ = bench.people.totp_begin(caller)
    codes = bench.people.totp_done(caller, code(bench, b32decode(secret)))
    token = bench.people.token_new(
        bench.caller(bench.person("li", "viewer")), "t", ["assets.read"], 1
    )
    kept = repr(bench.store.dump())

    for planted in (secret, *codes, token, step.session, step.known, PASSWORD):
        assert planted not in kept
    assert digest(step.session) in kept


# passwords -----------------------------------------------------------------------------------------
def test_an_expired_password_is_changed_before_there_is_a_session(tmp_path):
    with Bench(tmp_path, password_days=90.0) as bench:
        bench.person("wang")
        bench.later(91 * 86400)
        step = bench.people.sign_in("wang", PASSWORD, HERE)
        assert (step.next, step.session) == ("password", "")

        with pytest.raises(Invalid):
            bench.people.renew(step.ticket, PASSWORD, HERE)
        assert bench.people.renew(step.ticket, OTHER, HERE).next == "done"
        wrong(bench, password=PASSWORD)


def test_former_passwords_are_not_taken_again(tmp_path):
    with Bench(tmp_path, password_history=2) as bench:
        caller = bench.caller(bench.person("wang"))
        others = [f"{OTHER} Nummer {n}" for n in range(3)]
        before = PASSWORD
        for new in others:
            bench.people.set_password(caller, before, new, HERE)
            before = new
        for used in others:
            with pytest.raises(Invalid):
                bench.people.set_password(caller, before, used, HERE)
        bench.people.set_password(caller, before, PASSWORD, HERE)  # far enough back


def test_a_new_password_ends_all_other_sessions(bench):
    here = bench.person("wang")
    there = bench.people.sign_in("wang", PASSWORD, HERE)
    bench.people.set_password(bench.caller(here), PASSWORD, OTHER, HERE)

    assert bench.caller(here).name == "wang"
    with pytest.raises(Anonymous):
        bench.caller(there)


def test_keys_change_only_a_short_while_after_the_person_was_there(bench):
    step = bench.person("wang", "viewer")
    caller = bench.caller(step)
    bench.later(1000)
    for act in (
        lambda: bench.people.totp_begin(caller),
        lambda: bench.people.token_new(caller, "t", ["assets.read"], 1),
        lambda: bench.people.passkey_new(caller, HERE),
    ):
        with pytest.raises(Denied):
            act()
    with pytest.raises(Invalid):
        bench.people.confirm(caller, "wrong", HERE)
    bench.people.confirm(caller, PASSWORD, HERE)
    assert bench.people.token_new(caller, "t", ["assets.read"], 1).startswith("bt_")


def test_hashes_grow_with_the_parameters_at_the_next_sign_in(tmp_path):
    with Bench(tmp_path) as bench:
        bench.person("wang")
        assert "t=2" in bench.account("wang").password
    with Bench(tmp_path, hash_rounds=3) as bench:
        bench.people.sign_in("wang", PASSWORD, HERE)
        assert "t=3" in bench.account("wang").password
        assert bench.people.sign_in("wang", PASSWORD, HERE).next == "done"


def test_a_passkey_needs_a_name_and_says_so(bench):
    caller = bench.caller(bench.person("wang"))
    for origin in ("http://[::1]:8080", "https://192.0.2.1", "http://plant.example"):
        with pytest.raises(Invalid, match="Passkeys"):
            bench.people.passkey_new(caller, replace(HERE, origin=origin))
    assert bench.people.passkey_new(caller, replace(HERE, origin="https://plant.example"))


def test_an_odd_answer_of_a_passkey_is_refused_not_a_bug(bench):
    for answer in (
        {},
        {"id": "x"},
        {"rawId": "AAAA", "response": {"userHandle": "汉"}},
        {"rawId": 3},
    ):
        ticket, _ = bench.people.passkey_options("", HERE)
        with pytest.raises((Denied, Conflict)):
            bench.people.passkey(ticket, answer, HERE)
        with pytest.raises(Anonymous):
            bench.people.passkey(ticket, answer, HERE)

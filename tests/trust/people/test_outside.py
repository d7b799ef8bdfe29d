"""Identities of other providers: who signs in with one, what it gives, and what it never gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baotu.sdk import Conflict, Denied
from baotu.sdk.people import TooMany
from baotu.trust.people import totp
from baotu.trust.people.holders import Holders
from baotu.trust.people.outside import NoAccount, Proved, changes
from tests.trust.people.bench import HERE, Bench

LI = Proved(
    provider="firm", provider_title="Firm", issuer="https://login.firm.example", subject="u1",
    name="li", title="李娜",
)  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        yield bench


def roles(bench: Bench, name: str) -> set[str]:
    known = bench.people.by_name(name)
    assert known is not None
    return set(bench.people.sessions.roles(known.id))


def reason(bench: Bench, who: Proved) -> str:
    with pytest.raises(NoAccount) as refused:
        bench.people.enter(who, HERE)
    return refused.value.code


def test_a_name_that_is_the_same_proves_nothing(bench: Bench) -> None:
    bench.person("li", "engineer")
    assert reason(bench, LI) == "unknown"
    assert reason(bench, replace(LI, make=True)) == "taken"
    denied = [row for row in bench.audit() if row[2] == "denied"]
    assert len(denied) == 2 and all("li (u1)" in row[3] for row in denied)


def test_who_links_an_identity_signs_in_with_it_and_unlinks_it(bench: Bench) -> None:
    caller = bench.caller(bench.person("li", "operator"))
    bench.people.link_own(caller, LI)
    step = bench.people.enter(LI, HERE)
    assert step.next == "done" and bench.caller(step).name == "li"
    assert bench.caller(step).roles == {"operator"}
    with pytest.raises(Conflict):  # it belongs to one account only
        bench.people.link_own(bench.caller(bench.person("wang")), LI)
    assert reason(bench, replace(LI, subject="u2")) == "unknown"
    assert reason(bench, replace(LI, issuer="https://evil.example")) == "unknown"
    [mine] = bench.people.me(caller).identities
    bench.people.identity_remove(caller, mine.id)
    assert reason(bench, LI) == "unknown"
    verbs = [row[1].partition(".")[2] for row in bench.audit()]
    assert {"link_identity", "unlink_identity"} <= set(verbs)


def test_linking_needs_somebody_who_proved_to_be_there_a_short_while_ago(bench: Bench) -> None:
    caller = bench.caller(bench.person("li"))
    bench.later(1000)
    with pytest.raises(Denied):
        bench.people.recent(caller)
    with pytest.raises(Denied):
        bench.people.link_own(caller, LI)


def test_a_new_account_follows_its_groups_and_what_officers_gave_stays(bench: Bench) -> None:
    who = replace(LI, make=True, roles=("operator", "system_admin", "nonsense"))
    first = bench.people.enter(who, HERE)
    assert roles(bench, "li") == {"operator"}, "no officer is ever made from outside"
    assert bench.account("li").title == "李娜"
    security = bench.caller(bench.person("qian", "security_admin"))
    bench.call(security, "grant", account="li", role="maintainer")
    bench.people.enter(replace(who, roles=("viewer",)), HERE)
    assert roles(bench, "li") == {"maintainer", "viewer"}
    with pytest.raises(Denied):  # whoever lost a role begins anew
        bench.caller(first)
    bench.call(security, "grant", account="li", role="audit_admin")
    bench.people.enter(replace(who, roles=("operator",)), HERE)
    assert roles(bench, "li") == {"maintainer", "audit_admin"}, "an officer follows no group"


def test_roles_of_a_linked_account_are_not_changed_from_outside(bench: Bench) -> None:
    bench.people.link_own(bench.caller(bench.person("li", "viewer")), LI)
    bench.people.enter(replace(LI, roles=("engineer",), make=True), HERE)
    assert roles(bench, "li") == {"viewer"}


@pytest.mark.parametrize(
    ("given", "held", "expected"),
    [
        (("viewer",), {}, ({"viewer"}, set())),
        (("viewer",), {"viewer": "qian"}, (set(), set())),
        ((), {"viewer": "firm group"}, (set(), {"viewer"})),
        ((), {"viewer": "other group"}, (set(), set())),
        (("audit_admin",), {}, (set(), set())),
        (("viewer",), {"audit_admin": "qian", "operator": "firm group"}, (set(), {"operator"})),
    ],
)
def test_groups_give_and_take_only_what_is_theirs(
    given: tuple[str, ...], held: dict[str, str], expected: Any
) -> None:
    assert changes(held, "firm group", given) == expected


def test_factors_count_as_the_provider_is_trusted_and_never_for_an_officer(tmp_path: Path) -> None:
    with Bench(tmp_path, second_factor=("system_admin", "engineer")) as bench:
        for name, role in (("li", "engineer"), ("zhao", "system_admin")):
            caller = bench.caller(bench.person(name, role))
            who = replace(LI, subject=name)
            bench.people.link_own(caller, who)
            assert bench.caller(bench.people.enter(who, HERE)).roles == set()
            trusted = bench.caller(bench.people.enter(replace(who, second=True), HERE)).roles
            assert trusted == ({"engineer"} if name == "li" else set())
            secret, _ = bench.people.totp_begin(caller)
            bench.people.totp_done(caller, code(bench, secret))
            step = bench.people.enter(replace(who, second=name == "zhao"), HERE)
            assert step.next == "second" and "totp" in step.factors
            bench.later(30)
            done = bench.people.second(step.ticket, code(bench, secret), HERE)
            assert bench.caller(done).roles == {role}
            assert bench.people.me(bench.caller(done)).sessions[0].how == "Firm + totp"


def code(bench: Bench, secret: str) -> str:
    from base64 import b32decode

    return totp.code(b32decode(secret), bench.clock.now() // 10**9 // 30)


def test_a_disabled_account_stays_out_and_an_old_password_does_not_matter(tmp_path: Path) -> None:
    with Bench(tmp_path, password_days=1, idle_min=1440) as bench:
        bench.people.link_own(bench.caller(bench.person("li")), LI)
        bench.later(3 * 86400)
        assert bench.people.enter(LI, HERE).next == "done"
        admin = bench.caller(bench.person("zhao", "system_admin"))
        bench.call(admin, "disable", account="li", reason="left")
        assert reason(bench, LI) == "disabled"
        bench.call(admin, "enable", account="li")
        assert bench.people.enter(LI, HERE).next == "done"


def test_an_administrator_links_and_unlinks_others_but_no_officer(bench: Bench) -> None:
    admin = bench.caller(bench.person("zhao", "system_admin"))
    bench.person("qian", "security_admin")
    bench.call(admin, "create", name="li", title="李娜")
    link = {"issuer": LI.issuer, "subject": LI.subject, "reason": "new here"}
    for whose in ("qian", "zhao"):
        with pytest.raises(Conflict):
            bench.call(admin, "link_identity", account=whose, **link)
    bench.call(admin, "link_identity", account="li", **link)
    with pytest.raises(Conflict):
        bench.call(admin, "link_identity", account="li", **link)
    here = bench.people.enter(LI, HERE)
    assert bench.caller(here).name == "li"
    with pytest.raises(Denied):  # nobody has given it a password
        bench.people.sign_in("li", "", HERE)
    assert bench.call(admin, "unlink_identities", account="li", reason="over") == 1
    with pytest.raises(Denied):
        bench.caller(here)
    assert reason(bench, LI) == "unknown"


def test_the_only_way_to_sign_in_is_not_thrown_away(bench: Bench) -> None:
    caller = bench.caller(bench.people.enter(replace(LI, make=True), HERE))
    [mine] = bench.people.me(caller).identities
    with pytest.raises(Conflict):
        bench.people.identity_remove(caller, mine.id)


def test_whoever_tries_without_end_waits(bench: Bench) -> None:
    for _ in range(5):
        assert reason(bench, LI) == "unknown"
    with pytest.raises(TooMany):
        bench.people.enter(LI, HERE)


# what our own provider tells of accounts -----------------------------------------------------------
def test_a_subject_is_for_ever_and_says_nothing_and_lasts_as_long_as_the_session(
    bench: Bench,
) -> None:
    holders = Holders(bench.people)
    first, second = bench.person("li", "operator"), bench.people.sign_in
    caller = bench.caller(first)
    subject = holders.subject(caller)
    assert len(subject) >= 40 and holders.title(subject) == "Li"
    again = bench.caller(second("li", "Drei blaue Pumpen 7", HERE))
    assert holders.subject(again) == subject and again.via != caller.via
    known = holders.caller(subject, caller.via)
    assert known is not None and (known.name, known.roles) == ("li", {"operator"})
    other = bench.caller(bench.person("wang"))
    assert holders.subject(other) != subject
    assert holders.caller(holders.subject(other), caller.via) is None, "another's session"
    for odd in ("", "token:1", "session:", "session:x", "session:999"):
        assert holders.caller(subject, odd) is None
    holders.end(subject, caller.via)
    assert holders.caller(subject, caller.via) is None
    assert holders.caller(subject, again.via) is not None
    admin = bench.caller(bench.person("zhao", "system_admin"))
    bench.call(admin, "disable", account="li", reason="left")
    assert holders.caller(subject, again.via) is None


def test_what_is_told_ends_when_the_session_goes_idle(bench: Bench) -> None:
    holders, caller = Holders(bench.people), bench.caller(bench.person("li"))
    subject = holders.subject(caller)
    assert holders.signed_in(caller) == bench.clock.now() // 10**9
    bench.later(59 * 60)
    assert holders.caller(subject, caller.via) is not None
    bench.later(2 * 60)
    assert holders.caller(subject, caller.via) is None

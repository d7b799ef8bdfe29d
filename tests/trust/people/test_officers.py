"""Three officers who are three people, one-time links, and what nobody does alone."""

from __future__ import annotations

import pytest

from baotu.sdk import Anonymous, Conflict, Denied, Invalid
from baotu.sdk.trust import ROLES

from .bench import HERE, OTHER, PASSWORD, Bench


@pytest.fixture
def bench(tmp_path):
    with Bench(tmp_path) as bench:
        yield bench


@pytest.fixture
def admin(bench):
    return bench.caller(bench.person("zhao", "system_admin"))


@pytest.fixture
def guard(bench):
    return bench.caller(bench.person("qian", "security_admin"))


def begin(bench: Bench):
    """The first start: (step of the first administrator, links of the other two)."""
    link = bench.people.first_link()
    step = bench.people.accept(link.secret, "Zhao", "赵磊", PASSWORD, HERE)
    return step, {made.role: made for made in step.links}


def test_an_account_without_a_role_may_do_nothing(bench, admin):
    assert bench.call(admin, "create", name="Wang", title="王工") == "wang"
    link = bench.people.link("wang", admin)
    caller = bench.caller(bench.people.accept(link.secret, "", "", PASSWORD, HERE))

    assert link.kind == "enrol"
    assert caller.permissions == frozenset()
    assert bench.people.me(caller).roles == ()


def test_who_makes_accounts_grants_no_role_and_the_other_way_round(bench, admin, guard):
    bench.call(admin, "create", name="wang", title="王工")
    with pytest.raises(Denied):
        bench.call(admin, "grant", account="wang", role="engineer")
    with pytest.raises(Denied):
        bench.call(guard, "create", name="li", title="李")
    with pytest.raises(Denied):
        bench.people.link("wang", guard)
    assert bench.call(guard, "grant", account="wang", role="engineer") == ["engineer"]


def test_the_three_officers_are_three_people(bench, guard):
    bench.person("sun", "audit_admin")
    for role in ("system_admin", "security_admin"):
        with pytest.raises(Conflict):
            bench.call(guard, "grant", account="sun", role=role)
    assert bench.call(guard, "grant", account="sun", role="viewer") == ["audit_admin", "viewer"]


def test_nobody_changes_what_they_may_do(bench, admin, guard):
    for verb in ("grant", "revoke"):
        with pytest.raises(Conflict):
            bench.call(guard, verb, account="qian", role="viewer")
    for verb in ("disable", "forget_factors"):
        with pytest.raises(Conflict):
            bench.call(admin, verb, account="zhao", reason="r")
    with pytest.raises(Conflict):
        bench.people.link("zhao", admin)


def test_the_system_administrator_cannot_take_over_an_officer(bench, admin, guard):
    """A link for a new password, or factors taken off, would be that officer's work."""
    with pytest.raises(Conflict, match="officer"):
        bench.people.link("qian", admin)
    with pytest.raises(Conflict, match="officer"):
        bench.call(admin, "forget_factors", account="qian", reason="r")
    assert bench.people.machine_link("qian").kind == "reset"  # at the machine, audited


def test_officers_see_nothing_of_each_others_work(bench, admin, guard):
    audit = bench.caller(bench.person("sun", "audit_admin"))
    everything = [admin.permissions, guard.permissions, audit.permissions]
    for one in everything:
        for other in everything:
            assert one is other or not one & other
    assert "audit.read" in audit.permissions


def test_unknown_roles_names_and_accounts_are_refused(bench, admin, guard):
    bench.call(admin, "create", name="wang", title="王工")
    with pytest.raises(Invalid):
        bench.call(guard, "grant", account="wang", role="king")
    with pytest.raises(Conflict):
        bench.call(guard, "grant", account="nobody", role="viewer")
    for name in ("x", "a b", "local", "platform", "12345", "x" * 41, "a/b", "<b>"):
        with pytest.raises(Invalid):
            bench.call(admin, "create", name=name, title="t")
    with pytest.raises(Conflict):
        bench.call(admin, "create", name="WANG", title="t")


def test_the_first_start_makes_three_people(bench):
    step, links = begin(bench)
    first = bench.caller(step)
    assert first.roles == {"system_admin"}
    assert set(links) == {"security_admin", "audit_admin"}

    for role, link in links.items():
        told = bench.people.invitation(link.secret)
        assert (told.kind, told.role) == ("officer", role)
        other = bench.people.accept(link.secret, role.replace("_", "-"), "其他人", OTHER, HERE)
        assert bench.caller(other).roles == {role}
        assert other.links == ()
    assert all(ROLES[r["roles"][0]].officer for r in bench.people.machine_accounts())


def test_the_first_link_is_good_once_and_void_after_a_restart(bench):
    old, new = bench.people.first_link(), bench.people.first_link()
    with pytest.raises(Anonymous):
        bench.people.accept(old.secret, "zhao", "赵", PASSWORD, HERE)
    bench.people.accept(new.secret, "zhao", "赵", PASSWORD, HERE)
    with pytest.raises(Anonymous):
        bench.people.accept(new.secret, "eve", "E", PASSWORD, HERE)
    assert bench.people.first_link() is None


def test_a_link_ends_and_a_weak_password_does_not_use_it_up(bench, admin):
    bench.call(admin, "create", name="wang", title="王工")
    link = bench.people.link("wang", admin)
    with pytest.raises(Invalid):
        bench.people.accept(link.secret, "", "", "weak", HERE)
    assert bench.people.invitation(link.secret).account == "wang"
    bench.later(73 * 3600)
    with pytest.raises(Anonymous):
        bench.people.accept(link.secret, "", "", PASSWORD, HERE)


def test_a_new_link_voids_the_one_before_and_disabling_voids_all(bench, admin):
    bench.call(admin, "create", name="wang", title="王工")
    first, second = bench.people.link("wang", admin), bench.people.link("wang", admin)
    with pytest.raises(Anonymous):
        bench.people.invitation(first.secret)
    bench.call(admin, "disable", account="wang", reason="not yet")
    with pytest.raises(Anonymous):
        bench.people.invitation(second.secret)


def test_a_lost_password_does_not_take_the_second_factor_off(bench, admin):
    from .test_signing_in import authenticator, code

    step = bench.person("wang")
    key, _ = authenticator(bench, step)
    bench.later(60)
    link = bench.people.link("wang", admin)
    step = bench.people.accept(link.secret, "", "", OTHER, HERE)

    assert (link.kind, step.next, step.session) == ("reset", "second", "")
    assert bench.caller(bench.people.second(step.ticket, code(bench, key), HERE)).name == "wang"


def test_a_lost_phone_is_three_steps(bench, admin):
    from .test_signing_in import authenticator

    step = bench.person("wang")
    authenticator(bench, step)
    bench.call(admin, "forget_factors", account="wang", reason="phone lost")
    assert bench.people.sign_in("wang", PASSWORD, HERE).next == "done"


def test_everything_is_in_the_audit(bench):
    step, links = begin(bench)
    bench.people.accept(links["security_admin"].secret, "qian", "钱", OTHER, HERE)
    caller = bench.caller(step)
    bench.people.set_password(caller, PASSWORD, OTHER + "!", HERE)
    bench.people.sign_out(caller)
    verbs = [row[1] for row in bench.audit()]

    for verb in ("first_link", "welcome", "sign_in", "password", "sign_out"):
        assert f"people.{verb}" in verbs
    told = repr(bench.audit())
    for secret in (PASSWORD, OTHER, links["audit_admin"].secret, step.session):
        assert secret not in told

"""Who may do what, and why: roles, officers, programs, tokens, zones, firms."""

from __future__ import annotations

import threading

import pytest

from baotu.sdk import Asset, Caller, Denied, Resource, Tag
from baotu.sdk.asset import Zone
from baotu.sdk.trust import ACTIONS, ROLES
from baotu.sdk.view import in_language
from baotu.trust.policy import CedarPolicy

from .world import ALL, PUMP, engine, furnace, person, plant

GATE = Resource("tag", "jinan/gate/power")
OPEN = furnace(3)  # in no zone


@pytest.mark.parametrize("role", list(ROLES))
@pytest.mark.parametrize("action", list(ACTIONS))
def test_a_role_does_its_duties_in_its_own_organisation_and_no_other(role: str, action: str):
    mine, resource = engine(), Resource("verb", "some.verb")
    duty = ACTIONS[action][0]
    found = mine.judge(person("li", role), action, resource)
    assert found.allowed == (duty in ROLES[role].duties)
    foreign = Resource("verb", "some.verb", "brook")
    assert not mine.judge(person("li", role), action, foreign).allowed


def test_nobody_may_do_anything_unless_a_policy_says_so():
    assert not any(engine().judge(person("li"), a, OPEN).allowed for a in ACTIONS)


@pytest.mark.parametrize("officer", ["system_admin", "security_admin", "audit_admin"])
def test_an_officer_with_anothers_role_too_does_the_work_of_neither_other(officer: str):
    everyone = person("li", *ROLES)
    forbidden = {"administer", "guard", "review"}
    for action, (duty, _) in ACTIONS.items():
        if duty in forbidden:
            assert not engine().judge(everyone, action, Resource("verb", "a.b")).allowed


def test_what_concerns_the_whole_node_is_not_for_a_guests_administrator():
    mine, verb = engine(), Resource("verb", "organisations.make")
    assert mine.judge(person("li", "system_admin"), "organisations.manage", verb).allowed
    guest = person("he", "system_admin", of="brook")
    found = mine.judge(guest, "organisations.manage", verb)
    assert not found.allowed and found.policies == ("the-node-is-the-houses",)
    assert mine.judge(guest, "people.manage", Resource("verb", "people.make")).allowed


def test_the_engineer_at_the_machine_may_everything_but_change_the_audit():
    local = Caller("local", "spring", ALL, kind="platform")
    mine = engine()
    assert all(mine.judge(local, a, Resource("verb", "x.y")).allowed for a in ACTIONS)
    found = mine.judge(local, "audit.change", Resource("audit"))
    assert not found.allowed and found.policies == ("audit-is-the-chains",)


def test_a_person_called_local_is_not_the_engineer_at_the_machine():
    assert not engine().judge(person("local"), "config.change", Resource("config")).allowed


def test_no_policy_lets_anybody_change_the_audit():
    mine = engine('@id("all") @title("全 All") permit (principal, action, resource);')
    assert mine.judge(person("li"), "tags.write", OPEN).allowed
    assert not mine.judge(person("li"), "audit.change", Resource("audit")).allowed


def test_a_token_is_its_owner_within_its_scope():
    token = person("li", "operator", kind="token", may=frozenset({"assets.read"}))
    mine = engine(
        '@id("no-li") @title("不 No") forbid (principal == Person::"wu", action, resource);'
    )
    assert mine.judge(token, "assets.read", OPEN).allowed
    found = mine.judge(token, "tags.write", OPEN)
    assert not found.allowed and "令牌没有被授予" in found.why
    theirs = person("wu", "operator", kind="token")
    assert mine.judge(theirs, "assets.read", OPEN).policies == ("no-li",)


def test_an_app_does_only_what_it_was_granted_and_within_its_organisation():
    mine = engine()
    granted = Caller("app:overheat", "spring", frozenset({"tags.write"}), kind="app")
    assert mine.judge(granted, "tags.write", OPEN).allowed
    assert not mine.judge(granted, "tags.write", PUMP).allowed
    none = Caller("app:overheat", "spring", frozenset(), kind="app")
    assert not mine.judge(none, "tags.write", OPEN).allowed


def test_a_device_reads_and_writes_its_own_tags_only():
    plc = Caller("plc-2", "spring", ALL, kind="device")
    assert engine().judge(plc, "tags.write", OPEN).allowed
    assert not engine().judge(plc, "history.read", furnace(1)).allowed
    assert not engine().judge(plc, "history.export", OPEN).allowed
    assert engine().visible(plc, "history.read", "tag") == {
        "jinan/foundry/melting-2/furnace-3/power", "jinan/foundry/melting-2/furnace-3/level",
        "jinan/gate/power", "jinan/gate/level",
    }  # fmt: skip


def test_zones_close_writes_or_ask_for_a_second_approver():
    mine, li = engine(), person("li", "operator")
    approved = mine.judge(li, "tags.write", furnace(1))
    assert approved.allowed and approved.needs == {"approver"}
    assert mine.judge(li, "tags.write", furnace(2)).policies == ("zone-writes-off",)  # the nearest
    assert mine.judge(li, "tags.write", GATE).policies == ("zone-writes-off",)
    assert mine.judge(li, "tags.write", OPEN).needs == frozenset()
    assert mine.judge(li, "history.read", GATE).allowed
    viewer = mine.judge(person("wu", "viewer"), "tags.write", furnace(1))
    assert not viewer.allowed, "an approver does not make up for the duty"


def test_a_permit_can_ask_for_an_approver():
    text = (
        '@id("careful") @title("须批准 With approval") @needs("approver")\n'
        'permit (principal in Role::"viewer", action == Action::"tags.write", '
        'resource in Asset::"jinan/foundry/melting-2");'
    )
    found = engine(text).judge(person("wu", "viewer"), "tags.write", OPEN)
    assert found.allowed and found.needs == {"approver"} and found.policies == ("careful",)


def test_a_change_of_zones_or_policies_or_plant_is_seen_by_the_next_decision():
    model = plant.__wrapped__()
    mine = CedarPolicy(model, house="spring")
    li, versions = person("li", "operator"), [mine.version()]
    assert mine.judge(li, "tags.write", OPEN).allowed
    mine.place([Zone(name="z", assets=("jinan/foundry",), writes="off")])
    assert not mine.judge(li, "tags.write", OPEN).allowed
    versions.append(mine.version())
    mine.place([])
    mine.load('@id("n") @title("否 No") forbid (principal, action, resource in Asset::"jinan");')
    assert mine.judge(li, "tags.write", OPEN).policies == ("n",)
    versions.append(mine.version())
    mine.load("")
    model.configure([Asset(path="jinan", organisation="brook")], ())
    assert not mine.judge(li, "tags.write", OPEN).allowed
    versions.append(mine.version())
    assert versions == sorted(set(versions))


def test_policies_that_are_none_change_nothing():
    mine = engine()
    with pytest.raises(ValueError, match="unexpected"):
        mine.load("permit (principal, action, resource) when { oops };nonsense")
    assert mine.judge(person("li", "operator"), "tags.write", OPEN).allowed


def test_a_refusal_says_in_both_languages_what_is_needed_and_whom_to_ask():
    with pytest.raises(Denied) as error:
        engine().decide(person("wu", "viewer"), "tags.write", OPEN)
    chinese, english = in_language(str(error.value), "zh"), in_language(str(error.value), "en")
    assert "需要组织「spring」中的职责「操作」，可请：操作员、维护员、工程师" in chinese
    assert "needs the duty operate in organisation spring; ask: operator" in english
    assert "wu" in chinese and "furnace-3/power" in english


def test_what_is_allowed_names_its_policy():
    found = engine().judge(person("li", "operator"), "tags.write", OPEN)
    assert found.policies == ("role-operator",)
    assert "操作员看与操作本组织的一切 (role-operator)" in in_language(found.why, "zh")


def test_who_may_names_roles_and_those_whom_policies_name():
    text = (
        '@id("zhao") @title("赵 Zhao") '
        'permit (principal == Person::"zhao", action == Action::"tags.write", resource == '
        'Tag::"jinan/foundry/melting-2/furnace-3/power");'
    )
    mine = engine(text)
    mine.people = lambda: [person("qian", "operator")]  # has it by the role, not by the name
    roles = ["操作员 Operator", "维护员 Maintainer", "工程师 Engineer"]
    assert mine.who_may("tags.write", OPEN) == [*roles, "zhao"]
    assert mine.who_may("tags.write", GATE) == []


def test_two_firms_on_one_hub_see_their_own():
    mine = engine()
    li, he = person("li", "engineer"), person("he", "engineer", of="brook")
    brook = {"jinan/yard/brook", "jinan/yard/brook/pump-1"}
    assert mine.visible(he, "assets.read", "asset") == brook
    ours = mine.visible(li, "assets.read", "asset")
    assert ours is not None and "jinan/yard" in ours and not ours & brook
    assert mine.visible(he, "history.read", "tag") == {PUMP.id, PUMP.id.replace("power", "level")}
    assert mine.visible(he, "assets.read", "organisation") == {"brook"}
    assert mine.rows(he, "history.read", "tag").sum() == 2
    assert mine.visible(person("wu"), "assets.read", "asset") == frozenset()
    local = Caller("local", "spring", ALL, kind="platform")
    assert mine.visible(local, "assets.read", "asset") is None


def test_the_menu_shows_what_can_be_done_somewhere():
    mine = engine()
    assert mine.actions(person("wu", "viewer")) == {
        a for a, (duty, _) in ACTIONS.items() if duty == "see"
    }
    bound = person("wu", "viewer", may=frozenset({"assets.read", "tags.write"}))
    assert mine.actions(bound) == {"assets.read"}
    text = (
        '@id("one") @title("一 One") permit (principal == Person::"wu", '
        'action == Action::"tags.write", resource in Asset::"jinan/gate");'
    )
    assert "tags.write" in engine(text).actions(person("wu", "viewer"))


def test_an_unknown_tag_is_whose_place_it_would_be_in():
    mine = engine()
    he = person("he", "operator", of="brook")
    assert not mine.judge(he, "history.read", Resource("tag", "jinan/gate/new", "brook")).allowed
    assert mine.judge(he, "history.read", Resource("tag", "jinan/yard/brook/new/x")).allowed


def test_a_kind_that_nobody_knows_is_refused():
    assert not engine().judge(person("li", *ROLES), "assets.read", Resource("spaceship")).allowed


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("baotu.trust.policy.engine.KEPT", 50)
    mine, li = engine(), person("li", "operator")
    for n in range(400):
        assert mine.judge(li, "history.read", Resource("tag", f"jinan/gate/t{n}")).allowed
    state = mine._state
    assert sum(map(len, state.kept.values())) + sum(map(len, state.older.values())) <= 100


def test_decisions_from_many_threads_while_policies_change():
    mine, li, wrong = engine(), person("li", "operator"), []

    def ask() -> None:
        for _ in range(300):
            found = mine.judge(li, "tags.write", OPEN)
            if found.policies not in (("role-operator",), ("n",)):
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    no = '@id("n") @title("否 No") forbid (principal, action, resource in Asset::"jinan");'
    for n in range(20):
        mine.load(no if n % 2 else "")
    for thread in threads:
        thread.join()
    assert wrong == []
    assert mine.judge(li, "tags.write", OPEN).policies == ("n",)


def test_a_tag_costs_few_bytes_in_lists():
    """100,000 tags: their columns here take less than a tenth of 10 MB."""
    model = plant.__wrapped__()
    model.adopt(
        "more",
        [Tag(id=n, asset=f"jinan/hall/m{n // 50}", property=f"p{n % 50}") for n in range(5_000)],
    )
    terrain = CedarPolicy(model, house="spring").terrain
    columns = terrain.tag_columns
    size = columns.asset.nbytes + sum(codes.nbytes for codes, _ in columns.codes.values())
    assert size / columns.size <= 10

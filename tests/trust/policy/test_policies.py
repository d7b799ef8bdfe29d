"""Policies are changed with care: proposed, compared, applied, rolled back; every node sees it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from baotu.bench import Bench
from baotu.kernel.clock import SystemClock
from baotu.kernel.effects import Chain
from baotu.records import SqliteStore
from baotu.sdk import Caller, Conflict, Denied, Invalid, view
from baotu.sdk.testing import Do, check_app
from baotu.trust.policy import CedarPolicy, Organisations, Policies, PolicyKeeper
from baotu.trust.policy.policies import EMPTY

from .world import ALL, PUMP, ZONES, furnace, person, plant

GUARD = person("chen", "security_admin")
SECOND = person("wang", "security_admin")
OPEN = furnace(3)
NIGHT = """@id("night") @title("夜班可写三号炉 The night shift writes furnace 3")
permit (principal == Person::"wu", action == Action::"tags.write",
        resource in Asset::"jinan/foundry/melting-2");
"""


class Site:
    """A chain with the app, its engine and its keeper, as the hub wires them."""

    def __init__(self, path: Path, second: bool = False) -> None:
        self.store = SqliteStore(path / "records.db")
        self.engine = CedarPolicy(plant(), house="spring")
        self.engine.place(ZONES)
        app = Policies(second=second)
        app.engine = self.engine
        apps = [app, Organisations()]
        self.chain = Chain(self.store, SystemClock(), apps, policy=self.engine)
        self.engine.learn(self.chain.verbs())
        self.keeper = PolicyKeeper(self.store, self.engine, SystemClock())
        self.keeper.start(self.chain.watch)

    def close(self) -> None:
        self.keeper.stop()
        self.store.close()

    def call(self, name: str, caller: Caller = GUARD, /, **arguments: object) -> object:
        return self.chain.call("policies", name, arguments, caller)

    def change(self, text: str = NIGHT, caller: Caller = GUARD) -> object:
        number = self.call("propose", caller, text=text, reason="夜班 night")
        return self.call("apply", caller, proposal=number, reason="夜班 night")

    def wu_writes(self) -> bool:
        return self.engine.judge(person("wu"), "tags.write", OPEN).allowed

    def audit(self) -> list[tuple[object, ...]]:
        return self.store.ask("SELECT caller, verb, outcome FROM ledger_audit_record ORDER BY id")


@pytest.fixture
def site(tmp_path: Path):
    made = Site(tmp_path)
    yield made
    made.close()


def test_policies_is_a_conforming_app():
    story = (
        Do("propose", {"text": NIGHT, "reason": "夜班 night"}),
        Do("apply", {"proposal": 1, "reason": "夜班 night"}),
        Do("roll_back", {"version": 0, "reason": "白班 day"}),
    )
    check_app(Policies, bench=Bench, story=story)


def test_a_change_is_in_force_when_the_command_returns(site: Site):
    assert not site.wu_writes()
    assert site.change() == 1
    assert site.wu_writes()
    assert not site.engine.judge(person("wu"), "tags.write", PUMP).allowed


def test_a_roll_back_is_a_new_version_with_the_old_text(site: Site):
    site.change()
    site.change("// nothing\n" + NIGHT.replace("wu", "zhao"))
    assert not site.wu_writes()
    assert site.call("roll_back", version=1, reason="还是他 him after all") == 3
    assert site.wu_writes()
    versions = site.call("versions")
    assert [v["number"] for v in versions] == [3, 2, 1]
    assert versions[0]["text"] == NIGHT and versions[0]["restores"] == 1
    assert site.call("roll_back", version=0, reason="无 none") == 4
    assert not site.wu_writes() and site.call("text") == EMPTY
    with pytest.raises(Conflict):
        site.call("roll_back", version=99, reason="?")


def test_versions_are_chained_and_one_changed_by_hand_is_not_loaded(site: Site):
    site.change()
    site.change("// nothing\n")
    old, first = site.call("versions")
    assert old["before"] == first["hash"] != old["hash"]
    with site.store.writing() as writer:
        writer.run(
            "INSERT INTO policies_policy_version (organisation, number, text, author, approved, applied, "
            "reason, proposal, restores, before, hash) SELECT organisation, 3, ?, author, approved, applied, "
            "reason, proposal, restores, before, hash FROM policies_policy_version WHERE number = 2",
            (NIGHT,),
        )  # fmt: skip
    site.keeper.look()
    assert not site.wu_writes()
    again = CedarPolicy(plant(), house="spring")
    with site.store.writing() as writer:
        writer.run("UPDATE policies_policy_version SET text = '// x' WHERE number = 2")
    PolicyKeeper(site.store, again, SystemClock()).look()
    assert again.judge(person("wu"), "tags.write", OPEN).allowed, "the newest that is sound: 1"


def test_a_command_that_needs_a_second_person_is_refused(site: Site):
    text = '@id("two") @title("两人 Two") @needs("approver") forbid (principal {}, action == Action::"policy.change", resource);'
    with pytest.raises(Invalid, match="谁也改不了"):
        site.change(text.format(""))
    site.change(text.format('in Role::"security_admin"'))
    with pytest.raises(Denied, match="第二人"):
        site.change()
    assert site.audit()[-1] == ("chen", "policies.propose", "denied")


def test_what_is_wrong_is_refused_with_its_place(site: Site):
    with pytest.raises(Invalid, match=r"第 2 行第 55 列：.*line 2, column 55: ") as error:
        site.call("propose", text=NIGHT.replace("tags.write", "tags.wrte"), reason="x")
    assert error.value.field == "text"
    [wrong] = site.call("check", text=NIGHT.replace("Person", "Persn"))
    assert (wrong["line"], wrong["policy"]) == (2, "night")
    with pytest.raises(Invalid, match="audit"):
        site.call("propose", text=NIGHT.replace("tags.write", "audit.change"), reason="x")
    with pytest.raises(Invalid):
        site.call("propose", text=NIGHT, reason=" ")


def test_only_the_security_officer_changes_policies(site: Site):
    for role in ("engineer", "system_admin", "audit_admin"):
        with pytest.raises(Denied):
            site.call("propose", person("li", role), text=NIGHT, reason="x")
    guest = person("he", "security_admin", of="brook")
    with pytest.raises(Denied):
        site.call("propose", guest, text=NIGHT, reason="x")


def test_every_change_and_every_refusal_is_in_the_audit(site: Site):
    with pytest.raises(Denied):
        site.call("propose", person("li", "engineer"), text=NIGHT, reason="x")
    site.change()
    assert site.audit() == [
        ("li", "policies.propose", "denied"), ("chen", "policies.propose", "done"),
        ("chen", "policies.apply", "done"),
    ]  # fmt: skip


def test_a_proposal_against_an_older_version_has_to_be_made_again(site: Site):
    first = site.call("propose", text=NIGHT, reason="x")
    second = site.call("propose", text="// none\n", reason="x")
    site.call("apply", proposal=first, reason="x")
    with pytest.raises(Conflict):
        site.call("apply", proposal=second, reason="x")
    assert site.wu_writes()


def test_a_second_officer_is_asked_for_when_the_site_wants_one(tmp_path: Path):
    site = Site(tmp_path, second=True)
    number = site.call("propose", text=NIGHT, reason="x")
    with pytest.raises(Denied):
        site.call("apply", proposal=number, reason="x")
    assert not site.wu_writes()
    site.call("apply", SECOND, proposal=number, reason="看过 seen")
    assert site.wu_writes()
    with pytest.raises(Denied):
        site.call("roll_back", SECOND, version=0, reason="x")
    site.call("roll_back", GUARD, version=0, reason="x")
    site.close()


def test_another_node_on_the_same_records_sees_it_within_a_second(site: Site):
    engine = CedarPolicy(plant(), house="spring")
    keeper = PolicyKeeper(site.store, engine, SystemClock())
    keeper.start(lambda tell: lambda: None)  # it hears nothing of the other node's commits
    site.change()
    began, deadline = time.monotonic(), time.monotonic() + 30
    while not engine.judge(person("wu"), "tags.write", OPEN).allowed:
        assert time.monotonic() < deadline
    keeper.stop()
    assert time.monotonic() - began < 30  # 0.5 s on a quiet machine; see benchmarks


def test_what_was_in_force_is_in_force_after_a_restart(tmp_path: Path):
    site = Site(tmp_path)
    site.change()
    site.close()
    again = Site(tmp_path)
    assert again.wu_writes()
    again.close()


def test_a_dry_run_tells_what_would_be_decided_otherwise_and_changes_nothing(site: Site):
    li = person("li", "operator")
    assert not site.wu_writes() and site.engine.judge(li, "tags.write", OPEN).allowed
    text = (
        NIGHT
        + '@id("li") @title("李不写 Li does not write") forbid (principal == Person::"li", action == Action::"tags.write", resource);'
    )
    run = site.call("compare", text=text)
    assert run["added"] == ["li", "night"] and run["removed"] == []
    recent = {(d["who"], d["after"]) for d in run["differences"] if d["where"] == "recent"}
    assert recent == {("wu@spring", True), ("li@spring", False)}
    assert not site.wu_writes() and site.engine.judge(li, "tags.write", OPEN).allowed
    assert len(site.engine.recent) == run["recent_asked"], "a dry run is not remembered as asked"


def test_a_dry_run_compares_roles_on_samples(site: Site):
    text = (
        '@id("no-export") @title("不导出 No export") '
        'forbid (principal in Role::"engineer", action == Action::"history.export", resource);'
    )
    run = site.call("compare", text=text)
    lost = [d for d in run["differences"] if d["where"] == "matrix"]
    assert lost and all(d["action"] == "history.export" and not d["after"] for d in lost)
    assert {d["who"] for d in lost} == {"engineer@spring", "engineer@brook"}
    assert run["allowed_now"] == 0 and run["denied_now"] == len(run["differences"])


def test_why_and_who_may_are_answered(site: Site):
    asked = {"action": "tags.write", "kind": "tag", "id": OPEN.id}
    answer = site.call("explain", who="wu", roles="viewer", **asked)
    assert not answer["allowed"] and "需要" in answer["why"]
    assert answer["who_may"] == ["操作员 Operator", "维护员 Maintainer", "工程师 Engineer"]
    assert site.call("explain", who="wu", roles="operator", **asked)["policies"] == [
        "role-operator"
    ]
    assert site.call("who_may", **asked) == answer["who_may"]
    with pytest.raises(Invalid):
        site.call("explain", who="wu", roles="king", **asked)
    with pytest.raises(Invalid):
        site.call("who_may", action="tags.write", kind="spaceship")


def test_the_pages_show_versions_policies_dry_run_and_why(site: Site):
    site.change()
    number = site.call("propose", text="// none\n", reason="白班 day")
    look = site.chain.look("policies", "overview", {}, GUARD).view
    tables = {t.title: t for t in view.walk(look) if isinstance(t, view.Table)}
    assert [row[0] for row in tables["待生效 Proposed"].rows] == [number]
    assert tables["待生效 Proposed"].links == (f"/app/policies/proposal?proposal={number}",)
    assert len(tables["版本 Versions"].rows) == 1
    names = [row[0] for row in tables["现行策略 Policies in force"].rows]
    assert "role-viewer" in names and "night" in names
    dry = site.chain.look("policies", "proposal", {"proposal": number}, GUARD).view
    removed = next(t for t in view.walk(dry) if isinstance(t, view.Table))
    assert removed.rows == (("night", "去掉 Removed"),)
    asked = {"who": "wu", "action": "tags.write", "kind": "tag", "id": OPEN.id}
    why = site.chain.look("policies", "why", asked, GUARD).view
    assert any("night" in t.text for t in view.walk(why) if isinstance(t, view.Markdown))


def test_local_is_bound_by_nothing_but_the_floor(site: Site):
    local = Caller("local", "spring", ALL, kind="platform")
    assert site.change(caller=local) == 1

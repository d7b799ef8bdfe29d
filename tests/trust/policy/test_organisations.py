"""Firms on one platform: apart by default, together by agreement, apart again at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from baotu.bench import BenchClock
from baotu.kernel.effects import Chain
from baotu.records import SqliteStore
from baotu.sdk import Caller, Conflict, Denied, Invalid, Resource, view
from baotu.trust.policy import CedarPolicy, Organisations, Policies, PolicyKeeper

from .world import PUMP, furnace, person, plant

ADMIN = person("admin", "system_admin")
GUEST = person("gast", "system_admin", of="brook")
OPEN = furnace(3)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TERMS = {
    "partner": "brook", "assets": "jinan/foundry/melting-2", "actions": "assets.read, history.read",
    "purpose": "远程诊断 Remote diagnosis",
}  # fmt: skip


class Two:
    """Two firms on one hub: `spring` runs it, `brook` has a pump there."""

    def __init__(self, path: Path) -> None:
        self.clock = BenchClock(int(NOON.timestamp()) * 10**9)
        self.store = SqliteStore(path / "records.db")
        self.engine = CedarPolicy(plant(), house="spring")
        app = Organisations()
        app.engine = self.engine
        self.chain = Chain(self.store, self.clock, [app, Policies()], policy=self.engine)
        self.engine.learn(self.chain.verbs())
        self.keeper = PolicyKeeper(self.store, self.engine, self.clock)
        app.deals = self.keeper.deals
        self.keeper.look()
        self.chain.watch(self.keeper.heard)

    def call(self, verb: str, caller: Caller = ADMIN, /, **arguments: object) -> object:
        return self.chain.call("organisations", verb, arguments, caller)

    def agreed(self, **terms: object) -> object:
        number = self.call("propose", **{**TERMS, **terms})
        return self.call("accept", GUEST, agreement=number, reason="好 fine")

    def may(self, caller: Caller, action: str = "history.read", on: Resource = OPEN) -> bool:
        return self.engine.judge(caller, action, on).allowed

    def states(self, caller: Caller = ADMIN) -> list[str]:
        return [a["state"] for a in self.call("agreements", caller)]


@pytest.fixture
def two(tmp_path: Path):
    made = Two(tmp_path)
    yield made
    made.store.close()


HE = person("he", "viewer", of="brook")


def test_nothing_is_shared_until_both_have_signed(two: Two):
    assert not two.may(HE)
    number = two.call("propose", **TERMS)
    assert two.states() == ["proposed"] == two.states(GUEST)
    assert not two.may(HE)
    two.call("accept", GUEST, agreement=number, reason="好 fine")
    assert two.states() == ["in force"]
    assert two.may(HE) and two.may(HE, "assets.read", Resource("asset", "jinan/foundry/melting-2"))
    assert two.engine.visible(HE, "history.read", "tag") == {
        PUMP.id, PUMP.id.replace("power", "level"), OPEN.id, OPEN.id.replace("power", "level"),
    }  # fmt: skip


def test_only_what_was_agreed_is_shared(two: Two):
    two.agreed()
    assert not two.may(HE, on=furnace(1))
    assert not two.may(person("he", "engineer", of="brook"), "tags.write")
    assert not two.may(person("li", "engineer"), on=PUMP), "sharing is not mutual"
    assert not two.may(person("xu", "viewer", of="river")), "a third firm has no part in it"
    assert not two.may(person("xu", of="brook")), "a partner without the duty at home has none here"


def test_it_ends_at_once_when_either_side_revokes(two: Two):
    for caller in (ADMIN, GUEST):
        number = two.agreed()
        assert two.may(HE)
        two.call("revoke", caller, agreement=number, reason="到此 enough")
        assert not two.may(HE)
    assert two.states() == ["revoked", "revoked"]
    with pytest.raises(Conflict):
        two.call("accept", GUEST, agreement=number, reason="又 again")


def test_it_ends_when_its_time_is_over(two: Two):
    two.agreed(until=(NOON + timedelta(hours=1)).isoformat())
    assert two.may(HE)
    two.clock.time += 3600 * 10**9
    two.keeper.look()
    assert not two.may(HE) and two.states() == ["expired"]


def test_nobody_signs_for_the_other_and_a_third_sees_nothing(two: Two):
    number = two.call("propose", **TERMS)
    with pytest.raises(Denied):
        two.call("accept", ADMIN, agreement=number, reason="自己 myself")
    third = person("xu", "system_admin", of="river")
    for name in ("accept", "revoke"):
        with pytest.raises(Conflict):
            two.call(name, third, agreement=number, reason="?")
    assert two.states(third) == [] and not two.may(HE)


def test_a_row_of_terms_changed_by_hand_shares_nothing(two: Two):
    two.agreed()
    with two.store.writing() as writer:
        writer.run("UPDATE organisations_agreement SET assets = 'jinan'")
    two.keeper.look()
    assert not two.may(HE, on=furnace(1)) and not two.may(HE)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"partner": "spring"}, "partner"), ({"assets": "jinan/yard/brook"}, "assets"),
        ({"actions": "roles.grant"}, "actions"), ({"actions": "fly"}, "actions"),
        ({"assets": " , "}, "assets"), ({"purpose": " "}, "purpose"),
        ({"until": NOON.isoformat()}, "until"),
    ],
)  # fmt: skip
def test_what_cannot_be_shared_is_refused(two: Two, wrong: dict[str, str], field: str):
    with pytest.raises(Invalid) as error:
        two.call("propose", **{**TERMS, **wrong})
    assert error.value.field == field


def test_a_guest_cannot_share_what_is_the_houses(two: Two):
    with pytest.raises(Invalid):
        two.call("propose", GUEST, **{**TERMS, "partner": "river"})


def test_a_firm_that_is_switched_off_may_nothing_and_its_data_stay(two: Two):
    two.call("make", name="brook", title="溪公司 Brook")
    pump = Resource("asset", "jinan/yard/brook")
    assert two.may(HE, "assets.read", pump)
    two.call("disable", name="brook", reason="未付费 unpaid")
    found = two.engine.judge(HE, "assets.read", pump)
    assert not found.allowed and found.policies == ("organisation-brook-disabled",)
    assert two.engine.visible(HE, "assets.read", "asset") == frozenset()
    with pytest.raises(Denied):
        two.call("agreements", GUEST)
    two.call("enable", name="brook", reason="已付 paid")
    assert two.may(HE, "assets.read", pump)


def test_only_the_house_makes_firms_and_each_once(two: Two):
    two.call("make", name="river", title="河公司 River")
    with pytest.raises(Conflict):
        two.call("make", name="river", title="又 again")
    with pytest.raises(Conflict):
        two.call("make", name="spring", title="自己 ourselves")
    with pytest.raises(Invalid):
        two.call("make", name="a/b", title="坏 bad")
    with pytest.raises(Denied):
        two.call("make", GUEST, name="sea", title="海 Sea")
    assert [f["name"] for f in two.call("firms")] == ["river"]


def test_an_agreement_with_odd_words_is_still_a_policy(two: Two):
    two.agreed(purpose='引号 "quotes"; \\ and // more')
    assert two.may(HE)
    assert any('"quotes"' in rule.title for rule in two.engine.rules)


def test_the_page_shows_agreements_to_both_and_firms_to_the_house(two: Two):
    two.agreed()
    two.call("make", name="river", title="河公司 River")
    for caller, tables in ((ADMIN, 2), (GUEST, 1)):
        look = two.chain.look("organisations", "overview", {}, caller).view
        found = [t for t in view.walk(look) if isinstance(t, view.Table)]
        assert len(found) == tables and found[0].rows[0][-1] == "生效 In force"


def test_every_step_is_in_the_audit_of_whoever_did_it(two: Two):
    number = two.agreed()
    two.call("revoke", GUEST, agreement=number, reason="x")
    rows = two.store.ask(
        "SELECT organisation, caller, verb, outcome FROM ledger_audit_record ORDER BY id"
    )
    assert rows == [
        ("spring", "admin", "organisations.propose", "done"),
        ("brook", "gast", "organisations.accept", "done"),
        ("brook", "gast", "organisations.revoke", "done"),
    ]

"""What an edge may bring: assets of its own organisation, as policy says; the rest of its table goes on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from baotu.assets import PlantModel
from baotu.house.bringing import Bringing
from baotu.sdk import Asset, Caller, Tag
from baotu.sdk.tags import Tags
from baotu.trust.devices.nodes import Known
from baotu.trust.policy import CedarPolicy
from tests.docs.guide import blocks

UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
PLACES = [Asset(path="north", organisation="north"), Asset(path="north/yard", organisation="west")]


class House:
    def __init__(self, **nodes: str) -> None:
        self.plant = PlantModel(None, "house")
        self.policy = CedarPolicy(self.plant, house="house")
        self.plant.configure(PLACES, [])
        self.noted: list[tuple[Caller, str]] = []
        self.nodes: Mapping[str, Known] = {
            name.replace("_", "-"): Known(organisation=whose, state="enrolled", until=UNTIL)
            for name, whose in nodes.items()
        }
        self.bringing = Bringing(
            self.plant, self.policy, own="hub-1", house="house",
            note=lambda caller, why: self.noted.append((caller, why)), nodes=lambda: self.nodes,
        )  # fmt: skip

    def bring(self, edge: str, *assets: str) -> list[int]:
        """The hub's number of each, -1 where it is refused."""
        tags = [Tag(id=n, asset=asset, property="flow") for n, asset in enumerate(assets)]
        ids = self.bringing.adopt(edge, Tags.of(tags))
        return [int(ids[n]) if n < len(ids) else -1 for n in range(len(assets))]


def taken(ids: list[int]) -> list[bool]:
    return [id >= 0 for id in ids]


def test_only_assets_of_its_own_organisation_and_the_rest_goes_on() -> None:
    house = House(e1="north", e2="house")
    assert taken(house.bring("e1", "north/pump", "south/pump", "north/yard/crane")) == [True, False, False]  # fmt: skip
    assert house.bringing.refused["e1"].assets == ("north/yard/crane", "south/pump")
    [(caller, why)] = house.noted
    assert (caller.name, caller.organisation, caller.kind) == ("e1", "north", "node")
    assert why.startswith("2 ") and "south/pump/flow, north/yard/crane/flow" in why
    assert taken(house.bring("e2", "south/pump", "north/pump")) == [True, False]
    assert house.plant.table.find("north/pump/flow") >= 0


def test_who_is_not_in_the_register_is_of_the_house_and_the_node_itself_is_not_asked() -> None:
    house = House()
    assert taken(house.bring("local", "south/pump", "north/pump")) == [True, False]
    assert taken(house.bring("hub-1", "north/tank", "south/tank")) == [True, True]
    assert [caller.organisation for caller, _ in house.noted] == ["house"]


def test_a_table_that_is_refused_as_a_whole_is_empty_and_forgiven_later() -> None:
    house = House(e1="north")
    assert taken(house.bring("e1", "south/pump")) == [False]
    assert house.bringing.again() == []
    house.plant.configure([*PLACES, Asset(path="south", organisation="north")], [])
    assert house.bringing.again() == ["e1"]
    assert taken(house.bring("e1", "south/pump")) == [True]
    assert house.bringing.refused == {} and len(house.noted) == 1


@pytest.mark.parametrize("page", ["docs/operate/edges.md", "docs/operate/edges.zh.md"])
def test_the_policy_of_the_guide_lets_an_edge_of_the_house_read_there(page: str) -> None:
    house = House(edge_1="house", edge_2="house")
    assert taken(house.bring("edge-1", "north/pump")) == [False]
    [text] = [b.text for b in blocks(page) if b.language == "cedar"]
    house.policy.load(text)
    assert house.bringing.again() == ["edge-1"]
    assert taken(house.bring("edge-1", "north/pump")) == [True]
    assert taken(house.bring("edge-2", "north/tank")) == [False]

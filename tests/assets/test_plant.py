"""The tag table: a name keeps its number for ever; search finds it in both languages."""

import numpy as np
import pytest

from baotu.assets import PlantModel
from baotu.sdk import Asset, AssetType, Invalid, Property, Tag, derived


def tag(id, name, **more):
    asset, _, prop = name.rpartition("/")
    return Tag(id=id, asset=asset, property=prop, **more)


def test_a_name_keeps_its_number_through_restarts_and_new_edges(tmp_path):
    plant = PlantModel(tmp_path / "tags.db")
    first = plant.adopt("edge-1", [tag(0, "a/x"), tag(3, "a/y")])
    plant.close()
    plant = PlantModel(tmp_path / "tags.db")
    again = plant.adopt(
        "edge-1", [tag(0, "a/y"), tag(1, "a/z")]
    )  # its disk was replaced: other numbers

    assert first.tolist() == [1, -1, -1, 2]
    assert again.tolist() == [2, 3]
    assert first.dtype == np.int32
    assert plant.by_id(1).name == "a/x"


def test_two_edges_with_one_name_are_never_mixed_up():
    plant = PlantModel()
    plant.adopt("edge-1", [tag(0, "a/x")])
    plant.adopt("edge-2", [tag(0, "a/x")])

    assert [t.name for t in plant.all_tags()] == ["a/x", "a/x@edge-2"]
    assert plant.table.owner(2) == ("edge-2", 0)


def test_pages_go_through_all_tags_once():
    plant = PlantModel()
    plant.adopt("e", [tag(n, f"s/m{n:03d}/t") for n in range(250)])
    seen, cursor = [], ""
    while True:
        page = plant.tags(limit=100, cursor=cursor)
        seen += [t.name for t in page.tags]
        cursor = page.cursor
        if not cursor:
            break

    assert page.total == 250
    assert seen == [f"s/m{n:03d}/t" for n in range(250)]


def test_search_wants_every_word_in_either_language_and_keeps_to_a_place():
    plant = PlantModel()
    plant.adopt(
        "e",
        [
            tag(0, "s/a/pump-1/flow", title="流量 Flow"),
            tag(1, "s/b/pump-1/flow"),
            tag(2, "s/a/pump-10/head"),
        ],
    )

    assert [t.id for t in plant.tags("流量").tags] == [1]
    assert [t.id for t in plant.tags("PUMP fl").tags] == [1, 2]
    assert [t.id for t in plant.tags(under="s/a").tags] == [1, 3]
    assert [t.id for t in plant.tags(under="s/a/pump-1").tags] == [1]
    assert plant.tags("nothing").total == 0


def test_an_unknown_name_offers_a_near_one():
    plant = PlantModel()
    plant.adopt("e", [tag(0, "s/pump-1/flow")])

    assert plant.tag("s/pump-1/flow") == plant.tag("1")
    with pytest.raises(Invalid, match="did you mean 's/pump-1/flow'"):
        plant.tag("s/pump-2/flow")


def test_places_above_an_asset_exist_and_types_come_from_tags():
    plant = PlantModel(organisation="spring")
    plant.configure([Asset(path="jinan", title="济南 Jinan", level="enterprise")], [])
    plant.adopt("e", [tag(0, "jinan/foundry/melting/furnace-1/temperature", asset_type="Furnace")])

    assert [(a.path, a.level, a.type) for a in plant.assets()] == [
        ("jinan", "enterprise", ""),
        ("jinan/foundry", "site", ""),
        ("jinan/foundry/melting", "area", ""),
        ("jinan/foundry/melting/furnace-1", "asset", "Furnace"),
    ]
    assert plant.asset("jinan").title == "济南 Jinan"
    assert [a.path for a in plant.assets("jinan/foundry/melting")][-1].endswith("furnace-1")


def test_a_tag_takes_unit_limits_and_title_from_its_type_unless_it_says_otherwise():
    plant = PlantModel()
    speed = Property(id_short="speed", unit="/min", high=3000.0, title="转速 Speed")
    plant.configure([], [AssetType(id_short="Fan", properties=(speed,))])
    plant.adopt(
        "e",
        [
            tag(0, "f/1/speed", asset_type="Fan"),
            tag(1, "f/2/speed", asset_type="Fan", unit="Hz", high=50.0),
        ],
    )

    assert (plant.by_id(1).unit, plant.by_id(1).high) == ("/min", 3000.0)
    assert (plant.by_id(2).unit, plant.by_id(2).high) == ("Hz", 50.0)
    assert plant.ids("Fan", "speed").tolist() == [1, 2]


def test_a_derived_property_has_one_tag_for_each_asset():
    plant, kind = PlantModel(), derived(asset="Pump", property="efficiency", unit="%")
    plant.adopt("e", [tag(0, "s/pump-1/flow", asset_type="Pump")])
    version = plant.version()

    assert plant.allot("pumping", kind, "s/pump-1") == plant.allot("pumping", kind, "s/pump-1") == 2
    assert plant.version() > version
    assert plant.tag("s/pump-1/efficiency").device == "app:pumping"


def test_a_search_word_may_lie_across_asset_and_property():
    plant = PlantModel()
    plant.adopt("e", [tag(0, "s/pump-1/flow"), tag(1, "s/pump-2/flow"), tag(2, "s/flow")])
    assert [t.id for t in plant.tags("P-1/FL").tags] == [1]
    assert [t.id for t in plant.tags("s/pump").tags] == [1, 2]
    assert plant.tags("pump/flow").total == 0


def test_a_table_that_is_read_again_knows_every_edge(tmp_path):
    plant = PlantModel(tmp_path / "assets.db")
    plant.adopt("e1", [tag(0, "s/a/x")])
    plant.adopt("e2", [tag(5, "s/b/x"), tag(7, "s/a/x")])
    plant.close()
    again = PlantModel(tmp_path / "assets.db")
    assert [t.name for t in again.all_tags()] == ["s/a/x", "s/a/x@e2", "s/b/x"]
    with pytest.raises(Invalid, match="has not connected"):
        again.table.owner(2)
    assert again.adopt("e2", [tag(3, "s/a/x")]).tolist() == [-1, -1, -1, 3]
    assert again.table.owner(3) == ("e2", 3)
    again.close()


def test_what_lies_below_a_firms_place_is_the_firms() -> None:
    plant = PlantModel(organisation="park")
    plant.configure(
        [
            Asset(path="park/spring", level="area", organisation="spring"),
            Asset(path="park/spring/guest", organisation="brook"),
        ],
        [],
    )
    names = ("park/gate", "park/spring/line/press-1", "park/spring/guest/meter")
    plant.adopt("e1", [Tag(id=n, asset=name, property="p") for n, name in enumerate(names)])
    whose = {asset.path: asset.organisation for asset in plant.assets()}
    assert whose == {
        "park": "park",
        "park/gate": "park",
        "park/spring": "spring",
        "park/spring/guest": "brook",
        "park/spring/guest/meter": "brook",
        "park/spring/line": "spring",
        "park/spring/line/press-1": "spring",
    }

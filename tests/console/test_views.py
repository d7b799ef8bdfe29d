"""Views: every word is drawn, given as JSON, and told in both languages."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest

from baotu.console.draw import DRAW
from baotu.console.pages.config import change_in
from baotu.sdk import view
from baotu.sdk.view import in_language, plain, walk


def test_every_word_is_drawn():
    assert set(DRAW) == set(get_args(view.View))


def test_new_words_are_plain_json():
    shown = view.column(
        view.Tiles((view.Tile("效率 Efficiency", 72.9, "%", 70, 85),)),
        view.Trend(("a/x", "b/y"), "2 h"),
        view.Table(("泵 Pump",), (("p1",),), links=("/asset/p1",),
                   actions=(view.Action("set_target", (("pump", 0),)),)),
    )  # fmt: skip
    tiles, trend, table = json.loads(json.dumps(plain(shown)))["items"]
    assert tiles["tiles"][0]["value"] == 72.9
    assert (trend["view"], trend["span"], trend["tags"]) == ("trend", "2 h", ["a/x", "b/y"])
    assert table["actions"] == [{"command": "set_target", "arguments": [["pump", 0]]}]
    assert [type(v).__name__ for v in walk(shown)] == ["Column", "Tiles", "Trend", "Table"]


def test_old_pages_need_no_change():
    table = view.Table(("编号 Id",), ((1,),), "表 Table")
    assert (table.links, table.actions) == ((), ())
    assert [f.name for f in fields(view.Table)][:3] == ["columns", "rows", "title"]


def test_money_and_time_stay_exact():
    row = (Decimal("80.50"), datetime(2026, 6, 1, tzinfo=UTC))
    assert plain(view.Table(("a", "b"), (row,)))["rows"] == [["80.50", "2026-06-01T00:00:00+00:00"]]


@pytest.mark.parametrize(
    ("title", "chinese", "english"),
    [
        ("机器租赁 Machine rental", "机器租赁", "Machine rental"),
        ("IPv6 改造 IPv6 transformation", "IPv6 改造", "IPv6 transformation"),
        ("库存 inventory", "库存", "inventory"),
        ("3D 视图 3D view", "3D 视图", "3D view"),
        ("好，人工置数 Good, local override", "好，人工置数", "Good, local override"),
        ("目标 80.0 % Target 80.0 %", "目标 80.0 %", "Target 80.0 %"),
        ("单耗，kW·h/m³ Specific energy", "单耗，kW·h/m³", "Specific energy"),
        ("Raise one alarm. 报警。", "报警。", "Raise one alarm."),
        ("没有报警。 No alarms.", "没有报警。", "No alarms."),
        ("报警", "报警", "报警"),
        ("pump-1", "pump-1", "pump-1"),
        ("", "", ""),
    ],
)
def test_titles_in_both_languages(title, chinese, english):
    assert (in_language(title, "zh"), in_language(title, "en")) == (chinese, english)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("zh", "~ 设备 plant-device: 按新配置重启"),
        ("en", "~ device plant-device: starts anew as configured"),
    ],
)
def test_a_change_of_the_configuration_is_told_in_one_language(language: str, told: str):
    change = "~ 设备 device plant-device: 按新配置重启 starts anew as configured"
    assert change_in(change, language) == told

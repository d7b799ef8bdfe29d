"""One search: Chinese, pinyin and English, over everything that has an address."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from baotu.console.finder import Finder
from baotu.console.spelling import fits, spelled
from tests.browser import Tab
from tests.console.fake import rooms


@pytest.mark.parametrize("word", ["wd", "wendu", "wend", "ckwd", "chukouwendu", "ckwendu"])
def test_initials_syllables_and_both_mixed_find_characters(word: str):
    assert spelled(word, "水泵出口温度")


@pytest.mark.parametrize("word", ["zl", "zhongliang", "cl", "1hb", "hb"])
def test_every_reading_of_a_character_counts_and_numbers_stay(word: str):
    assert spelled(word, "1 号泵 重量")


@pytest.mark.parametrize("word", ["w", "wdx", "uu", "温d", "wen'du", ""])
def test_what_is_not_spelled_is_not_found(word: str):
    assert not spelled(word, "出口温度")


def test_every_word_counts_however_it_is_written():
    assert fits(["wd", "pump", "出口"], "pump-1/outlet 出口温度")
    assert not fits(["wd", "motor"], "pump-1/outlet 出口温度")


def test_pinyin_costs_nothing_before_letters_are_typed_and_little_after():
    script = (
        "import sys; from baotu.console.spelling import spelled; assert 'pypinyin' not in sys.modules;"
        "size = lambda: int(open('/proc/self/statm').read().split()[1]) * 4096; before = size();"
        "assert spelled('wd', '温度'); print((size() - before) / 1e6)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert float(told.stdout) < 25  # its phrases alone are 40 MB


def test_pages_of_a_spelled_search_go_on_where_they_ended():
    finder = Finder(rooms(400).plant)
    first = finder.page("lw", 3)
    rest = finder.page("lw", 1000, first.cursor)
    names = [t.name for t in (*first.tags, *rest.tags)]
    assert len(names) == first.total and names == sorted(set(names))
    assert {t.title for t in first.tags} == {"炉温 Temperature"}


def test_a_tag_is_found_by_what_its_asset_and_the_places_above_are_called():
    plant = rooms(400).plant
    finder = Finder(plant)
    titled = {a.path: a.title for a in plant.assets()}

    def under(words: str) -> set[str]:
        found = finder.page(words, 1000)
        assert all("温度" in tag.title or "炉温" in tag.title for tag in found.tags)
        return {tag.asset for tag in found.tags}

    furnaces = under("炉 temperature")
    assert furnaces and all("炉" in titled[path] for path in furnaces)
    assert under("rllu temperature") and under("rllu temperature") <= furnaces
    root = next(a for a in plant.assets() if "/" not in a.path)
    assert finder.page(root.title.split()[0], 10).total == 0  # it names everything


def test_a_hundred_thousand_tags_are_searched_by_letters_in_a_blink():
    finder = Finder(rooms(100_000).plant)
    finder.page("lw", 8)
    began = time.thread_time()  # of the processor: other programs may have it meanwhile
    assert finder.page("luwen", 8).total > 1000
    assert time.thread_time() - began < 1.5  # 0.2 s on an idle machine


def test_the_api_finds_each_kind(burning):
    def found(words: str) -> dict:
        return burning.get("/api/search", params={"q": words}).json()

    assert {"page": "/alarms", "title": "报警 Alarms"} in found("bj")["pages"]
    assert "acknowledge" in [v["name"] for v in found("queren")["verbs"]]
    assert "泵" in found("hb")["assets"][0]["title"]
    assert found("luwen")["tags"][0]["title"] == "炉温 Temperature"
    assert any("高于上限" in a["message"] for a in found("gysx")["alarms"])
    assert len(found("")["pages"]) == 11
    assert burning.get("/api/tags?search=lw").json()["total"] > 3
    assert burning.get("/api/assets?search=rllu").json()["assets"]


def type_in(tab: Tab, words: str) -> None:
    tab.wait("document.querySelector('.palette input') === document.activeElement")
    tab.js("document.querySelector('.palette input').value = ''")
    tab.type(words)


@pytest.mark.browser
def test_the_palette_finds_by_letters_and_runs_a_command(tab: Tab, site: str):
    tab.go(f"{site}/zh")
    tab.wait("document.querySelector('bt-tree .twig')")
    tab.key("k", control=True)
    kinds = {"sj": "页面", "luwen": "位号", "rll": "资产", "gysx": "报警", "sdmbxl": "命令"}
    for words, kind in kinds.items():
        type_in(tab, words)
        tab.wait(
            "[...document.querySelectorAll('.palette li small')]"
            f".some(s => s.innerText === {json.dumps(kind)})"
        )
    tab.wait("document.querySelector('.palette li[aria-selected=true]').innerText.includes('设定')")
    tab.key("Enter")
    tab.wait("document.querySelectorAll('dialog form input').length === 2")
    assert tab.js("!document.querySelector('dialog .main-act').disabled")  # Enter sent nothing
    assert tab.js("document.querySelectorAll('dialog .wrong').length") == 0
    tab.js("document.querySelectorAll('dialog input')[0].value = 'pump-9'")
    tab.js("document.querySelectorAll('dialog input')[1].value = '77'")
    tab.click("dialog .main-act")
    tab.wait("!document.querySelector('dialog') && document.querySelector('.toast')")
    told = tab.js("fetch('/api/pumping/figures').then(a => a.json())")
    assert {"pump": "pump-9", "target": 77.0} in told


@pytest.mark.browser
def test_an_alarm_has_an_address(tab: Tab, site: str):
    tab.go(f"{site}/en/alarms?alarm=2")
    tab.wait("document.querySelectorAll('.alarm-list li').length === 1")
    tab.click(".alarms header .bar + .bar + .btn")
    tab.wait("document.querySelectorAll('.alarm-list li').length > 1")
    assert tab.js("location.search") == ""

"""What pages say, in one language: reasons, states, figures; and addresses and targets for fingers."""

from __future__ import annotations

import json
import re
import urllib.request

import pytest

from tests.browser import Browser, Tab

pytestmark = pytest.mark.browser
FURNACE = "jinan/foundry/line-1/furnace-2"
SETTLED = "document.querySelector('main').innerText.length > 20"


@pytest.mark.parametrize(
    ("path", "place"), [("/zh/", "/zh"), ("/en/alarms/?state=history", "/en/alarms")]
)
def test_a_slash_too_many_leads_on(tab: Tab, site: str, path: str, place: str):
    tab.go(f"{site}{path}")
    tab.wait(f"location.pathname === '{place}' && document.querySelector('main .panel')")
    assert tab.js("location.search") == path.partition("?")[1] + path.partition("?")[2]


def test_an_asset_that_is_none_offers_the_way_up(tab: Tab, site: str):
    tab.go(f"{site}/en/asset/jinan/foundry/nothing")
    tab.wait("document.querySelector('main .empty a')")
    assert tab.js("document.querySelector('main .empty a').pathname") == "/en/asset/jinan/foundry"
    assert "/api" not in tab.js("document.querySelector('main').innerText")


def test_changes_of_the_shift_are_told_in_one_language(tab: Tab, large: str):
    tab.go(f"{large}/zh")
    tab.wait("document.querySelectorAll('.at-changes .line').length > 5")
    said = tab.js("document.querySelector('.at-changes').innerText")
    assert "设备 plc-1：正常" in said and "device" not in said and "allowed" not in said
    tab.go(f"{large}/en")
    tab.wait("document.querySelectorAll('.at-changes .line').length > 5")
    said = tab.js("document.querySelector('.at-changes').innerText")
    assert "Device plc-1: Up" in said
    assert "engineer: Change the configuration · Allowed" in said


def test_a_bad_value_says_why_and_since_when(tab: Tab, site: str):
    with urllib.request.urlopen(f"{site}/api/latest?all=true&time=ms", timeout=10) as answer:
        told = json.load(answer)
    name = next(n for n, q in zip(told["tag"], told["quality"], strict=True) if q >= 128)
    asset, _, property = name.rpartition("/")
    tab.go(f"{site}/en/asset/{asset}")
    tab.wait("document.querySelector('.tile .below.bad .reason')")
    said = tab.js("document.querySelector('.tile .below.bad .reason').innerText")
    assert ", since " in said
    assert tab.js(
        "[...document.querySelectorAll('.below.bad .limits')].every(l => !l.getBoundingClientRect().width)"
    )
    tab.go(f"{site}/en/tags?search={asset}+{property}")
    tab.wait("document.querySelector('.row .below.bad .reason')")
    assert tab.js("document.querySelector('.row .name b').innerText") == property


def test_figures_of_parts_are_in_words_and_zeros_are_folded(tab: Tab, site: str):
    tab.go(f"{site}/en/edges")
    tab.wait("document.querySelector('.figures .more')")
    shut = tab.js("document.querySelector('.figures .idle').getBoundingClientRect().height")
    tab.click(".figures .more")
    assert shut == 0
    assert tab.js("document.querySelector('.figures.all .idle').getBoundingClientRect().height") > 0
    assert "_" not in tab.js(
        "[...document.querySelectorAll('.figures dt')].map(d => d.innerText).join()"
    )


def test_words_for_figures_and_errors(tab: Tab, site: str):
    tab.go(f"{site}/en/edges")
    told = tab.js("""(async () => {
      const words = await import(document.querySelector('script[src*="/js/frame.js"]').src.replace('frame.js', 'words.js'));
      const told = words.figures({ odd_one: 3, refusals: "", dropped: 0, log_bytes: 2510076, samples: 1234567, lag_ms: 5.12 });
      return { told, why: words.why("[::1]:39273: Connect call failed ('::1', 39273, 0, 0)"), own: words.why("积压 Behind") };
    })()""")
    assert [(f["title"], f["text"]) for f in told["told"]] == [
        ("Lag", "5.1\u2009ms"), ("Samples", "1\u2009234\u2009567"), ("Buffer used", "2.5\u2009MB"),
        ("Dropped", "0"), ("Odd one", "3"),
    ]  # fmt: skip
    assert told["why"].startswith("Connection refused by [::1]:39273")
    assert told["own"] == "Behind"


def test_faults_are_found_by_words_and_named_in_one_language(tab: Tab, site: str):
    tab.go(f"{site}/en/faults")
    tab.wait("document.querySelectorAll('.machine').length === 4")
    assert "Pump 1" in tab.js("document.querySelector('.machine').innerText")
    tab.js("document.querySelector('.faults input').focus()")
    tab.type("network")
    tab.wait("document.querySelectorAll('.machine').length === 1")
    assert not any(
        "\u4e00" <= c <= "\u9fff" for c in tab.js("document.querySelector('.faults').innerText")
    )


def test_a_finger_hits_what_it_aims_at(browser: Browser, site: str):
    for page in ("", "/alarms", "/tags", f"/asset/{FURNACE}"):
        tab = browser.open(f"{site}/zh{page}", 390, 844)
        tab.wait(SETTLED)
        tab.js("new Promise(done => setTimeout(done, 500))")
        assert tab.js(SMALL_TARGETS) == []
        tab.close()


SMALL_TARGETS = """
[...document.querySelectorAll("main button, main a.tile, main a.more, main input[type=search], .tabs > *, .top .tool")]
  .filter((e) => { const r = e.getBoundingClientRect(); return r.width && r.height < 40 })
  .map((e) => `${e.tagName}.${e.className} ${e.innerText}`)
"""


CORE = (
    "import(document.querySelector('script[src*=\"/js/frame.js\"]').src.replace('frame.js', '%s'))"
)


def test_numbers_of_a_column_stand_under_each_other_and_times_are_told_one_way(tab: Tab, site: str):
    tab.go(f"{site}/en/app/pumping/words")
    tab.wait("customElements.get('bt-table')")
    about = {
        "columns": ["泵 Pump", "功率 Power", "开始 Begin"], "actions": [],
        "rows": [["p1", 74.1, "2026-06-01T08:00:00Z"], ["p2", 12345.25, None]], "links": [None, None],
    }  # fmt: skip
    cells = tab.js(f"""(() => {{
      const table = document.createElement("bt-table");
      table.dataset.about = {json.dumps(json.dumps(about))};
      document.querySelector("main").append(table);
      return [...table.querySelectorAll("td.num, td:last-child")].map((cell) => cell.innerText);
    }})()""")
    assert [cells[0], cells[2], cells[3]] == ["74.10", "12\u2009345.25", "–"]
    assert re.fullmatch(r"2026-0[56]-\d\d \d\d:\d\d:\d\d", cells[1])


def test_units_and_places_are_written_as_people_do(tab: Tab, site: str):
    tab.go(f"{site}/en/elements")
    told = tab.js(f"{CORE % 'core.js'}.then(c => ['MOhm', 'Ohm', 'kV.A', 'm3/h'].map(c.unit))")
    assert told == ["MΩ", "Ω", "kV·A", "m³/h"]
    order = "['a/u-10', 'a/u-2', 'a/u-1'].map(path => ({ path })).sort(c.byName).map(a => a.path)"
    assert tab.js(f"{CORE % 'core.js'}.then(c => {order})") == ["a/u-1", "a/u-2", "a/u-10"]


def test_a_narrow_palette_shows_the_end_of_a_name_which_tells_tags_apart(
    browser: Browser, site: str
):
    tab = browser.open(f"{site}/zh", 390, 844)
    tab.wait("document.querySelector('bt-tools a')")
    tab.js("document.querySelector('[data-act=find]').click()")
    tab.wait("document.querySelector('.palette input') === document.activeElement")
    tab.type("luwen")
    tab.wait("document.querySelector('.palette .tail')")
    assert tab.js("""[...document.querySelectorAll('.palette .tail')].every((tail) => {
      const name = tail.firstChild.getBoundingClientRect(), box = tail.getBoundingClientRect();
      return name.right <= box.right + 1 && box.right <= innerWidth })""")
    tab.close()


def test_a_plant_without_devices_says_how_to_begin(browser: Browser):
    from tests.console.conftest import served

    running = served("--mode", "few")
    site = next(running)
    for page in ("/tags", "/edges"):
        tab = browser.open(f"{site}/en{page}")
        tab.wait(
            "[...document.querySelectorAll('main .empty a')].some(a => a.pathname === '/en/config')"
        )
        tab.close()
    running.close()

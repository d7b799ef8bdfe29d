"""Trends in a real browser: notes, periods laid over, figures of the range, cursors, dropping."""

from __future__ import annotations

import json
import urllib.request

import numpy as np
import pytest

from baotu.console.api.statistics import figures
from baotu.sdk import Samples
from tests.browser import Browser, Tab

pytestmark = pytest.mark.browser
FURNACE = "jinan/foundry/line-1/furnace-2"
TAG, POWER = f"{FURNACE}/temperature", f"{FURNACE}/power"
PAGE = "document.querySelector('bt-trends')"
DRAWN = f"{PAGE}?.chart?.tookMs && {PAGE}.stats?.['{TAG}']"


def column(tab: Tab, head: str, row: int = 0) -> str:
    return tab.js(
        f"[...document.querySelectorAll('.trends tbody tr')][{row}]"
        f".querySelector('td[data-head={json.dumps(head)}]')?.innerText"
    )


def series(tab: Tab) -> list[dict]:
    return tab.js(
        f"{PAGE}.chart.chart.getOption().series.map(s => ({{ name: s.name, id: s.id,"
        "points: s.data.length, first: s.data[0], type: s.lineStyle?.type,"
        "marks: s.markLine?.data?.length ?? 0, bands: s.markArea?.data?.length ?? 0 }))"
    )


def click_chart(tab: Tab, x: int) -> None:
    for kind in ("mousePressed", "mouseReleased"):
        tab.do("Input.dispatchMouseEvent", type=kind, x=x, y=320, button="left", clickCount=1)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_note_is_written_over_the_cursors_shown_and_removed_with_a_reason(
    tab: Tab, site: str, language: str
):
    text = f"换了滤网 filter changed {language}"
    tab.go(f"{site}/{language}/trends?tag={TAG}&span=900000")
    tab.wait(f"{DRAWN} && document.querySelector('.add-note')")
    tab.js(f"{PAGE}.chart.fix({PAGE}.chart.from, {PAGE}.chart.to)")
    for x in (600, 900):
        click_chart(tab, x)
    tab.wait(f"{PAGE}.chart.marks.length === 2")
    tab.click(".add-note")
    tab.wait("document.querySelector('dialog form input')")
    assert tab.js("document.querySelectorAll('dialog .field').length") == 1
    tab.js(f"document.querySelector('dialog input').value = {json.dumps(text)}")
    tab.click("dialog .main-act")
    tab.wait(f"document.querySelector('.notes')?.innerText.includes({json.dumps(text)})")
    tab.js("new Promise(done => setTimeout(done, 100))")
    notes = next(s for s in series(tab) if s.get("id") == "notes")
    assert (notes["marks"], notes["bands"]) == (1, 1)
    tab.go(f"{site}/{language}/trends?tag={POWER}&span=900000")  # another tag has no notes
    tab.wait(f"{PAGE}?.chart?.tookMs && document.querySelector('.add-note')")
    assert tab.js("document.querySelector('.notes').hidden")
    tab.go(f"{site}/{language}/trends?tag={TAG}&span=900000")
    tab.wait(f"document.querySelector('.notes')?.innerText.includes({json.dumps(text)})")
    tab.click(".notes .tool")
    tab.wait("document.querySelector('dialog form input')")
    tab.js("document.querySelector('dialog input').value = '写错 mistaken'")
    tab.click("dialog .main-act")
    tab.wait("document.querySelector('.notes').hidden")
    assert tab.errors == []


def test_a_period_before_is_laid_over_and_told_in_figures(tab: Tab, site: str):
    tab.go(f"{site}/en/trends?tag={TAG}&tag={POWER}")
    tab.wait(f"{DRAWN} && document.querySelector('.compare')")
    tab.js(
        "(() => { const s = document.querySelector('.compare'); s.value = '86400000';"
        "s.dispatchEvent(new Event('change')) })()"
    )
    tab.wait(f"{PAGE}.before?.['{TAG}']?.mean && {PAGE}.chart.before['{TAG}']?.length > 10")
    tab.js("new Promise(done => setTimeout(done, 100))")
    drawn = {s.get("name"): s for s in series(tab)}
    earlier, now = drawn[f"{TAG} ←"], drawn[TAG]
    assert earlier["points"] > 10 and earlier["type"] == "dotted"
    assert abs(earlier["first"][0] - now["first"][0]) < 60_000
    assert column(tab, "Mean before") not in ("–", None)
    assert "compare=86400000" in tab.js("location.search")
    tab.go(tab.js("location.href"))
    tab.wait(f"{PAGE}?.chart?.offset === 86400000 && {PAGE}.before?.['{TAG}']")
    tab.js(
        "(() => { const s = document.querySelector('.compare'); s.value = 'own';"
        "s.dispatchEvent(new Event('change')) })()"
    )
    tab.wait("document.querySelector('dialog input[name=period]')")
    tab.click("dialog .main-act")
    tab.wait("document.querySelector('dialog .wrong small').innerText.includes('36 h')")
    tab.js("document.querySelector('dialog input').value = '36 h'")
    tab.click("dialog .main-act")
    tab.wait(f"{PAGE}.chart.offset === 36 * 3600e3 && {PAGE}.before?.['{TAG}']")
    tab.wait("document.querySelector('.trends').innerText.includes('36 h before')")
    assert tab.errors == []


def test_figures_of_the_range_are_those_of_its_samples(tab: Tab, site: str):
    start, end = tab.js("[3600e3, 2400e3].map((ago) => new Date(Date.now() - ago).toISOString())")
    tab.go(f"{site}/en/trends?tag={TAG}&start={start}&end={end}")
    tab.wait(DRAWN)
    address = f"{site}/api/export?tag={TAG}&start={start}&end={end}&format=csv"
    assert tab.js("document.querySelector('a[download]').href").replace(
        "%3A", ":"
    ) == address.replace(TAG, TAG.replace("/", "%2F"))
    with urllib.request.urlopen(
        f"{site}/api/history?tag={TAG}&start={start}&end={end}&points=0", timeout=10
    ) as answer:
        values = np.array(json.load(answer)["value"])
    shown = {h: float(column(tab, h).replace("\u2009", "")) for h in ("Low", "Mean", "High", "Std")}
    told = {"Low": values.min(), "Mean": values.mean(), "High": values.max(), "Std": values.std()}
    for name, value in told.items():
        assert shown[name] == pytest.approx(value, rel=0.01), name
    assert column(tab, "Good") == "100\u2009%"
    assert column(tab, "Count").replace("\u2009", "") == str(len(values))


def test_cursors_are_part_of_the_address(tab: Tab, site: str):
    tab.go(f"{site}/en/trends?tag={TAG}")
    tab.wait(DRAWN)
    tab.js(f"{PAGE}.chart.fix({PAGE}.chart.from, {PAGE}.chart.to)")
    for x in (600, 900):
        click_chart(tab, x)
    tab.wait("location.search.includes('&b=')")
    marks = tab.js(f"{PAGE}.chart.marks")
    tab.go(tab.js("location.href"))
    tab.wait(DRAWN)
    assert tab.js(f"{PAGE}.chart.marks") == marks
    tab.wait("document.querySelector('.trends table')?.innerText.includes('B − A')")
    assert column(tab, "B − A") not in ("–", None)


DROP = """
(() => {
  const data = new DataTransfer();
  document.querySelector(%s).dispatchEvent(new DragEvent("dragstart", { dataTransfer: data, bubbles: true }));
  const chart = document.querySelector(".stage");
  for (const kind of ["dragover", "drop"]) chart.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
})()
"""


def test_tags_and_assets_are_dropped_from_the_tree_on_axes_by_unit(tab: Tab, site: str):
    tab.go(f"{site}/en/asset/{FURNACE}")
    tab.wait("document.querySelector('bt-tree .twig a[aria-current]')")  # the tree opens to it
    tab.go(f"{site}/en/trends")
    tab.wait(f"document.querySelector('bt-tree a[data-path=\"{FURNACE}\"]')")
    tab.js(DROP % json.dumps(f'bt-tree a[data-path="{FURNACE}"]'))
    tab.wait(f"{PAGE}.names?.length === 3 && {PAGE}.chart?.tookMs")
    units = tab.js(f"{PAGE}.chart.chart.getOption().yAxis.map(a => a.name)")
    assert sorted(units) == ["kW", "m³/h", "°C"]
    tab.click(f'.twig:has(a[data-path="{FURNACE}"]) button')
    tab.wait(f"document.querySelector('bt-tree a[data-path=\"{POWER}\"]')")
    tab.go(f"{site}/en/trends?tag={TAG}")
    tab.wait(f"{DRAWN} && document.querySelector('bt-tree a[data-path=\"{FURNACE}\"]')")
    tab.click(f'.twig:has(a[data-path="{FURNACE}"]) button')
    tab.wait(f"document.querySelector('bt-tree a[data-path=\"{POWER}\"]')")
    tab.js(DROP % json.dumps(f'bt-tree a[data-path="{POWER}"]'))
    tab.wait(f"{PAGE}.names.length === 2")
    tab.click(f'bt-tree a[data-path="{FURNACE}/cooling_flow"]')
    tab.wait(f"{PAGE}.names.length === 3")
    assert tab.js("location.pathname") == "/en/trends"
    assert tab.errors == []


def test_a_trend_with_notes_fits_a_phone(browser: Browser, site: str):
    tab = browser.open(f"{site}/zh/trends?tag={TAG}&compare=86400000", 390, 844, dark=True)
    tab.wait(f"{DRAWN} && document.querySelector('.add-note')")
    assert tab.js("document.documentElement.scrollWidth - innerWidth") <= 0
    tab.close()


def test_figures_count_what_is_bad_and_leave_it_out():
    samples = Samples.of(7, np.arange(4), [1.0, 3.0, np.nan, 5.0])
    told = figures(samples.where(np.array([True, True, False, True])))
    assert (told["low"], told["mean"], told["high"], told["good"]) == (1.0, 3.0, 5.0, 1.0)
    half = Samples(samples.tag, samples.time, samples.value, np.array([0, 0, 128, 128], "u1"))
    told = figures(half)
    assert (told["count"], told["good"], told["mean"], told["std"], told["last"]) == (
        4, 0.5, 2.0, 1.0, 3.0,
    )  # fmt: skip
    assert figures(half.where(np.zeros(4, bool)))["good"] is None

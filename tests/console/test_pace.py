"""When the page paints: at once what moves after a rest, readable what moves on, never a queue.

The clock of the page stands still and is turned by the test.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import Tab

pytestmark = pytest.mark.browser
STAGE = """(async () => {
  const home = document.querySelector('script[src*="/js/frame.js"]').src;
  const { live } = await import(home.replace('frame.js', 'live.js'));
  window.live = live;
  live.open = () => {};  // what it hears is said by the test
  window.now = 1e6, window.costs = 0, window.seen = [];
  performance.now = () => window.now;
  live.watch(['x'], (sample) => { window.seen.push(sample.value); window.now += window.costs });
  window.say = (value, quality = 0) => live.hear({ tag: ['x'], value: [value], time: [1], quality: [quality] });
})()"""
FRAMES = "new Promise(done => { let n = 10; const turn = () => n-- ? requestAnimationFrame(turn) : done(); turn() })"


@pytest.fixture
def page(tab: Tab, site: str) -> Tab:
    tab.go(f"{site}/en/elements")
    tab.js(STAGE)
    return tab


def says(page: Tab, *values: Any) -> list[Any]:
    """What has been painted so far, after each of these was heard and had time to be painted."""
    for value in values:
        page.js(f"say({value})")
        page.js(FRAMES)
    return page.js("seen")


def test_readings_that_change_nothing_do_not_delay_the_change(page: Tab):
    says(page, 1)
    page.js("now += 500")
    assert says(page, 1, 1, 1, 2) == [1, 1, 1, 1, 2]


def test_a_value_that_moves_on_stays_until_it_was_readable_and_the_newest_follows(page: Tab):
    assert says(page, 1, 2, 3, 4) == [1]
    page.js("now += 450")
    page.wait("seen.length > 1")
    assert page.js("seen") == [1, 4]


def test_a_quality_that_turns_bad_is_a_move(page: Tab):
    says(page, 1)
    page.js("now += 500")
    says(page, "1, 200")
    assert says(page, 1) == [1, 1]


def test_dear_painting_is_done_seldom(page: Tab):
    page.js("costs = 50")
    says(page, 1)
    assert page.js("live.free - now") == 200  # 50 ms of work in 250
    page.js("costs = 0")
    assert page.js("now += 500") and says(page, 2) == [1, 2]
    assert page.js("live.free - now") == 0


def test_a_tag_nobody_watches_any_more_is_forgotten(page: Tab):
    page.js("live.watch(['y'], () => {})()")
    page.js("live.hear({ tag: ['y'], value: [1], time: [1], quality: [0] })")
    assert page.js("live.later.size + Number(live.last.has('y'))") == 0

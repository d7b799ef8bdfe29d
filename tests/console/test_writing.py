"""Writing a tag from the console: what is shown before, what is asked, what a refusal says."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from tests.browser import Browser
from tests.house.nodes import until


def speeds(web, end: str) -> str:
    tags = web.rooms.plant.all_tags()
    return next(t.name for t in tags if t.property == "speed" and t.asset.endswith(end))


def test_the_api_tells_what_a_write_would_meet_and_writes_with_a_reason(web):
    tag = speeds(web, "-1")
    told = web.get("/api/write", params={"tag": tag}).json()
    assert (told["tag"], told["approval"], told["refused"]) == (tag, False, "")
    assert told["conditions"] == [{"text": "jinan/foundry/line-1/guard == 1", "why": ""}]
    answer = web.post("/api/write", json={"tag": tag, "value": 1200, "reason": "test"})
    assert (answer.status_code, answer.json()["value"]) == (200, 1200)
    answer = web.post("/api/write", json={"tag": tag, "value": 1200, "reason": ""})
    assert (answer.status_code, answer.json()["field"]) == (422, "reason")
    answer = web.post("/api/write", json={"tag": tag, "value": 1200})
    assert answer.status_code == 422


def test_a_write_that_waits_is_202_and_a_barred_one_says_which_policy(web):
    waits = web.post("/api/write", json={"tag": speeds(web, "-2"), "value": 1, "reason": "x"})
    assert (waits.status_code, waits.json()["request"]) == (202, 7)
    barred = web.post("/api/write", json={"tag": speeds(web, "-3"), "value": 1, "reason": "x"})
    assert barred.status_code == 403
    told = web.get("/api/write", params={"tag": speeds(web, "-3")}).json()
    assert (told["policies"], told["who_may"]) == (["zone-machining-off"], ["工程师 Engineer"])


def test_where_writing_is_off_it_says_so(web):
    from dataclasses import replace

    from starlette.testclient import TestClient

    from baotu.console.app import build_api

    with TestClient(build_api(replace(web.rooms, writing=None))) as off:
        assert (
            off.post("/api/write", json={"tag": "a/b", "value": 1, "reason": "x"}).status_code
            == 503
        )


@pytest.fixture(params=[("zh", 1440, 900), ("en", 390, 844)], ids=["desk", "phone"])
def shown(request, browser: Browser, site: str):
    language, width, height = request.param
    tab = browser.open(
        f"{site}/{language}/asset/{asset_of(site, '-1')}", width=width, height=height
    )
    yield tab, language, site
    tab.close()


def asked(address: str):
    with urllib.request.urlopen(address, timeout=20) as answer:
        return json.loads(answer.read())


def asset_of(site: str, end: str) -> str:
    tags = until("the console answers", lambda: asked(f"{site}/api/tags?search=speed&limit=1000"))
    tags = tags["tags"]
    return next(t["asset"] for t in tags if t["writable"] and t["asset"].endswith(end))


def pick_speed(tab) -> None:
    tab.wait("[...document.querySelectorAll('.tile.key')].length")
    tab.js(
        "[...document.querySelectorAll('.tile.key')].find((e) => /转速|Speed/.test(e.textContent)).click()"
    )
    tab.wait(
        "[...document.querySelectorAll('header .btn')].find((e) => !e.hidden && /…/.test(e.textContent))"
    )
    tab.js(
        "[...document.querySelectorAll('header .btn')].find((e) => !e.hidden && /…/.test(e.textContent)).click()"
    )
    tab.wait("document.querySelector('dialog[open] .change')")


def test_the_dialog_shows_before_and_after_and_asks_why(shown, tmp_path: Path):
    tab, language, _ = shown
    pick_speed(tab)
    tab.js("""(() => { const [value, reason] = document.querySelectorAll('dialog input');
        value.value = '1300'; value.dispatchEvent(new Event('input')); reason.value = 'test'; })()""")
    assert "300" in tab.js("document.querySelector('dialog .change b').textContent")
    tab.js("document.querySelector('dialog form').requestSubmit()")
    tab.wait("document.querySelector('.toast')")
    said = tab.js("document.querySelector('.toast').textContent")
    assert ("读回" if language == "zh" else "read back") in said
    assert tab.errors == []


def test_a_barred_tag_says_which_policy_and_who_may(browser: Browser, site: str):
    tab = browser.open(f"{site}/en/asset/{asset_of(site, '-3')}")
    pick_speed(tab)
    said = tab.js("document.querySelector('dialog .problem').textContent")
    assert "Zone machining has writes off" in said
    assert "zone-machining-off" in said and "Who may: Engineer" in said
    assert tab.js("document.querySelector('dialog .main-act').disabled") is True
    tab.close()


def test_waiting_writes_are_on_the_overview_and_at_their_asset_and_are_approved_there(
    browser: Browser, site: str
):
    [row] = until("the console answers", lambda: asked(f"{site}/api/approvals/waiting"))
    tab = browser.open(f"{site}/en")
    tab.wait("document.querySelector('.notice.waiting .line.waits')")
    said = tab.js("document.querySelector('.line.waits').textContent")
    assert "1" in said and "450" in said and "wu.gang" in said
    tab.close()
    tab = browser.open(f"{site}/en/asset/{row['tag'].rpartition('/')[0]}")
    tab.wait("document.querySelector('.line.waits .main-act')")
    tab.js("document.querySelector('.line.waits .main-act').click()")
    tab.wait("document.querySelector('dialog[open] input')")
    tab.js("document.querySelector('dialog input').value = 'looked at it'")
    tab.js("document.querySelector('dialog form').requestSubmit()")
    tab.wait("!document.querySelector('.line.waits')")
    assert tab.errors == []
    tab.close()

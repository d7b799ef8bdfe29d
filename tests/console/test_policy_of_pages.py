"""Every page works under its Content-Security-Policy: Chromium reports nothing, nothing comes from elsewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from baotu.console.pages.words import PLACES
from tests.browser import Browser
from tests.console.signals import FakePlant

ASSET = FakePlant(40).all_tags()[0].asset
PAGES = [*(p.name for p in PLACES), f"asset/{ASSET}", "app/pumping/overview", "app/pumping/words"]
VIOLATIONS = """window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));"""


@pytest.mark.browser
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_page_offends_its_policy(browser: Browser, site: str, language: str):
    tab = browser.open(f"{site}/api/health")
    tab.do("Page.addScriptToEvaluateOnNewDocument", source=VIOLATIONS)
    for name in PAGES:
        tab.go(f"{site}/{language}/{name}".rstrip("/"))
        tab.wait("document.querySelector('main') && window.did_handshake", 30)
        tab.js("new Promise(done => setTimeout(done, 700))")
        assert tab.js("window.violations") == [], name
        assert tab.errors == [], name
    hosts = {urlsplit(one).netloc for one in tab.requests if one.startswith(("http", "ws"))}
    assert hosts == {urlsplit(site).netloc}
    tab.close()


@pytest.mark.browser
def test_a_script_that_is_written_into_a_page_does_not_run(browser: Browser, site: str):
    """So it is the policy that holds, not only that nothing is written there."""
    tab = browser.open(f"{site}/api/health")
    tab.do("Page.addScriptToEvaluateOnNewDocument", source=VIOLATIONS)
    tab.go(f"{site}/en")
    tab.wait("document.querySelector('main')")
    tab.js("""(() => { const box = document.createElement("div");
      box.innerHTML = '<img src="x" onerror="window.broken = 1">'; document.body.append(box);
      const script = document.createElement("script"); script.textContent = "window.broken = 2";
      document.body.append(script); })()""")
    tab.wait("window.violations.length >= 2")
    assert tab.js("window.broken ?? null") is None
    tab.close()

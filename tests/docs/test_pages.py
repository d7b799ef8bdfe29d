"""Every page of the documentation has both languages, the same code, and links that lead somewhere."""

import re

import pytest

from .guide import ROOT, blocks

PAGES = sorted(
    str(p.relative_to(ROOT))
    for p in (ROOT / "docs").rglob("*.md")
    if not p.name.endswith(".zh.md") and "decisions" not in p.parts and "reference" not in p.parts
)
ALL = sorted(
    str(p.relative_to(ROOT)) for p in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("README*.md")]
)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_a_chinese_twin_with_the_same_code(page):
    twin = page.removesuffix(".md") + ".zh.md"

    assert (ROOT / twin).exists()
    assert blocks(twin) == blocks(page)


@pytest.mark.parametrize("page", ALL)
def test_links_between_pages_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    lost = [t for t in targets if not (ROOT / page).parent.joinpath(t).exists()]

    assert lost == []

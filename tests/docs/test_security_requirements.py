"""What the threat model and the table of requirements claim is shown by tests that exist."""

import re

import pytest

from .guide import ROOT

THREATS = ("docs/understand/threats.md", "docs/understand/threats.zh.md")
TABLE = "docs/reference/security-requirements.md"
STATES = ("enforced", "partly", "planned", "outside")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def named(text: str) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", text))


def rows() -> list[list[str]]:
    lines = [line for line in text_of(TABLE).splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if re.match(r"(CR|NDR|SAR|EDR|HDR|8\.)", row[0])]


@pytest.mark.parametrize("page", [*THREATS, TABLE])
def test_every_test_that_is_named_exists(page: str):
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)", file.read_text("utf-8"), re.M)
    }
    assert named(text_of(page))
    assert named(text_of(page)) - there == set()


def test_both_languages_name_the_same_tests():
    one, other = (re.findall(r"`(test_\w+)`", text_of(page)) for page in THREATS)
    assert one == other


def test_each_line_has_a_state_and_what_shows_it():
    found = rows()
    assert len(found) > 75 and len({row[0] for row in found}) == len(found)
    for row in found:
        state, shown = row[-2], row[-1]
        assert state in STATES, row
        assert bool(named(shown)) == (state in ("enforced", "partly")), row

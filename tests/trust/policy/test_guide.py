"""What the guide says is so, and the reference is what the program says."""

from __future__ import annotations

from pathlib import Path

from baotu.house.file import examine, load
from baotu.house.hub import Hub
from baotu.kernel.board import HealthBoard
from baotu.kernel.clock import SystemClock
from baotu.sdk import Caller, Resource, Tag
from baotu.trust.policy import reference
from baotu.trust.policy.check import problems
from baotu.trust.policy.model import Catalogue
from tests.docs.guide import ROOT, blocks
from tests.english import english

from .world import engine, furnace, person

PAGE = "docs/understand/policy.md"
[CEDAR] = [b.text for b in blocks(PAGE) if b.language == "cedar"]
[ZONE] = [b.text for b in blocks(PAGE) if b.language == "toml"]
NODE = '[node]\nname = "n"\ndata = "data"\norganisation = "spring"\n[history]\nmemory_mb = 64\n'
PLACES = """
[[asset]]
path = "jinan"
[[asset]]
path = "jinan/yard"
organisation = "brook"
"""


def test_the_policies_of_the_guide_are_accepted_and_do_what_their_titles_say():
    assert problems(CEDAR, Catalogue.of()) == []
    mine, wu = engine(CEDAR), person("wu")
    assert mine.judge(wu, "tags.write", furnace(3)).needs == {"approver"}
    assert not mine.judge(wu, "tags.write", furnace(1)).allowed
    li, token = person("li", "engineer"), person("li", "engineer", kind="token")
    assert mine.judge(li, "history.export", furnace(3)).allowed
    assert mine.judge(token, "history.export", furnace(3)).policies == ("no-export-by-token",)
    app = Caller("app:x", "spring", frozenset({"tags.write"}), kind="app")
    assert mine.judge(app, "tags.write", furnace(1)).policies == ("high-zones-stay-inside",)
    assert mine.judge(app, "tags.write", furnace(3)).allowed


def test_the_reference_is_what_the_program_says():
    assert (ROOT / "docs/reference/policy.md").read_text(encoding="utf-8") == reference.page()


def test_zones_of_a_file_reach_the_engine_of_the_hub(tmp_path: Path):
    path = tmp_path / "node.toml"
    path.write_text(NODE + PLACES + ZONE)
    (tmp_path / "data").mkdir()
    hub = Hub(load(path), HealthBoard("n"), SystemClock())
    try:
        hub.adopt("n", [Tag(id=0, asset="jinan/foundry/melting/f", property="power", writable=True),
                        Tag(id=1, asset="jinan/yard/pump", property="flow")])  # fmt: skip
        tag = Resource("tag", "jinan/foundry/melting/f/power")
        li, he = person("li", "operator"), person("he", "operator", of="brook")
        assert hub.policy.judge(li, "tags.write", tag).needs == {"approver"}
        assert hub.policy.visible(he, "history.read", "tag") == {"jinan/yard/pump/flow"}
        assert hub.chain.policy is hub.policy
        assert hub.call("policies.who_may", {"action": "tags.write", "kind": "tag", "id": str(tag)})
        hub.configure(load(path, NODE + PLACES))
        assert hub.policy.judge(li, "tags.write", tag).needs == frozenset()
        hub.policies.look()
        hub.call("organisations.make", {"name": "brook", "title": "溪 Brook"})
        hub.policies.start(hub.chain.watch)
        hub.call("organisations.disable", {"name": "brook", "reason": "x"})
        assert hub.policy.visible(he, "history.read", "tag") == frozenset()
        hub.policies.stop()
    finally:
        hub.stop()


def test_what_is_wrong_with_a_zone_is_told_with_its_line(tmp_path: Path):
    def told(text: str) -> list[str]:
        return [english(p) for p in examine(tmp_path / "n.toml", NODE + text)[1]]

    assert any("security_level" in t for t in told(ZONE.replace("= 3", "= 9")))
    assert any("writes" in t for t in told(ZONE.replace('"approved"', '"maybe"')))
    twice = told(ZONE + ZONE.replace('"safety"', '"other"'))
    assert any("is in zone 'safety' already" in t for t in twice)
    assert any("there twice" in t for t in told(ZONE + ZONE))

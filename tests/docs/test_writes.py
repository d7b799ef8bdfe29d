"""The configuration shown on the page about writes is one that loads, and its interlocks are read."""

from baotu.house.file import load
from baotu.sdk.interlock import needs_of

from .guide import blocks


def test_what_the_page_shows_is_a_configuration(tmp_path):
    shown = [b.text for b in blocks("docs/operate/writes.md") if b.language == "toml"]
    assert len(shown) == 4
    (tmp_path / "node.toml").write_text("\n".join(shown), encoding="utf-8")
    config = load(tmp_path / "node.toml")
    speed = next(tag for tag in config.devices[0].tags if tag.property == "speed")
    assert [need.within_s for need in needs_of(speed.write_needs)] == [0.0, 10.0]
    gates = {line.common.name: line.common.gate() for line in config.servers}
    assert gates["panel"].writes_as == "device:panel-3"
    assert gates["opcua-out"].writes_as == ""

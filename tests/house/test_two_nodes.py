"""An edge and a hub as two processes: the hub is killed, the edge goes on, nothing is missing."""

import signal
import time
from itertools import pairwise

import pytest

from baotu.house.demo import free_port

from . import nodes
from .nodes import Node, served, until

EDGE = """
[node]
name = "edge-1"
role = "edge"
[fabric]
connect = ["tcp/[::1]:{link}"]
[edge]
status = "[::1]:{status}"
[[device]]
name = "plc"
driver = "modbus"
host = "::1"
port = {device}
period_s = 0.1
asset = "plant/pump"
[[device.tag]]
property = "flow"
address = "holding:0:float32"
"""
HUB = """
[node]
name = "hub-1"
role = "hub"
[fabric]
listen = ["tcp/[::1]:{link}"]
[console]
listen = "[::1]:{console}"
"""
TAG = "plant/pump/flow"


@pytest.fixture
def device():
    with served(0x41A4, 0x0000) as port:
        yield port


def get(port, path, data=None):
    return nodes.get(f"http://[::1]:{port}{path}", data)


@pytest.mark.slow
@pytest.mark.peer("pymodbus")
def test_a_hub_that_is_killed_misses_nothing_of_what_its_edge_read(tmp_path, device):
    link, console, status = free_port(), free_port(), free_port()
    (tmp_path / "edge").mkdir()
    (tmp_path / "hub").mkdir()
    (tmp_path / "edge/e.toml").write_text(EDGE.format(link=link, status=status, device=device))
    (tmp_path / "hub/h.toml").write_text(HUB.format(link=link, console=console))

    def samples_out(port):
        parts = get(port, "/status.json")["parts"]
        return next(p["figures"]["samples_out"] for p in parts if p["kind"] == "edge")

    def times():
        return get(console, f"/api/history?tag={TAG}&points=5000&time=ms", tmp_path / "hub/data")[
            "time"
        ]

    edge = Node(tmp_path / "edge/e.toml", tmp_path / "edge.log")  # first, with no hub in sight
    alone = until("the edge reads alone", lambda: get(status, "/status.json"))
    until("ten samples", lambda: samples_out(status) > 10)
    hub = Node(tmp_path / "hub/h.toml", tmp_path / "hub.log")
    try:
        until("samples at the hub", lambda: len(times()) > 20)
        hub.end(signal.SIGKILL)
        killed = time.time() * 1000
        apart = samples_out(status)
        until("thirty more, with no hub", lambda: samples_out(status) > apart + 30)
        back = time.time() * 1000
        hub = Node(tmp_path / "hub/h.toml", tmp_path / "hub.log")
        until("what was read meanwhile", lambda: times()[-1] > back + 1000)
        until("the whole time it was away", lambda: sum(killed < t < back for t in times()) > 20)
        read = until("what the edge has read", lambda: samples_out(status))
        until("all of it", lambda: len(times()) >= read)
        seen = times()
        kept = until(
            "the edge's word",
            lambda: get(console, "/api/devices?kind=link", tmp_path / "hub/data")["healths"],
        )
    finally:
        stopped = [hub.end(), edge.end()]

    assert alone
    assert stopped == [0, 0]
    assert seen == sorted(set(seen)), "in order, none twice"
    assert sum(killed < t < back for t in seen) > 20, "what was read while the hub was dead"
    assert [h["figures"]["missing"] for h in kept] == [0]


def test_a_new_node_without_devices_is_well(tmp_path):
    console = free_port()
    config = tmp_path / "node.toml"
    config.write_text(
        f'[console]\nlisten = "[::1]:{console}"\n[edge]\nstatus = ""\n', encoding="utf-8"
    )
    node = Node(config, tmp_path / "node.log")
    try:
        link = until(
            "the link tells how it fares",
            lambda: get(console, "/api/devices?kind=link", tmp_path / "data")["healths"],
        )[0]
        assert (link["state"], link["why"]) == ("off", "no tags yet, nothing to send")
        assert get(console, "/api/health", tmp_path / "data")["status"] == "up"
    finally:
        node.end()


COUNTING = """
from baotu.sdk import App, Facts, Samples, Window, derived, every

class Counting(App):
    '''How many samples came in two seconds. 两秒内的样本数。'''

    count = derived(asset="Pump", property="count", title="样本数 Count")

    @every("2 s", asset="Pump", inputs=("flow",))
    def number(self, window: Window) -> Facts[None]:
        yield Samples.of(window.out["count"], [window.end], [float(len(window["flow"].value))])
"""
WINDOW_MS = 2000


@pytest.mark.slow
@pytest.mark.peer("pymodbus")
def test_figures_of_windows_in_the_gap_are_those_of_an_undisturbed_run(tmp_path, device):
    """The hub is dead for some windows of an app; afterwards each of them tells, once, what the
    whole data say: so would a run without the fall."""
    link, console, status = free_port(), free_port(), free_port()
    (tmp_path / "edge").mkdir()
    (tmp_path / "hub/plugins").mkdir(parents=True)
    config = EDGE.format(link=link, status=status, device=device)
    (tmp_path / "edge/e.toml").write_text(f'{config}type = "Pump"\n')
    config = HUB.format(link=link, console=console)
    (tmp_path / "hub/h.toml").write_text(
        config.replace("[fabric]", 'plugins = "plugins"\n[apps]\ntrusted = ["counting"]\n[fabric]')
    )
    (tmp_path / "hub/plugins/counting.py").write_text(COUNTING)

    def series(tag):
        found = get(
            console, f"/api/history?tag=plant/pump/{tag}&points=5000&time=ms", tmp_path / "hub/data"
        )
        return list(zip(found["time"], found["value"], strict=True))

    def told():
        return [(time, value) for time, value in series("count") if time <= back + 2 * WINDOW_MS]

    def expected(ends):
        raw = [time for time, _ in series("flow")]
        return [(end, sum(end - WINDOW_MS <= time < end for time in raw)) for end in ends]

    edge = Node(tmp_path / "edge/e.toml", tmp_path / "edge.log")
    hub = Node(tmp_path / "hub/h.toml", tmp_path / "hub.log")
    try:
        until("three windows", lambda: len(series("count")) >= 3)
        hub.end(signal.SIGKILL)
        killed = time.time() * 1000
        until("five windows without a hub", lambda: time.time() * 1000 > killed + 5 * WINDOW_MS)
        back = time.time() * 1000
        hub = Node(tmp_path / "hub/h.toml", tmp_path / "hub.log")
        until("a window after it", lambda: series("count")[-1][0] > back + 2 * WINDOW_MS)
        until("full windows in the gap", lambda: told() == expected(end for end, _ in told()))
        figures, right = told(), expected(end for end, _ in told())
        kept = until(
            "the edge's word",
            lambda: get(console, "/api/devices?kind=link", tmp_path / "hub/data")["healths"],
        )
    finally:
        stopped = [hub.end(), edge.end()]

    assert stopped == [0, 0]
    assert figures == right
    ends = [end for end, _ in figures]
    steps = {after - before for before, after in pairwise(ends)}
    assert steps == {WINDOW_MS}, "none is missing, none is told twice"
    gap = [count for end, count in figures if killed < end - WINDOW_MS and end < back]
    assert len(gap) >= 4
    assert min(gap) > 0
    assert [h["figures"]["missing"] for h in kept] == [0]

"""Third-party apps of a hub: held until somebody grants them, stopped at once when it is taken back."""

import threading
import time

import pytest

from baotu.house.cards import AppCards
from baotu.house.file import load
from baotu.house.hub import Hub
from baotu.kernel.board import HealthBoard
from baotu.kernel.clock import SystemClock
from baotu.sdk import Caller, ConfigError, Denied, Invalid, Quality, Samples, Tag
from baotu.sdk.link import Batch
from baotu.trust.sandbox import Launcher

WATCHER = '''
from collections.abc import Iterator
from baotu.sdk import Alarm, App, Samples, query, stream

class Watcher(App):
    """Tells of every sample. 每个样本都报警。"""
    title = "看守 Watcher"
    permissions = {permissions}

    @stream(asset="Motor", property="speed")
    def see(self, samples: Samples) -> Iterator[Alarm]:
        yield Alarm(int(samples.tag[0]), int(samples.time[0]), True, "seen", str(samples.time[0]))

    @query(title="好 Well")
    def well(self) -> str:
        return "yes"
'''
CONFIG = """
[node]
role = "hub"
plugins = "plugins"

[fabric]
listen = ["tcp/[::1]:0"]

[apps]
{apps}
"""


@pytest.fixture
def begun(tmp_path):
    """Hubs on one folder; each is stopped before the next."""
    launcher = Launcher()
    enough = launcher.means().enough()
    launcher.stop()
    if not enough:
        pytest.skip("this machine cannot confine a process")
    hubs = []

    def begin(apps="", **files):
        if hubs:
            hubs.pop().stop()
        for name in ("plugins", "data"):
            (tmp_path / name).mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / f"plugins/{name}.py").write_text(text)
        (tmp_path / "node.toml").write_text(CONFIG.format(apps=apps))
        config = load(tmp_path / "node.toml")
        hub = Hub(config, HealthBoard("hub", told=()), SystemClock())
        hubs.append(hub)
        hub.start()
        hub.number = 0
        [hub.tag] = hub.adopt(
            "e", [Tag(id=0, asset="plant/motor", asset_type="Motor", property="speed")]
        ).tolist()
        return hub

    yield begin
    for hub in hubs:
        hub.stop()


def sample(hub):
    hub.number += 1
    samples = Samples.of(hub.tag, [time.time_ns()], [1.0], Quality.GOOD)
    after = hub.number - 1 or None
    hub.history.append(
        [
            Batch(
                log=f"log{id(hub)}",
                first=hub.number,
                last=hub.number,
                after=after,
                samples=(samples,),
            )
        ]
    )


def alarms(hub, message="seen"):
    rows = hub.chain.store.ask("SELECT message FROM alarms_alarm_row WHERE app = 'watcher'")
    return [text for (text,) in rows if text == message]


def audit(hub, verb):
    return hub.chain.store.ask(
        "SELECT outcome, reason FROM ledger_audit_record WHERE verb = ?", (verb,)
    )


def until(look, again=lambda: None):
    end, pause = time.monotonic() + 25, threading.Event()
    while not (found := look()):
        assert time.monotonic() < end
        again()
        pause.wait(0.05)
    return found


def health(hub, name="watcher"):
    return next(h for h in hub.board.healths("app") if h.name == name)


def test_an_app_waits_runs_is_revoked_and_needs_a_new_grant_for_more(begun):
    hub = begun(watcher=WATCHER.format(permissions=()))

    assert health(hub).why == "等待授权 waiting for a grant"
    assert [i["state"] for i in hub.call("apps.installed", {})] == ["waiting"]
    sample(hub)
    with pytest.raises(Denied, match="等待授权"):
        hub.call("watcher.well", {})
    assert alarms(hub) == []

    hub.call("apps.grant", {"app": "watcher", "reason": "tried it"})
    assert hub.call("watcher.well", {}) == "yes"
    until(lambda: alarms(hub), lambda: sample(hub))
    process = hub.guests.remotes[0].process
    card = hub.guests.process("watcher")
    assert (card.state, card.asks) == ("granted", ())
    assert card.confined

    hub.call("apps.revoke", {"app": "watcher", "reason": "no more"})
    assert hub.guests.remotes[0].process is None
    assert hub.guests.launcher.ended("status", process.pid) == "SIGKILL"
    assert health(hub).why == "授权已收回 its grant was revoked"
    with pytest.raises(Denied):
        hub.call("watcher.well", {})
    hub.call("apps.grant", {"app": "watcher", "reason": "again"})
    assert hub.call("watcher.well", {}) == "yes"

    hub = begun()  # the grant is still there after a restart
    assert hub.call("watcher.well", {}) == "yes"

    hub = begun(watcher=WATCHER.format(permissions=("tags.write",)))
    assert [i["state"] for i in hub.call("apps.installed", {})] == ["more"]
    assert hub.guests.book["watcher"] == frozenset()
    with pytest.raises(Denied):
        hub.call("watcher.well", {})
    hub.call("apps.grant", {"app": "watcher", "reason": "it may write"})
    assert hub.guests.book["watcher"] == frozenset({"tags.write"})
    assert hub.call("watcher.well", {}) == "yes"
    assert {outcome for outcome, _ in audit(hub, "apps.grant")} == {"done"}


def test_another_source_of_the_same_name_has_no_grant(begun):
    hub = begun(watcher=WATCHER.format(permissions=()))
    hub.call("apps.grant", {"app": "watcher", "reason": "tried it"})
    folder = hub.config.basics.node.plugins
    (folder / "watcher.py").rename(folder / "another.py")
    hub = begun()

    assert [(i["source"], i["state"]) for i in hub.call("apps.installed", {})] == [
        ("another", "waiting")
    ]


def test_who_may_not_install_grants_nothing(begun):
    hub = begun(watcher=WATCHER.format(permissions=()))
    with pytest.raises(Denied):
        hub.chain.call(
            "apps",
            "grant",
            {"app": "watcher", "reason": "x"},
            Caller("li", "plant", frozenset({"apps.read"})),
        )
    with pytest.raises(Invalid, match="no such third-party app"):
        hub.call("apps.grant", {"app": "overheat", "reason": "x"})

    assert not hub.guests.book.runs("watcher")


def test_one_that_cannot_be_loaded_stops_nobody_else(begun):
    hub = begun(broken="x = 1 / 0\n", watcher=WATCHER.format(permissions=()))

    assert "ZeroDivisionError" in health(hub, "broken").why
    cards = AppCards(hub.apps, hub.board, hub.guests.process, hub.guests.wrong).cards()
    assert [card.name for card in cards if card.health.state == "down"] == ["broken"]
    assert [outcome for outcome, _ in audit(hub, "broken.load")] == ["refused"]
    assert {app.name() for app in hub.apps} >= {"watcher", "overheat"}


def test_what_is_trusted_runs_in_the_hub_and_the_audit_says_so(begun):
    hub = begun('trusted = ["watcher"]', watcher=WATCHER.format(permissions=()))

    assert hub.guests.remotes == []
    assert hub.guests.launcher._zygote is None
    assert hub.call("watcher.well", {}) == "yes"
    assert any("runs inside the hub" in why for _, why in audit(hub, "platform.apps"))


def test_a_third_party_app_is_not_let_write_by_the_configuration(begun):
    with pytest.raises(ConfigError, match="third-party app"):
        begun('may_write = ["watcher"]', watcher=WATCHER.format(permissions=()))


def test_a_machine_that_cannot_confine_runs_none_unless_told_so(begun, monkeypatch):
    monkeypatch.setattr("baotu.trust.sandbox.confine.Means.enough", lambda means: False)
    hub = begun(watcher=WATCHER.format(permissions=()))
    assert "cannot be confined" in health(hub, "watcher").why

    hub = begun("run_third_party_apps_without_confinement_insecure = true")
    hub.call("apps.grant", {"app": "watcher", "reason": "at my own risk"})
    assert hub.call("watcher.well", {}) == "yes"
    assert hub.guests.process("watcher").confined == ()
    assert any("unconfined" in why for _, why in audit(hub, "platform.apps"))


def test_the_page_of_grants_shows_what_waits(begun):
    hub = begun(watcher=WATCHER.format(permissions=("tags.write",)))
    view = hub.chain.look("apps", "overview", {}, hub.caller).view

    assert view.items[0].rows[0][:2] == ("watcher", "看守 Watcher")
    assert view.items[0].rows[0][4] == "等待授权 Waiting for a grant"
    assert "写设备 Write to the plant" in view.items[0].rows[0][5]

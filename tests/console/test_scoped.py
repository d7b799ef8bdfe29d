"""What a caller may not see does not exist, on any way to it; who sees all pays nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from starlette.testclient import TestClient

from baotu.console.app import build, build_api
from baotu.console.scoped import ScopedPlant, Sights, bounds, scoped
from baotu.sdk import Caller, Invalid
from baotu.sdk.trust import Permissions
from baotu.sdk.view import in_language
from tests.console.roles import bearer, roled
from tests.console.signals import FakePlant


@dataclass(frozen=True)
class Firms(Permissions):
    """Each organisation sees its own assets, and what it was given of others."""

    seen: dict = field(default_factory=dict)  # organisation → (assets, tags)
    asked: list = field(default_factory=list)
    number: list = field(default_factory=lambda: [0])

    def visible(self, caller, action, kind):
        self.asked.append((caller.name, action, kind))
        if action not in caller.permissions:
            return frozenset()
        assets, tags = self.seen.get(caller.organisation, (None, None))
        if kind == "organisation":
            return frozenset({caller.organisation})
        if kind in ("asset", "tag"):
            return {"asset": assets, "tag": tags}[kind]
        return frozenset() if assets is not None else None

    def version(self):
        return self.number[0]


PLANT = FakePlant(400)
ASSETS = sorted({t.asset for t in PLANT.all_tags()})
OWN = frozenset(ASSETS[::3])
HIDDEN = [t for t in PLANT.all_tags() if t.asset not in OWN]
SHOWN = [t for t in PLANT.all_tags() if t.asset in OWN]


@pytest.fixture(scope="module")
def web() -> Iterator[TestClient]:
    rooms, sessions = roled(400)
    known = dict(sessions.known)
    for name in ("engineer", "audit_admin"):
        sessions.known[f"firm-{name}"] = replace(
            known[name], name=f"firm-{name}", organisation="firm"
        )
    policy = Firms(rooms.policy.granted, {"firm": (OWN, None)})
    client = TestClient(build_api(replace(rooms, policy=policy)), raise_server_exceptions=False)
    client.policy, client.rooms, client.sessions = policy, rooms, sessions
    with client:
        yield client


def get(web: TestClient, path: str, who: str = "firm-engineer", **asked):
    return web.get(f"/api/{path}", params=asked, headers=bearer(who))


def test_a_firm_sees_its_own_assets_and_tags_alone(web: TestClient):
    told = get(web, "tags", limit=10_000).json()
    assert told["total"] == len(SHOWN) == len(told["tags"])
    assert {t["asset"] for t in told["tags"]} == OWN
    assert {a["path"] for a in get(web, "assets").json()["assets"]} == OWN
    assert get(web, "tags", "engineer").json()["total"] == 400
    jumped = get(web, "tags", offset=3, limit=2).json()
    assert jumped["tags"] == told["tags"][3:5] and jumped["total"] == len(SHOWN)


def test_pages_of_tags_follow_by_cursor(web: TestClient):
    names, cursor = [], ""
    while True:
        told = get(web, "tags", limit=37, cursor=cursor).json()
        names += [t["name"] for t in told["tags"]]
        cursor = told["cursor"]
        if not cursor:
            break
    assert names == sorted(t.name for t in SHOWN)


@pytest.mark.parametrize("path", ["history", "statistics", "latest", "export"])
def test_a_hidden_tag_is_as_one_that_never_was(web: TestClient, path: str):
    hidden = HIDDEN[0]
    for name in (hidden.name, str(hidden.id)):
        real = get(web, path, tag=name)
        never = get(web, path, tag="x" * len(name))
        assert real.status_code == never.status_code == 422
        said, other = real.json()["detail"], never.json()["detail"]
        assert not any(t.name in said for t in HIDDEN if t.name != name)
        assert said.replace(name, "?").startswith(other.replace("x" * len(name), "?")[:20])
    assert get(web, path, tag=SHOWN[0].name, start="-5s").status_code == 200


def test_searches_tell_nothing_of_what_is_hidden(web: TestClient):
    word = HIDDEN[0].asset.rpartition("/")[2]
    for asked in ({"search": word}, {"under": HIDDEN[0].asset}, {"search": HIDDEN[0].name}):
        told = get(web, "tags", limit=10_000, **asked).json()
        assert all(t["asset"] in OWN for t in told["tags"])
        assert told["total"] == len(told["tags"])
    found = get(web, "search", q=word, limit=100).json()
    assert all(t["asset"] in OWN for t in found["tags"]) and found["total"] == len(found["tags"])
    assert all(a["path"] in OWN for a in found["assets"])
    address = f"/api/asset?path={HIDDEN[0].asset}"
    assert web.get(address, headers=bearer("firm-engineer")).status_code == 404
    assert get(web, "latest", under=HIDDEN[0].asset).json()["tag"] == []
    assert get(web, "export", under=HIDDEN[0].asset).status_code == 422


def test_counts_and_the_overview_are_of_what_is_seen(web: TestClient):
    told = get(web, "overview").json()
    text = json.dumps(told)
    assert not any(t.name in text or f'"{t.asset}"' in text for t in HIDDEN)
    assert sum(a["tags"] for a in told["areas"]) <= len(SHOWN)
    everything = get(web, "latest", all="true").json()
    assert set(everything["tag"]) <= {t.name for t in SHOWN}
    assert get(web, "health").json()["tags"] == len(SHOWN)


def test_alarms_are_of_what_is_seen(web: TestClient):
    all_of_them = get(web, "alarms", "engineer").json()["alarms"]
    told = get(web, "alarms").json()
    assert 0 < len(told["alarms"]) < len(all_of_them)
    assert {a["asset"] for a in told["alarms"]} <= OWN
    assert sum(told["counts"]) <= len(told["alarms"])
    rows = get(web, "alarms/open").json()
    assert {r["id"] for r in rows} == {a["id"] for a in told["alarms"]}
    events = get(web, "alarms", state="history").json()["events"]
    assert {e["alarm"] for e in events} <= {r["id"] for r in rows}
    assert {e["alarm"] for e in get(web, "alarms/history").json()} <= {r["id"] for r in rows}


def test_notes_are_of_what_is_seen(web: TestClient):
    names = f"{HIDDEN[0].name},{SHOWN[0].name}"
    span = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}
    for tags in (names, HIDDEN[0].name):
        body = {"tags": tags, "since": span["since"], "text": f"on {tags}"}
        web.post("/api/notes/add", json=body, headers=bearer("engineer")).raise_for_status()
    told = get(web, "notes/between", tags=names, **span).json()
    assert [n["tags"] for n in told] == [[SHOWN[0].name]]


def test_devices_are_those_of_the_tags_seen(web: TestClient):
    told = get(web, "devices").json()["healths"]
    assert {h["name"] for h in told} <= {t.device for t in SHOWN}
    assert len(told) < len(get(web, "devices", "engineer").json()["healths"])


def test_audit_is_asked_for_the_own_organisation(web: TestClient, monkeypatch):
    asked = []
    plain = web.rooms.audit.records
    monkeypatch.setattr(
        type(web.rooms.audit), "records", lambda self, *a: asked.append(a[-1]) or plain(*a)
    )
    get(web, "audit", "firm-audit_admin").raise_for_status()
    assert asked == [frozenset({"firm"})]


def test_the_live_channel_tells_of_what_is_seen(web: TestClient):
    address = f"/api/live?tag={HIDDEN[0].name}&tag={SHOWN[0].name}"
    with web.websocket_connect(address, headers=bearer("firm-engineer")) as socket:
        told = socket.receive_json()
        assert [u["tag"] for u in told["unknown"]] == [HIDDEN[0].name]
        assert socket.receive_json()["tag"] == [SHOWN[0].name]
        socket.send_json({"subscribe": [str(HIDDEN[1].id)]})
        assert socket.receive_json()["unknown"]


def test_the_page_of_a_hidden_asset_has_no_title_of_it():
    rooms, sessions = roled(400)
    sessions.known["firm"] = replace(sessions.known["engineer"], organisation="firm")
    policy = Firms(rooms.policy.granted, {"firm": (OWN, None)})
    title = rooms.plant.asset(HIDDEN[0].asset).title
    with TestClient(build(replace(rooms, policy=policy))) as site:
        page = site.get(f"/zh/asset/{HIDDEN[0].asset}", headers=bearer("firm")).text
        other = site.get(f"/zh/asset/{HIDDEN[0].asset}", headers=bearer("engineer")).text
    head = f"<title>{in_language(title, 'zh')} · "
    assert head in other and head not in page


# the plant itself ----------------------------------------------------------------------------
def caller(name: str, organisation: str = "firm") -> Caller:
    return Caller(name, organisation, frozenset({"assets.read", "history.read"}))


def test_who_sees_everything_stands_before_the_plant_itself():
    policy = Firms()
    assert scoped(PLANT, policy, caller("a")) is PLANT
    sights = Sights(PLANT, policy)
    part = sights.of(caller("a"))
    assert part is sights.whole and part.plant is PLANT
    asked = len(policy.asked)
    for _ in range(100):
        assert sights.of(caller("a")) is part
    assert len(policy.asked) == asked


def test_those_who_see_the_same_share_it_until_policy_or_plant_change():
    policy = Firms({}, {"firm": (OWN, None)})
    sights = Sights(PLANT, policy)
    one, other = sights.of(caller("a")), sights.of(caller("b"))
    assert one is other and isinstance(one.plant, ScopedPlant)
    assert sights.of(caller("a"), "history.read") is one
    policy.seen["firm"] = (frozenset(ASSETS[:2]), None)
    assert sights.of(caller("a")) is one
    policy.number[0] += 1
    assert len(sights.of(caller("a")).plant.assets()) == 2


def test_a_tag_shared_alone_brings_its_asset_and_no_other_tag():
    tag = HIDDEN[5]
    plant = scoped(PLANT, Firms({}, {"firm": (None, frozenset({tag.name}))}), caller("a"))
    assert [t.name for t in plant.all_tags()] == [tag.name]
    assert plant.tag(tag.name) == plant.tag(str(tag.id)) == plant.by_id(tag.id) == tag
    assert plant.ids(tag.asset_type, tag.property).tolist() == [tag.id]


def test_the_part_is_what_both_actions_allow():
    class Reads(Firms):
        def visible(self, caller, action, kind):
            if kind == "tag":
                return None
            return frozenset(ASSETS[:4] if action == "assets.read" else ASSETS[2:8])

    found = bounds(Reads(), caller("a"), "history.read")
    assert found.assets == frozenset(ASSETS[2:4]) and found.tags is None


@pytest.mark.parametrize("name", ["²", "9" * 5000, "-1", "999999", "", "\ud800", "a/b\0", "٣"])
def test_names_that_are_none_are_refused_in_words(name: str):
    plant = scoped(PLANT, Firms({}, {"firm": (OWN, None)}), caller("a"))
    with pytest.raises(Invalid):
        plant.tag(name)


def test_a_hundred_thousand_tags_and_fifty_callers_stay_small():
    plant = FakePlant(20_000)
    names = sorted({t.asset for t in plant.all_tags()})
    policy = Firms({}, {f"firm-{n}": (frozenset(names[n::10]), None) for n in range(10)})
    sights = Sights(plant, policy)
    parts = {id(sights.of(caller(f"c{n}", f"firm-{n % 10}"))) for n in range(50)}
    assert len(parts) == 10
    seen = np.concatenate(
        [sights.of(caller(f"c{n}", f"firm-{n}")).plant.all_tags().id for n in range(10)]
    )
    assert sorted(seen.tolist()) == list(range(len(plant.all_tags())))


def test_a_change_of_policy_ends_open_channels(web: TestClient):
    async def looked() -> None:
        with web.websocket_connect("/api/live", headers=bearer("engineer")) as socket:
            web.policy.number[0] += 1
            assert socket.receive()["type"] == "websocket.close"

    asyncio.run(looked())

"""The HTTP API: every route, its refusals, its description."""

from __future__ import annotations

import json
import re

import pytest

from baotu.sdk.messages import halves
from tests.console.conftest import NOW

FURNACE = "jinan/foundry/line-1/furnace-1"
TAG = f"{FURNACE}/temperature"


def test_health_counts_parts_and_tags(web, burning):
    well, ill = web.get("/api/health").json(), burning.get("/api/health").json()
    assert (well["status"], well["tags"], well["node"]) == ("up", 200, "hub")
    assert well["time"] == "2026-05-28T20:26:40.5Z"
    assert ill["status"] == "degraded"
    assert ill["parts"]["down"] == 1


def test_tags_are_paged_by_cursor_to_the_end(web):
    names, cursor = [], ""
    while True:
        page = web.get("/api/tags", params={"limit": 70, "cursor": cursor}).json()
        names += [t["name"] for t in page["tags"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert len(names) == len(set(names)) == page["total"] == 200
    assert names == sorted(names)


def test_tags_are_reached_by_offset_in_the_same_order(web):
    by_cursor = web.get("/api/tags", params={"limit": 200}).json()["tags"]
    jumped = web.get("/api/tags", params={"limit": 3, "offset": 150}).json()
    assert jumped["tags"] == by_cursor[150:153]
    assert web.get("/api/tags", params={"offset": 500}).json()["tags"] == []


def test_tags_are_found_in_chinese_and_english(web):
    chinese = web.get("/api/tags", params={"search": "炉温"}).json()
    english = web.get("/api/tags", params={"search": "furnace temperature"}).json()
    assert chinese["total"] == english["total"] > 0
    under = web.get("/api/tags", params={"under": FURNACE}).json()["tags"]
    assert {t["asset"] for t in under} == {FURNACE}


def test_latest_needs_to_know_of_what(web):
    refused = web.get("/api/latest")
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["field"] == "tag"


@pytest.mark.parametrize(
    ("wish", "count"), [({"tag": TAG}, 1), ({"under": FURNACE}, 3), ({"all": "true"}, 200)]
)
def test_latest_by_name_place_or_all(web, wish, count):
    told = web.get("/api/latest", params=wish).json()
    assert {len(column) for column in told.values()} == {count}
    assert list(told) == ["tag", "time", "value", "quality"]


def test_latest_gives_texts_beside_numbers(web):
    told = web.get("/api/latest", params={"search": "centre-1/"}).json()
    values = dict(zip(told["tag"], told["value"], strict=True))
    assert isinstance(values["jinan/machining/line-1/centre-1/state"], str)
    assert isinstance(values["jinan/machining/line-1/centre-1/spindle_load"], float)


def test_history_takes_iso_times_and_keeps_to_them(web):
    span = {"start": "2026-05-29T03:26:40+08:00", "end": "2026-05-28T20:26:40Z"}
    told = web.get("/api/history", params={"tag": TAG, "points": 100, **span}).json()
    assert set(told["tag"]) == {TAG}
    assert 50 <= len(told["time"]) <= 100
    assert told["time"] == sorted(told["time"])
    assert told["time"][0] >= "2026-05-28T19:26:40" and told["time"][-1] < "2026-05-28T20:26:40"


def test_history_raw_and_in_whole_numbers(web):
    told = web.get("/api/history", params={"tag": TAG, "start": "-10s", "points": 0, "time": "ns"})
    times = told.json()["time"]
    assert len(times) == 10
    assert times[-1] == NOW - NOW % 10**9


def test_history_of_several_tags_comes_one_after_the_other(web):
    tags = [TAG, f"{FURNACE}/power"]
    told = web.get("/api/history", params={"tag": tags, "points": 50}).json()
    first = told["tag"].index(tags[1])
    assert set(told["tag"][:first]) == {tags[0]} and set(told["tag"][first:]) == {tags[1]}


def test_history_in_buckets(web):
    told = web.get("/api/history", params={"tag": TAG, "bucket": "20min"}).json()
    assert sum(told["count"]) == 3600
    assert told["duration_s"] == 1200
    low, mean, high = told["low"], told["mean"], told["high"]
    assert all(a <= b <= c for a, b, c in zip(low, mean, high, strict=True))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"tag": "nope"}, "tag"),
        ({"tag": TAG, "start": "yesterday"}, "start"),
        ({"tag": TAG, "end": "2026-01-01T00:00:00"}, "end"),
        ({"tag": TAG, "start": "now", "end": "-1h"}, "end"),
        ({"tag": TAG, "points": "many"}, "points"),
        ({"tag": TAG, "bucket": "a while"}, "bucket"),
        ({"tag": TAG, "start": "-400d", "bucket": "1ms"}, "bucket"),
    ],
)
def test_history_names_the_wrong_parameter(web, asked, field):
    refused = web.get("/api/history", params=asked)
    about = refused.json()
    assert (refused.status_code, about["field"]) == (422, field)
    assert about["type"] == "urn:baotu:invalid"
    assert about["instance"] == "/api/history"
    chinese, english = halves(about["detail"])
    assert re.search("[\u4e00-\u9fff]", chinese) and not re.search("[\u4e00-\u9fff]", english)


def test_an_asset_comes_with_its_type_tags_children_and_alarms(burning):
    line = burning.get("/api/asset", params={"path": "jinan/foundry/line-1"}).json()
    assert line["asset"]["level"] == "work_center"
    assert FURNACE in [a["path"] for a in line["children"]]
    assert line["counts"].keys() == {a["path"] for a in line["children"]}
    assert line["counts"][FURNACE] == 3
    one = burning.get("/api/asset", params={"path": FURNACE}).json()
    assert one["type"]["id_short"] == "Furnace"
    assert TAG in [t["name"] for t in one["tags"]]
    assert all(a["asset"].startswith("jinan/foundry/line-1") for a in line["alarms"])
    assert line["alarms"]


def test_statistics_are_those_of_the_samples(web):
    asked = {"tag": [TAG, "jinan/machining/line-1/centre-1/state"], "start": "-10min"}
    number, text = web.get("/api/statistics", params=asked).json()["statistics"]
    values = web.get("/api/history", params={**asked, "tag": TAG, "points": 0}).json()["value"]
    assert (number["count"], number["low"], number["high"]) == (
        len(values), min(values), max(values),
    )  # fmt: skip
    assert number["good"] == 1.0 and number["std"] > 0 and number["last"] == values[-1]
    assert text["mean"] is None and text["last"] in ("运行", "待机", "换型", "故障")


def test_what_is_not_there_is_404_in_the_same_words(web):
    for address in ("/api/asset?path=moon", "/api/nothing", "/api/jobs/nothing/at/all"):
        refused = web.get(address)
        assert refused.status_code == 404
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["type"] == "urn:baotu:not-found"


def test_alarms_are_counted_by_priority_and_hidden_ones_come_last(burning):
    told = burning.get("/api/alarms").json()
    rows = told["alarms"]
    shown = [a["priority"] for a in rows if not a["hidden"]]
    assert shown == sorted(shown)
    assert told["counts"] == [shown.count(p) for p in (1, 2, 3, 4)]
    assert [a["hidden"] for a in rows] == sorted(a["hidden"] for a in rows)
    assert burning.get("/api/alarms?limit=1").json()["counts"] == told["counts"]
    past = burning.get("/api/alarms?state=history").json()["events"]
    assert [e["time"] for e in past] == sorted((e["time"] for e in past), reverse=True)
    assert {"raised", "acknowledged"} <= {e["what"] for e in past}


def test_overview_tells_where_it_burns(burning, new):
    told = burning.get("/api/overview").json()
    assert [a["path"] for a in told["areas"]] == [
        "jinan/foundry", "jinan/heat", "jinan/machining", "jinan/utilities",
    ]  # fmt: skip
    assert sum(sum(a["alarms"]) for a in told["areas"]) == sum(told["counts"])
    assert sum(a["bad"] for a in told["areas"]) > 0
    assert told["links"][0]["state"] in ("degraded", "down")
    assert len(told["keys"]) == 12 and all(k["high"] is not None for k in told["keys"])
    assert {c["kind"] for c in told["changes"]} >= {"alarm", "audit", "health"}
    lost = next(c for c in told["changes"] if c["kind"] == "health" and c["state"] == "down")
    assert (lost["who"], lost["name"], lost["text"]) == ("device", "plc-2", "device plc-2: down")
    acts = {c["name"] for c in told["changes"] if c["kind"] == "audit"}
    assert "设定目标效率 Set a target" in acts
    empty = new.get("/api/overview").json()
    assert empty["keys"] == empty["alarms"] == empty["links"] == []


def test_elements_are_25_and_say_when_nothing_is_proved(web):
    rows = web.get("/api/elements").json()["elements"]
    assert len(rows) == 25
    assert {r["wing"] for r in rows} == {"network", "platform", "security"}
    assert [r["id"] for r in rows if r["proved"]] == ["1.1", "2.0", "2.1", "2.7"]
    assert all(bool(r["proofs"]) == r["proved"] for r in rows)


def test_audit_is_paged_and_searched(web):
    first = web.get("/api/audit?limit=5").json()
    second = web.get(f"/api/audit?limit=5&before={first['before']}").json()
    times = [r["time"] for r in first["records"] + second["records"]]
    assert times == sorted(times, reverse=True) and len(set(times)) == 10
    found = web.get("/api/audit?search=guest").json()["records"]
    assert found and {r["caller"] for r in found} == {"guest"}


def test_configuration_is_checked_without_effect_then_replaced(web):
    was = web.get("/api/config").json()["text"]
    wrong = was.replace("[history]", "[histroy]")
    told = web.post("/api/config", json={"text": wrong}).json()
    assert [(p["line"], p["hint"]) for p in told["problems"]] == [(9, "the nearest is 'history'")]
    better = was.replace("limit = 80.0", "limit = 85.0")
    assert web.post("/api/config", json={"text": better}).json()["changes"]
    assert web.get("/api/config").json()["text"] == was
    refused = web.put("/api/config", json={"text": wrong, "reason": "try"})
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:baotu:config")
    assert web.put("/api/config", json={"text": better, "reason": "try"}).status_code == 200
    assert web.get("/api/config").json()["text"] == better
    assert web.put("/api/config", json={"text": better}).json()["field"] == "reason"


def test_faults_are_switched_or_absent(web, new):
    on = web.post("/api/faults", json={"name": "cavitation", "on": True}).json()["faults"]
    assert [f["name"] for f in on if f["on"]] == ["cavitation"]
    assert web.post("/api/faults", json={"name": "rain", "on": True}).status_code == 404
    assert new.get("/api/faults").json()["detail"].endswith("`baotu demo` starts one")


def test_export_is_a_file(web):
    told = web.get("/api/export", params={"tag": TAG, "start": "-1min"})
    assert told.headers["content-type"].startswith("text/csv")
    assert "baotu.csv" in told.headers["content-disposition"]
    assert len(told.text.splitlines()) == 61
    assert web.get("/api/export").json()["field"] == "tag"


def test_every_verb_is_a_route_and_names_the_wrong_field(web):
    made = web.post("/api/pumping/set_target", json={"pump": "p", "percent": 70})
    assert made.json() == 70.0
    assert web.get("/api/pumping/figures").json() == [{"pump": "p", "target": 70.0}]
    refused = web.post("/api/pumping/set_target", json={"pump": "p", "percent": 700})
    assert (refused.status_code, refused.json()["field"]) == (422, "percent")
    gone = web.post("/api/alarms/acknowledge", json={"alarm": 999})
    assert (gone.status_code, gone.json()["type"]) == (409, "urn:baotu:conflict")


def test_a_page_is_a_value_by_http(web):
    told = web.get("/api/pumping/overview").json()
    assert [item["view"] for item in told["items"]] == ["tiles", "trend", "table", "form"]


def test_a_page_of_another_site_changes_nothing(web):
    faults = {"name": "cavitation", "on": False}
    refused = web.post("/api/faults", json=faults, headers={"origin": "https://evil.example"})
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:baotu:foreign-origin")
    own = web.post("/api/faults", json=faults, headers={"origin": "http://testserver"})
    assert own.status_code == 200


def test_metrics_tell_parts_history_and_times(web):
    web.get("/api/health")
    told = web.get("/metrics").text
    assert 'baotu_state{kind="device",name="plc-1",node="hub",state="up"} 1.0' in told
    assert 'baotu_edge_backlog_frames{kind="edge",name="edge-1",node="hub"} 0.0' in told
    assert "baotu_history_samples{" in told
    assert 'baotu_http_seconds_count{method="GET",route="/api/health",status="200"}' in told


def test_openapi_describes_every_route_with_types_and_refusals(web):
    told = web.get("/openapi.json").json()
    operations = [(p, m, o) for p, path in told["paths"].items() for m, o in path.items()]
    assert len(operations) > 25
    ids = [o["operationId"] for _, _, o in operations]
    assert len(ids) == len(set(ids))
    for path, method, about in operations:
        assert about.get("summary") and about.get("description"), (path, method)
        answer = about["responses"]["200"].get("content")
        assert answer, (path, method)
        for status, refusal in about["responses"].items():
            if status.startswith("4"):
                assert list(refusal["content"]) == ["application/problem+json"], (path, status)
    assert not dangling(told)


def dangling(told: dict) -> list[str]:
    """References to schemas that are not there."""
    found = json.dumps(told).split('"$ref": "#/components/schemas/')[1:]
    names = {part.split('"')[0] for part in found}
    return sorted(names - told["components"]["schemas"].keys())


def test_another_method_is_told_which_ones_there_are(web):
    for method in ("DELETE", "TRACE", "HEAD"):
        refused = web.request(method, "/api/tags")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert "takes GET, not DELETE" in web.delete("/api/tags").json()["detail"]
    assert web.delete("/api/nothing").status_code == 404


def test_a_body_that_is_no_text_is_told_how_to_be_sent(web):
    headers = {"content-type": "application/json"}
    refused = web.post("/api/config", content=b"\xff\x1a", headers=headers)
    assert refused.status_code == 400 and "send JSON in UTF-8" in refused.json()["detail"]
    described = web.get("/openapi.json").json()["paths"]["/api/config"]["post"]
    assert "400" in described["responses"]


@pytest.mark.parametrize("before", ["-1", str(2**63), "9" * 40])
def test_a_time_beyond_the_calendar_is_refused_not_a_bug(web, before):
    refused = web.get("/api/audit", params={"before": before})
    assert (refused.status_code, refused.json()["field"]) == (422, "before")

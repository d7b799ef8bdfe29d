"""Live values by WebSocket: at once, newest wins, bounded, never older than known."""

from __future__ import annotations

import asyncio
import json
import time

import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect

from baotu.console.finder import Finder
from baotu.console.live import (
    INBOX,
    LEAST_PAUSE_S,
    MOST_PAUSE_S,
    SHARE,
    LiveChannel,
    Wanted,
    Written,
    pause_s,
)
from baotu.sdk import Samples
from baotu.sdk.door import Change
from tests.console.conftest import NOW, Web

TAG = "jinan/foundry/line-1/furnace-1/temperature"
LATER = NOW + 10**9


def test_what_is_there_comes_at_once_and_then_every_change(web: Web):
    with web.websocket_connect(f"/api/live?tag={TAG}") as socket:
        first = socket.receive_json()
        assert first["tag"] == [TAG] and isinstance(first["value"][0], float)
        web.rooms.live.publish(Samples.of(0, [LATER], [77.0]))
        told = socket.receive_json()
        assert (told["value"], told["time"]) == ([77.0], ["2026-05-28T20:26:41.500000Z"])


def test_a_burst_is_one_message_with_the_newest(web: Web):
    with web.websocket_connect(f"/api/live?tag={TAG}&time=ms") as socket:
        socket.receive_json()
        began, heard = time.perf_counter(), 1
        for n in range(100):
            web.rooms.live.publish(Samples.of(0, [LATER + n], [float(n)]))
        told = socket.receive_json()
        while told["value"] != [99.0]:
            told, heard = socket.receive_json(), heard + 1
        turns = (time.perf_counter() - began) / LEAST_PAUSE_S
        assert heard <= turns + 2 < 100


def test_subscriptions_change_and_unknown_tags_are_named(web: Web):
    with web.websocket_connect("/api/live") as socket:
        socket.send_json({"subscribe": [TAG, "moon"]})
        told = [socket.receive_json(), socket.receive_json()]
        unknown = next(t for t in told if "unknown" in t)["unknown"]
        assert unknown[0]["tag"] == "moon" and "there is no" in unknown[0]["detail"]
        socket.send_json({"unsubscribe": [TAG], "subscribe": ["1"]})
        assert socket.receive_json()["tag"] == ["jinan/foundry/line-1/furnace-1/power"]
        web.rooms.live.publish(Samples.of([0, 1], [LATER, LATER], [1.0, 2.0]))
        assert socket.receive_json()["value"] == [2.0]


@pytest.mark.parametrize("nonsense", ["no json", "[]", '{"x": 1}', '{"subscribe": "all"}'])
def test_nonsense_is_answered_and_the_channel_lives(web: Web, nonsense):
    with web.websocket_connect("/api/live") as socket:
        socket.send_text(nonsense)
        assert socket.receive_json()["problem"]["status"] == 422
        socket.send_json({"subscribe": [TAG]})
        assert socket.receive_json()["tag"] == [TAG]


def test_a_command_tells_pages_to_look_again(web: Web):
    with web.websocket_connect("/api/live") as socket:
        socket.send_json({"subscribe": [TAG]})
        socket.receive_json()
        for tell in web.rooms.door.tellers:
            tell(Change(organisation="other", tables=frozenset({"secret"})))
        web.post("/api/pumping/set_target", json={"pump": "p", "percent": 1})
        assert socket.receive_json() == {"changed": ["pumping"]}


def test_another_site_gets_no_channel(web: Web):
    with (
        pytest.raises(WebSocketDisconnect),
        web.websocket_connect("/api/live", headers={"origin": "https://evil.example"}),
    ):
        pass


def test_nobody_listens_when_nobody_looks():
    with Web() as web:
        with web.websocket_connect("/api/live"):
            pass
        web.get("/api/health")
        assert web.rooms.live.tellers == [] and web.rooms.door.tellers == []


def wanted(*ids: int) -> Wanted:
    client = Wanted()
    client.reset(np.array(ids, "i4"))
    return client


def test_an_older_sample_does_not_take_the_place_of_a_newer_one():
    client = wanted(5)
    client.take(Samples.of(5, [20, 10], [2.0, 1.0]))
    client.take(Samples.of(5, [15], [1.5]))
    numbers, texts = client.unsent()
    assert numbers.value.tolist() == [2.0] and len(texts) == 0
    assert sum(map(len, client.unsent())) == 0


def test_texts_and_numbers_part():
    client = wanted(1, 2)
    client.take(Samples.of(2, [1], ["on"]))
    client.take(Samples.of(1, [1], [3.0]))
    numbers, texts = client.unsent()
    assert (numbers.tag.tolist(), texts.tag.tolist(), texts.value.tolist()) == ([1], [2], ["on"])


def test_what_nobody_asked_for_is_passed_over():
    client = wanted(1)
    client.take(Samples.of([0, 9, 10**6], [1, 1, 1], [1.0, 1.0, 1.0]))
    assert sum(map(len, client.unsent())) == 0
    assert not client.event.is_set()


def test_a_loop_that_falls_behind_looks_at_latest_instead_of_growing():
    async def story() -> list[Samples]:
        web = Web()
        channel = LiveChannel(web.rooms, Finder(web.rooms.plant))
        client = channel.join()
        channel.subscribe(client, np.array([0], "i4"))
        client.unsent()
        for n in range(INBOX + 10):  # the loop has no turn in between
            web.rooms.live.publish(Samples.of(1, [LATER + n], [0.0]))
        client._time[:] = 0  # as if the sample of tag 0 had been in a batch that fell out
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        channel.leave(client)
        return client.unsent()

    numbers, _ = asyncio.run(story())
    assert numbers.tag.tolist() == [0]


@pytest.mark.parametrize("clients", [1, 3, 20, 10_000])
@pytest.mark.parametrize("took_s", [1e-5, 1e-3, 0.02])
def test_telling_takes_its_share_of_a_core_until_nobody_waits_longer_than_a_second(took_s, clients):
    pause = pause_s(took_s, clients)
    assert LEAST_PAUSE_S <= pause <= MOST_PAUSE_S
    assert pause == MOST_PAUSE_S or took_s * clients / pause <= SHARE * 1.001


def test_few_names_are_written_once_and_read_as_ever():
    names = Finder(Web().rooms.plant)
    ids = np.array([0, 3, 7], "i4")
    written = Written(ids, names)
    some = np.array([7, 0], "i4")
    assert json.loads(written.names_json(some)) == names.names(some).tolist()
    assert written.names_json(ids[:0]) == b"[]"


def test_more_names_than_few_are_not_kept_by_each_client(monkeypatch):
    monkeypatch.setattr("baotu.console.live.FEW", 2)
    web = Web()
    finder = Finder(web.rooms.plant)
    channel, client = LiveChannel(web.rooms, finder), Wanted()
    channel.subscribe(client, np.arange(2, dtype="i4"))
    assert isinstance(client.names, Written)
    channel.subscribe(client, np.arange(3, dtype="i4"))
    assert client.names is finder

"""The edge as a whole: writes, reloads, floods, sessions, discovery, servers, the status page."""

import asyncio
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from structlog.testing import capture_logs

from baotu.edge.gate import Gate
from baotu.edge.spec import DeviceSpec, EdgeSettings, ServerSpec
from baotu.sdk import (
    BaotuError,
    ConfigError,
    Denied,
    DriverEntry,
    Found,
    Invalid,
    Peer,
    Quality,
    Refused,
    Samples,
    ServingDriver,
    SessionDriver,
    Tag,
    Unreachable,
)
from baotu.sdk.reply import Reply
from baotu.sdk.testing.clock import JumpingClock

from .fakes import FAKE, Bench, FakeDevice, FakeSettings, S, device, in_loop, tags_of

GOOD = 0


class Pushing(SessionDriver):
    """Does what its settings, a coroutine function, say."""

    Settings = object

    async def run(self, tags, line):
        await self.settings(tags, line)

    async def write(self, tag, value):
        if value == 13:
            raise Refused("unlucky")
        if value == 66:
            raise KeyError("driver bug")
        return value

    async def browse(self, under=""):
        return [Found(address=f"{under}/x", name="x")]


PUSHING = DriverEntry(title="推 Push", summary="测试 Tests", client=Pushing)


def pushing(name, run, count=2, **more):
    tags = more.pop("tags", None) or tags_of(name, count, writable=True)
    return DeviceSpec(name=name, driver="push", entry=PUSHING, settings=run, tags=tags, **more)


async def forever(tags, line):
    line.up()
    await asyncio.Event().wait()


def deadline(bench, seconds=5):
    return bench.clock.now() + seconds * S


async def written(bench, name, value, seconds=5):
    task = asyncio.ensure_future(bench.edge.write(bench.id(name), value, deadline(bench, seconds)))
    await bench.until(task.done)
    return task.result()


@in_loop
async def test_a_write_is_scaled_back_sent_and_read_back(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    tags = tags_of("d", 2, scale=0.1, writable=True, clamp_high=100.0)
    await bench.edge.start([device("d", field.port, tags=tags)])
    await bench.until(lambda: bench.board.state("device/d") == "up")
    reply = await written(bench, "hall/d/p1", 20.5)
    assert (reply.done, reply.value, field.values[1]) == (True, 20.5, 205.0)
    await bench.until(lambda: bench.rows("hall/d/p1")[-1][1] == 20.5)
    field.stuck = True
    reply = await written(bench, "hall/d/p1", 30.0)
    assert not reply.done and reply.value == 20.5 and "the device shows 20.5" in reply.why
    assert "outside" in (await written(bench, "hall/d/p1", 101.0)).why
    field.refuse.add(1)
    assert "illegal data address" in (await written(bench, "hall/d/p1", 1.0)).why
    field.refuse.clear()
    field.habit = "hang"
    assert "no confirmation" in (await written(bench, "hall/d/p1", 1.0, seconds=1)).why
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_write_that_cannot_be_is_refused_with_the_reason(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    tags = (*tags_of("d", 1), *tags_of("w", 1, writable=True, kind="boolean"))
    await bench.edge.start([device("d", field.port, tags=tags)])
    for name, value, why in (
        ("hall/d/p0", 1.0, "not writable"), ("hall/w/p0", "on", "takes a boolean"),
        ("hall/w/p0", math.nan, "no value"), ("hall/w/p0", 7.0, "on or off"),
    ):  # fmt: skip
        assert why in (await written(bench, name, value)).why
    assert "expired" in (await written(bench, "hall/w/p0", 1.0, seconds=-1)).why
    assert "belongs to no device" in (await bench.edge.write(999, 1.0, deadline(bench))).why
    assert not field.values
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_an_expired_write_is_never_sent_later(tmp_path):
    field, bench = await FakeDevice(habit="hang").start(), Bench(tmp_path, JumpingClock())
    await bench.edge.start(
        [device("d", field.port, tags=tags_of("d", 1, writable=True), timeout_s=5.0)]
    )
    await bench.until(lambda: field.asked == 1)  # the only question that may be under way
    reply = await written(bench, "hall/d/p0", 7.0, seconds=1)
    field.habit = ""
    await bench.pass_time(20)
    assert not reply.done and not field.values
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_reload_touches_only_what_differs(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    a, b, c = (device(name, field.port) for name in "abc")
    await bench.edge.start([a, b, c])
    await bench.until(lambda: all(bench.board.state(f"device/{n}") == "up" for n in "abc"))
    kept = dict(bench.edge.devices)
    more = replace(b, tags=tags_of("b", 6))
    renewed = replace(c, settings=FakeSettings(port=field.port, window=4))
    lines = await bench.edge.apply([a, more, renewed, device("d", field.port)])
    assert lines == ["启动 start device/d", "重启 renew device/c", "改位号 retag device/b"]
    await bench.until(lambda: bench.rows("hall/b/p5") and bench.rows("hall/d/p0"))
    connects = {n: d.tally.connects for n, d in bench.edge.devices.items()}
    assert connects == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert bench.edge.devices["a"] is kept["a"] and bench.edge.devices["c"] is not kept["c"]
    assert await bench.edge.apply([a, more, renewed, device("d", field.port)]) == []
    id = bench.id("hall/a/p0")
    assert await bench.edge.apply([more]) != []
    assert [q for s in bench.said for i, q in zip(s.tag, s.quality, strict=True) if i == id][
        -1
    ] == (Quality.BAD_OUT_OF_SERVICE)
    assert set(bench.edge.devices) == {"b"} and bench.board.state("device/a") == "off"
    await bench.edge.apply([a])
    assert bench.id("hall/a/p0") == id
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_wrong_reload_changes_nothing(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    a = device("a", field.port)
    await bench.edge.start([a])
    tags = bench.edge.tags()
    wrong = [
        ([a, a], ()),
        ([a, replace(device("b", field.port), tags=a.tags)], ()),
        ([device("b", field.port)], [Tag(id=-1, asset="hall/a", property="x", expression="p0 +")]),
        ([replace(a, tags=tags_of("a", 2, raw_unit="kPa", unit="kW"))], ()),
    ]
    for devices, derived in wrong:
        with pytest.raises(ConfigError):
            await bench.edge.apply(devices, derived)
        assert bench.edge.tags() is tags and set(bench.edge.devices) == {"a"}
    await bench.until(lambda: bench.rows("hall/a/p3"))
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_derived_tags_follow_their_devices(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    derived = [Tag(id=-1, asset="hall/d", property="sum", expression="p1 + p2 * 10")]
    await bench.edge.start([device("d", field.port)], derived)
    await bench.until(lambda: len(bench.rows("hall/d/sum")) >= 2)
    assert {v for _, v, _ in bench.rows("hall/d/sum")} == {21.0}
    assert [t for t, *_ in bench.rows("hall/d/sum")] == [
        t for t, *_ in bench.rows("hall/d/p1")[: len(bench.rows("hall/d/sum"))]
    ]
    await field.stop()
    await bench.until(lambda: bench.rows("hall/d/sum")[-1][2] >= Quality.BAD)
    await bench.edge.stop()


@in_loop
async def test_a_flood_from_one_source_leaves_the_others_alone(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    sizes = []

    async def flood(tags, line):
        line.up()
        ids = np.resize([tag.id for tag in tags], 187_000)
        line.deliver(Samples.of(ids, line.now() + np.arange(187_000), np.arange(187_000.0)))
        await asyncio.Event().wait()

    await bench.edge.start([device("well", field.port, period_s=0.1)])
    await bench.until(lambda: bench.board.state("device/well") == "up")
    bench.edge.flow._sink = lambda s: (sizes.append(len(s)), bench.said.append(s))
    await bench.edge.apply([device("well", field.port, period_s=0.1), pushing("flood", flood)])
    before = len(bench.rows("hall/well/p0"))
    await bench.pass_time(5)
    rows = bench.rows("hall/well/p0")[before:]
    assert len(rows) >= 48 and all(t % (S // 10) == 0 for t, *_ in rows)
    assert bench.edge.devices["well"].tally.missed_ticks == 0
    assert sum(len(s) for s in bench.said) >= 187_000 and max(sizes) < 10_000
    assert bench.edge.devices["flood"].intake.dropped == 0
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_full_queue_drops_the_oldest_and_counts(tmp_path):
    bench = Bench(tmp_path, JumpingClock(), settings=EdgeSettings(queue_samples=1000))

    async def flood(tags, line):
        line.up()
        for part in range(4):
            line.deliver(Samples.of(tags[0].id, part * 600 + np.arange(600), np.zeros(600)))
        await asyncio.Event().wait()

    await bench.edge.start([pushing("flood", flood)])
    await bench.pass_time(3)
    times = [t for t, *_ in bench.rows("hall/flood/p0")]
    assert times == list(range(1400, 2400))
    assert bench.board.of["device/flood"].figures["dropped"] == 1400
    await bench.edge.stop()


@in_loop
async def test_a_full_log_is_told_and_acquisition_goes_on(tmp_path):
    class LogFull(BaotuError):
        """The log is full."""

    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    full = True

    def sink(samples):
        if full:
            raise LogFull("72 h are kept, the disk holds no more")
        bench.said.append(samples)

    bench.edge.flow._sink = sink
    with capture_logs() as logs:
        await bench.edge.start([device("d", field.port)])
        await bench.until(lambda: bench.board.state("edge/edge1") == "degraded")
        await bench.pass_time(5)
    assert len([log for log in logs if "lost" in log["event"]]) == 1
    assert bench.board.of["edge/edge1"].figures["samples_lost"] >= 16
    full = False
    await bench.until(lambda: bench.board.state("edge/edge1") == "up")
    assert bench.rows("hall/d/p0")[-1][2] == GOOD
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_session_is_run_again_and_marks_its_tags(tmp_path):
    bench, runs, given = Bench(tmp_path, JumpingClock()), [], []

    async def run(tags, line):
        runs.append(bench.clock.monotonic())
        if given:  # the marks of each loss are newer; the gap begins at the last value
            assert line.last_time(tags[0].id) == given[-1]
        if len(runs) in (2, 3):
            raise Unreachable("broker away")
        line.up()
        line.note(session="abc", pending=3)
        given.append(line.now())
        line.deliver(Samples.of(tags[0].id, given[-1], [float(len(runs))]))
        line.mark(np.array([tags[1].id]), Quality.BAD_SENSOR_FAILURE)
        await bench.clock.sleep(5)
        assert line.last_time(tags[0].id) == given[-1]
        assert line.last_time(tags[1].id) is None, "a mark is no value"
        if len(runs) == 1:
            raise Unreachable("session ended")
        await asyncio.Event().wait()

    with capture_logs() as logs:
        await bench.edge.start([pushing("s", run)])
        await bench.until(lambda: len(runs) == 4 and bench.board.state("device/s") == "up")
        await bench.pass_time(3)
    assert [row[1:] for row in bench.rows("hall/s/p0") if row[2] == GOOD] == [(1.0, 0), (4.0, 0)]
    assert [q for *_, q in bench.rows("hall/s/p0")] == [GOOD, Quality.BAD_NO_COMMUNICATION, GOOD]
    assert bench.rows("hall/s/p1")[0][2] == Quality.BAD_SENSOR_FAILURE
    assert bench.board.of["device/s"].figures["session"] == "abc"
    told = [log["event"] for log in logs if log.get("device") == "s"]
    assert told == ["device is up", "device is lost", "device is back"]
    assert runs[2] - runs[1] > runs[1] - runs[0] - 5 - 1e-6
    await bench.edge.stop()


@in_loop
async def test_half_characters_of_a_peer_do_not_reach_log_and_board(tmp_path):
    bench = Bench(tmp_path, JumpingClock())

    async def run(tags, line):
        raise Unreachable("no endpoint but \udcff\udcfe泵")

    with capture_logs() as logs:
        await bench.edge.start([pushing("s", run)])
        await bench.until(lambda: bench.board.state("device/s") == "down")
    assert bench.board.of["device/s"].why.encode().decode() == "no endpoint but ??泵"
    assert [log["why"].isascii() for log in logs if log["event"] == "device is lost"] == [False]
    assert all(str(log).encode() for log in logs)
    await bench.edge.stop()


@in_loop
async def test_session_writes_and_browsing(tmp_path):
    bench = Bench(tmp_path, JumpingClock())
    await bench.edge.start([pushing("s", forever)])
    await bench.until(lambda: bench.board.state("device/s") == "up")
    assert (await written(bench, "hall/s/p0", 5.0)).done
    assert "unlucky" in (await written(bench, "hall/s/p0", 13.0)).why
    assert "driver failed: KeyError" in (await written(bench, "hall/s/p0", 66.0)).why
    assert [f.address for f in await bench.edge.browse("s", "top")] == ["top/x"]
    with pytest.raises(Invalid, match="known: s"):
        await bench.edge.browse("nobody")
    await bench.edge.stop()


@in_loop
async def test_found_things_become_tags_where_discovery_allows_and_keep_their_number(tmp_path):
    told, declared = [], []

    async def run(tags, line):
        line.up()
        found = [
            Found(address="plant/a/temp", name="temp", path=("a",), unit="Cel"),
            Found(address="0", name="configured"),
            Found(address="secret/b", name="b"),
            Found(address="plant/b/temp", name="temp", path=("a",)),
            Found(address="plant/c/x/y", name="x/y"),
        ]
        declared.append(line.declare(found))
        line.deliver(Samples.of([t.id for t in declared[-1]], line.now(), np.arange(5.0)))
        await asyncio.Event().wait()

    async def once():
        bench = Bench(tmp_path, JumpingClock(), on_tags=told.append)
        spec = pushing("s", run, discover=("plant/*",), discover_under="hall/new", discover_limit=3)
        await bench.edge.start([spec])
        await bench.until(lambda: bench.board.state("device/s") == "up")
        await bench.pass_time(1)
        assert bench.rows("hall/new/a/temp")[0][1] == 0.0 and bench.rows("hall/s/p0")[0][1] == 1.0
        await bench.edge.stop()
        return bench

    await once()
    bench = await once()
    names = [tag.name for tag in declared[0]]
    assert names[0] == "hall/new/a/temp" and names[3].startswith("hall/new/a/temp_")
    assert declared[0][2].id == -1 and names[4] == "hall/new/x_y"
    assert [t.id for t in declared[0]] == [t.id for t in declared[1]]
    assert [len(tags) for tags in told] == [2, 5, 2, 5]
    assert bench.edge.flow.pipeline.stranger == 1


class Collecting(ServingDriver):
    Settings = list

    async def serve(self, feed, ready):
        self.settings.append(feed)
        stream = feed.samples()
        ready("[::1]:4840")
        async for samples in stream:
            self.settings.append(samples)


COLLECTING = DriverEntry(title="收 Collect", summary="测试 Tests", server=Collecting)


@in_loop
async def test_servers_offer_what_lies_below_their_paths(tmp_path):
    field, bench, kept, asked = await FakeDevice().start(), Bench(tmp_path, JumpingClock()), [], []

    class Hub:
        async def write(self, wish):
            asked.append((wish.tag, wish.value, wish.peer, wish.server, wish.refused))
            return Reply(done=True, value=wish.value)

    bench.edge._ask = Hub()
    server = ServerSpec(
        name="out", driver="collect", entry=COLLECTING, settings=kept, under=("hall/b",),
        gate=Gate(writes_as="device:panel", write_from=("fd00::/16",), write_tags=("hall/b/p?",)),
    )  # fmt: skip
    await bench.edge.start([device("b", field.port), device("bb", field.port)], (), [server])
    await bench.until(lambda: bench.rows("hall/b/p0") and bench.rows("hall/bb/p0"))
    await bench.until(lambda: len(kept) >= 2)
    feed, mine = kept[0], {bench.id(f"hall/b/p{i}") for i in range(4)}
    assert {tag.id for tag in feed.tags()} == mine == {int(t) for s in kept[1:] for t in s.tag}
    assert set(feed.latest()[0].tag.tolist()) == mine
    client = Peer(name="a client", source="fd00::7")
    assert (await feed.write(min(mine), 4.0, client)).done
    with pytest.raises(Denied, match="not offered"):
        await feed.write(bench.id("hall/bb/p0"), 4.0, client)
    await feed.write(min(mine), 5.0, Peer(name="a stranger", source="fe80::7"))
    why = "fe80::7 is not among the addresses in write_from of this server"
    assert asked == [
        (min(mine), 4.0, "a client", "out", ""),
        (min(mine), 5.0, "a stranger", "out", why),  # the hub denies it and keeps it in the audit
    ]
    assert feed.figures() == {"writes": 3, "writes_refused": 1}
    assert bench.board.of["server/out"].figures["address"] == "[::1]:4840"
    assert await bench.edge.apply([device("b", field.port), device("bb", field.port)]) == [
        "停止 stop server/out"
    ]
    assert bench.edge.flow.feeds == []
    await bench.edge.stop()
    await field.stop()


@in_loop
async def test_a_slow_server_loses_the_oldest_and_nobody_else_anything(tmp_path):
    bench = Bench(tmp_path, JumpingClock(), settings=EdgeSettings(feed_samples=1000))
    feed = bench.edge.feed()
    slow = feed.samples()
    for part in range(5):
        feed.put(Samples.of(0, part * 300 + np.arange(300), np.zeros(300)))
    assert feed.dropped == 500
    first = await anext(slow)
    assert first.time[0] == 500 and bench.edge.flow.feeds == [feed]
    with pytest.raises(Denied, match="switched off"):
        await feed.write(0, 1.0, Peer(name="somebody"))
    await bench.edge.stop()


@in_loop
async def test_a_failing_server_is_tried_again_and_stops_nothing(tmp_path):
    tries = []

    class Failing(ServingDriver):
        Settings = object

        async def serve(self, feed, ready):
            tries.append(1)
            raise OSError(98, "address in use")

    entry = DriverEntry(title="败 Fail", summary="测试 Tests", server=Failing)
    bench = Bench(tmp_path, JumpingClock())
    server = ServerSpec(name="out", driver="fail", entry=entry, settings=None)
    await bench.edge.start([pushing("s", forever)], (), [server])
    await bench.pass_time(5)
    assert len(tries) >= 3 and bench.board.state("server/out") == "down"
    assert "address in use" in bench.board.of["server/out"].why
    assert bench.board.state("device/s") == "up"
    await bench.edge.stop()


@in_loop
async def test_a_stopped_plugin_can_be_started_again(tmp_path):
    runs = []

    async def run(tags, line):
        runs.append(1)
        if len(runs) == 1:
            raise AssertionError("bug")
        await forever(tags, line)

    bench = Bench(tmp_path, JumpingClock())
    await bench.edge.start([pushing("s", run)])
    await bench.until(lambda: bench.board.state("device/s") == "down")
    await bench.pass_time(60, step=1)
    assert len(runs) == 1
    await bench.edge.restart("s")
    await bench.until(lambda: bench.board.state("device/s") == "up")
    await bench.edge.stop()


@in_loop
async def test_stopping_hands_on_what_was_acquired(tmp_path):
    async def run(tags, line):
        line.up()
        line.deliver(Samples.of(tags[0].id, [1, 2, 3], [1.0, 2.0, 3.0]))
        await asyncio.Event().wait()

    bench = Bench(tmp_path, JumpingClock())
    await bench.edge.start([pushing("s", run)])
    await asyncio.sleep(0.01)  # the linger has not passed: the clock stands still
    assert bench.said == []
    await bench.edge.stop()
    assert [v for _, v, _ in bench.rows("hall/s/p0")] == [1.0, 2.0, 3.0]
    assert len(asyncio.all_tasks()) == 2  # this test and its time limit


async def fetch(address, path="/", raw=None):
    host, port = address.removeprefix("http://").rstrip("/").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.write(raw or f"GET {path} HTTP/1.1\r\nHost: edge\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body.decode()


@in_loop
async def test_the_status_page_shows_devices_and_tags_in_both_languages(tmp_path):
    field = await FakeDevice().start()
    bench = Bench(tmp_path, JumpingClock(), settings=EdgeSettings(status="[::1]:0"))
    evil = Tag(id=-1, asset="hall/<script>alert(1)</script>", property="p", device="d", address="9")
    many = (*tags_of("d", 500, unit="Cel"), evil)
    await bench.edge.start([device("d", field.port, tags=many), device("dead", 1)])
    await bench.until(lambda: bench.edge.status.address and bench.board.state("device/d") == "up")
    await bench.pass_time(3)
    address = bench.edge.status.address
    assert address.startswith("http://[::1]:")
    head, body = await fetch(address)
    assert (
        " 200 " in head
        and "设备 Devices" in body
        and "中断 Down" in body
        and "no answer" not in head
    )
    head, body = await fetch(address, "/tags?page=2&search=hall/d")
    assert body.count("<tr>") == 201 and "°C" in body and "2/3" in body
    head, body = await fetch(address, "/tags?search=%3Cscript")
    assert "<script" not in body and "&lt;script&gt;" in body and "default-src 'none'" in head
    told = json.loads((await fetch(address, "/status.json"))[1])
    assert told["tags"] == 505 and {p["name"] for p in told["parts"]} == {"edge1", "d", "dead"}
    assert " 404 " in (await fetch(address, "/etc/passwd"))[0]
    assert " 405 " in (await fetch(address, raw=b"POST / HTTP/1.1\r\n\r\n"))[0]
    assert " 400 " in (await fetch(address, raw=b"\xff\x00\r\n\r\n"))[0]
    assert await fetch(address, raw=b"x" * 20_000) == ("", "")
    assert json.loads((await fetch(address, "/health"))[1]) == {"status": "ok"}
    await bench.edge.stop()
    await field.stop()


def test_what_is_no_address_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is no address"):
        Bench(tmp_path, JumpingClock(), settings=EdgeSettings(status="8081"))


@in_loop
async def test_a_driver_that_only_serves_cannot_be_a_device(tmp_path):
    bench = Bench(tmp_path, JumpingClock())
    await bench.edge.start([replace(pushing("s", forever), entry=COLLECTING)])
    await bench.until(lambda: bench.board.state("device/s") == "down")
    assert "cannot read" in bench.board.of["device/s"].why
    await bench.edge.stop()


@in_loop
async def test_a_polled_device_cannot_be_browsed_and_says_so(tmp_path):
    field, bench = await FakeDevice().start(), Bench(tmp_path, JumpingClock())
    await bench.edge.start([device("d", field.port)])
    with pytest.raises(Refused, match="cannot be browsed"):
        await bench.edge.browse("d")
    assert FAKE.client is not None
    await bench.edge.stop()
    await field.stop()

"""Writes by every way in: what is forbidden never reaches the device, counted at the device."""

from __future__ import annotations

import asyncio
import struct
import subprocess
from collections.abc import Iterator

import pytest

from baotu.drivers.sparkplug import codec
from baotu.house.control import ask
from baotu.kernel.effects import Deed
from baotu.sdk import BaotuError, Caller, Write
from tests.drivers.opcua.peers import Peer
from tests.drivers.sparkplug.brokers import Mosquitto
from tests.peers import need

from .bridged import FLOW, SPEED, VALVE, Site, float_to, modbus_asked, site
from .nodes import token, until

TIMES = 40  # of each forbidden attempt; the benchmark makes ten thousand
NODE = "ns=2;s={}"


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[Mosquitto]:
    one = Mosquitto(tmp_path_factory.mktemp("broker"))
    asyncio.run(one.start())
    yield one
    asyncio.run(one.stop())


@pytest.fixture(scope="module")
def here(tmp_path_factory, broker) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("node"), broker.port) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_yet(here: Site) -> None:
    here.plant.device.functions.clear()
    here.people.locked.clear()
    here.policy.approved.clear()


def play(story) -> None:
    asyncio.run(asyncio.wait_for(story, 120))


async def call(peer: Peer, verb: str, *rest: object):
    await peer.say(verb, *rest)
    return await peer.hear(verb)


def client(here: Site, tmp_path, **more) -> Peer:
    url = f"opc.tcp://[::1]:{here.opcua}"
    return Peer("client.js", url=url, pki=str(tmp_path), **more)


@pytest.mark.peer("node-opcua")
def test_opcua_clients_write_as_their_account_and_hear_no_in_their_own_words(here, tmp_path):
    async def story() -> None:
        me = {"user": "eva", "password": "a long secret"}
        for wrong in ({}, {"user": "eva", "password": "guess"}, {"user": "eve", "password": "x"}):
            async with client(here, tmp_path, **wrong) as stranger:
                said = await call(stranger, "open")
                no = (
                    "BadUserAccessDenied",
                    "ANONYMOUS",
                )  # node-opcua's own word for no such policy
                assert any(word in said["failed"] for word in no)
        async with client(here, tmp_path, **me) as peer:
            assert await call(peer, "open") is True

            async def write(tag: str, value: float) -> str:
                return await call(peer, "write", NODE.format(tag), "Double", value)

            for _ in range(TIMES):
                assert await write(VALVE, 1.0) == "BadUserAccessDenied"
                assert await write(FLOW, 1.0) == "BadNotWritable"
                assert await write(SPEED, 101.0) == "BadOutOfRange"
            assert here.plant.writes == []
            assert await write(SPEED, 41.0) == "Good"
            assert (here.plant.writes, here.plant.value(0)) == ([16], 41.0)
            here.policy.approved.add(SPEED)
            assert await write(SPEED, 42.0) == "GoodCompletesAsynchronously"
            here.policy.approved.clear()
            here.people.locked.add("eva")  # while the session stands
            assert await write(SPEED, 43.0) == "BadUserAccessDenied"
            assert here.plant.writes == [16]

    play(story())
    assert any(line.startswith("eva: plant/pump/speed = 41.0: ") and "[opcua-out ::1]" in line
               for line in here.audits("done"))  # fmt: skip
    assert (
        len([line for line in here.audits("denied") if line.startswith(f"eva: {VALVE}")]) == TIMES
    )


@pytest.mark.peer("mbpoll")
def test_a_modbus_master_writes_only_what_is_listed_from_where_it_is_listed(here):
    speed, valve, flow = (2 * here.number(tag) for tag in (SPEED, VALVE, FLOW))

    async def story() -> None:
        many = [
            float_to(valve, 1.0), float_to(flow, 1.0), float_to(speed, 101.0),
            struct.pack(">BHH", 6, speed, 1), struct.pack(">BHH", 5, 0, 0xFF00),
            struct.pack(">BHHBB", 15, 0, 1, 1, 1), struct.pack(">BHHH", 22, speed, 0, 1),
            struct.pack(">BHHHHB", 23, 0, 1, speed, 1, 2) + b"\0\1",
        ]  # fmt: skip
        answers = await modbus_asked(here.modbus, *(many * TIMES))
        codes = [answer[1] if answer[0] & 0x80 else 0 for answer in answers]
        assert codes == [1, 2, 3, 1, 1, 1, 1, 1] * TIMES
        assert here.plant.writes == []
        here.people.locked.add("device:panel")
        assert await modbus_asked(here.modbus, float_to(speed, 20.0)) == [b"\x90\x01"]
        here.people.locked.clear()
        here.policy.approved.add(SPEED)
        assert await modbus_asked(here.modbus, float_to(speed, 20.0)) == [b"\x90\x05"]
        here.policy.approved.clear()
        assert here.plant.writes == []

    play(story())
    program = need("mbpoll")
    words = ["-1", "-q", "-m", "tcp", "-p", str(here.modbus), "-t", "4:float", "-B", "-r"]
    done = subprocess.run(
        [program, *words, str(speed + 1), "::1", "30"], capture_output=True, timeout=30
    )
    assert (done.returncode, here.plant.writes, here.plant.value(0)) == (0, [16], 30.0)
    assert any(
        line.startswith("device:panel: plant/pump/speed = 30.0: ") for line in here.audits("done")
    )


def test_another_address_is_not_the_panel(here):
    server = here.node.field.edge.servers["modbus-out"]
    before = server.feed.gate
    object.__setattr__(server.feed, "gate", type(before)(
        writes_as=before.writes_as, write_from=("fd00::7",), write_tags=before.write_tags
    ))  # fmt: skip
    try:
        play(_refused(here))
    finally:
        server.feed.gate = before
    assert here.plant.writes == []
    assert any(
        "::1 is not among the addresses in write_from" in line for line in here.audits("denied")
    )


async def _refused(here: Site) -> None:
    asked = float_to(2 * here.number(SPEED), 20.0)
    assert await modbus_asked(here.modbus, asked) == [b"\x90\x01"]


@pytest.mark.peer("mosquitto_pub")
def test_sparkplug_commands_are_decided_like_everything_else(here, broker, tmp_path):
    program = need("mosquitto_pub")

    def command(tag: str, value: float, times: int = 1) -> None:
        one = codec.metric(name=tag.rpartition("/")[2], datatype=10, value=codec.scalar(13, value))
        (tmp_path / "p").write_bytes(codec.encode(timestamp=0, metrics=[one]))
        topic = "spBv1.0/g/DCMD/n/plant.pump"
        words = ["-h", "::1", "-p", str(broker.port), "-t", topic, "-f", str(tmp_path / "p")]
        subprocess.run([program, *words, "--repeat", str(times)], check=True, timeout=60)

    denied = len(here.audits("denied"))
    refused = len(here.audits("refused"))
    command(VALVE, 1.0, TIMES)
    until("all are denied", lambda: len(here.audits("denied")) == denied + TIMES)
    command(SPEED, 101.0, TIMES)
    until("all are refused", lambda: len(here.audits("refused")) == refused + TIMES)
    command(FLOW, 1.0, TIMES)
    assert here.plant.writes == []
    command(SPEED, 55.0)
    until("the right one is done", lambda: here.plant.value(0) == 55.0)
    assert here.plant.writes == [16]
    until(
        "it is in the audit", lambda: any("[sparkplug-out]" in line for line in here.audits("done"))
    )


def test_http_and_command_line_and_apps_meet_the_same_chain(here):
    for _ in range(TIMES):
        assert here.post(VALVE, 1.0)[0] == 403
        assert here.post(FLOW, 1.0)[0] == 403
        assert here.post(SPEED, 101.0)[0] == 422
        assert here.post("plant/pump/nothing", 1.0)[0] == 422
        with pytest.raises(RuntimeError, match="关闭写入"):
            ask(here.folder / "data", "write", tag=VALVE, value="1", reason="test")
        _app_writes(here, VALVE, 1.0)
        _app_writes(here, SPEED, 50.0)  # it was granted nothing
    until("the apps' writes are audited",
          lambda: len([a for a in here.audits_of("other") if "may not" in a or "关闭" in a]) >= 2 * TIMES)  # fmt: skip
    assert here.plant.writes == []
    status, told = here.post(VALVE, 1.0)
    assert (status, told["detail"].split("\u2002")[1]) == (
        403,
        "Zone melting has writes off; ask Engineer",
    )

    status, told = here.post(SPEED, 33.0)
    assert (status, told["done"], told["value"], here.plant.value(0)) == (200, True, 33.0, 33.0)
    here.policy.approved.add(SPEED)
    status, told = here.post(SPEED, 34.0)
    assert (status, told["done"]) == (202, False)
    again = here.post(SPEED, 34.0)[1]
    assert again["request"] == told["request"], "the same person, the same write: one request"
    li = Caller("li", "plant", frozenset({"tags.approve"}))
    here.hub.chain.call("approvals", "approve", {"request": told["request"], "reason": "ok"}, li)
    until("it is carried out", lambda: here.plant.value(0) == 34.0)
    assert here.plant.writes == [16, 16]


def _app_writes(here: Site, tag: str, value: float) -> None:
    who = Caller("stream", "plant", frozenset(), kind="app")
    fact = Write(here.hub.plant.tag(tag).id, value, "because")
    try:
        here.hub.chain.submit(
            Deed(app="other", name="say", caller=who, body=lambda _: (None, [fact]))
        )
    except BaotuError as error:
        raise AssertionError("the fact itself is taken") from error


def test_a_write_is_read_back_and_a_device_that_does_otherwise_is_told_with_both_values(here):
    device = here.plant.device
    stuck = device._f16

    def deaf(pdu: bytes, start: int, count: int) -> bytes:
        return pdu[:5]

    before = here.plant.value(0)
    device._f16 = deaf
    try:
        status, told = here.post(SPEED, 77.0)
    finally:
        device._f16 = stuck
    assert status == 502
    assert f"wrote 77.0, the device shows {before}" in told["detail"]
    assert any(f"read back {before}" in line for line in here.audits("refused"))


def test_the_same_idempotency_key_writes_once(here):
    import json
    import urllib.request

    def send(value: float):
        body = json.dumps({"tag": SPEED, "value": value, "reason": "test"}).encode()
        headers = {"content-type": "application/json", "idempotency-key": "once"}
        headers["authorization"] = f"Bearer {token(here.folder / 'data')}"
        url = f"http://[::1]:{here.console}/api/write"
        return urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30)

    answers = [send(11.0).read() for _ in range(3)]
    assert len(set(answers)) == 1
    assert here.plant.writes == [16]
    with pytest.raises(urllib.error.HTTPError, match="409"):
        send(12.0)

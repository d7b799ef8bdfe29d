"""The server against a node-opcua client: browse, read, subscribe, write, protection."""

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from baotu.drivers.opcua import DRIVER
from baotu.sdk import Denied, Quality, Refused, Samples, Tag
from baotu.sdk.testing.serving import PlayedFeed

from .peers import Peer

pytestmark = pytest.mark.peer("node-opcua")
NOW = 1_780_000_000_000_000_000
TAGS = (
    Tag(id=3, asset="jinan/foundry/furnace-1", property="temperature", unit="Cel", low=0.0,
        high=900.0, title="炉温 Temperature"),
    Tag(id=5, asset="jinan/foundry/furnace-1", property="running", kind="boolean", writable=True),
    Tag(id=9, asset="jinan/foundry/furnace-1", property="recipe", kind="text", writable=True),
    Tag(id=11, asset="jinan/press", property="speed", unit="/min", writable=True),
)  # fmt: skip
LATEST = (
    Samples.of([3, 5], [NOW, NOW], [812.5, 1.0], [0, 0]),
    Samples.of([9], [NOW], ["steel 钢"], [0]),
)
AT = "ns=2;s=jinan/foundry/furnace-1/"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    return str(tmp_path_factory.mktemp("theirs"))


@asynccontextmanager
async def serving(feed, tmp_path, **more):
    settings = DRIVER.server.Settings(endpoint="opc.tcp://[::1]:0", pki=str(tmp_path / "p"), **more)
    address = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(DRIVER.server(settings).serve(feed, address.set_result))
    try:
        await asyncio.wait({task, address}, return_when=asyncio.FIRST_COMPLETED)
        yield await address if address.done() else await task
    finally:
        task.cancel()
        begin = asyncio.get_running_loop().time()
        with suppress(asyncio.CancelledError):
            await task
        assert asyncio.get_running_loop().time() - begin < 20


def play(story):
    asyncio.run(asyncio.wait_for(story, 100))


async def call(peer, verb, *rest):
    await peer.say(verb, *rest)
    return await peer.hear(verb)


def test_tag_tree_is_browsed_and_read_with_units_and_quality(tmp_path, theirs):
    async def story():
        async with (
            serving(PlayedFeed(TAGS, LATEST), tmp_path) as url,
            Peer("client.js", url=url, pki=theirs) as peer,
        ):
            assert await call(peer, "open") is True
            top = await call(peer, "browse", "i=85")
            assert ["ns=2;s=jinan/", "jinan", "Object"] in top
            under = await call(peer, "browse", "ns=2;s=jinan/foundry/furnace-1/")
            assert [name for _, name, _ in under] == ["temperature", "running", "recipe"]
            heat = await call(peer, "read", AT + "temperature")
            assert (heat["value"], heat["type"], heat["status"]) == (812.5, "Double", "Good")
            assert heat["time"] == "2026-05-28T20:26:40.000Z"
            assert (await call(peer, "read", AT + "running"))["value"] is True
            assert (await call(peer, "read", AT + "recipe"))["value"] == "steel 钢"
            assert (await call(peer, "read", AT + "temperature", "Description"))["value"]
            unit = await call(peer, "read", AT + "temperature/EngineeringUnits")
            assert unit["value"]["unitId"] == 4408652
            span = await call(peer, "read", AT + "temperature/EURange")
            assert (span["value"]["low"], span["value"]["high"]) == (0, 900)
            waiting = await call(peer, "read", "ns=2;s=jinan/press/speed")
            assert waiting["status"] == "BadWaitingForInitialData"
            await call(peer, "close")

    play(story())


def test_every_sample_reaches_a_subscriber_in_order(tmp_path, theirs):
    async def story():
        feed = PlayedFeed(TAGS, LATEST)
        async with (
            serving(feed, tmp_path) as url,
            Peer("client.js", url=url, pki=theirs) as peer,
        ):
            await call(peer, "open")
            await call(peer, "watch", AT + "temperature")
            first = await peer.hear("change")
            assert first["value"] == 812.5
            times = NOW + np.arange(1, 21) * 1_000_000_000
            feed.push(
                Samples.of(3, times, np.arange(20.0), [0] * 19 + [Quality.BAD_SENSOR_FAILURE])
            )
            seen = [await peer.hear("change") for _ in range(20)]
            assert [one["value"] for one in seen[:19]] == list(range(19))
            assert seen[19]["status"] == "BadSensorFailure"
            assert seen[0]["time"] == "2026-05-28T20:26:41.000Z"

    play(story())


def test_writes_go_through_the_platform_or_are_refused_with_a_reason(tmp_path, theirs):
    async def story():
        feed = PlayedFeed(TAGS, LATEST)
        async with (
            serving(feed, tmp_path) as url,
            Peer("client.js", url=url, pki=theirs) as peer,
        ):
            await call(peer, "open")
            assert await call(peer, "write", AT + "running", "Boolean", False) == "Good"
            assert await call(peer, "write", AT + "recipe", "String", "iron") == "Good"
            assert feed.writes == [(5, 0.0, "opcua:anonymous"), (9, "iron", "opcua:anonymous")]
            assert await call(peer, "write", AT + "temperature", "Double", 1) == "BadNotWritable"
            assert await call(peer, "write", AT + "running", "String", "x") == "BadTypeMismatch"
            feed.refuse = Denied("not in this zone")
            assert (
                await call(peer, "write", AT + "running", "Boolean", True) == "BadUserAccessDenied"
            )
            feed.refuse = Refused("jammed")
            assert await call(peer, "write", AT + "running", "Boolean", True) == "BadDeviceFailure"
            assert len(feed.writes) == 2
            assert (await call(peer, "read", AT + "running"))["value"] is True

    play(story())


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256_Sha256_RsaPss"])
def test_protected_session_needs_a_trusted_certificate_and_the_right_user(policy, tmp_path, theirs):
    async def story():
        feed = PlayedFeed(TAGS, LATEST)
        more = {"user": "eva", "password": "secret word"}
        secure = {"pki": theirs, "mode": "SignAndEncrypt", "policy": policy}
        async with serving(feed, tmp_path, **more) as url:
            async with Peer("client.js", url=url, **secure, **more) as stranger:
                said = await call(stranger, "open")
                assert "BadCertificateUntrusted" in said["failed"]
            (refused,) = Path(tmp_path / "p" / "rejected").glob("*.der")
            refused.rename(tmp_path / "p" / "trusted" / "peer.der")
            wrong = {"user": "eva", "password": "guess"}
            async with Peer("client.js", url=url, **secure, **wrong) as guesser:
                said = await call(guesser, "open")
                assert "BadUserAccessDenied" in said["failed"]
            async with Peer("client.js", url=url, **secure, **more) as peer:
                assert await call(peer, "open") is True
                assert (await call(peer, "read", AT + "temperature"))["value"] == 812.5
                assert await call(peer, "write", AT + "running", "Boolean", True) == "Good"
                assert feed.writes == [(5, 1.0, "opcua:eva")]

    play(story())


def test_tags_met_later_appear_in_the_tree(tmp_path, theirs):
    async def story():
        tags = list(TAGS)
        feed = PlayedFeed(TAGS, LATEST)
        feed.tags = lambda: tags
        async with (
            serving(feed, tmp_path) as url,
            Peer("client.js", url=url, pki=theirs) as peer,
        ):
            await call(peer, "open")
            tags.append(Tag(id=40, asset="jinan/press", property="force"))
            feed.push(Samples.of(40, [NOW], [5.0]))
            for _ in range(1000):
                found = await call(peer, "read", "ns=2;s=jinan/press/force")
                if found["value"] == 5:
                    break
                await asyncio.sleep(0.02)
            assert found["value"] == 5

    play(story())

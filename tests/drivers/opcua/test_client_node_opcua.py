"""The client against node-opcua: an implementation that shares no code with the library it is built on."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest

from baotu.drivers.opcua import DRIVER
from baotu.drivers.opcua.settings import ClientSettings
from baotu.sdk import Quality, Tag, Unreachable
from baotu.sdk.samples import SECOND
from baotu.sdk.testing.sessions import RecordingLine, check_session, running

from .peers import Peer

pytestmark = pytest.mark.peer("node-opcua")
AT = "ns=1;s="


def free_port() -> int:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return probe.getsockname()[1]


def tag(number, address, kind="number", **more):
    return Tag(
        id=number, asset="plant/line1", property=f"p{number}", device="press",
        address=AT + address, kind=kind, period_s=0.1, **more,
    )  # fmt: skip


TAGS = (
    tag(0, "Speed"), tag(1, "Count"), tag(2, "Running", "boolean"), tag(3, "Name", "text"),
    tag(4, "Label", "text"), tag(5, "Curve[2]"), tag(6, "Odd[1]"), tag(7, "Mode", "text"),
    tag(8, "Mode"),
)  # fmt: skip


def settings(url, tmp_path, **more):
    return ClientSettings(endpoint=url, pki=str(tmp_path / "ours"), keepalive_s=0.5, **more)


def client(url, tmp_path, **more):
    return DRIVER.client(settings(url, tmp_path, **more))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """The peer's certificate folder: its key takes seconds to make."""
    return str(tmp_path_factory.mktemp("theirs"))


def play(story):
    asyncio.run(asyncio.wait_for(story, 100))


def test_client_keeps_the_laws_of_session_drivers(tmp_path, theirs):
    async def story():
        port = free_port()
        peers = []

        async def start():
            peer = await Peer("server.js", port=port, pki=theirs).__aenter__()
            await peer.hear("ready")
            peers.append(peer)

        await start()
        url = f"opc.tcp://[::1]:{port}/UA"
        try:
            report = await check_session(
                lambda: client(url, tmp_path), TAGS, missing=tag(99, "Nowhere"),
                writes=[(TAGS[0], 33.5), (TAGS[1], -8.0), (TAGS[2], 0.0), (TAGS[3], "新"),
                        (TAGS[5], 77.0)],
                refuses=[(tag(20, "Fixed"), 1.0), (tag(99, "Nowhere"), 1.0)],
                cut=lambda: peers[-1].kill(), mend=start, within_s=30,
            )  # fmt: skip
        finally:
            for peer in peers:
                await peer.stop()
        assert len(report.checks) == 4

    play(story())


def test_each_kind_of_value_arrives_as_its_kind(tmp_path, theirs):
    async def story():
        async with Peer("server.js", port=0, pki=theirs) as peer:
            url = await peer.hear("ready")
            line = RecordingLine(TAGS)
            async with running(client(url, tmp_path), TAGS, line):
                await line.until(lambda: line.heard() >= {t.id for t in TAGS}, 20, "all tags")
                seen = [line.values(t.id)[-1] for t in TAGS]
                assert seen == [12.5, 7, 1, "pump 泵", "ready", 3, 99.5, "Auto", 2]
                await peer.do("set", "Speed", 1.5, "UncertainLastUsableValue")
                await peer.do("set", "Count", 20, "BadSensorFailure")
                await line.until(lambda: len(line.of(1)) > 1, 30, "the change")
                await line.until(lambda: line.of(0)[-1][1] == 1.5, 30, "the other change")
                assert line.of(0)[-1][2] == Quality.UNCERTAIN_LAST_USABLE
                assert line.of(1)[-1][2] == Quality.BAD_SENSOR_FAILURE

    play(story())


def test_browse_tells_one_level_with_kinds_and_what_may_be_written(tmp_path, theirs):
    async def story():
        async with Peer("server.js", port=0, pki=theirs) as peer:
            driver = client(await peer.hear("ready"), tmp_path)
            top = {found.name: found for found in await driver.browse()}
            line1 = (await driver.browse(top["Plant"].address))[0]
            under = {found.name: found for found in await driver.browse(line1.address)}
            assert line1.has_children
            assert (under["Running"].kind, under["Name"].kind) == ("boolean", "text")
            assert under["Curve"].kind == "text"
            assert (under["Level"].unit, under["Speed"].unit) == ("Cel", "")
            assert (under["Speed"].writable, under["Fixed"].writable) == (True, False)

    play(story())


def test_discovered_variables_become_tags_with_their_folders(tmp_path, theirs):
    async def story():
        async with Peer("server.js", port=0, pki=theirs, many=30) as peer:
            url = await peer.hear("ready")
            line = RecordingLine(discovers=True)
            async with running(client(url, tmp_path, discover=AT + "Plant"), (), line):
                await line.until(lambda: line.figures.get("discovery") == "done", 20, "discovery")
                await line.until(lambda: len(line.heard()) == len(line.declared), 20, "samples")
            assert len(line.declared) == 41
            assert line.declared[AT + "Speed"].asset == "device/Line1"
            assert line.declared[AT + "V7"].asset == "device"

    play(story())


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"])
def test_session_is_signed_and_encrypted_once_both_sides_trust(policy, tmp_path, theirs):
    names = {"Aes128Sha256RsaOaep": "Aes128_Sha256_RsaOaep"}
    names["Aes256Sha256RsaPss"] = "Aes256_Sha256_RsaPss"

    async def story():
        peer = Peer(
            "server.js", port=0, pki=theirs, modes=["SignAndEncrypt"],
            policies=[names.get(policy, policy)], user="eva", password="secret word",
        )  # fmt: skip
        async with peer:
            url = await peer.hear("ready")
            more = {"security": "sign_and_encrypt", "policy": policy, "user": "eva"}
            with pytest.raises(Unreachable, match=r"not trusted.*move .*rejected"):
                await client(url, tmp_path, password="secret word", **more).browse()
            (refused,) = (tmp_path / "ours" / "rejected").glob("*.der")
            refused.rename(tmp_path / "ours" / "trusted" / "press.der")
            with pytest.raises(Unreachable, match=r"check user and password|does not take"):
                await client(url, tmp_path, password="wrong", **more).browse()
            line = RecordingLine(TAGS)
            driver = client(url, tmp_path, password="secret word", **more)
            async with running(driver, TAGS, line):
                await line.until(lambda: line.heard() >= {t.id for t in TAGS}, 20, "all tags")
                assert await driver.write(TAGS[0], 4.25) == 4.25

    play(story())


def test_protection_the_server_has_not_is_told_with_what_it_has(tmp_path, theirs):
    async def story():
        async with Peer("server.js", port=0, pki=theirs, modes=["None"]) as peer:
            url = await peer.hear("ready")
            with pytest.raises(Unreachable, match="the server offers None None"):
                await client(url, tmp_path, security="sign_and_encrypt").browse()

    play(story())


def test_gap_is_filled_from_history_before_live_samples(tmp_path, theirs):
    async def story():
        async with Peer("server.js", port=0, pki=theirs) as peer:
            url = await peer.hear("ready")
            now = datetime.now(UTC)
            for step in range(3000):  # more than one answer holds: continuation points
                when = now + timedelta(milliseconds=step)
                await peer.say("set", "Past", float(step), "Good", when.isoformat())
            await peer.do("set", "Speed", 1.0)
            past = tag(0, "Past")
            start = int((now + timedelta(milliseconds=500)).timestamp() * 1000)
            line = RecordingLine([past, TAGS[1]], last={0: start * 1_000_000, 1: 1})
            async with running(client(url, tmp_path), [past, TAGS[1]], line):
                await line.until(lambda: 2999.0 in line.values(0), 20, "the gap filled")
                later = now + timedelta(seconds=10)
                await peer.do("set", "Past", 5000.0, "Good", later.isoformat())
                await line.until(lambda: 5000.0 in line.values(0), 20, "live samples after it")
            values, times = line.values(0), [when for when, _, _ in line.of(0)]
            assert values == [*map(float, range(int(values[0]), 3000)), 5000.0]
            assert abs(values[0] - 500) <= 2
            assert times == sorted(times)
            assert line.of(1), "a tag without history is not held for ever"
            assert line.figures["without_history"] == 1

    play(story())


def test_session_ended_by_the_server_is_unreachable_with_its_reason(tmp_path, theirs):
    async def story():
        async with Peer("server.js", port=0, pki=theirs) as peer:
            url = await peer.hear("ready")
            line = RecordingLine(TAGS)
            task = asyncio.create_task(client(url, tmp_path).run(TAGS, line))
            await line.until(lambda: bool(line.samples), 20, "samples")
            await peer.say("drop")
            with pytest.raises(Unreachable, match=r"Bad|closed"):
                await asyncio.wait_for(task, 20)

    play(story())


def test_dead_band_in_the_server_counts_in_raw_values(tmp_path, theirs):
    async def story():
        async with Peer("server.js", port=0, pki=theirs) as peer:
            url = await peer.hear("ready")
            wide = tag(0, "Level", deadband=1.0, scale=0.1)  # raw: 10
            line = RecordingLine([wide])
            driver = client(url, tmp_path, deadband="absolute")
            async with running(driver, [wide], line):
                await line.until(lambda: bool(line.values(0)), 20, "the first value")
                for value in (45.0, 49.0, 51.0, 52.0, 70.0):
                    await peer.do("set", "Level", value)
                    await asyncio.sleep(0.15)
                    if value == 51.0:  # a busy machine samples later: the next must not hide it
                        await line.until(lambda: 51.0 in line.values(0), 30, "the first jump")
                await line.until(lambda: 70.0 in line.values(0), 30, "the last value")
            assert line.values(0) == [40.0, 51.0, 70.0]
            assert all(when > 1_700_000_000 * SECOND for when, _, _ in line.of(0))

    play(story())


def test_a_server_that_falls_silent_is_unreachable(tmp_path, theirs):
    """The connection stands, nobody answers: only the sign of life tells."""

    async def story():
        async with Peer("server.js", port=0, pki=theirs) as peer:
            url = await peer.hear("ready")
            line = RecordingLine(TAGS)
            driver = client(url, tmp_path, timeout_s=1.0)
            task = asyncio.create_task(driver.run(TAGS, line))
            await line.until(lambda: bool(line.samples), 20, "samples")
            peer.freeze()
            try:
                with pytest.raises(Unreachable, match="no answer in time"):
                    await asyncio.wait_for(task, 20)
            finally:
                peer.thaw()

    play(story())

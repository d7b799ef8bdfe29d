"""Our client and our server together: doors that must stay shut, and what bridging promises."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from asyncua import Client as Library
from asyncua import ua

from baotu.drivers.opcua import DRIVER
from baotu.sdk import Samples, Tag, Unreachable
from baotu.sdk.testing.serving import PlayedFeed
from baotu.sdk.testing.sessions import RecordingLine, check_session, running

NOW = 1_780_000_000_000_000_000
SERVED = (
    Tag(id=0, asset="a/b", property="level", unit="Cel", writable=True),
    Tag(id=1, asset="a/b", property="on", kind="boolean", writable=True),
    Tag(id=2, asset="a/b", property="name", kind="text"),
)
LATEST = (Samples.of([0, 1], NOW, [20.5, 1.0]), Samples.of([2], NOW, ["泵"]))
ASKED = tuple(
    Tag(id=t.id + 50, asset=t.asset, property=t.property, address=f"ns=2;s={t.name}",
        kind=t.kind, period_s=0.05)
    for t in SERVED
)  # fmt: skip


class Plant(PlayedFeed):
    """Does what it is asked: a write becomes a sample."""

    async def write(self, tag, value, peer):
        reply = await super().write(tag, value, peer)
        self.push(Samples.of(tag, [NOW + len(self.writes)], [value]))
        return reply


@asynccontextmanager
async def serving(tmp_path, host="[::1]", port=0, **more):
    settings = DRIVER.server.Settings(
        endpoint=f"opc.tcp://{host}:{port}", pki=str(tmp_path / "server"), **more
    )
    address = asyncio.get_running_loop().create_future()
    feed = Plant(SERVED, LATEST)
    task = asyncio.create_task(DRIVER.server(settings).serve(feed, address.set_result))
    try:
        await asyncio.wait({task, address}, return_when=asyncio.FIRST_COMPLETED)
        yield (await address if address.done() else await task).replace("[::]", "[::1]")
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Unreachable):
            await task


def play(story):
    asyncio.run(asyncio.wait_for(story, 60))


def test_what_one_reads_another_serves(tmp_path):
    async def story():
        async with serving(tmp_path) as url:
            settings = DRIVER.client.Settings(endpoint=url, keepalive_s=0.5)
            report = await check_session(
                lambda: DRIVER.client(settings), ASKED,
                missing=Tag(id=99, asset="a", property="x", address="ns=2;s=a/x"),
                writes=[(ASKED[0], 21.25), (ASKED[1], 0.0)],
                refuses=[(ASKED[2], "x")],
            )  # fmt: skip
        assert report.checks

    play(story())


def test_a_session_without_protection_is_refused_off_loopback(tmp_path, monkeypatch):
    """asyncua lets any unprotected channel in; a client that ignores the offer must fail."""
    first = staticmethod(lambda endpoints, mode, policy: endpoints[0])
    monkeypatch.setattr(Library, "find_endpoint", first)

    async def story():
        async with serving(tmp_path, host="[::]") as url:
            with pytest.raises(ua.uaerrors.BadSecurityPolicyRejected):
                async with Library(url):
                    pass

    play(story())


def test_only_protected_endpoints_are_offered_off_loopback(tmp_path):
    async def story():
        async with serving(tmp_path, host="[::]") as url:
            offered = await Library(url).connect_and_get_server_endpoints()
            assert {one.SecurityMode.name for one in offered} == {"Sign", "SignAndEncrypt"}
            assert {t.TokenType.name for one in offered for t in one.UserIdentityTokens} == {
                "Anonymous"
            }

    play(story())


def test_a_client_cannot_change_the_address_space(tmp_path):
    async def story():
        async with serving(tmp_path) as url, Library(url) as client:
            node = client.get_node("ns=2;s=a/b/level")
            name = ua.DataValue(ua.LocalizedText("other"))
            with pytest.raises(ua.uaerrors.BadNotWritable):
                await node.write_attribute(ua.AttributeIds.DisplayName, name)
            with pytest.raises(ua.UaStatusCodeError):
                await client.nodes.objects.add_folder(2, "mine")
            with pytest.raises(ua.UaStatusCodeError):
                await node.delete()

    play(story())


def test_a_port_that_is_taken_is_told(tmp_path):
    async def story():
        async with serving(tmp_path) as url:
            port = int(url.rpartition(":")[2])
            with pytest.raises(Unreachable, match=r"cannot listen on .*another port"):
                async with serving(tmp_path, port=port):
                    pass

    play(story())


def test_a_wrong_tag_address_does_not_stop_the_others(tmp_path):
    async def story():
        async with serving(tmp_path) as url:
            other = Tag(id=7, asset="a", property="x", address="nsu=urn:nobody;s=x")
            line = RecordingLine([*ASKED, other])
            settings = DRIVER.client.Settings(endpoint=url)
            async with running(DRIVER.client(settings), [*ASKED, other], line):
                await line.until(lambda: line.heard() >= {50, 51, 52, 7}, 20, "all tags")
            assert line.values(50)[-1] == 20.5
            assert line.figures["refused"] == 1

    play(story())

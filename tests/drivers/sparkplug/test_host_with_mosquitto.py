"""The host application against mosquitto and an edge node made with npm sparkplug-payload."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from baotu.drivers.sparkplug import DRIVER
from baotu.drivers.sparkplug.driver import Client, HostSettings
from baotu.edge.mqtt import connect
from baotu.sdk import Quality, Tag
from baotu.sdk.testing.sessions import RecordingLine, check_session, running

from .brokers import Mosquitto, mosquitto
from .peers import js_peer

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("sparkplug-payload")]

VALUES = {
    "Inputs/temperature": 20.5, "Inputs/pressure": 1.5, "Inputs/int8": -5, "Inputs/int16": -300,
    "Inputs/int32": -70000, "Inputs/int64": -5e9, "Inputs/uint8": 200, "Inputs/uint16": 60000,
    "Inputs/uint32": 4e9, "Inputs/running": 1, "Inputs/mode": "自动 auto", "Outputs/speed": 0,
    "Outputs/count": 1, "Outputs/start": 0, "Outputs/recipe": "a",
}  # fmt: skip


def tags() -> list[Tag]:
    return [
        Tag(
            id=i,
            asset="press",
            property=f"p{i}",
            address=f"plant/line/press/{name}",
            kind="text" if isinstance(value, str) else "number",
        )
        for i, (name, value) in enumerate(VALUES.items(), 10)
    ]


def by_name(name: str) -> Tag:
    return next(tag for tag in tags() if tag.address.endswith(name))


def settings(broker: Mosquitto, **more: object) -> HostSettings:
    return HostSettings(port=broker.port, rebirth_s=0.2, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def the_session_laws_hold(tmp_path: Path, protocol: str) -> None:
    async with (
        mosquitto(tmp_path) as broker,
        js_peer("edge_node.js", str(broker.port), "plant", "line") as peer,
    ):
        await peer.heard("ready")
        report = await check_session(
            lambda: Client(settings(broker, protocol=protocol, groups=("plant",))),
            tags(),
            mqtt=connect,
            missing=Tag(id=99, asset="x", property="y", address="plant/line/press/nothing"),
            writes=[
                (by_name("speed"), 12.5), (by_name("start"), 1), (by_name("count"), 3_000_000_000),
                (by_name("recipe"), "配方 b"), (by_name("recipe"), "配方 b"),
            ],
            stir=lambda: peer.tell("change"),
            cut=broker.stop,
        )  # fmt: skip
    assert len(report.checks) == 4


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_session_keeps_what_the_edge_relies_on(tmp_path: Path, protocol: str) -> None:
    asyncio.run(the_session_laws_hold(tmp_path, protocol))


def test_every_scalar_type_of_an_independent_edge_node_is_read(tmp_path: Path) -> None:
    async def scene() -> None:
        async with (
            mosquitto(tmp_path) as broker,
            js_peer("edge_node.js", str(broker.port), "plant", "line") as peer,
        ):
            await peer.heard("ready")
            line = RecordingLine(tags(), mqtt=connect)
            async with running(Client(settings(broker)), tags(), line):
                await line.until(lambda: {t.id for t in tags()} <= line.heard(), 20, "birth")
            for tag in tags():
                assert line.values(tag.id)[0] == VALUES[tag.address.split("/", 3)[3]], tag.address
            assert {f.unit for f in line.found} == {"", "Cel", "bar"}

    asyncio.run(scene())


def test_gap_death_and_lost_session_show_in_the_tags(tmp_path: Path) -> None:
    async def scene() -> None:
        async with (
            mosquitto(tmp_path) as broker,
            js_peer("edge_node.js", str(broker.port), "plant", "line") as peer,
        ):
            await peer.heard("ready")
            line = RecordingLine(tags(), mqtt=connect)
            warm = by_name("temperature").id
            async with running(Client(settings(broker)), tags(), line):
                await line.until(lambda: bool(line.of(warm)), 20, "birth")
                await peer.tell("gap")
                await peer.heard("rebirth asked", 2)
                await line.until(lambda: len(line.of(warm)) >= 3, 20, "birth after the gap")
                assert [q for _, _, q in line.of(warm)] == [0, Quality.UNCERTAIN_LAST_USABLE, 0]
                await peer.tell("death press")
                await line.until(lambda: bool(line.marks), 20, "device death")
                assert line.marks[-1].quality == Quality.BAD_NOT_CONNECTED
                assert warm in line.marks[-1].tags
                await peer.tell("birth")
                await line.until(lambda: len(line.of(warm)) >= 4, 20, "birth again")
                line.marks.clear()
                await peer.tell("drop")  # the broker sends the will
                await line.until(lambda: bool(line.marks), 20, "node death")
                assert warm in {t for m in line.marks for t in m.tags.tolist()}

    asyncio.run(scene())


def test_the_plugin_has_a_title_in_both_languages() -> None:
    assert DRIVER.client is Client

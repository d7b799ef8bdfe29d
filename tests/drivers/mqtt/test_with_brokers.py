"""The MQTT client against mosquitto, over TLS, on amqtt, and against peers that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
import pytest

from baotu.drivers.mqtt import DRIVER
from baotu.drivers.mqtt.driver import Client, MqttSettings
from baotu.edge.mqtt import connect
from baotu.sdk import ConfigError, Quality, Refused, Tag, Unreachable
from baotu.sdk.testing.cases import check_parts
from baotu.sdk.testing.drivers import check_settings
from baotu.sdk.testing.sessions import RecordingLine, check_session, running, stalls
from tests.drivers.sparkplug.brokers import embedded, free_port, mosquitto

from .certificates import make_certificates

TAGS = [
    Tag(id=1, asset="a", property="warm", address="plant/press#warm"),
    Tag(id=2, asset="a", property="mode", address="plant/press#mode", kind="text"),
    Tag(id=3, asset="a", property="speed", address="plant/speed"),
]


class Device:
    """A machine in its own thread, which tells its speed when it is set."""

    def __init__(self, port: int) -> None:
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda client, _, message: client.publish(
            "plant/speed", message.payload, qos=1
        )
        self.client.connect("::1", port)
        self.client.subscribe("plant/speed/set", qos=1)
        self.client.loop_start()

    async def publish(self, topic: str, payload: str) -> None:
        self.client.publish(topic, payload)

    def end(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@asynccontextmanager
async def machine(port: int) -> AsyncIterator[Device]:
    device = await asyncio.to_thread(Device, port)
    try:
        yield device
    finally:
        await asyncio.to_thread(device.end)


@pytest.mark.peer("mosquitto")
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_session_keeps_what_the_edge_relies_on(tmp_path: Path, protocol: str) -> None:
    async def scene() -> None:
        async with mosquitto(tmp_path) as broker, machine(broker.port) as device:
            number = 0

            async def stir() -> None:
                nonlocal number
                number += 1
                document = {"warm": number, "mode": "auto"}
                await device.publish("plant/press", json.dumps(document))
                await device.publish("plant/speed", str(number))

            settings = MqttSettings(port=broker.port, protocol=protocol)
            report = await check_session(
                lambda: Client(settings),
                TAGS,
                mqtt=connect,
                stir=stir,
                writes=[(TAGS[2], 12.5), (TAGS[2], -3)],
            )
            assert len(report.checks) == 3

    asyncio.run(scene())


@pytest.mark.peer("mosquitto")
def test_a_lost_broker_is_unreachable_and_the_next_run_goes_on(tmp_path: Path) -> None:
    async def scene() -> None:
        async with mosquitto(tmp_path) as broker:

            async def stir() -> None:
                async with aiomqtt.Client("::1", broker.port) as device:
                    await device.publish("plant/speed", "5")

            settings = MqttSettings(port=broker.port)
            await check_session(
                lambda: Client(settings),
                TAGS[2:],
                mqtt=connect,
                stir=stir,
                cut=broker.stop,
                mend=broker.start,
            )

    asyncio.run(scene())


@pytest.mark.peer("mosquitto")
def test_a_write_nobody_confirms_is_refused_unless_told_not_to_wait(tmp_path: Path) -> None:
    async def scene() -> None:
        async with mosquitto(tmp_path) as broker:
            line = RecordingLine(TAGS, mqtt=connect)
            client = Client(MqttSettings(port=broker.port, write_s=0.2))
            async with running(client, TAGS, line):
                await line.until(lambda: line.ups == 1, 20, "up")
                with pytest.raises(Refused, match="not confirmed within"):
                    await client.write(TAGS[2], 5)
            client = Client(MqttSettings(
                port=broker.port, confirm="none", write_topic="cmd/{topic}",
                write_payload='{"set": {value}, "path": "{path}"}',
            ))  # fmt: skip
            async with (
                aiomqtt.Client("::1", broker.port) as device,
                running(client, TAGS, line),
            ):
                await device.subscribe("cmd/#", qos=1)
                await line.until(lambda: line.ups == 2, 20, "up")
                assert await client.write(TAGS[1], "手动") == "手动"
                message = await asyncio.wait_for(anext(device.messages), 5)
                assert message.topic.value == "cmd/plant/press"
                assert json.loads(bytes(message.payload)) == {"set": "手动", "path": "mode"}  # type: ignore[arg-type]

    asyncio.run(scene())


@pytest.mark.peer("mosquitto")
def test_a_retained_value_is_uncertain_and_the_next_one_good(tmp_path: Path) -> None:
    async def scene() -> None:
        async with mosquitto(tmp_path) as broker, aiomqtt.Client("::1", broker.port) as device:
            await device.publish("plant/speed", "5", qos=1, retain=True)
            line = RecordingLine(TAGS, mqtt=connect)
            async with running(Client(MqttSettings(port=broker.port)), TAGS, line):
                await line.until(lambda: bool(line.of(3)), 20, "retained value")
                await device.publish("plant/speed", "6", qos=1)
                await line.until(lambda: len(line.of(3)) == 2, 20, "live value")
            qualities = [(v, q) for _, v, q in line.of(3)]
            assert qualities == [(5.0, Quality.UNCERTAIN_LAST_USABLE), (6.0, 0)]

    asyncio.run(scene())


def test_the_embedded_broker_serves_as_well() -> None:
    async def scene() -> None:
        async with embedded() as port, machine(port) as device:
            line = RecordingLine(TAGS, mqtt=connect)
            client = Client(MqttSettings(port=port))
            async with running(client, TAGS, line):
                await line.until(lambda: line.ups == 1, 20, "up")
                await device.publish("plant/press", '{"warm": 21.5, "mode": "auto"}')
                await line.until(lambda: bool(line.of(1)), 20, "data")
                assert await client.write(TAGS[2], 7) == 7

    asyncio.run(scene())


@pytest.mark.peer("mosquitto")
def test_tls_is_verified_and_a_client_certificate_is_shown(tmp_path: Path) -> None:
    async def scene() -> None:
        files = make_certificates(tmp_path)
        secure = [
            f"cafile {files.ca}", f"certfile {files.server}", f"keyfile {files.server_key}",
            "require_certificate true",
        ]  # fmt: skip
        async with mosquitto(tmp_path, secure) as broker:
            good = MqttSettings(
                host="::1", port=broker.port, tls=True, tls_ca=str(files.ca),
                tls_certificate=str(files.client), tls_key=str(files.client_key),
            )  # fmt: skip
            line = RecordingLine(TAGS, mqtt=connect)
            async with running(Client(good), TAGS, line):
                await line.until(lambda: line.ups == 1, 20, "up")
            strange = MqttSettings(port=broker.port, tls=True)
            with pytest.raises(Unreachable, match=r"not trusted.*tls_ca"):
                await Client(strange).run(TAGS, line)
            with pytest.raises(ConfigError, match=r"missing\.pem"):
                await Client(MqttSettings(tls=True, tls_ca="/missing.pem")).run(TAGS, line)

    asyncio.run(scene())


def test_nobody_there_is_told_in_clear_words() -> None:
    async def scene() -> None:
        with pytest.raises(Unreachable, match=r"\[::1\]:\d+: nobody listens there.*correct host"):
            await Client(MqttSettings(port=free_port())).run(
                TAGS, RecordingLine(TAGS, mqtt=connect)
            )

    asyncio.run(scene())


@asynccontextmanager
async def mute() -> AsyncIterator[int]:
    """A server that accepts and never says a word."""
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda r, w: held.append(w), "::1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for writer in held:
            writer.close()
        server.close()
        await server.wait_closed()


def test_a_peer_that_never_answers_is_given_up_and_leaves_no_socket() -> None:
    async def scene() -> None:
        async with mute() as port:
            client = Client(MqttSettings(port=port, timeout_s=0.2))
            with pytest.raises(Unreachable, match="no answer in time"):
                await client.run(TAGS, RecordingLine(TAGS, mqtt=connect))
            patient = Client(MqttSettings(port=port, timeout_s=60))
            task = asyncio.create_task(patient.run(TAGS, RecordingLine(mqtt=connect)))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 30)  # long before its own time-out
            for _ in range(1500):
                if len(asyncio.all_tasks()) == 1:
                    break
                await asyncio.sleep(0.02)
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(scene())


@pytest.mark.peer("mosquitto")
def test_a_burst_is_taken_whole_without_holding_the_loop(tmp_path: Path) -> None:
    async def scene() -> None:
        count = 5_000
        async with mosquitto(tmp_path) as broker, aiomqtt.Client("::1", broker.port) as device:
            line = RecordingLine(TAGS, mqtt=connect)
            client = Client(MqttSettings(port=broker.port, qos=0))
            async with running(client, TAGS, line):
                await line.until(lambda: line.ups == 1, 20, "up")
                async with stalls() as seen:
                    for i in range(count):
                        await device.publish("plant/speed", str(i), qos=0)
                        if i % 500 == 499:  # the broker may drop what waits for a slow reader
                            await line.until(lambda i=i: line.count > i - 500, 60, "its share")
                    await line.until(lambda: line.count >= count, 60, "burst")
            assert line.values(3) == [float(i) for i in range(count)]
            assert len(line.samples) < count / 10  # a busy machine brings them in smaller parts
            assert seen.cpu_s < 0.5

    asyncio.run(scene())


def test_the_folder_is_whole() -> None:
    check_parts(Path(__file__).parents[3] / "src/baotu/drivers/mqtt", DRIVER)
    check_settings(MqttSettings)

"""What a driver needs of MQTT: how a broker is reached, and a session that the edge keeps for it.

The edge has the sockets, TLS, time-outs and back-pressure (`Line.mqtt`, `Feed.mqtt`); a driver
has the topics and payloads. No MQTT library in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from .settings import setting

CLOSE_S = 0.8  # how long a farewell may take; two fit in the time a cancelled driver has
Incoming = tuple[str, bytes, bool]  # topic, payload, whether it is an old, retained message


@dataclass(frozen=True, kw_only=True)
class Broker:
    """How to reach a broker: settings of a driver begin with these."""

    host: str = setting("::1", title="消息服务器名称或地址 Name or address of the MQTT broker")
    port: int = setting(1883, title="端口 Port, 8883 with TLS", low=1, high=65535)
    protocol: str = setting("3.1.1", title="协议版本 MQTT version", choices=("3.1.1", "5"))
    client_id: str = setting("", title="客户端标识，空则随机 Client id, random when empty")
    username: str = setting("", title="用户名 User name")
    password: str = setting("", title="密码 Password", secret=True)
    tls: bool = setting(False, title="加密连接并验证证书 TLS with verified certificates")
    tls_ca: str = setting(
        "", path="config", title="证书机构文件，空则用系统的 CA file (PEM), the system's when empty"
    )
    tls_certificate: str = setting(
        "", path="config", title="客户端证书文件 Client certificate file (PEM)"
    )
    tls_key: str = setting(
        "",
        path="config",
        secret=True,
        title="客户端私钥文件 Private key file of the client (PEM)",
    )
    keepalive_s: int = setting(30, title="保活周期 Keep-alive", unit="s", low=1, high=3600)
    timeout_s: float = setting(
        5.0,
        title="等待服务器应答的时间 How long to wait for the broker",
        unit="s",
        low=0.1,
        high=60,
    )
    batch_ms: float = setting(
        20,
        title="合并收到的报文的时间 How long messages are collected",
        unit="ms",
        low=0,
        high=1000,
    )
    queue_messages: int = setting(
        50_000, title="接收队列上限 Most messages waiting; beyond it the oldest goes", low=100
    )

    @property
    def place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"MQTT broker {host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker publishes for us when we vanish. qos: 0, 1 or 2."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


class MqttSession(Protocol):
    """A connection that stands. Everything raises Unreachable once it is lost."""

    @property
    def dropped(self) -> int:
        """Messages lost because they were not taken in time: see `Broker.queue_messages`."""

    async def take(self, idle_s: float) -> list[Incoming]:
        """The messages of the batch window, some 10 000 values at most, in their order; [] when
        none came in `idle_s` seconds. After a loss what had come before it is given first."""

    async def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        """Returns when it is written (QoS 0) or acknowledged (1, 2)."""

    async def subscribe(self, filters: Sequence[tuple[str, int]]) -> list[int]:
        """(filter, QoS) each; the broker's code for each, 0x80 and above when it refuses."""


class Mqtt(Protocol):
    """Makes sessions."""

    def __call__(
        self, broker: Broker, will: Will | None = None
    ) -> AbstractAsyncContextManager[MqttSession]:
        """Raises Unreachable with the reason and what to do, ConfigError for wrong TLS files.
        Ends with DISCONNECT, so that no will is sent."""

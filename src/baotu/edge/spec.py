"""What an edge is told: devices, servers, settings. Built from the configuration by the house."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from baotu.sdk import DriverEntry, Tag, setting

from .gate import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """One connection to the field.

    driver: name of the driver; entry: what the registry found under it; settings: its `Settings`.
    tags: their `id` is ignored, the edge numbers them. period_s: for tags that are discovered.
    discover: patterns (`*`, `?`) of addresses that become tags when met at run time; () for none.
    discover_under: asset path below which such tags go; empty: the device's name.
    """

    name: str
    driver: str
    entry: DriverEntry
    settings: object
    tags: Sequence[Tag] = ()
    period_s: float = 1.0
    discover: tuple[str, ...] = ()
    discover_under: str = ""
    discover_limit: int = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """The way out: tags below any of the asset paths `under` are offered; () offers all."""

    name: str
    driver: str
    entry: DriverEntry
    settings: object
    under: tuple[str, ...] = ()
    gate: Gate = field(default_factory=Gate)  # which writes of its clients are passed on


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSettings:
    """The [edge] table of the configuration."""

    linger_ms: int = setting(
        50,
        title="收集时间 How long samples are collected before they go on",
        unit="ms",
        low=1,
        high=1000,
    )
    queue_samples: int = setting(
        200_000, title="每设备队列上限 Most samples waiting per device", low=1_000, high=10_000_000
    )
    feed_samples: int = setting(
        200_000, title="每服务队列上限 Most samples waiting per server", low=1_000, high=10_000_000
    )
    retry_refused_s: float = setting(
        60.0, title="被拒位号重试间隔 How often refused tags are asked again", unit="s", low=1.0
    )
    recordings: int = setting(
        200, title="保留的异常报文数 Malformed frames kept", low=0, high=100_000
    )
    recording_bytes: int = setting(
        65_536, title="每个异常报文上限 Most bytes of a malformed frame kept", low=64, high=1 << 24
    )
    status: str = setting(
        "[::1]:8081", title="本地状态页地址，空为关闭 Local status page, empty for none"
    )

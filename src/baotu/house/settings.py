"""The configuration file: its tables, one frozen class each. What is not here is an error there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from baotu.edge.spec import EdgeSettings
from baotu.fabric.settings import FabricSettings
from baotu.history.settings import HistorySettings
from baotu.records.settings import RecordsSettings
from baotu.sdk import ConfigError, setting
from baotu.trust.backup.settings import BackupSettings
from baotu.trust.secrets.settings import SecretsSettings

Role = Literal["all", "edge", "hub"]
SPARE = "baotu-restore-"  # folders in which a restored copy is proved
STAGE = "backup.stage"  # in the data folder: what a backup reads, while it is taken


def address(text: str) -> tuple[str, int]:
    """`[::1]:8080` or `name:8080` as (host, port). Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if (
        not colon
        or not port.isdigit()
        or not 0 <= int(port) <= 65535
        or not host
        or (":" in host) != host.startswith("[")
    ):
        raise ConfigError(f"{text!r} is not an address", hint='write "[::1]:8080" or "name:8080"')
    return host.strip("[]"), int(port)


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    name: str = setting("baotu", title="节点名称 Name of this node")
    role: Role = setting("all", title="角色 Role", choices=("all", "edge", "hub"))
    organisation: str = setting("plant", title="所属组织 Organisation that owns assets and data")
    title: str = setting("趵突 Baotu", title="控制台标题 Title on the console")
    data: Path = setting(Path("data"), title="数据文件夹 Folder for everything that is kept")
    plugins: Path | None = setting(
        None, title="私有应用文件夹 Folder of private apps (*.py)", example="plugins"
    )


@dataclass(frozen=True, kw_only=True)
class ConsoleSettings:
    listen: str = setting("[::1]:8080", title="监听地址 Address of console and API")
    key_values: tuple[str, ...] = setting((), title="总览位号 Tags on the overview")
    shift_h: float = setting(8.0, title="班次小时 Hours of a shift", unit="h", low=1, high=24)

    def __post_init__(self) -> None:
        address(self.listen)


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    workers: int = setting(1, title="并行计算任务数 Jobs at the same time", low=1, high=64)
    memory_mb: int = setting(2048, title="单任务内存 Memory of a job", unit="MB", low=64)
    limit_s: float = setting(3600.0, title="单任务时限 Time of a job", unit="s", low=1)


@dataclass(frozen=True, kw_only=True)
class DeviceSettings:
    """What every device has, whatever its driver; the driver's own keys stand beside these."""

    name: str = setting(title="设备名称，唯一 Name, unique", example="press-3")
    driver: str = setting(title="驱动 Driver", example="modbus")
    tags: str = setting("", title="位号文件 Tag file, CSV or Excel", example="tags/press-3.csv")
    period_s: float = setting(
        1.0, title="默认周期 Period of tags that give none", unit="s", low=0.01
    )
    asset: str = setting(
        "", title="位号默认资产 Asset of tags that give none", example="site/area/press-3"
    )
    asset_type: str = setting("", title="该资产类型 Its type", example="Motor")
    accept: tuple[str, ...] = setting(
        (),
        title="自动成为位号的地址 Patterns of addresses that become tags when met",
        example=["*"],
    )
    accept_under: str = setting("", title="自动位号的资产 Asset path below which such tags go")


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What every server (bridge outwards) has, whatever its protocol."""

    name: str = setting(title="服务名称，唯一 Name, unique", example="opcua-out")
    driver: str = setting(title="驱动 Driver", example="opcua")
    under: tuple[str, ...] = setting(
        (), title="只发布这些资产之下 Offer only what lies below these assets"
    )


@dataclass(frozen=True, kw_only=True)
class AppsSettings:
    off: tuple[str, ...] = setting((), title="停用的应用 Apps that are switched off")
    may_write: tuple[str, ...] = setting(
        (), title="可以写设备的应用 Apps that may write to the plant"
    )
    again_days: float = setting(
        30.0,
        title="迟到数据重算期限，不超过原始数据保留期 Windows that late samples fall into are computed "
        "again up to this age, never beyond raw_days",
        unit="d", low=0,
    )  # fmt: skip
    replay_h: float = setting(
        24.0,
        title="重启后补给应用的采样期限 Samples no app has seen are replayed after a restart up to this age",
        unit="h", low=0,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrustSettings:
    suite: str = setting(
        "international",
        title="密码套件 Cipher suite: Ed25519, SHA-256, AES; or 国密 SM2, SM3, SM4",
        choices=("international", "guomi"),
    )


SECTIONS: dict[str, type] = {
    "node": NodeSettings,
    "console": ConsoleSettings,
    "history": HistorySettings,
    "records": RecordsSettings,
    "fabric": FabricSettings,
    "edge": EdgeSettings,
    "jobs": JobSettings,
    "apps": AppsSettings,
    "trust": TrustSettings,
    "secrets": SecretsSettings,
    "backup": BackupSettings,
}


@dataclass(frozen=True, kw_only=True)
class Basics:
    """One object of each section."""

    node: NodeSettings = field(default_factory=NodeSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    records: RecordsSettings = field(default_factory=RecordsSettings)
    fabric: FabricSettings = field(default_factory=FabricSettings)
    edge: EdgeSettings = field(default_factory=EdgeSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    apps: AppsSettings = field(default_factory=AppsSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)
    secrets: SecretsSettings = field(default_factory=SecretsSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)

"""The configuration file: its tables, one frozen class each. What is not here is an error there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from baotu.edge.gate import Gate
from baotu.edge.spec import EdgeSettings
from baotu.fabric.settings import FabricSettings
from baotu.history.settings import HistorySettings
from baotu.kernel.guard import WriteSettings
from baotu.records.settings import RecordsSettings
from baotu.sdk import ConfigError, setting
from baotu.trust.audit.settings import AuditSettings
from baotu.trust.backup.settings import BackupSettings
from baotu.trust.devices.settings import TrustSettings as DevicesSettings
from baotu.trust.people.settings import PeopleSettings
from baotu.trust.policy.settings import PolicySettings
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
    names: tuple[str, ...] = setting(
        (), title="本节点的域名 Host names of this node", example=["plant.example"]
    )
    certificate_file: str = setting(
        "", path="config", title="证书链 Certificate with its chain, PEM", example="tls/console.pem"
    )
    key_file: str = setting("", path="config", title="私钥 Its key, PEM", example="tls/console.key")
    client_ca_file: str = setting(
        "",
        path="config",
        title="客户端证书的签发者 Issuers of client certificates, PEM",
        example="tls/devices.pem",
    )
    redirect_listen: str = setting(
        "", title="把 HTTP 引到 HTTPS 的地址 Address that leads HTTP to HTTPS", example="[::]:80"
    )
    requests_per_s: float = setting(
        1000.0,
        title="每个登录者的请求速率，0 不限 Requests of one caller, 0 for any",
        unit="/s",
        low=0,
    )
    anonymous_per_s: float = setting(
        20.0, title="每个未登录地址的请求速率 Requests of an address that has not signed in",
        unit="/s", low=0.1,
    )  # fmt: skip
    at_once: int = setting(64, title="同时处理的请求 Requests of one caller at once", low=1)
    sockets: int = setting(
        64, title="同时打开的通道 Live channels and pages of one caller at once", low=2
    )
    body_kb: int = setting(4096, title="请求体上限 Largest body of a request", unit="kB", low=16)
    plain_http_beyond_this_machine_can_be_read_by_everyone: bool = setting(
        False, title="不加密也对外监听，不安全 Listen beyond this machine without TLS, insecure"
    )

    def __post_init__(self) -> None:
        address(self.listen)
        if self.redirect_listen:
            address(self.redirect_listen)
        if self.key_file and not self.certificate_file:
            raise ConfigError("key_file needs certificate_file", hint="give both, or none")


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
    writes_as: str = setting(
        "", title="未登录客户端的写入算谁的：device:名称 或账户，空为拒绝 Whose the writes of clients are that "
        "cannot sign in: device:name or an account; empty: they are refused",
        example="device:panel-3",
    )  # fmt: skip
    write_from: tuple[str, ...] = setting(
        (), title="这类写入允许的来源地址或网段 Addresses and networks such writes may come from",
        example=["fd00:1::7"],
    )  # fmt: skip
    write_tags: tuple[str, ...] = setting(
        (), title="允许外来写入的位号名模式 Patterns of names of tags that clients may write",
        example=["jinan/foundry/pump-1/*"],
    )  # fmt: skip

    def __post_init__(self) -> None:
        self.gate()

    def gate(self) -> Gate:
        """Raises ConfigError."""
        return Gate(
            writes_as=self.writes_as, write_from=self.write_from, write_tags=self.write_tags
        )


@dataclass(frozen=True, kw_only=True)
class AppsSettings:
    off: tuple[str, ...] = setting((), title="停用的应用 Apps that are switched off")
    may_write: tuple[str, ...] = setting(
        (), title="可以写设备的应用 Apps that may write to the plant"
    )
    trusted: tuple[str, ...] = setting(
        (),
        title="不隔离、在平台进程内运行的第三方应用（记入审计） Third-party apps whose code runs inside the hub, "
        "unconfined: names of entry points, or of files without .py; audited",
    )
    memory_mb: int = setting(
        256, title="第三方应用内存 Memory of a third-party app", unit="MB", low=32
    )
    call_s: float = setting(
        2.0,
        title="第三方应用一次调用时限 Longest call of a third-party app; then it is ended",
        unit="s", low=0.05, high=60,
    )  # fmt: skip
    scratch_mb: int = setting(
        16, title="第三方应用临时空间 Scratch space of a third-party app", unit="MB", low=0
    )
    run_third_party_apps_without_confinement_insecure: bool = setting(
        False,
        title="不安全：无法隔离时仍运行第三方应用 Insecure: run third-party apps where this machine cannot "
        "confine them",
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
    "people": PeopleSettings,
    "fabric": FabricSettings,
    "edge": EdgeSettings,
    "jobs": JobSettings,
    "apps": AppsSettings,
    "trust": TrustSettings,
    "secrets": SecretsSettings,
    "backup": BackupSettings,
    "devices": DevicesSettings,
    "audit": AuditSettings,
    "policy": PolicySettings,
    "writes": WriteSettings,
}


@dataclass(frozen=True, kw_only=True)
class Basics:
    """One object of each section."""

    node: NodeSettings = field(default_factory=NodeSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    records: RecordsSettings = field(default_factory=RecordsSettings)
    people: PeopleSettings = field(default_factory=PeopleSettings)
    fabric: FabricSettings = field(default_factory=FabricSettings)
    edge: EdgeSettings = field(default_factory=EdgeSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    apps: AppsSettings = field(default_factory=AppsSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)
    secrets: SecretsSettings = field(default_factory=SecretsSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    devices: DevicesSettings = field(default_factory=DevicesSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    writes: WriteSettings = field(default_factory=WriteSettings)

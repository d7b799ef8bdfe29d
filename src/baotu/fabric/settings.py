"""How a node reaches the others, and what its edge may keep while it cannot."""

from __future__ import annotations

from dataclasses import dataclass

from baotu.sdk.settings import setting


@dataclass(frozen=True, kw_only=True)
class FabricSettings:
    """The `[fabric]` table of the configuration file."""

    hub: str = setting("hub", title="中心节点的名称 Name of the hub")
    listen: list[str] = setting(
        [], title="监听端点 Endpoints to listen on", example=["tcp/[::1]:7447"]
    )
    connect: list[str] = setting(
        [], title="连接端点 Endpoints to connect to", example=["tls/hub.example.com:7447"]
    )
    scouting: bool = setting(False, title="用组播发现其他节点 Find other nodes by multicast")
    ca_file: str = setting(
        "", path="config", title="TLS 根证书文件 File of the trusted root certificates"
    )
    certificate_file: str = setting(
        "", path="config", title="TLS 本节点证书文件 File of this node's certificate"
    )
    key_file: str = setting(
        "", path="config", secret=True, title="TLS 私钥文件 File of its private key"
    )
    let_anyone_link_without_encryption: bool = setting(
        False,
        title="不安全:允许无加密、无认证的远程连接 INSECURE: links beyond this machine without encryption "
        "or authentication",
    )
    log_mb: int = setting(
        4096, title="断网缓存上限 Most disk for samples the hub has not yet", unit="MBy", low=8
    )
    segment_mb: int = setting(
        8, title="缓存分段大小 Size of a log segment", unit="MBy", low=1, high=1024
    )
    when_full: str = setting(
        "drop_oldest", title="缓存满时 When the log is full", choices=("drop_oldest", "refuse")
    )
    flush_ms: int = setting(
        20, title="落盘周期 Pause between two fsyncs", unit="ms", low=1, high=50
    )
    short_frames: int = setting(
        200, title="积压多少帧以内按序补传 Backlog up to which all is sent in order", low=1
    )

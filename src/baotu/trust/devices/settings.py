"""The section `[devices]` of a node's configuration."""

from __future__ import annotations

from dataclasses import dataclass

from baotu.sdk import setting


@dataclass(frozen=True, kw_only=True)
class TrustSettings:
    """Nothing listens before `baotu ca init`."""

    est_listen: str = setting(
        "[::1]:8443", title="设备注册（EST）监听地址，空为关 Address of enrolment (EST), empty: off"
    )
    status_listen: str = setting(
        "[::1]:8082",
        title="吊销状态（CRL、OCSP）监听地址，空为关 Address of revocation status (CRL, OCSP), empty: off",
    )
    names: tuple[str, ...] = setting(
        ("::1",),
        title="本节点的名称与地址，写进它的证书 Names and addresses of this node, put into its certificate",
    )
    status_url: str = setting(
        "",
        title="写进证书的吊销状态地址 Address of revocation status that is put into certificates",
        example="http://[2001:db8::5]:8082",
    )
    lifetime_h: float = setting(
        168.0, title="设备证书有效期 How long certificates are good", unit="h", low=0.01, high=87600
    )
    retry_s: int = setting(
        300,
        title="待接纳设备多久后再问 When a waiting device asks again",
        unit="s",
        low=1,
        high=86400,
    )
    refusals_min: int = setting(
        60,
        title="每个来源（IPv6 /64）每分钟允许的拒绝次数 Refusals a minute that one source (IPv6 /64) may cause",
        low=1, high=1_000_000,
    )  # fmt: skip

"""What a configuration file may say about an OPC UA client and an OPC UA server."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from baotu.sdk import ConfigError, setting

PORT = 4840  # registered by IANA for opc.tcp
POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
SECURITY = ("auto", "sign_and_encrypt", "sign", "none")


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """An OPC UA server to read from. security "auto": signed and encrypted, open on loopback."""

    endpoint: str = setting("opc.tcp://[::1]:4840", title="服务器地址 Address of the server")
    security: str = setting("auto", title="通信保护 Protection of messages", choices=SECURITY)
    policy: str = setting("Basic256Sha256", title="安全策略 Security policy", choices=POLICIES)
    pki: str = setting(
        "pki/opcua",
        path="data",
        title="证书目录(own、trusted、rejected) Certificate folder: own, trusted, rejected",
    )
    application_uri: str = setting(
        "urn:baotu:opcua", title="应用 URI，写入证书 Application URI, as in the certificate"
    )
    user: str = setting("", title="用户名，空为匿名 User name, empty: anonymous")
    password: str = setting("", title="密码 Password", secret=True)
    accept_any_server_certificate_insecure: bool = setting(
        False, title="接受任何服务器证书(不安全) Trust any server certificate: insecure"
    )
    allow_open_connection_insecure: bool = setting(
        False,
        title="允许离开本机的明文连接(不安全) Allow an open connection off this host: insecure",
    )
    timeout_s: float = setting(
        5.0, title="请求超时 Time-out of a request", unit="s", low=0.1, high=60
    )
    keepalive_s: float = setting(
        5.0, title="心跳间隔 Interval of signs of life", unit="s", low=0.2, high=300
    )
    publish_s: float = setting(
        0.0,
        title="发布周期，0 与采样相同 Publishing interval, 0: as sampled",
        unit="s",
        low=0,
        high=60,
    )
    queue: int = setting(
        10, title="服务器队列长度 Queue of an item in the server", low=1, high=100_000
    )
    trigger: str = setting(
        "value", title="上报条件 What is reported", choices=("status", "value", "timestamp")
    )
    deadband: str = setting(
        "none", title="服务器死区 Deadband in the server", choices=("none", "absolute", "percent")
    )
    deadband_percent: float = setting(
        1.0, title="百分比死区 Deadband in percent of EURange", unit="%", low=0, high=100
    )
    batch: int = setting(
        500, title="每次请求的项数 Items or nodes in one request", low=1, high=10_000
    )
    history: bool = setting(
        True, title="断线后读服务器历史补数 Fill gaps from the server's history"
    )
    history_limit_h: float = setting(
        72.0, title="补数最长时段 Longest gap that is filled", unit="h", low=0, high=8760
    )
    discover: str = setting("", title="自动发现的子树 Subtree whose variables become tags")
    discover_limit: int = setting(
        200_000, title="自动发现的变量上限 Most variables discovered", low=1, high=2_000_000
    )

    def __post_init__(self) -> None:
        host(self.endpoint)
        if self.security == "none" and not (
            self.allow_open_connection_insecure or is_loopback(self.endpoint)
        ):
            raise ConfigError(
                f'security = "none" would send everything readable to {self.endpoint}',
                "security",
                'use "sign_and_encrypt", or set allow_open_connection_insecure = true',
            )
        if self.password and not self.user:
            raise ConfigError("a password without a user name", "user", "set user, too")

    @property
    def mode(self) -> str:
        """none | sign | sign_and_encrypt."""
        if self.security != "auto":
            return self.security
        return "none" if is_loopback(self.endpoint) else "sign_and_encrypt"


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Offers the tag tree. On loopback open connections are served, elsewhere only protected."""

    endpoint: str = setting("opc.tcp://[::1]:4840", title="监听地址 Address to listen on")
    name: str = setting("Baotu 趵突", title="服务器名称 Name of the server")
    namespace: str = setting("urn:baotu:tags", title="命名空间 Namespace of the tags")
    pki: str = setting(
        "pki/opcua-server",
        path="data",
        title="证书目录(own、trusted、rejected) Certificate folder: own, trusted, rejected",
    )
    application_uri: str = setting(
        "urn:baotu:opcua:server", title="应用 URI，写入证书 Application URI, as in the certificate"
    )
    user: str = setting("", title="用户名，空为匿名 User name, empty: anonymous")
    password: str = setting("", title="密码 Password", secret=True)
    users: str = setting(
        "one", title="谁可以登录：上面的用户，平台账户(或 API 令牌)，或受信任的客户端证书 Who signs in: the user "
        "above, accounts of the platform (or API tokens), or trusted client certificates",
        choices=("one", "accounts", "certificates"),
    )  # fmt: skip
    accept_any_client_certificate_insecure: bool = setting(
        False, title="接受任何客户端证书(不安全) Trust any client certificate: insecure"
    )
    allow_open_connection_insecure: bool = setting(
        False, title="允许离开本机的明文连接(不安全) Allow open connections off this host: insecure"
    )
    sessions: int = setting(50, title="最多会话数 Most sessions", low=1, high=1000)

    def __post_init__(self) -> None:
        host(self.endpoint)
        if bool(self.user) != bool(self.password):
            raise ConfigError("user and password belong together", "user", "set both or none")
        if self.user and self.users != "one":
            raise ConfigError(
                f"user does not go with users = {self.users!r}", "user", "leave it out, or users"
            )

    @property
    def open(self) -> bool:
        """Whether connections without protection are served."""
        return self.allow_open_connection_insecure or is_loopback(self.endpoint)


def host(endpoint: str) -> tuple[str, int]:
    """(host without brackets, port) of an endpoint. Raises ConfigError for what is none."""
    try:
        url = urlsplit(endpoint)
        name, port = url.hostname, url.port
    except ValueError as error:
        raise _wrong(endpoint) from error
    if url.scheme != "opc.tcp" or not name or url.username is not None:
        raise _wrong(endpoint)
    return name, PORT if port is None else port


def _wrong(endpoint: str) -> ConfigError:
    return ConfigError(
        f"{endpoint!r} is not an OPC UA address",
        "endpoint",
        "write opc.tcp://name:4840 or opc.tcp://[fd00::7]:4840/path",
    )


def is_loopback(endpoint: str) -> bool:
    """True only for an address literal of this host: a name may lead anywhere tomorrow."""
    try:
        return ip_address(host(endpoint)[0]).is_loopback
    except ValueError:
        return False

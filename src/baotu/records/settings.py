"""Where the owner of a plant wants its records: in the embedded file, or on a PostgreSQL server."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from baotu.sdk.errors import ConfigError
from baotu.sdk.settings import setting

SCHEMES = ("postgresql", "postgres")
ADVICE = 'write url = "postgresql://user@[::1]:5432/database"'


@dataclass(frozen=True, kw_only=True)
class RecordsSettings:
    """The `[records]` table of the configuration file."""

    url: str = setting(
        "",
        title="PostgreSQL 地址，空则用内置的 SQLite 文件 "
        "Address of a PostgreSQL database, empty for the embedded SQLite file",
    )
    password: str = setting(
        "", secret=True, title="密码，优先于下面两项 Password, goes before the next two"
    )
    password_env: str = setting(
        "BAOTU_RECORDS_PASSWORD",
        title="存放密码的环境变量 Environment variable that holds the password",
    )
    password_file: str = setting(
        "",
        path="config",
        title="存放密码的文件，优先于环境变量 File with the password, goes before",
    )
    readers: int = setting(4, title="读连接数 Connections for reading", low=1, high=64)
    connect_s: float = setting(
        5.0, title="等待数据库连接的时间 How long a connection is waited for", unit="s",
        low=1, high=60,
    )  # fmt: skip
    wait_s: float = setting(
        30.0, title="等待其他节点写完的时间 How long the turn to write is waited for", unit="s",
        low=1, high=600,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """The words never repeat the address: it may hold a password."""
        if not self.url:
            return
        try:
            parts = urlsplit(self.url)
            secret = parts.password is not None or "password" in parse_qs(parts.query)
            _ = parts.port
        except ValueError as wrong:
            raise ConfigError(f"url is no address ({type(wrong).__name__})", hint=ADVICE) from None
        if parts.scheme not in SCHEMES or not parts.path.strip("/"):
            raise ConfigError("url names no PostgreSQL database", hint=ADVICE)
        if secret:
            raise ConfigError(
                "url holds a password, and everyone may read a configuration",
                hint='take it out; keep it by `baotu secret set records`, then write password = "secret:records"',
            )

    def revealed(self) -> str:
        """The password: as set, from the file, else from the environment; empty when neither has one (a socket, a
        certificate, ~/.pgpass). Raises ConfigError naming the file that cannot be read."""
        if self.password:
            return self.password
        if self.password_file:
            try:
                return Path(self.password_file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as wrong:
                raise ConfigError(
                    f"the password cannot be read ({type(wrong).__name__})",
                    self.password_file,
                    "write it into this file and let only this user read it: chmod 600",
                ) from None
        return os.environ.get(self.password_env, "")


def plainly(url: str) -> str:
    """The address as it may be shown: without what could be a password."""
    text = re.sub(r":[^:@/]*@", ":…@", url)
    return re.sub(r"(password=)[^&]*", r"\1…", text)

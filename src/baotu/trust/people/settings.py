"""The table `[people]` of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from baotu.sdk.errors import ConfigError
from baotu.sdk.settings import setting
from baotu.sdk.trust import ROLES


@dataclass(frozen=True, kw_only=True)
class PeopleSettings:
    session_h: float = setting(
        12.0, title="会话最长时间，之后须重新登录 A session ends after this, whatever happens",
        unit="h", low=0.1, high=24 * 30,
    )  # fmt: skip
    idle_min: float = setting(
        60.0, title="无操作多久后会话结束 A session ends when nobody touches it for this long",
        unit="min", low=1, high=24 * 60,
    )  # fmt: skip
    second_factor: tuple[str, ...] = setting(
        ("system_admin", "security_admin", "audit_admin"),
        title="须有第二因素才生效的角色 Roles that work only with a second factor",
    )
    password_days: float = setting(
        0.0, title="口令有效期，0 为不过期 A password expires after this, 0 for never",
        unit="d", low=0, high=3650,
    )  # fmt: skip
    password_history: int = setting(
        5, title="不得重用的旧口令数 Former passwords that are not taken again", low=0, high=24
    )
    link_h: float = setting(
        72.0, title="一次性链接有效期 A one-time link is good for", unit="h", low=0.1, high=24 * 30
    )
    hash_mb: int = setting(
        19, title="一次口令散列的内存 (argon2id m) Memory of hashing one password (argon2id m)",
        unit="MB", low=19, high=1024,
    )  # fmt: skip
    hash_rounds: int = setting(
        3,
        title="口令散列轮数 (argon2id t) Rounds of hashing a password (argon2id t)",
        low=2,
        high=32,
    )
    key: Path | None = setting(
        None,
        title="封存动态口令种子的密钥文件，空则在数据文件夹里；多节点共用 PostgreSQL 时须是同一份 "
        "File of the key that seals authenticator seeds, empty: in the data folder; the same one "
        "on all nodes of one PostgreSQL",
        example="/etc/baotu/people.key",
    )

    def __post_init__(self) -> None:
        if unknown := set(self.second_factor) - ROLES.keys():
            raise ConfigError(
                f"{sorted(unknown)[0]!r} is no role", "second_factor", f"one of {', '.join(ROLES)}"
            )

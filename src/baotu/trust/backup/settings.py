"""What a configuration file may say about backups: where to, how often, how many are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

from baotu.sdk.errors import ConfigError
from baotu.sdk.settings import setting

RULE = re.compile(r"(\d{1,4})\s*([dwmy])")
ADVICE = 'write keep = "7d 4w 12m": days, weeks, months (d, w, m, y)'


@dataclass(frozen=True, kw_only=True)
class BackupSettings:
    """The `[backup]` table of the configuration file."""

    to: str = setting(
        "",
        path="config",
        title="备份库文件夹，空为不备份；宜在另一块磁盘 Folder of the backups, empty for none; best on another disk",
    )
    every: float = setting(
        86_400.0, title='周期，如 "24 h" Period, like "24 h"', unit="s", low=60, high=31 * 86_400
    )
    keep: str = setting(
        "7d 4w 12m",
        title="保留最近的日、周、月备份 Newest of how many days, weeks, months are kept",
    )
    check: float = setting(
        7 * 86_400.0,
        title="全库校验周期 Period of a check of everything in the store",
        unit="s", low=3600, high=366 * 86_400,
    )  # fmt: skip
    passphrase: str = setting(
        "",
        secret=True,
        title="恢复口令，给出则定期自动试恢复 Recovery passphrase; when given, restoring is tried by itself",
    )

    def __post_init__(self) -> None:
        rules(self.keep)


def rules(keep: str) -> dict[str, int]:
    """`7d 4w` is {"d": 7, "w": 4}. Raises ConfigError."""
    words = re.findall(r"\S+(?:\s+[dwmy]\b)?", keep)
    found = {m[2]: int(m[1]) for word in words if (m := RULE.fullmatch(word.strip()))}
    if not found or len(found) != len(words) or not all(found.values()):
        raise ConfigError(f"keep = {keep!r} is no rule", hint=ADVICE)
    return found

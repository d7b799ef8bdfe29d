"""The `[audit]` table of the configuration file."""

from __future__ import annotations

from dataclasses import dataclass

from baotu.sdk.settings import setting


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    keep_days: float = setting(
        0.0,
        title="已封存、已验证、已备份的审计行在数据库中保留的天数，0 为一直保留；日志永远保留 "
        "How long rows of the audit stay in the database once they are sealed, verified and backed "
        "up, 0 for ever; the log keeps them in any case",
        unit="d", low=0,
    )  # fmt: skip
